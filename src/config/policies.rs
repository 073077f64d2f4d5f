//! Policies as written: `prefix-lists`, `as-path-lists`, `community-lists`, `policies`, and what sessions refer to.
//!
//! `section` is their shape, `word` how single values are written, `resolve` makes [`policy::PolicySet`] of them and
//! `chain` what a session accepts and announces. `lint` says what can never matter and what nobody uses.

mod chain;
mod lint;
mod resolve;
mod section;
mod word;

pub(crate) use chain::{Exchange, exchange};
pub(crate) use lint::{missing, unused};
pub(crate) use resolve::{PoliciesDraft, resolve};
pub(crate) use section::{ChainField, PoliciesSections, PolicySection};
