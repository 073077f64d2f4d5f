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
//! Our order of preference decides, not the peer's. An additional key exchange that is optional is offered beside
//! "none" (RFC 9370 2.2.1); where all are, a second proposal has no trace of them, for peers that do not know of any.

mod esp;
mod ike;

pub use esp::{ChildExchange, ChosenEsp, accepted_esp, esp_proposals, select_esp};
pub use ike::{ChosenIke, accepted_ike, ike_proposals, select_ike};

use crypto::{AdditionalKeyExchange, AdditionalKeyExchanges, MAX_ADDITIONAL};

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
        Self { ours: join(ours), theirs: brief(join(theirs)) }
    }
}

/// The most that is told of what anyone may have sent, in characters.
const MAX_TOLD: usize = 1000;

/// A list from the network for logs and tables, which it must not be able to fill.
fn brief(list: String) -> String {
    match list.char_indices().nth(MAX_TOLD) {
        Some((end, _)) => format!("{} ... and more", &list[..end]),
        None => list,
    }
}

/// A role to be filled.
struct Wanted {
    kind: TransformType,
    /// Any of these, best first.
    transforms: Vec<Transform>,
    /// One of them says "none" or the like, and a proposal without the role says the same.
    implied: bool,
}

impl Wanted {
    fn explicit(transform: Transform) -> Self {
        Self { kind: transform.kind, transforms: vec![transform], implied: false }
    }

    fn or_absent(transform: Transform) -> Self {
        Self { kind: transform.kind, transforms: vec![transform], implied: true }
    }

    /// What we write: "none" is left unsaid where it is all there is to say.
    fn said(self) -> Vec<Transform> {
        if self.implied && self.transforms.len() == 1 { Vec::new() } else { self.transforms }
    }
}

/// The additional key exchanges of a suite; `able` if both ends can make them.
fn additional(exchanges: &AdditionalKeyExchanges, able: bool) -> Vec<Wanted> {
    let wanted = |place| {
        let none = Transform::additional(place, None);
        match exchanges.get(place) {
            None => Wanted::or_absent(none),
            Some(AdditionalKeyExchange { group, optional }) => {
                let mut transforms = Vec::new();
                if able {
                    transforms.push(Transform::additional(place, Some(group)));
                }
                if optional {
                    transforms.push(none);
                }
                Wanted { kind: TransformType::additional(place), transforms, implied: optional }
            }
        }
    };
    (0..MAX_ADDITIONAL).map(wanted).collect()
}

/// The additional key exchanges among what was chosen.
fn chosen_additional(transforms: &[Transform]) -> AdditionalKeyExchanges {
    let mut chosen = AdditionalKeyExchanges::NONE;
    for (place, group) in transforms.iter().filter_map(Transform::additional_key_exchange) {
        chosen.set(place, AdditionalKeyExchange { group, optional: false });
    }
    chosen
}

/// The transforms that `proposal` has of what is wanted; `None` if it does not agree.
fn agree(wanted: &[Wanted], proposal: &Proposal) -> Option<Vec<Transform>> {
    // RFC 7296 3.3.6: a proposal with a transform type that is not understood, or without one that is
    // mandatory, is unacceptable; a transform with an attribute that is not understood is as if not there.
    let has_role = |kind| wanted.iter().any(|wanted| wanted.kind == kind);
    if proposal.transforms.iter().any(|transform| !has_role(transform.kind)) {
        return None;
    }
    let mut chosen = Vec::with_capacity(wanted.len());
    for Wanted { kind, transforms, implied } in wanted {
        if proposal.of_kind(*kind).next().is_none() {
            if !implied {
                return None;
            }
        } else {
            chosen.push(transforms.iter().find(|transform| proposal.transforms.contains(transform))?.clone());
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
