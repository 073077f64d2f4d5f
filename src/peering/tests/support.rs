//! Configurations, peers in any state, and what they ask for.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bgp::Family;
use bgp::message::{HEADER_LEN, KEEPALIVE, MAX_EXTENDED_LEN, MessageType, Notification, Open, frame_len};
use wire::{Asn, RouterId};

use crate::continuity::Flags;
use crate::negotiate;
use crate::{ConnectionId, DownReason, Event, Offers, Output, Peer, PeerConfig, State, Timers};

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A session of AS `local` with AS `peer`; `host` makes up identifier and address.
pub(crate) fn config(name: &str, local: u32, peer: u32, host: u8) -> PeerConfig {
    PeerConfig {
        name: name.to_owned(),
        local_asn: Asn(local),
        peer_asn: Asn(peer),
        router_id: RouterId(Ipv4Addr::new(10, 0, 0, host)),
        local_address: IpAddr::V4(Ipv4Addr::new(169, 254, 21, host)),
        peer_address: IpAddr::V4(Ipv4Addr::new(169, 254, 21, 3 - host.min(2))),
        families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
        timers: Timers {
            hold: Duration::from_secs(30),
            keepalive: Duration::from_secs(10),
            connect_retry: Duration::from_secs(8),
            ..Timers::default()
        },
        offers: Offers::default(),
        passive: false,
        shutdown: None,
    }
}

/// We: identifier 10.0.0.2. The peer of most tests is 10.0.0.1, so that our connection outranks its own.
pub(crate) fn local() -> PeerConfig {
    config("aws-1", 65000, 64512, 2)
}

/// The OPEN of the peer, with this identifier.
pub(super) fn peer_open(host: u8) -> Vec<u8> {
    peer_open_message(host).encode()
}

pub(super) fn peer_open_message(host: u8) -> Open {
    Open {
        router_id: RouterId(Ipv4Addr::new(10, 0, 0, host)),
        ..negotiate::open(&config("peer", 64512, 65000, 1), Flags::default())
    }
}

/// Randomness that is the same in every run.
pub(crate) fn seeded(seed: u64) -> Box<dyn wire::Entropy> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    Box::new(move |out: &mut [u8]| {
        for octet in out {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (state >> 56).to_le_bytes()[0];
        }
    })
}

/// A peer with its clock and everything it asked for so far.
pub(super) struct Rig {
    pub(super) peer: Peer,
    pub(super) now: Instant,
}

impl Rig {
    pub(super) fn new(config: PeerConfig) -> Self {
        Self { peer: Peer::new(config, seeded(1)), now: Instant::now() }
    }

    pub(super) fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.peer.poll_output()).collect()
    }

    /// What it asks for, in a form that a table can hold.
    pub(super) fn asked(&mut self) -> Vec<String> {
        self.drain().iter().map(told).collect()
    }

    pub(super) fn start(&mut self) -> ConnectionId {
        self.peer.start(self.now);
        self.drain()
            .into_iter()
            .find_map(|output| match output {
                Output::Connect { id } => Some(id),
                Output::Close { .. } | Output::Send { .. } | Output::Event(_) => None,
            })
            .unwrap()
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.now += by;
        self.peer.handle_timeout(self.now);
    }

    /// Lets the next timer fire.
    pub(super) fn next_timer(&mut self) -> Duration {
        let at = self.peer.poll_timeout().unwrap();
        let after = at.saturating_duration_since(self.now);
        self.advance(after);
        after
    }

    /// Forgets what it asked for.
    pub(super) fn quiet(&mut self) {
        drop(self.drain());
    }

    pub(super) fn receive(&mut self, id: ConnectionId, octets: &[u8]) {
        self.peer.handle_bytes(id, octets, self.now);
    }

    /// Brings a new session into `state`; gives the connection that it stands for.
    pub(super) fn bring_to(&mut self, state: State) -> ConnectionId {
        let id = match state {
            State::Idle => ConnectionId(99),
            State::Connect | State::Active | State::OpenSent | State::OpenConfirm | State::Established => self.start(),
        };
        match state {
            State::Idle | State::Connect => {}
            State::Active => self.peer.handle_connect_failed(id, "refused".into(), self.now),
            State::OpenSent | State::OpenConfirm | State::Established => self.peer.handle_connected(id, self.now),
        }
        if matches!(state, State::OpenConfirm | State::Established) {
            self.receive(id, &peer_open(1));
        }
        if state == State::Established {
            self.receive(id, &KEEPALIVE);
        }
        assert_eq!(self.peer.state(), state);
        self.drain();
        id
    }
}

