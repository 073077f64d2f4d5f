//! Proposals for CHILD SAs.

use std::fmt;

use crypto::{AdditionalKeyExchanges, EspProposal, Group, GroupId, Pfs};
use wire::ipsec::{EspSuite, Spi};

use super::ike::integrity;
use super::{NoProposalChosen, Wanted, additional, agree, chosen_additional, number, single};
use crate::{Proposal, ProtocolId, Transform, TransformType};

/// Which exchange makes the CHILD SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildExchange {
    /// IKE_AUTH: its keys come from the IKE SA's own Diffie-Hellman exchange, no group is negotiated.
    Auth,
    /// CREATE_CHILD_SA.
    Create,
}

/// A suite both ends accept for a CHILD SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenEsp {
    /// The suite.
    pub suite: EspSuite,
    /// The group of the additional Diffie-Hellman exchange.
    pub group: Option<Group>,
    /// The key exchanges after that one.
    pub additional: AdditionalKeyExchanges,
    /// The SPI under which the peer receives.
    pub spi: Spi,
    /// The number of the initiator's proposal.
    pub number: u8,
    transforms: Vec<Transform>,
}

/// Our offer; we receive on `spi`. In [`ChildExchange::Create`], a preferred group is two proposals: with the
/// group, and without any.
#[must_use]
pub fn esp_proposals(ours: &[EspProposal], spi: Spi, exchange: ChildExchange) -> Vec<Proposal> {
    let spi = spi.0.to_be_bytes().to_vec();
    offers(ours, exchange)
        .iter()
        .enumerate()
        .map_while(|(index, offer)| {
            let transforms = offer.transforms();
            Some(Proposal { number: number(index)?, protocol: ProtocolId::ESP, spi: spi.clone(), transforms })
        })
        .collect()
}

/// The first of our suites that the initiator offers.
///
/// # Errors
/// [`NoProposalChosen`] if it offers none.
pub fn select_esp(
    ours: &[EspProposal],
    theirs: &[Proposal],
    exchange: ChildExchange,
) -> Result<ChosenEsp, NoProposalChosen> {
    let offers = offers(ours, exchange);
    offers
        .iter()
        .find_map(|offer| theirs.iter().find_map(|proposal| offer.choose(proposal, exchange)))
        .ok_or_else(|| NoProposalChosen::new(&offers, theirs))
}

/// Checks that a responder's answer is one of our proposals.
///
/// # Errors
/// [`NoProposalChosen`] if it is not.
pub fn accepted_esp(
    ours: &[EspProposal],
    answer: &[Proposal],
    exchange: ChildExchange,
) -> Result<ChosenEsp, NoProposalChosen> {
    let offers = offers(ours, exchange);
    single(answer)
        .and_then(|proposal| offers.get(usize::from(proposal.number).checked_sub(1)?)?.choose(proposal, exchange))
        .ok_or_else(|| NoProposalChosen::new(&offers, answer))
}

impl ChosenEsp {
    /// The responder's answer; we receive on `spi`.
    #[must_use]
    pub fn answer(&self, spi: Spi) -> Proposal {
        let (spi, transforms) = (spi.0.to_be_bytes().to_vec(), self.transforms.clone());
        Proposal { number: self.number, protocol: ProtocolId::ESP, spi, transforms }
    }
}

/// One suite, with or without a group.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Offer {
    suite: EspSuite,
    group: Option<Group>,
    additional: AdditionalKeyExchanges,
}

/// What we would take, best first.
fn offers(ours: &[EspProposal], exchange: ChildExchange) -> Vec<Offer> {
    let mut offers = Vec::with_capacity(4 * ours.len());
    for &EspProposal { suite, or_without_esn, pfs, additional } in ours {
        let groups = match (exchange, pfs) {
            // RFC 7296 1.2: the SA payloads of IKE_AUTH cannot contain a group.
            (ChildExchange::Auth, _) | (ChildExchange::Create, Pfs::Off) => [None, None],
            (ChildExchange::Create, Pfs::Required(group)) => [Some(group), Some(group)],
            (ChildExchange::Create, Pfs::Preferred(group)) => [Some(group), None],
        };
        let suites = [suite, EspSuite { esn: suite.esn && !or_without_esn, ..suite }];
        for group in groups {
            // RFC 9370 2.2.4: additional key exchanges come on top of a first one.
            let additional = if group.is_some() { additional } else { AdditionalKeyExchanges::NONE };
            let plain = additional.is_optional().then_some(AdditionalKeyExchanges::NONE);
            let additional = [Some(additional), plain].into_iter().flatten();
            for (additional, suite) in additional.flat_map(|additional| suites.map(|suite| (additional, suite))) {
                let offer = Offer { suite, group, additional };
                if !offers.contains(&offer) {
                    offers.push(offer);
                }
            }
        }
    }
    offers
}

impl Offer {
    fn wanted(&self) -> Vec<Wanted> {
        let first = [
            Wanted::explicit(self.suite.encryption.into()),
            integrity(self.suite.integrity),
            match self.group {
                Some(group) => Wanted::explicit(group.into()),
                None => Wanted::or_absent(Transform::new(TransformType::GROUP, GroupId::NONE.0)),
            },
            // RFC 7296 3.3.3: mandatory in ESP; an end that leaves it out cannot mean 64-bit numbers.
            if self.suite.esn {
                Wanted::explicit(Transform::esn(true))
            } else {
                Wanted::or_absent(Transform::esn(false))
            },
        ];
        first.into_iter().chain(additional(&self.additional, true)).collect()
    }

    /// What we write: "none" is left unsaid, the sequence numbers never are.
    fn transforms(&self) -> Vec<Transform> {
        let said = |wanted: Wanted| if wanted.kind == TransformType::ESN { wanted.transforms } else { wanted.said() };
        self.wanted().into_iter().flat_map(said).collect()
    }

    fn choose(&self, proposal: &Proposal, exchange: ChildExchange) -> Option<ChosenEsp> {
        if proposal.protocol != ProtocolId::ESP {
            return None;
        }
        let spi = proposal.esp_spi()?;
        let transforms = match exchange {
            ChildExchange::Create => agree(&self.wanted(), proposal)?,
            // RFC 7296 1.2: groups have no place in IKE_AUTH. Peers that list them all the same, for rekeys to
            // come, are taken at the rest.
            ChildExchange::Auth => {
                let mut proposal = proposal.clone();
                proposal
                    .transforms
                    .retain(|transform| transform.kind != TransformType::GROUP && transform.kind.place().is_none());
                agree(&self.wanted(), &proposal)?
            }
        };
        // RFC 4303 2.1: SPIs below 256 are reserved.
        (spi.0 > 255).then_some(())?;
        let (suite, group, additional) = (self.suite, self.group, chosen_additional(&transforms));
        Some(ChosenEsp { suite, group, additional, spi, number: proposal.number, transforms })
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pfs = self.group.map_or(Pfs::Off, Pfs::Required);
        EspProposal { suite: self.suite, or_without_esn: false, pfs, additional: self.additional }.fmt(f)
    }
}
