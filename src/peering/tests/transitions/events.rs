//! Everything that can happen to a session: each function of [`Peer`](crate::Peer), each message, each timer.

use std::time::Duration;

use bgp::message::{
    Capability, CeaseSubcode, ErrorCode, KEEPALIVE, MessageType, Notification, Open, RefreshKind, RouteRefresh,
};
use bgp::{Family, Update};
use hex_literal::hex;

use super::super::support::{Rig, peer_open, peer_open_message};
use super::states::gentler;
use crate::Side;
use crate::clock::Timer;
use crate::{ConnectionId, PeerConfig, StopReason};

/// Declares the events: `Name: "as in the tables", function it goes through, what is done`.
macro_rules! events {
    ($($name:ident: $text:literal, $function:ident, $play:expr;)*) => {
        /// One event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Happening {
            $($name,)*
        }

        impl Happening {
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// As in the tables.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The function of `Peer` that it comes by.
            pub(super) const fn function(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($function),)*
                }
            }

            pub(super) fn play(self, rig: &mut Rig, id: ConnectionId) {
                let play: fn(&mut Rig, ConnectionId) = match self {
                    $(Self::$name => $play,)*
                };
                play(rig, id);
            }
        }
    };
}

/// An UPDATE of 10.2.0.0/16 behind 169.254.21.1.
const UPDATE: &[u8] = &hex!(
    "ffffffffffffffffffffffffffffffff 002e 02 0000 0014"
    "40 01 01 00  40 02 06 02 01 0000fc00  40 03 04 a9fe1501  10 0a02"
);
const END_OF_RIB: &[u8] = &hex!("ffffffffffffffffffffffffffffffff 0017 02 0000 0000");
const V4: Family = Family::Ipv4Unicast;
const LONG: Duration = Duration::from_secs(1000);

