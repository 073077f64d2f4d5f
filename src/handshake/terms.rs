//! What a CHILD SA will be: judging an offer, and an answer, in either of the exchanges that make one.

use std::net::SocketAddr;

use isakmp::{
    ChildExchange, ChosenEsp, NoProposalChosen, Notify, NotifyType, Proposal, accepted_esp, narrow, select_esp,
};
use negotiation::{ChildSelectors, Failure, Phase as Negotiation, Theirs, TunnelConfig, list};
use wire::ipsec::TrafficSelector;

use crate::{Contents, Refusal, no_proposal, protocol};

/// What a CHILD SA will be.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Suite and group, and the SPI on which the peer receives.
    pub chosen: ChosenEsp,
    /// Whose packets we send.
    pub local_selectors: Vec<TrafficSelector>,
    /// Whose packets the peer sends.
    pub remote_selectors: Vec<TrafficSelector>,
}

impl Terms {
    /// What it carries.
    #[must_use]
    pub fn selectors(&self) -> ChildSelectors {
        ChildSelectors { local: self.local_selectors.clone(), remote: self.remote_selectors.clone() }
    }
}

/// Judges the peer's offer. Of what is acceptable it gets the first that has something in common with it.
///
/// # Errors
/// If nothing has, or no suite is common to both.
pub fn judge_offer(
    config: &TunnelConfig,
    acceptable: &[ChildSelectors],
    contents: &Contents,
    exchange: ChildExchange,
    peer: SocketAddr,
) -> Result<Terms, Refusal> {
    let (Some(sa), Some(theirs), Some(ours)) = (&contents.sa, &contents.ts_initiator, &contents.ts_responder) else {
        let failure = protocol(peer, "an offer of a CHILD SA without proposals or traffic selectors");
        return Err(Refusal { notify: Notify::new(NotifyType::NO_PROPOSAL_CHOSEN), failure });
    };
    let chosen = select_esp(&config.esp_proposals, sa, exchange).map_err(|error| Refusal {
        notify: Notify::new(NotifyType::NO_PROPOSAL_CHOSEN),
        failure: no_child_proposal(config, sa, error, peer),
    })?;
    let common = acceptable.iter().find_map(|acceptable| {
        let (local, remote) = (narrow(ours, &acceptable.local), narrow(theirs, &acceptable.remote));
        (!local.is_empty() && !remote.is_empty()).then_some((local, remote))
    });
    let Some((local_selectors, remote_selectors)) = common else {
        let configured =
            ChildSelectors { local: config.local_selectors.clone(), remote: config.remote_selectors.clone() };
        return Err(Refusal {
            notify: Notify::new(NotifyType::TS_UNACCEPTABLE),
            failure: selectors(&configured, Theirs::Listed(pair(ours, theirs)), peer),
        });
    };
    Ok(Terms { chosen, local_selectors, remote_selectors })
}

/// No proposal in common. Where all but the group fits, that is what to tell.
fn no_child_proposal(config: &TunnelConfig, theirs: &[Proposal], error: NoProposalChosen, peer: SocketAddr) -> Failure {
    if select_esp(&config.esp_proposals, theirs, ChildExchange::Auth).is_ok() {
        return Failure::PfsMismatch { peer, ours: error.ours, theirs: Theirs::Listed(error.theirs) };
    }
    no_proposal(error, Negotiation::Child, peer)
}

/// Judges the peer's answer to our offer.
///
/// # Errors
/// If the answer has what we did not offer.
pub fn judge_answer(
    config: &TunnelConfig,
    offered: &ChildSelectors,
    contents: &Contents,
    exchange: ChildExchange,
    peer: SocketAddr,
) -> Result<Terms, Failure> {
    let (Some(sa), Some(ours), Some(theirs)) = (&contents.sa, &contents.ts_initiator, &contents.ts_responder) else {
        return Err(protocol(peer, "an answer without proposal or traffic selectors"));
    };
    let chosen = accepted_esp(&config.esp_proposals, sa, exchange)
        .map_err(|error| no_proposal(error, Negotiation::Child, peer))?;
    // RFC 7296 2.9: the answer is a subset of the offer; what is outside of it is not ours to carry.
    let local_selectors = narrow(ours, &offered.local);
    let remote_selectors = narrow(theirs, &offered.remote);
    if local_selectors.is_empty() || remote_selectors.is_empty() {
        return Err(selectors(offered, Theirs::Listed(pair(ours, theirs)), peer));
    }
    Ok(Terms { chosen, local_selectors, remote_selectors })
}

/// What an error notification in answer to our offer of a CHILD SA means.
#[must_use]
pub fn refused_child(config: &TunnelConfig, offered: &ChildSelectors, notify: &Notify, peer: SocketAddr) -> Failure {
    match notify.kind {
        NotifyType::NO_PROPOSAL_CHOSEN => Failure::NoProposalChosen {
            phase: Negotiation::Child,
            peer,
            ours: list(&config.esp_proposals),
            theirs: Theirs::Unknown,
        },
        NotifyType::TS_UNACCEPTABLE => selectors(offered, Theirs::Unknown, peer),
        NotifyType::SINGLE_PAIR_REQUIRED => {
            Failure::SinglePairRequired { peer, ours: pair(&offered.local, &offered.remote) }
        }
        NotifyType::INVALID_KE_PAYLOAD => Failure::InvalidKe {
            phase: Negotiation::Child,
            peer,
            wanted: notify.wanted_group().map_or(0, |group| group.0),
            ours: list(&config.esp_proposals),
        },
        kind => Failure::Refused { peer, what: negotiation::Waiting::CreateChild, notify: kind },
    }
}

fn selectors(ours: &ChildSelectors, theirs: Theirs, peer: SocketAddr) -> Failure {
    let ours = pair(&ours.local, &ours.remote);
    Failure::SelectorsUnacceptable { peer, ours, theirs }
}

fn pair(local: &[TrafficSelector], remote: &[TrafficSelector]) -> String {
    format!("{} === {}", list(local), list(remote))
}
