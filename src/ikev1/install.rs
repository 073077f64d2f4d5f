//! What quick mode settles, taken into use: a pair of ESP SAs with their keys, paths and limits.

use std::time::Duration;

use negotiation::{Cx, Outbound, PORT_IKE, PORT_NAT, Path, between, soft};
use wire::ipsec::{Encapsulation, IkeSpi, SaKeys, SaLifetime, SecurityAssociation, Spi};

use crate::children::{Child, Selectors};
use crate::sa::Sa;
use crate::select::{ChosenEsp, Lifetimes};
use crate::tunnel::Tunnel;

/// The parts of a new pair.
pub(super) struct Parts {
    pub(super) chosen: ChosenEsp,
    pub(super) inbound: SaKeys,
    pub(super) outbound: SaKeys,
    pub(super) lifetime: Lifetimes,
}

/// Whether ESP under this SA travels in UDP.
pub(crate) fn encapsulation(sa: &Sa) -> Encapsulation {
    if sa.nat.any() { Encapsulation::Udp } else { Encapsulation::Esp }
}

/// The addresses of ESP under this SA.
fn esp_path(sa: &Sa) -> Path {
    let mut path = sa.path;
    if encapsulation(sa) == Encapsulation::Udp {
        for address in [&mut path.local, &mut path.remote] {
            if address.port() == PORT_IKE {
                address.set_port(PORT_NAT);
            }
        }
    }
    path
}

impl Tunnel {
    #[expect(clippy::too_many_arguments, reason = "what both roles know about a new pair")]
    pub(super) fn install_parts(
        &mut self,
        cx: &mut Cx<'_>,
        cookie: IkeSpi,
        spi: Spi,
        selectors: Selectors,
        initiator: bool,
        nonce: Vec<u8>,
        crossing: bool,
        parts: Parts,
    ) {
        let Some(sa) = self.sas.iter().find(|sa| sa.cookie == cookie) else { return };
        let Parts { chosen, inbound, outbound, lifetime } = parts;
        let (encapsulation, path, now) = (encapsulation(sa), esp_path(sa), cx.now);
        let limits = self.limits(cx, lifetime);
        let association = |spi, keys| SecurityAssociation {
            spi,
            suite: chosen.suite,
            keys,
            local: path.local,
            remote: path.remote,
            encapsulation,
            replay_window: self.config.replay_window,
            lifetime: limits,
            local_selectors: vec![selectors.local],
            remote_selectors: vec![selectors.remote],
        };
        let (inbound, outbound) = (association(spi, inbound), association(chosen.spi, outbound));
        let child = Child {
            spi,
            peer_spi: chosen.spi,
            selectors,
            initiator,
            nonce,
            crossing,
            suite: chosen.suite,
            group: chosen.group,
            encapsulation,
            outbound: Outbound::Held(Box::new(outbound)),
            began: now,
            established_at: now,
            complete: false,
            rekey_at: limits.soft_time.map(|soft| now + soft),
            expires_at: limits.hard_time.map(|hard| now + hard),
            delete_at: None,
            adopt_at: None,
            lingers_until: None,
        };
        self.add_child(cx, child, inbound);
    }

    /// The limits of a pair whose lifetime was agreed on.
    pub(super) fn limits(&self, cx: &mut Cx<'_>, lifetime: Lifetimes) -> SaLifetime {
        let time = lifetime.time.unwrap_or_default();
        let share = between(Duration::from_millis(850), Duration::from_millis(900), cx.entropy).as_millis();
        let share = u64::try_from(share).unwrap_or(900);
        let part = |hard: u64| hard / 1000 * share + hard % 1000 * share / 1000;
        let packets = self.config.child_lifetime.packets;
        SaLifetime {
            soft_time: soft(time, &self.config, cx.entropy),
            hard_time: (!time.is_zero()).then_some(time),
            soft_bytes: lifetime.bytes.map(part),
            hard_bytes: lifetime.bytes,
            soft_packets: packets.map(part),
            hard_packets: packets,
        }
    }
}