events! {
    // The operator and the process.
    Start: "start", start, |rig, _| rig.peer.start(rig.now);
    ShutDown: "shut down by the user", shut_down, |rig, _| rig.peer.shut_down("bye".into(), rig.now);
    Enable: "enabled by the user", enable, |rig, _| {
        rig.peer.enable();
    };
    EnableAndStart: "enabled by the user, and start", enable, |rig, _| {
        rig.peer.enable();
        rig.peer.start(rig.now);
    };
    StopShutdown: "stop: shutdown", stop, |rig, _| stop(rig, StopReason::AdminShutdown("bye".into()));
    StopTunnel: "stop: tunnel down", stop, |rig, _| stop(rig, StopReason::TunnelDown);
    StopBfd: "stop: BFD down", stop, |rig, _| stop(rig, StopReason::BfdDown);
    BfdDownAndUp: "BFD down, then up", stop, |rig, _| {
        stop(rig, StopReason::BfdDown);
        rig.peer.start(rig.now);
    };
    StopRestarting: "stop: we restart", stop, |rig, _| stop(rig, StopReason::Restarting);
    StopPrefixLimit: "stop: too many prefixes", stop, |rig, _| {
        stop(rig, StopReason::PrefixLimit { limit: 1, count: 2 });
    };
    StopDeconfigured: "stop: deconfigured", stop, |rig, _| stop(rig, StopReason::Deconfigured);
    StopReset: "stop: reset", stop, |rig, _| stop(rig, StopReason::Reset(String::new()));
    StopChanged: "stop: configuration changed", stop, |rig, _| stop(rig, StopReason::ConfigurationChanged);
    StopResources: "stop: out of resources", stop, |rig, _| stop(rig, StopReason::OutOfResources("memory".into()));
    Configured: "configured anew", set_config, |rig, _| rig.peer.set_config(gentler(), rig.now);
    ConfiguredPassive: "configured to wait for the peer", set_config, |rig, _| {
        rig.peer.set_config(PeerConfig { passive: true, ..gentler() }, rig.now);
    };
    Restarted: "told that we have restarted", set_restarted, |rig, _| rig.peer.set_restarted(true);
    // TCP.
    Connected: "connected", handle_connected, |rig, id| rig.peer.handle_connected(id, rig.now);
    ConnectFailed: "connect failed", handle_connect_failed, |rig, id| {
        rig.peer.handle_connect_failed(id, "refused".into(), rig.now);
    };
    Accepted: "accepted", handle_accepted, |rig, _| {
        rig.peer.handle_accepted(rig.now);
    };
    Closed: "closed", handle_closed, |rig, id| rig.peer.handle_closed(id, None, rig.now);
    Lost: "lost", handle_closed, |rig, id| rig.peer.handle_closed(id, Some("reset".into()), rig.now);
    Blocked: "send blocked", handle_send_blocked, |rig, id| rig.peer.handle_send_blocked(id, false, rig.now);
    BlockedForGood: "send blocked for good", handle_send_blocked, |rig, id| blocked_for_good(rig, id);
    Unblocked: "send blocked for a while", handle_send_unblocked, |rig, id| {
        rig.peer.handle_send_blocked(id, false, rig.now);
        rig.peer.handle_send_blocked(id, true, rig.now);
        rig.peer.handle_send_unblocked(id);
        assert_eq!(send_hold(rig), None);
    };
    // Time.
    NextTimer: "next timer", handle_timeout, |rig, _| {
        if rig.peer.poll_timeout().is_some() {
            rig.next_timer();
        }
    };
    EarlyTimeout: "a timeout ahead of time", handle_timeout, |rig, _| rig.peer.handle_timeout(rig.now);
    IdleHold: "idle hold over", handle_timeout, |rig, _| expire(rig, |timer| *timer == Timer::IdleHold);
    ParkedLong: "parked for too long", handle_timeout, |rig, _| expire(rig, |timer| *timer == Timer::Parked);
    ConnectRetry: "connect retry", handle_timeout, |rig, _| expire(rig, |timer| *timer == Timer::ConnectRetry);
    KeepaliveDue: "KEEPALIVE due", handle_timeout, |rig, _| expire(rig, |timer| matches!(timer, Timer::Keepalive(_)));
    HoldExpired: "hold timer", handle_timeout, |rig, _| expire(rig, |timer| matches!(timer, Timer::Hold(_)));
    StaleOver: "stale time over", handle_timeout, |rig, _| expire(rig, |timer| *timer == Timer::Stale);
    RefreshOver: "BoRR, and no EoRR in time", handle_timeout, |rig, id| {
        rig.receive(id, END_OF_RIB);
        rig.receive(id, &RouteRefresh::new(RefreshKind::Begin, V4).encode());
        if rig.peer.timers.deadline(Timer::Refresh(V4)).is_some() {
            // Meanwhile the peer is heard now and then.
            for _ in 0..36 {
                rig.advance(Duration::from_secs(10));
                rig.receive(id, &KEEPALIVE);
            }
            rig.quiet();
        }
    };
    Silence: "long silence", handle_timeout, |rig, _| {
        if rig.peer.poll_timeout().is_some() {
            rig.advance(LONG);
        }
    };
    // OPEN.
    Open: "OPEN", handle_bytes, |rig, id| rig.receive(id, &peer_open(1));
    OpenHigher: "OPEN of a higher identifier", handle_bytes, |rig, id| rig.receive(id, &peer_open(9));
    OpenOtherAs: "OPEN of another AS", handle_bytes, |rig, id| {
        rig.receive(id, &Open { my_as: 7, capabilities: vec![], ..peer_open_message(1) }.encode());
    };
    OpenVersion: "OPEN of version 3", handle_bytes, |rig, id| {
        let mut open = peer_open(1);
        open[19] = 3;
        rig.receive(id, &open);
    };
    OpenNoFamily: "OPEN without a family of ours", handle_bytes, |rig, id| {
        let mut open = peer_open_message(1);
        open.capabilities = vec![Capability::FourOctetAs(wire::Asn(64512)), Capability::Multiprotocol { afi: 25, safi: 70 }];
        rig.receive(id, &open.encode());
    };
    OpenHoldTime: "OPEN with a hold time of 1", handle_bytes, |rig, id| {
        rig.receive(id, &Open { hold_time: 1, ..peer_open_message(1) }.encode());
    };
    OpenCut: "OPEN with its capabilities cut", handle_bytes, |rig, id| {
        let mut open = peer_open(1);
        // The parameter's length: one more than there is.
        open[30] += 1;
        rig.receive(id, &open);
    };
    // The other messages.
    Keepalive: "KEEPALIVE", handle_bytes, |rig, id| rig.receive(id, &KEEPALIVE);
    Update: "UPDATE", handle_bytes, |rig, id| rig.receive(id, &numbered(rig, id, UPDATE));
    UpdateWithdraw: "UPDATE treated as withdraw", handle_bytes, |rig, id| {
        let mut update = numbered(rig, id, UPDATE);
        update[26] = 9;
        rig.receive(id, &update);
    };
    UpdateReset: "UPDATE beyond repair", handle_bytes, |rig, id| {
        let mut update = UPDATE.to_vec();
        update[20] = 99;
        rig.receive(id, &update);
    };
    EndOfRib: "End-of-RIB", handle_bytes, |rig, id| rig.receive(id, END_OF_RIB);
    Refresh: "ROUTE-REFRESH", handle_bytes, |rig, id| {
        rig.receive(id, &RouteRefresh::request(Family::Ipv6Unicast).encode());
    };
    RefreshBegin: "BoRR", handle_bytes, |rig, id| {
        rig.receive(id, &RouteRefresh::new(RefreshKind::Begin, V4).encode());
    };
    RefreshBegins: "End-of-RIB, BoRR", handle_bytes, |rig, id| {
        rig.receive(id, END_OF_RIB);
        rig.receive(id, &RouteRefresh::new(RefreshKind::Begin, V4).encode());
    };
    RefreshEnd: "EoRR", handle_bytes, |rig, id| rig.receive(id, &RouteRefresh::new(RefreshKind::End, V4).encode());
    RefreshAll: "End-of-RIB, BoRR, EoRR", handle_bytes, |rig, id| {
        rig.receive(id, END_OF_RIB);
        rig.receive(id, &RouteRefresh::new(RefreshKind::Begin, V4).encode());
        rig.receive(id, &RouteRefresh::new(RefreshKind::End, V4).encode());
    };
    RefreshLong: "BoRR of 24 octets", handle_bytes, |rig, id| {
        rig.receive(id, &hex!("ffffffffffffffffffffffffffffffff 0018 05 0001 01 01 00"));
    };
    RefreshUnknown: "ROUTE-REFRESH of subtype 9", handle_bytes, |rig, id| {
        rig.receive(id, &hex!("ffffffffffffffffffffffffffffffff 0017 05 0001 09 01"));
    };
    NotifiedShutdown: "NOTIFICATION of shutdown", handle_bytes, |rig, id| {
        notified(rig, id, &Notification::cease_with_text(CeaseSubcode::ADMINISTRATIVE_SHUTDOWN, "upgrade"));
    };
    NotifiedHardReset: "NOTIFICATION of hard reset", handle_bytes, |rig, id| {
        notified(rig, id, &Notification::cease(CeaseSubcode::ADMINISTRATIVE_RESET).hard_reset());
    };
    NotifiedCollision: "NOTIFICATION of collision", handle_bytes, |rig, id| {
        notified(rig, id, &Notification::cease(CeaseSubcode::CONNECTION_COLLISION_RESOLUTION));
    };
    NotifiedHold: "NOTIFICATION of hold timer", handle_bytes, |rig, id| {
        notified(rig, id, &Notification::new(ErrorCode::HOLD_TIMER_EXPIRED, 0, vec![]));
    };
    NotifiedVersion: "NOTIFICATION of version", handle_bytes, |rig, id| {
        notified(rig, id, &Notification::new(ErrorCode::OPEN, 1, vec![0, 4]));
    };
    NoBgp: "no BGP", handle_bytes, |rig, id| rig.receive(id, b"GET / HTTP/1.1\r\n\r\n");
    UnknownType: "unknown message type", handle_bytes, |rig, id| {
        let mut message = KEEPALIVE;
        message[18] = 6;
        rig.receive(id, &message);
    };
    TooLong: "header of 4097 octets", handle_bytes, |rig, id| {
        rig.receive(id, &hex!("ffffffffffffffffffffffffffffffff 1001 02"));
    };
    LongKeepalive: "KEEPALIVE of 20 octets", handle_bytes, |rig, id| {
        rig.receive(id, &hex!("ffffffffffffffffffffffffffffffff 0014 04 00"));
    };
    Half: "half a message", handle_bytes, |rig, id| rig.receive(id, &KEEPALIVE[..10]);
    // Routes out.
    SendUpdate: "routes to send", send_updates, |rig, _| {
        rig.peer.send_updates(&[Update { withdrawn: vec!["10.0.0.0/8".parse::<ipnet::IpNet>().unwrap().into()], ..Update::default() }]);
    };
    SendEnd: "our End-of-RIB", send_updates, |rig, _| {
        rig.peer.send_updates(&[Update { end_of_rib: Some(V4), ..Update::default() }]);
    };
    AskRefresh: "a refresh to ask for", request_refresh, |rig, _| {
        rig.peer.request_refresh(V4);
    };
    Polled: "polled", poll_output, |rig, _| assert_eq!(rig.peer.poll_output(), None);
}

