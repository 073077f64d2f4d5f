//! What both exchanges that make CHILD SAs share: judging an offer, judging an answer, cutting the keys.

use std::net::SocketAddr;
use std::time::Duration;

use crypto::{ChildKeys, Group, Role};
use isakmp::{
    ChildExchange, ChosenEsp, NoProposalChosen, Notify, NotifyType, Payload, Proposal, accepted_esp, narrow, select_esp,
};
use negotiation::{
    ChildLifetime, ChildSelectors, Cx, EncapsulationPolicy, Failure, Outbound, PORT_IKE, PORT_NAT, Path,
    Phase as Negotiation, Theirs, TunnelConfig, between, list, soft,
};
use wire::Entropy;
use wire::ipsec::{Encapsulation, EspSuite, IkeSpi, SaKeys, SaLifetime, SecurityAssociation, Spi, TrafficSelector};

use crate::endpoint::{FlowId, Tunnel};
use crate::sa::IkeSa;
use crate::sa::child::{ChildPhase, ChildSa};
use crate::sa::collision::Answer;
use crate::sa::contents::Contents;

/// What a CHILD SA will be.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) chosen: ChosenEsp,
    pub(crate) local_selectors: Vec<TrafficSelector>,
    pub(crate) remote_selectors: Vec<TrafficSelector>,
}

impl Terms {
    pub(crate) fn selectors(&self) -> ChildSelectors {
        ChildSelectors { local: self.local_selectors.clone(), remote: self.remote_selectors.clone() }
    }
}

/// A refusal: what to tell the peer, and what to tell our user.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) notify: Notify,
    pub(crate) failure: Failure,
}

impl Refusal {
    pub(crate) fn payloads(&self) -> Vec<Payload> {
        vec![Payload::Notify(self.notify.clone())]
    }

    /// RFC 7296 2.21.3: both ends forget the IKE SA after this one.
    pub(crate) fn is_fatal(&self) -> bool {
        self.notify.kind == NotifyType::INVALID_SYNTAX
    }

    pub(crate) fn syntax(peer: SocketAddr, detail: &str) -> Self {
        Self {
            notify: Notify::new(NotifyType::INVALID_SYNTAX),
            failure: Failure::Protocol { peer, detail: detail.to_owned() },
        }
    }
}

