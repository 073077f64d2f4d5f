//! Collections for millions of small things: what routing tables keep and look up for each prefix of each peer.
//!
//! | collection | what it is for | what it costs |
//! |---|---|---|
//! | [`IdSet`] | which of all numbers are meant | a bit for each |
//! | [`Paged`] | a value for some numbers, few or nearly all | a place for each number in pages that have any |
//! | [`Interner`] | equal values once | the value, its hash and a pointer |
//!
//! [`HashKey`] hashes in a few cycles, and not as a peer could foresee. What is called for each prefix can be inlined into
//! the rooms that use it.

mod id_set;
mod intern;
mod paged;

pub use id_set::IdSet;
pub use intern::{Fold, HashKey, Interner};
pub use paged::Paged;
