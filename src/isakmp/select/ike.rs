//! Proposals for IKE SAs.

use crypto::{AdditionalKeyExchanges, IkeProposal};
use wire::ipsec::IkeSpi;

use super::{NoProposalChosen, Wanted, additional, agree, chosen_additional, number, single};
use crate::{IntegrityId, Proposal, ProtocolId, Transform, TransformType};

/// A suite both ends accept for an IKE SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenIke {
    /// The suite.
    pub proposal: IkeProposal,
    /// The number of the initiator's proposal.
    pub number: u8,
    /// The peer's SPI for the new SA; only in the rekey of an IKE SA.
    pub spi: Option<IkeSpi>,
    transforms: Vec<Transform>,
}

/// Our offer. `spi` is our name for the new SA in the rekey of an IKE SA, and absent in the first exchange.
#[must_use]
pub fn ike_proposals(ours: &[IkeProposal], spi: Option<IkeSpi>) -> Vec<Proposal> {
    offers(ours)
        .iter()
        .enumerate()
        .map_while(|(index, suite)| {
            let transforms = wanted(suite, true).into_iter().flat_map(Wanted::said).collect();
            Some(Proposal { number: number(index)?, protocol: ProtocolId::IKE, spi: octets(spi), transforms })
        })
        .collect()
}

/// The first of our suites that the initiator offers. `additional` says whether the initiator can make additional
/// key exchanges: in the first exchange, whether it has said that it knows `IKE_INTERMEDIATE`.
///
/// # Errors
/// [`NoProposalChosen`] if it offers none.
pub fn select_ike(ours: &[IkeProposal], theirs: &[Proposal], additional: bool) -> Result<ChosenIke, NoProposalChosen> {
    ours.iter()
        .find_map(|suite| theirs.iter().find_map(|proposal| choose(suite, proposal, additional)))
        .ok_or_else(|| NoProposalChosen::new(ours, theirs))
}

/// Checks that a responder's answer is one of our proposals.
///
/// # Errors
/// [`NoProposalChosen`] if it is not.
pub fn accepted_ike(ours: &[IkeProposal], answer: &[Proposal]) -> Result<ChosenIke, NoProposalChosen> {
    let offers = offers(ours);
    single(answer)
        .and_then(|proposal| choose(offers.get(usize::from(proposal.number).checked_sub(1)?)?, proposal, true))
        .ok_or_else(|| NoProposalChosen::new(ours, answer))
}

/// What we propose, best first.
fn offers(ours: &[IkeProposal]) -> Vec<IkeProposal> {
    let mut offers = Vec::with_capacity(ours.len());
    for suite in ours {
        let plain = IkeProposal { additional: AdditionalKeyExchanges::NONE, ..*suite };
        for offer in [Some(*suite), suite.additional.is_optional().then_some(plain)].into_iter().flatten() {
            if !offers.contains(&offer) {
                offers.push(offer);
            }
        }
    }
    offers
}

impl ChosenIke {
    /// The responder's answer. `spi` is our name for the new SA in the rekey of an IKE SA.
    #[must_use]
    pub fn answer(&self, spi: Option<IkeSpi>) -> Proposal {
        let transforms = self.transforms.clone();
        Proposal { number: self.number, protocol: ProtocolId::IKE, spi: octets(spi), transforms }
    }
}

fn choose(suite: &IkeProposal, proposal: &Proposal, able: bool) -> Option<ChosenIke> {
    if proposal.protocol != ProtocolId::IKE {
        return None;
    }
    // RFC 7296 3.3.1: no SPI in the first exchange, eight octets in a rekey; which one it is, the caller sees.
    let spi = proposal.ike_spi();
    if spi.is_none() && !proposal.spi.is_empty() {
        return None;
    }
    let transforms = agree(&wanted(suite, able), proposal)?;
    let suite = IkeProposal { additional: chosen_additional(&transforms), ..*suite };
    Some(ChosenIke { proposal: suite, number: proposal.number, spi, transforms })
}

fn wanted(suite: &IkeProposal, able: bool) -> Vec<Wanted> {
    let first = [
        Wanted::explicit(suite.encryption.into()),
        Wanted::explicit(suite.prf.into()),
        integrity(suite.integrity),
        Wanted::explicit(suite.group.into()),
    ];
    first.into_iter().chain(additional(&suite.additional, able)).collect()
}

/// RFC 5282 8, RFC 7296 3.3: with an AEAD, integrity is absent or NONE.
pub(super) fn integrity(integrity: Option<wire::ipsec::Integrity>) -> Wanted {
    match integrity {
        Some(integrity) => Wanted::explicit(integrity.into()),
        None => Wanted::or_absent(Transform::new(TransformType::INTEGRITY, IntegrityId::NONE.0)),
    }
}

fn octets(spi: Option<IkeSpi>) -> Vec<u8> {
    spi.map_or_else(Vec::new, |spi| spi.to_be_bytes().to_vec())
}