/// How many whole messages of one type these are.
fn count(octets: &[u8]) -> usize {
    let (mut rest, mut count) = (octets, 0);
    while !rest.is_empty() {
        let length = frame_len(rest, MAX_EXTENDED_LEN).unwrap().unwrap();
        assert_eq!(rest[18], octets[18]);
        (rest, count) = (&rest[length..], count + 1);
    }
    count
}

/// An output in short: `send 1 OPEN`, `send 1 UPDATE x3`, `send 1 NOTIFICATION 6/7`, `down peer sent ...`.
pub(super) fn told(output: &Output) -> String {
    match output {
        Output::Connect { id } => format!("connect {id}"),
        Output::Close { id } => format!("close {id}"),
        Output::Send { id, bytes } => {
            let kind = MessageType::from_code(bytes[18]).unwrap();
            match (Notification::decode(&bytes[HEADER_LEN..]), count(bytes)) {
                (Some(told), 1) if kind == MessageType::Notification => {
                    format!("send {id} {}/{}", told.code.0, told.subcode)
                }
                (_, 1) => format!("send {id} {kind}"),
                (_, count) => format!("send {id} {kind} x{count}"),
            }
        }
        Output::Event(event) => match event {
            Event::Established(_) => "established".into(),
            Event::Down { reason, was_established, stale, retry_in } => {
                let again = if retry_in.is_some() { "again" } else { "stay" };
                let stale = stale.as_ref().map_or_else(String::new, |stale| {
                    format!(" stale {} for {} s", stale.families.len(), stale.time.as_secs())
                });
                format!("down {} {was_established} {again}{stale}", kind_of(reason))
            }
            Event::Update(update) => format!("update +{} -{}", update.announced.len(), update.withdrawn.len()),
            Event::RefreshRequested(family) => format!("refresh {family}"),
            Event::RefreshBegun(family) => format!("refresh begun {family}"),
            Event::RefreshEnded(family) => format!("refresh ended {family}"),
            Event::StaleExpired(families) => format!("stale expired {families:?}"),
            Event::StateChanged { from, to } => format!("{from} > {to}"),
            Event::NotificationReceived { code, subcode, .. } => format!("received {code}/{subcode}"),
            Event::NotificationSent { code, subcode, .. } => format!("sent {code}/{subcode}"),
            Event::UpdateFaulty { suppressed, .. } => format!("faulty {suppressed}"),
            Event::Unsendable { prefixes, .. } => format!("unsendable {prefixes}"),
        },
    }
}

fn kind_of(reason: &DownReason) -> &'static str {
    match reason {
        DownReason::Stopped(_) => "stopped",
        DownReason::ConnectFailed { .. } => "connect",
        DownReason::ConnectionClosed { .. } => "closed",
        DownReason::HoldTimerExpired { .. } => "hold",
        DownReason::SendHoldTimerExpired { .. } => "send hold",
        DownReason::Replaced => "replaced",
        DownReason::NotificationReceived(_) => "notified",
        DownReason::Protocol(_) => "protocol",
    }
}

/// A session with a peer that offers the same as we do.
pub(super) fn established_with(offers: Offers) -> (Rig, ConnectionId, Vec<u8>) {
    let ours = PeerConfig { offers: offers.clone(), ..local() };
    let theirs = PeerConfig { offers, ..config("peer", 64512, 65000, 1) };
    let open = negotiate::open(&theirs, Flags { restarted: true, forwarding: true }).encode();
    let mut rig = Rig::new(ours);
    let id = rig.bring_to(State::OpenSent);
    rig.receive(id, &open);
    rig.receive(id, &KEEPALIVE);
    assert_eq!(rig.peer.state(), State::Established);
    rig.drain();
    (rig, id, open)
}
