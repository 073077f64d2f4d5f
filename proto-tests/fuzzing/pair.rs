//! Two endpoints with a tunnel between them, and a wire that an attacker can write to.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ike::Endpoint;
use negotiation::{Output, StartAction, TunnelState};
use wire::ipsec::{Spi, TunnelId};

use super::datagrams::{ADDRESS_A, ADDRESS_B, config};
use super::entropy::Seeded;

const TUNNEL: TunnelId = TunnelId(7);
/// Datagrams that one datagram may cause on the wire until both are silent.
const MOST_DATAGRAMS: usize = 400;

/// A and B.
pub(super) struct Pair {
    endpoints: [Endpoint; 2],
    now: Instant,
    /// What both have sent so far, oldest first: from whom, and what.
    pub(super) history: Vec<(usize, Vec<u8>)>,
    /// What data planes were told so far.
    pub(super) actions: usize,
}

/// What one end says of the tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: TunnelState,
    pub(super) ike: Vec<(u64, u64)>,
    pub(super) children: Vec<(Spi, Spi)>,
}

impl Pair {
    /// Both with a tunnel that is up.
    pub(super) fn up() -> Self {
        let now = Instant::now();
        let endpoints = [1, 2].map(|seed| Endpoint::new(Box::new(Seeded::new(seed))));
        let mut pair = Self { endpoints, now, history: Vec::new(), actions: 0 };
        let configs = [(ADDRESS_A, ADDRESS_B, StartAction::Initiate), (ADDRESS_B, ADDRESS_A, StartAction::Respond)];
        for (endpoint, (local, remote, start)) in pair.endpoints.iter_mut().zip(configs).rev() {
            endpoint.add_tunnel(TUNNEL, config(local, remote, start), now);
        }
        pair.pump();
        pair.pass(Duration::from_secs(2));
        for standing in pair.standings() {
            assert_eq!(standing.state, TunnelState::Up, "the pair comes up");
        }
        pair
    }

    /// Hands an end a datagram, and delivers what follows from it.
    pub(super) fn inject(&mut self, to: usize, remote: SocketAddr, datagram: &[u8]) {
        let local = SocketAddr::new(address(to), remote.port());
        self.endpoints[to].handle_datagram(local, remote, datagram, self.now);
        self.pump();
    }

    /// Lets time pass in steps of a second.
    pub(super) fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.now += Duration::from_secs(1);
            let now = self.now;
            self.endpoints.iter_mut().for_each(|endpoint| endpoint.handle_timeout(now));
            self.pump();
        }
    }

    /// A begins to renew the CHILD SA, or the IKE SA.
    pub(super) fn rekey(&mut self, child: bool) {
        let endpoint = &mut self.endpoints[0];
        if child {
            endpoint.rekey_child(TUNNEL, self.now)
        } else {
            endpoint.rekey_ike(TUNNEL, self.now)
        }
        self.pump();
    }

    pub(super) fn standings(&self) -> [Standing; 2] {
        [0, 1].map(|end| {
            let status = self.endpoints[end].status(TUNNEL).expect("the tunnel is configured");
            Standing {
                state: status.state,
                ike: status.ike.iter().map(|sa| (sa.our_spi, sa.peer_spi)).collect(),
                children: status.children.iter().map(|sa| (sa.inbound, sa.outbound)).collect(),
            }
        })
    }

    /// Delivers what both say until they are silent.
    fn pump(&mut self) {
        for _ in 0..MOST_DATAGRAMS {
            let Some((from, local, remote, datagram)) = self.next() else { return };
            self.history.push((from, datagram.clone()));
            let to = 1 - from;
            if remote.ip() == address(to) {
                self.endpoints[to].handle_datagram(remote, local, &datagram, self.now);
            }
        }
        panic!("the two do not fall silent");
    }

    fn next(&mut self) -> Option<(usize, SocketAddr, SocketAddr, Vec<u8>)> {
        for (from, endpoint) in self.endpoints.iter_mut().enumerate() {
            while let Some(output) = endpoint.poll_output() {
                match output {
                    Output::Transmit { local, remote, datagram } => return Some((from, local, remote, datagram)),
                    Output::Sa(_) => self.actions += 1,
                    Output::Event(_) => {}
                }
            }
        }
        None
    }
}

/// The address of an end.
pub(super) const fn address(end: usize) -> IpAddr {
    if end == 0 { ADDRESS_A } else { ADDRESS_B }
}
