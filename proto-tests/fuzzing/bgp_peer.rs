//! A session and a peer that says and does anything: octets in any pieces, connections that come and go, time that
//! passes (RFC 4271 8). Routes come only out of an established session, nothing is sent on a closed connection, and
//! timers do not spin.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bgp::message::{KEEPALIVE, MAX_EXTENDED_LEN, RefreshKind, RouteRefresh, frame_len};
use bgp::{AddPath, Family, Role, Update};
use peering::{ConnectionId, Event, Offers, Output, Peer, PeerConfig, Restart, State, StopReason, Timers};
use wire::{Asn, RouterId};

use super::bgp_message::{every_capability, open_message, update_message};
use super::bgp_update;
use super::entropy::Seeded;
use super::input::{Input, Script};

const STEPS: usize = 96;
/// Requests and events that one step may cause.
const MOST_OUTPUTS: usize = 2000;
/// Timer expiries in an hour.
const MOST_TIMERS: usize = 4000;

/// Octets: whether the session is established first (odd), whether we wait (bit 1), and whether everything there is is
/// offered (bit 2), then steps.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let flags = input.u8();
    let everything = flags & 4 != 0;
    let mut world = World::new(flags & 2 != 0, if everything { offers() } else { Offers::default() });
    if flags & 1 != 0 {
        world.establish(if everything { every_capability() } else { open_message(&FAMILIES) });
    }
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.wait_an_hour();
}

struct World {
    peer: Peer,
    now: Instant,
    /// The connection that we are opening.
    opening: Option<ConnectionId>,
    /// Connections that are open, oldest first.
    open: Vec<ConnectionId>,
    closed: BTreeSet<ConnectionId>,
    established: bool,
    /// Families of which stale routes are kept.
    stale: BTreeSet<Family>,
}

const FAMILIES: [Family; 2] = [Family::Ipv4Unicast, Family::Ipv6Unicast];

/// Everything a session can offer; the peer's counterpart is [`every_capability`].
fn offers() -> Offers {
    let both = AddPath { receive: true, send: true };
    let (time, stale) = (Some(Duration::from_secs(60)), Duration::from_secs(90));
    Offers {
        enhanced_refresh: true,
        extended_messages: true,
        extended_next_hop: true,
        add_path: FAMILIES.map(|family| (family, both)).to_vec(),
        graceful_restart: Some(Restart { time, stale, notification: true }),
        role: Some(Role::Customer),
        role_strict: false,
    }
}

impl World {
    fn new(passive: bool, offers: Offers) -> Self {
        let config = PeerConfig {
            name: "t".to_owned(),
            local_asn: Asn(65000),
            peer_asn: Asn(64512),
            router_id: RouterId(Ipv4Addr::new(198, 51, 100, 1)),
            local_address: IpAddr::V4(Ipv4Addr::new(169, 254, 21, 2)),
            peer_address: IpAddr::V4(Ipv4Addr::new(169, 254, 21, 1)),
            families: FAMILIES.to_vec(),
            timers: Timers {
                hold: Duration::from_secs(30),
                keepalive: Duration::from_secs(10),
                connect_retry: Duration::from_secs(10),
                prefix_restart: Some(Duration::from_secs(300)),
                ..Timers::default()
            },
            offers,
            passive,
            shutdown: None,
        };
        let (peer, now) = (Peer::new(config, Box::new(Seeded::new(1))), Instant::now());
        let (open, closed) = (Vec::new(), BTreeSet::new());
        let stale = BTreeSet::new();
        let mut world = Self { peer, now, opening: None, open, closed, established: false, stale };
        world.peer.set_restarted(true);
        world.peer.start(now);
        world.drain();
        world
    }

    fn establish(&mut self, open: Vec<u8>) {
        let id = self.connect();
        for message in [open, KEEPALIVE.to_vec()] {
            self.peer.handle_bytes(id, &message, self.now);
            self.drain();
        }
        assert_eq!(self.peer.state(), State::Established, "a proper handshake establishes the session");
    }