/// Judges the peer's offer. Of what is acceptable it gets the first that has something in common with it.
pub(crate) fn judge_offer(
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
pub(crate) fn judge_answer(
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
pub(crate) fn refused_child(
    config: &TunnelConfig,
    offered: &ChildSelectors,
    notify: &Notify,
    peer: SocketAddr,
) -> Failure {
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

pub(crate) fn no_proposal(error: NoProposalChosen, phase: Negotiation, peer: SocketAddr) -> Failure {
    Failure::NoProposalChosen { phase, peer, ours: error.ours, theirs: Theirs::Listed(error.theirs) }
}

pub(crate) fn protocol(peer: SocketAddr, detail: &str) -> Failure {
    Failure::Protocol { peer, detail: detail.to_owned() }
}

fn selectors(ours: &ChildSelectors, theirs: Theirs, peer: SocketAddr) -> Failure {
    let ours = pair(&ours.local, &ours.remote);
    Failure::SelectorsUnacceptable { peer, ours, theirs }
}

fn pair(local: &[TrafficSelector], remote: &[TrafficSelector]) -> String {
    format!("{} === {}", list(local), list(remote))
}

/// What an exchange settled about a new CHILD SA.
pub(crate) struct NewChild {
    pub(crate) flow: FlowId,
    pub(crate) terms: Terms,
    /// The SPI we receive on.
    pub(crate) spi: Spi,
    /// Our role in the exchange.
    pub(crate) role: Role,
    pub(crate) group: Option<Group>,
    pub(crate) keys: ChildKeys,
}

impl Tunnel {
    /// Takes a negotiated CHILD SA into use under the IKE SA `ike`.
    pub(crate) fn add_child(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, new: NewChild) {
        let Some(sa) = self.sa_mut(ike) else { return };
        sa.child_due = None;
        let Some(sa) = self.sa(ike) else { return };
        let (inbound_keys, outbound_keys) = match new.role {
            Role::Initiator => (new.keys.responder, new.keys.initiator),
            Role::Responder => (new.keys.initiator, new.keys.responder),
        };
        let path = esp_path(sa, &self.config);
        let encapsulation = encapsulation(sa, &self.config);
        let lifetime = lifetimes(&self.config, cx.entropy);
        let template = |spi, keys: SaKeys| SecurityAssociation {
            spi,
            suite: new.terms.chosen.suite,
            keys,
            local: path.local,
            remote: path.remote,
            encapsulation,
            replay_window: self.config.replay_window,
            lifetime,
            local_selectors: new.terms.local_selectors.clone(),
            remote_selectors: new.terms.remote_selectors.clone(),
        };
        let inbound = template(new.spi, inbound_keys);
        let outbound = template(new.terms.chosen.spi, outbound_keys);
        let suite: EspSuite = new.terms.chosen.suite;
        let child = ChildSa {
            spi: new.spi,
            peer_spi: new.terms.chosen.spi,
            parent: ike,
            flow: new.flow,
            initiator: new.role == Role::Initiator,
            suite,
            group: new.group,
            additional: new.terms.chosen.additional,
            encapsulation,
            local_selectors: new.terms.local_selectors,
            remote_selectors: new.terms.remote_selectors,
            outbound: Outbound::Held(Box::new(outbound)),
            phase: ChildPhase::Live,
            confirmed: new.role == Role::Initiator,
            answer: (new.role == Role::Responder).then_some(Answer::on(ike)),
            redundant: false,
            established_at: cx.now,
            rekey_at: lifetime.soft_time.map(|soft| cx.now + soft),
            regular_rekey_at: None,
            expires_at: lifetime.hard_time.map(|hard| cx.now + hard),
            switch_at: None,
        };
        self.install_child(cx, child, inbound);
    }
}

pub(crate) fn encapsulation(sa: &IkeSa, config: &TunnelConfig) -> Encapsulation {
    if sa.nat.any() || config.encapsulation == EncapsulationPolicy::Always {
        Encapsulation::Udp
    } else {
        Encapsulation::Esp
    }
}

/// The addresses of ESP under this IKE SA.
pub(crate) fn esp_path(sa: &IkeSa, config: &TunnelConfig) -> Path {
    let mut path = sa.path;
    if encapsulation(sa, config) == Encapsulation::Udp {
        // RFC 7296 2.23: ESP in UDP uses 4500 even where IKE itself stayed on 500.
        for address in [&mut path.local, &mut path.remote] {
            if address.port() == PORT_IKE {
                address.set_port(PORT_NAT);
            }
        }
    }
    path
}

const PARTS: u64 = 10_000;

/// How much of a limit in octets or packets is used up when the rekey starts: the margin has the same part of it as of
/// the lifetime, and at least a twentieth, since a busy line is quicker than a clock.
fn soft_share(config: &TunnelConfig, entropy: &mut dyn Entropy) -> u64 {
    let time = config.child_lifetime.time.as_secs_f64();
    let margin = config.rekey_margin.as_secs_f64() / time.max(f64::MIN_POSITIVE);
    let margin = Duration::from_secs_f64(margin.clamp(0.05, 0.5));
    let most = margin + margin * u32::from(config.rekey_fuzz) / 100;
    let margin = between(margin, most, entropy).min(Duration::from_millis(750)).as_millis() * u128::from(PARTS) / 1000;
    PARTS - u64::try_from(margin).unwrap_or(PARTS / 2)
}

fn lifetimes(config: &TunnelConfig, entropy: &mut dyn Entropy) -> SaLifetime {
    let ChildLifetime { time, bytes, packets } = config.child_lifetime;
    let share = soft_share(config, entropy);
    let part = |hard: u64| hard / PARTS * share + hard % PARTS * share / PARTS;
    SaLifetime {
        soft_time: soft(time, config, entropy),
        hard_time: (!time.is_zero()).then_some(time),
        soft_bytes: bytes.map(part),
        hard_bytes: bytes,
        soft_packets: packets.map(part),
        hard_packets: packets,
    }
}