/// Each reason to stop has its event: one more does not compile without it.
pub(super) const fn of_stop(reason: &StopReason) -> Happening {
    match reason {
        StopReason::AdminShutdown(_) => Happening::StopShutdown,
        StopReason::TunnelDown => Happening::StopTunnel,
        StopReason::BfdDown => Happening::StopBfd,
        StopReason::Restarting => Happening::StopRestarting,
        StopReason::PrefixLimit { .. } => Happening::StopPrefixLimit,
        StopReason::Deconfigured => Happening::StopDeconfigured,
        StopReason::Reset(_) => Happening::StopReset,
        StopReason::ConfigurationChanged => Happening::StopChanged,
        StopReason::OutOfResources(_) => Happening::StopResources,
    }
}

/// So has each type of message.
pub(super) const fn of_message(kind: MessageType) -> Happening {
    match kind {
        MessageType::Open => Happening::Open,
        MessageType::Update => Happening::Update,
        MessageType::Notification => Happening::NotifiedShutdown,
        MessageType::Keepalive => Happening::Keepalive,
        MessageType::RouteRefresh => Happening::Refresh,
    }
}

/// So has each mark around what is repeated.
pub(super) const fn of_refresh(kind: RefreshKind) -> Happening {
    match kind {
        RefreshKind::Request => Happening::Refresh,
        RefreshKind::Begin => Happening::RefreshBegin,
        RefreshKind::End => Happening::RefreshEnd,
    }
}