    /// A connection that is open, ours or the peer's.
    fn connect(&mut self) -> ConnectionId {
        if self.opening.is_some() {
            self.connected();
        } else {
            self.accept();
        }
        self.drain();
        *self.open.first().expect("a started session takes a connection")
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (kind, which) = (input.u8(), usize::from(input.u8()));
        let id = self.open.get(which % self.open.len().max(1)).copied();
        match (kind % 10, id) {
            (0..=4, Some(id)) => self.octets(id, input, which),
            (5, _) => self.connected(),
            (6, Some(id)) => {
                self.open.retain(|other| *other != id);
                let error = (which & 0x80 != 0).then(|| "connection reset by peer".to_owned());
                self.peer.handle_closed(id, error, self.now);
            }
            (6, None) => {
                if let Some(id) = self.opening.take() {
                    self.peer.handle_connect_failed(id, "connection refused".to_owned(), self.now);
                }
            }
            (7, _) => self.accept(),
            (8, _) => {
                self.now += Duration::from_secs(u64::from(input.u8() % 64));
                self.peer.handle_timeout(self.now);
            }
            _ => self.order(which),
        }
        self.drain();
    }

    fn connected(&mut self) {
        if let Some(id) = self.opening.take() {
            self.open.push(id);
            self.peer.handle_connected(id, self.now);
        }
    }

    fn accept(&mut self) {
        self.open.extend(self.peer.handle_accepted(self.now));
    }

    /// What the peer says, in pieces.
    fn octets(&mut self, id: ConnectionId, input: &mut Input<'_>, which: usize) {
        let said = input.piece();
        for piece in said.chunks(1 + which * which) {
            if self.open.contains(&id) {
                self.peer.handle_bytes(id, piece, self.now);
                self.drain();
            }
        }
    }

    /// What our side asks of the session.
    fn order(&mut self, which: usize) {
        match which % 12 {
            0 => self.peer.start(self.now),
            1 => self.peer.stop(StopReason::TunnelDown, self.now),
            2 => self.peer.stop(StopReason::AdminShutdown("bye".to_owned()), self.now),
            3 => self.peer.stop(StopReason::PrefixLimit { limit: 1, count: 2 }, self.now),
            4 => drop(self.peer.request_refresh(Family::Ipv6Unicast)),
            6 => self.peer.shut_down("bye".to_owned(), self.now),
            7 => drop(self.peer.enable()),
            8 => self.peer.stop(StopReason::ConfigurationChanged, self.now),
            9 => self.blocked(which & 0x80 != 0),
            10 => {
                let end = Some(Family::Ipv4Unicast);
                self.peer.send_updates(&[Update { end_of_rib: end, end_of_refresh: end, ..Update::default() }]);
            }
            _ => {
                let terms = bgp_update::terms(true, 65000);
                let update = bgp::message::decode_update(&bgp_update::update(), &terms).expect("a seed decodes").update;
                self.peer.send_updates(&[update]);
            }
        }
    }

    fn blocked(&mut self, progressed: bool) {
        for id in self.open.clone() {
            self.peer.handle_send_blocked(id, progressed, self.now);
        }
    }

