//! Taking a negotiated CHILD SA into use: keys, addresses, lifetimes.

use std::time::Duration;

use crypto::{ChildKeys, Group, Role};
use handshake::Terms;
use negotiation::{
    ChildLifetime, Cx, EncapsulationPolicy, Outbound, PORT_IKE, PORT_NAT, Path, TunnelConfig, between, soft,
};
use wire::Entropy;
use wire::ipsec::{Encapsulation, EspSuite, IkeSpi, SaKeys, SaLifetime, SecurityAssociation, Spi};

use crate::endpoint::{FlowId, Tunnel};
use crate::sa::IkeSa;
use crate::sa::child::{ChildPhase, ChildSa};
use crate::sa::collision::Answer;

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
