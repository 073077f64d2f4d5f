//! What every operation may touch besides its tunnel: the clock, randomness, outputs, names in use.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use certificate::UnixTime;
use wire::Entropy;
use wire::ipsec::{Encapsulation, IkeSpi, SaAction, Spi, TunnelId};

use super::event::{Event, Output};
use crate::Outbound;

/// ESP SPIs below are reserved (RFC 4303 2.1).
const FIRST_ESP_SPI: u32 = 256;

/// Octets of our nonces: at least half the key size of the PRF (RFC 7296 2.10).
const NONCE_LEN: usize = 32;

/// A tunnel's place in the endpoint. Never used twice, unlike the number the process gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

/// Who answers to one of our IKE SPIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A responder that awaits `IKE_AUTH`.
    HalfOpen,
    /// An attempt or an IKE SA of a tunnel.
    Tunnel(Slot),
}

/// Our SPIs in use, so that each is unique in the process.
#[derive(Debug, Default)]
pub struct Names {
    ike: BTreeMap<IkeSpi, Owner>,
    esp: BTreeSet<Spi>,
}

impl Names {
    /// Who answers to it.
    #[must_use]
    pub fn owner(&self, spi: IkeSpi) -> Option<Owner> {
        self.ike.get(&spi).copied()
    }

    /// It is taken from now on.
    pub fn claim(&mut self, spi: IkeSpi, owner: Owner) {
        self.ike.insert(spi, owner);
    }

    /// It is free again.
    pub fn release(&mut self, spi: IkeSpi) {
        self.ike.remove(&spi);
    }

    /// The same of an SPI of ESP.
    pub fn release_esp(&mut self, spi: Spi) {
        self.esp.remove(&spi);
    }

    /// How many of IKE and of ESP are in use.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.ike.len(), self.esp.len())
    }
}

/// Two outside addresses with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Ours.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}

impl Path {
    /// The same addresses, with `port` at both ends.
    #[must_use]
    pub const fn with_port(mut self, port: u16) -> Self {
        self.local.set_port(port);
        self.remote.set_port(port);
        self
    }
}

/// The surroundings of one operation.
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// The time of day.
    pub wall: UnixTime,
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
    /// What is to be done.
    pub output: &'a mut VecDeque<Output>,
    /// SPIs in use.
    pub names: &'a mut Names,
}

impl Cx<'_> {
    /// Sends datagrams.
    pub fn transmit(&mut self, path: Path, datagrams: &[Vec<u8>]) {
        self.output.extend(datagrams.iter().map(|datagram| Output::Transmit {
            local: path.local,
            remote: path.remote,
            datagram: datagram.clone(),
        }));
    }

    /// Tells that something happened.
    pub fn event(&mut self, event: Event) {
        self.output.push_back(Output::Event(event));
    }

    /// Tells the data plane.
    pub fn sa(&mut self, action: SaAction) {
        self.output.push_back(Output::Sa(action));
    }

    /// The peer is elsewhere now: all that we send goes there. `paths` are those of the SAs that follow it.
    pub fn follow_peer<'a>(
        &mut self,
        tunnel: TunnelId,
        path: Path,
        paths: impl Iterator<Item = &'a mut Path>,
        children: impl Iterator<Item = (Encapsulation, &'a mut Outbound)>,
    ) {
        let mut from = None;
        for old in paths.filter(|old| **old != path) {
            from.get_or_insert(old.remote);
            *old = path;
        }
        let Some(from) = from else { return };
        let mut in_udp = false;
        for (encapsulation, outbound) in children {
            in_udp |= encapsulation == Encapsulation::Udp;
            if let Outbound::Held(sa) = outbound {
                (sa.local, sa.remote) = (path.local, path.remote);
            }
        }
        if in_udp {
            self.sa(SaAction::Move { tunnel, local: path.local, remote: path.remote });
        }
        self.event(Event::PeerMoved { tunnel, from, to: path.remote });
    }

    /// A fresh nonce of ours.
    pub fn nonce(&mut self) -> Vec<u8> {
        let mut nonce = vec![0; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        nonce
    }

    /// A fresh IKE SPI of ours.
    pub fn claim_ike_spi(&mut self, owner: Owner) -> IkeSpi {
        loop {
            let spi = IkeSpi(self.entropy.random_u64());
            if spi != IkeSpi::ZERO && self.names.owner(spi).is_none() {
                self.names.claim(spi, owner);
                return spi;
            }
        }
    }

    /// A fresh ESP SPI of ours.
    pub fn claim_esp_spi(&mut self) -> Spi {
        loop {
            let spi = Spi(self.entropy.random_u32());
            if spi.0 >= FIRST_ESP_SPI && self.names.esp.insert(spi) {
                return spi;
            }
        }
    }
}
