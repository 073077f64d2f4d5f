//! Policies and the lists they are made of; what sessions accept and announce by them.
//!
//! `resolve` makes [`policy::PolicySet`] of what is written and `chain` what a session accepts and announces; `order` says
//! which lines and rules can never matter.

mod chain;
mod order;
mod resolve;

use schema::Many;

use document::field::{Leaf, OneOf};
use document::source::At;

pub(crate) use chain::{Exchange, exchange};
pub(crate) use resolve::{Sections, resolve};

pub use resolve::PoliciesDraft;

/// All values that were written and could be read; `None` if nothing was written.
fn all<T>(many: Many<T>) -> Option<Vec<At<T>>> {
    let At { value, span } = many.at()?;
    Some(match value {
        OneOf::Short(word) => vec![At::new(word.0, span)],
        OneOf::Long(list) => list.into_iter().filter_map(Leaf::scalar).collect(),
    })
}
