//! Choosing what protects an SA (RFC 7296 2.7, 3.3).
//!
//! A configured proposal is exactly one suite, so each of ours becomes a list of wanted transforms, one per
//! role. A proposal of the peer's agrees with it if it has every one of them and no role beside them:
//!
//! ```text
//!              offer: ike_proposals, esp_proposals
//!  initiator --------------------------------------> responder: select_ike, select_esp
//!            <--------------------------------------
//!  accepted_ike, accepted_esp        answer: ChosenIke::answer, ChosenEsp::answer
//! ```
//!
//! Our order of preference decides, not the peer's.

mod esp;
mod ike;

pub use esp::{ChildExchange, ChosenEsp, accepted_esp, esp_proposals, select_esp};
pub use ike::{ChosenIke, accepted_ike, ike_proposals, select_ike};

use super::code_points::TransformType;
use super::proposal::{Proposal, Transform};

/// Nothing is acceptable to both ends; what each would take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no proposal in common: ours {ours}; the peer's {theirs}")]
pub struct NoProposalChosen {
    /// Our proposals, separated by commas.
    pub ours: String,
    /// The peer's, as far as they can be named, separated by commas.
    pub theirs: String,
}

impl NoProposalChosen {
    fn new<'a, T: ToString + 'a>(ours: impl IntoIterator<Item = &'a T>, theirs: &[Proposal]) -> Self {
        Self { ours: join(ours), theirs: join(theirs) }
    }
}

/// A role to be filled.
struct Wanted {
    transform: Transform,
    /// The transform says "none" or the like, and a proposal without the role says the same.
    implied: bool,
}

impl Wanted {
    const fn explicit(transform: Transform) -> Self {
        Self { transform, implied: false }
    }

    const fn or_absent(transform: Transform) -> Self {
        Self { transform, implied: true }
    }
}

/// The transforms that `proposal` has of what is wanted; `None` if it does not agree.
fn agree(wanted: &[Wanted], proposal: &Proposal) -> Option<Vec<Transform>> {
    // RFC 7296 3.3.6: a proposal with a transform type that is not understood, or without one that is
    // mandatory, is unacceptable; a transform with an attribute that is not understood is as if not there.
    let has_role = |kind| wanted.iter().any(|wanted| wanted.transform.kind == kind);
    if proposal.transforms.iter().any(|transform| !has_role(transform.kind)) {
        return None;
    }
    let mut chosen = Vec::with_capacity(wanted.len());
    for Wanted { transform, implied } in wanted {
        if proposal.of_kind(transform.kind).next().is_none() {
            if !implied {
                return None;
            }
        } else if proposal.transforms.contains(transform) {
            chosen.push(transform.clone());
        } else {
            return None;
        }
    }
    Some(chosen)
}

/// The one proposal of an answer, if it is the only one and has each role once.
fn single(answer: &[Proposal]) -> Option<&Proposal> {
    // RFC 7296 2.7, 3.3: the answer is one proposal with exactly one transform of each type.
    let [proposal] = answer else { return None };
    let mut kinds: Vec<TransformType> = proposal.transforms.iter().map(|transform| transform.kind).collect();
    kinds.sort_unstable();
    kinds.is_sorted_by(|a, b| a < b).then_some(proposal)
}

/// The number of the `index`th of our proposals.
fn number(index: usize) -> Option<u8> {
    u8::try_from(index + 1).ok()
}

fn join<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let texts: Vec<String> = items.into_iter().map(ToString::to_string).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}