/// So has each timer.
pub(super) const fn of_timer(timer: Timer) -> Happening {
    match timer {
        Timer::IdleHold => Happening::IdleHold,
        Timer::Parked => Happening::ParkedLong,
        Timer::ConnectRetry => Happening::ConnectRetry,
        Timer::Hold(_) => Happening::HoldExpired,
        Timer::Keepalive(_) => Happening::KeepaliveDue,
        Timer::SendHold(_) => Happening::BlockedForGood,
        Timer::Stale => Happening::StaleOver,
        Timer::Refresh(_) => Happening::RefreshOver,
    }
}

fn stop(rig: &mut Rig, reason: StopReason) {
    rig.peer.stop(reason, rig.now);
}

fn notified(rig: &mut Rig, id: ConnectionId, notification: &Notification) {
    rig.receive(id, &notification.encode());
}

/// Lets the first timer of a kind that runs fire, and those before it.
fn expire(rig: &mut Rig, wanted: impl Fn(&Timer) -> bool) {
    let both = |timer: fn(Side) -> Timer| Side::BOTH.map(timer);
    let [single, sided] = [
        vec![Timer::IdleHold, Timer::Parked, Timer::ConnectRetry, Timer::Stale],
        [both(Timer::Hold), both(Timer::Keepalive)].concat(),
    ];
    let due = single.into_iter().chain(sided).filter(wanted).filter_map(|timer| rig.peer.timers.deadline(timer)).min();
    if let Some(at) = due {
        rig.advance(at.saturating_duration_since(rig.now));
    }
}

fn send_hold(rig: &Rig) -> Option<std::time::Instant> {
    Side::BOTH.into_iter().find_map(|side| rig.peer.timers.deadline(Timer::SendHold(side)))
}

/// The peer speaks, and reads nothing.
fn blocked_for_good(rig: &mut Rig, id: ConnectionId) {
    rig.peer.handle_send_blocked(id, false, rig.now);
    let Some(at) = send_hold(rig) else { return };
    if rig.peer.established_id() == Some(id) {
        while rig.now + Duration::from_secs(10) < at {
            rig.advance(Duration::from_secs(10));
            rig.receive(id, &KEEPALIVE);
        }
        rig.quiet();
    }
    rig.advance(at.saturating_duration_since(rig.now));
}

/// The UPDATE as a session with path identifiers carries it.
fn numbered(rig: &Rig, id: ConnectionId, update: &[u8]) -> Vec<u8> {
    let paths = rig.peer.established_id() == Some(id)
        && rig.peer.established().is_some_and(|agreed| agreed.established.add_path(V4).receive);
    let mut update = update.to_vec();
    if paths {
        let at = update.len() - 3;
        update.splice(at..at, [0, 0, 0, 7]);
        update[17] += 4;
    }
    update
}