    fn drain(&mut self) {
        for _ in 0..MOST_OUTPUTS {
            match self.peer.poll_output() {
                None => return,
                Some(Output::Connect { id }) => {
                    assert!(!self.closed.contains(&id) && !self.open.contains(&id), "{id:?} is used again");
                    assert_eq!(self.opening.replace(id), None, "one attempt at a time");
                }
                Some(Output::Close { id }) => {
                    self.open.retain(|other| *other != id);
                    self.opening.take_if(|opening| *opening == id);
                    self.closed.insert(id);
                }
                Some(Output::Send { id, bytes }) => {
                    assert!(!self.closed.contains(&id), "sent on {id:?} after it was closed");
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        let length = frame_len(rest, MAX_EXTENDED_LEN).expect("our own messages are sound");
                        rest = length.and_then(|length| rest.get(length..)).expect("whole messages");
                    }
                }
                Some(Output::Event(event)) => self.note(&event),
            }
        }
        panic!("more than {MOST_OUTPUTS} outputs at once");
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Established(agreed) => {
                assert!(!std::mem::replace(&mut self.established, true), "established twice");
                assert_eq!(agreed.peer_asn, Asn(64512), "nobody else is let in");
            }
            Event::Down { was_established, stale, .. } => {
                assert!(!was_established || self.stale.is_empty(), "nothing is stale twice");
                self.stale.extend(stale.iter().flat_map(|stale| stale.families.iter().copied()));
                assert_eq!(std::mem::take(&mut self.established), *was_established, "routes are withdrawn once");
            }
            Event::StaleExpired(families) => {
                assert!(families.iter().all(|family| self.stale.remove(family)), "{families:?} were not stale");
            }
            Event::Update(update) => {
                assert!(self.established, "routes outside an established session");
                update.end_of_rib.map(|family| self.stale.remove(&family));
            }
            Event::RefreshRequested(_)
            | Event::RefreshBegun(_)
            | Event::RefreshEnded(_)
            | Event::UpdateFaulty { .. } => {
                assert!(self.established, "{event:?} outside an established session");
            }
            Event::StateChanged { .. }
            | Event::NotificationReceived { .. }
            | Event::NotificationSent { .. }
            | Event::Unsendable { .. } => {}
        }
    }

    /// Without a peer the session ends, and no timer fires at one moment for ever.
    fn wait_an_hour(&mut self) {
        let end = self.now + Duration::from_secs(3600);
        for _ in 0..MOST_TIMERS {
            let Some(due) = self.peer.poll_timeout().filter(|due| *due <= end) else {
                assert!(!self.established, "a dead peer is noticed");
                assert!(self.stale.is_empty(), "and what was kept of it is dropped");
                return;
            };
            self.now = due.max(self.now);
            self.peer.handle_timeout(self.now);
            self.drain();
            assert!(self.peer.poll_timeout().is_none_or(|next| next > self.now), "a timer spins");
        }
        panic!("timers fire {MOST_TIMERS} times in an hour");
    }
}

/// A session from its beginning; routes, faults and ends in an established one; two connections at once.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let open = open_message(&[Family::Ipv4Unicast]);
    let said = |script: Script, which: u8, octets: &[u8]| script.octets(&[0, which]).piece(octets);
    let hello = said(said(Script::default().octets(&[0, 5, 0]), 3, &open), 0, &KEEPALIVE);
    let routes = bgp_update::seeds()
        .iter()
        .fold(Script::default().octets(&[1]), |script, body| said(script, 9, &update_message(body)));
    let faulty = said(Script::default().octets(&[1]), 20, &update_message(&[0, 0, 0, 4, 0x40, 1, 1, 9, 16, 10, 2]));
    let broken = said(Script::default().octets(&[1]), 20, b"GET / HTTP/1.1").octets(&[8, 0, 60]);
    let crossing =
        said(said(Script::default().octets(&[0, 7, 0, 5, 0]), 30, &open).octets(&[0, 31]).piece(&open), 1, &KEEPALIVE);
    let ours = Script::default().octets(&[1, 9, 5, 9, 4, 8, 0, 29, 9, 1, 9, 0, 8, 0, 10, 6, 0, 7, 0, 9, 3]);
    let again = |kind| RouteRefresh::new(kind, Family::Ipv4Unicast).encode();
    let marks = [RefreshKind::Request, RefreshKind::Begin, RefreshKind::End]
        .into_iter()
        .fold(said(Script::default().octets(&[5]), 9, &update_message(&[0; 4])), |script, kind| {
            said(script, 9, &again(kind))
        });
    let restarts = said(Script::default().octets(&[5, 6, 0, 7, 0]), 9, &every_capability());
    let kept = said(restarts, 9, &KEEPALIVE).octets(&[7, 0, 8, 0, 63, 9, 10, 9, 9, 9, 8, 9, 6, 9, 7]);
    vec![
        marks.done(),
        kept.done(),
        hello.done(),
        routes.done(),
        faulty.done(),
        broken.done(),
        crossing.done(),
        ours.done(),
        vec![2, 7, 0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_seed_establishes_a_session() {
        let seed = seeds().swap_remove(2);
        let mut input = Input::new(&seed[1..]);
        let mut world = World::new(false, Offers::default());
        while !input.is_empty() {
            world.step(&mut input);
        }
        assert!(world.established && world.peer.state() == State::Established);
    }
}
