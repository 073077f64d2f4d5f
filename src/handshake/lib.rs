//! How two strangers become an IKEv2 SA (RFC 7296 1.2, 2.6, 2.15): all that happens before both ends have proven who they
//! are. What is in here anyone may reach, so that what it costs is bounded, and nothing of it touches an IKE SA.
//!
//! ```text
//!  initiator: Attempt                                     responder: HalfOpen, one of a HalfOpenTable
//!  begin   -------- IKE_SA_INIT --------------->  admit: cookie? -> answer_sa_init, no DH computation yet
//!  handle  <------- IKE_SA_INIT | cookie, group
//!          -------- IKE_INTERMEDIATE * -------->  open (the DH computation), answer_intermediate
//!          -------- IKE_AUTH ------------------>  open, verify -> prove
//!  AuthAnswer: Opening, or why not                        Opening, or refuse
//! ```
//!
//! * An [`Opening`] is what both ends have settled when that is over; the room `ike` makes an IKE SA of it, and all that
//!   follows is there.
//! * What every protected message needs is here because the first ones need it: [`Protection`] seals and opens,
//!   [`Contents`] says what is in it, a [`Refusal`] what to answer to it.
//! * So are the [`Terms`] of a CHILD SA, which `IKE_AUTH` and `CREATE_CHILD_SA` settle in the same way.
//! * What strangers may cost: places in the [`HalfOpenTable`], [`Rates`] and [`Strangers`] by source, a [`Bucket`] for all
//!   that is answered without proof.

mod admission;
mod attempt;
mod auth;
mod bucket;
mod certificates;
mod contents;
mod half_open;
mod init;
mod intermediate;
mod nat;
mod opening;
mod ppk;
mod proof;
mod protect;
mod refusal;
mod sources;
mod terms;
#[cfg(test)]
mod tests;

pub use admission::{Admission, HalfOpenTable, MAX_REQUEST};
pub use attempt::{Attempt, AuthAnswer, Disproven, Progress, Proven, Wish};
pub use auth::{is_meant, names_ppk};
pub use bucket::Bucket;
pub use contents::{Contents, Duplicate};
pub use half_open::HalfOpen;
pub use init::{Candidate, InitRefusal, answer_sa_init};
pub use intermediate::key_payload;
pub use opening::{FirstExchange, Opening};
pub use protect::{Incoming, Protection, Rejected, header};
pub use refusal::{Refusal, no_proposal, protocol};
pub use sources::{Rates, Stranger, Strangers};
pub use terms::{Terms, judge_answer, judge_offer, refused_child};
