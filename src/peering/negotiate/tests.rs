//! Every offer against every answer.

use std::net::Ipv4Addr;

use super::*;
use crate::tests::support::config;
use crate::{Offers, Restart};

fn theirs() -> Open {
    let mut open = open(&config("peer", 64512, 65000, 1), Flags::default());
    open.router_id = RouterId(Ipv4Addr::new(10, 0, 0, 9));
    open
}

fn local() -> PeerConfig {
    config("local", 65000, 64512, 2)
}

#[test]
fn the_smaller_hold_time_holds_and_keepalive_is_at_most_a_third() {
    let seconds = |ours: u64, keepalive: u64, theirs_hold: u16| {
        let mut config = local();
        config.timers.hold = Duration::from_secs(ours);
        config.timers.keepalive = Duration::from_secs(keepalive);
        let agreed = negotiate(&config, &Open { hold_time: theirs_hold, ..theirs() }, true).unwrap().established;
        (agreed.hold_time.as_secs(), agreed.keepalive.as_millis())
    };
    assert_eq!(seconds(30, 10, 180), (30, 10_000));
    assert_eq!(seconds(180, 60, 9), (9, 3_000));
    assert_eq!(seconds(10, 0, 90), (10, 3_333));
    assert_eq!(seconds(90, 30, 0), (0, 0));
    assert_eq!(seconds(0, 30, 90), (0, 0));
    assert_eq!(seconds(1_000_000, 30, 65535), (65535, 30_000));
}

#[test]
fn what_cannot_work_is_refused_with_its_code() {
    let refused = |config: &PeerConfig, open: &Open| {
        let error = negotiate(config, open, true).unwrap_err();
        (error.notification().to_octets()[..2].to_vec(), error.to_string())
    };
    let mut other = theirs();
    other.capabilities.retain(|capability| !matches!(capability, Capability::FourOctetAs(_)));
    other.my_as = 64513;
    assert_eq!(refused(&local(), &other), (vec![2, 2], "the peer says that it is AS 64513, expected AS 64512".into()));
    let zero = Open { router_id: RouterId(Ipv4Addr::UNSPECIFIED), ..theirs() };
    assert_eq!(refused(&local(), &zero).0, [2, 3]);
    let internal = PeerConfig { local_asn: Asn(64512), ..local() };
    let same = Open { router_id: internal.router_id, ..theirs() };
    assert_eq!(refused(&internal, &same).0, [2, 3]);
    assert!(negotiate(&local(), &same, true).is_ok(), "RFC 6286: equal identifiers are fine between ASes");
    for hold_time in [1, 2] {
        assert_eq!(refused(&local(), &Open { hold_time, ..theirs() }).0, [2, 6]);
    }
    let v6 = PeerConfig { families: vec![Family::Ipv6Unicast], ..local() };
    let v4 = Open { capabilities: vec![Capability::FourOctetAs(Asn(64512))], ..theirs() };
    assert_eq!(refused(&v6, &v4).0, [2, 7]);
}

#[test]
fn as_zero_is_refused_even_where_configured() {
    let config = PeerConfig { peer_asn: Asn(0), ..local() };
    let open = Open { my_as: 0, capabilities: Vec::new(), ..theirs() };
    assert!(matches!(negotiate(&config, &open, true), Err(OpenError::PeerAs { .. })));
}

#[test]
fn families_are_those_of_both_in_our_order() {
    let mut open = theirs();
    open.capabilities.retain(|capability| *capability != Capability::family(Family::Ipv6Unicast));
    let agreed = negotiate(&local(), &open, false).unwrap();
    assert_eq!(agreed.established.families, [Family::Ipv4Unicast]);
    assert_eq!(agreed.terms.families, [Family::Ipv4Unicast]);
    assert!(!agreed.established.opened_by_us);
}

fn agreed(config: &PeerConfig, more: Vec<Capability>) -> Established {
    let mut open = theirs();
    open.capabilities.extend(more);
    negotiate(config, &open, true).unwrap().established
}

fn offering(offers: Offers) -> PeerConfig {
    PeerConfig { offers, ..local() }
}

#[test]
fn nothing_is_offered_that_is_not_configured() {
    let plain = open(&local(), Flags { restarted: true, forwarding: true });
    assert_eq!(
        plain.capabilities,
        [
            Capability::family(Family::Ipv4Unicast),
            Capability::family(Family::Ipv6Unicast),
            Capability::RouteRefresh,
            Capability::FourOctetAs(Asn(65000))
        ]
    );
}

#[test]
fn everything_is_offered_that_is_configured() {
    let both = AddPath { receive: true, send: true };
    let config = offering(Offers {
        enhanced_refresh: true,
        extended_messages: true,
        extended_next_hop: true,
        add_path: vec![(Family::Ipv4Unicast, both), (Family::Ipv6Unicast, AddPath { receive: true, send: false })],
        graceful_restart: Some(Restart {
            time: Some(Duration::from_secs(90)),
            stale: Duration::from_secs(300),
            notification: true,
        }),
        role: Some(Role::Customer),
        role_strict: false,
    });
    let words: Vec<String> = open(&config, Flags::default()).capabilities.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "multiprotocol ipv4-unicast",
            "multiprotocol ipv6-unicast",
            "route-refresh",
            "extended-next-hop ipv4-unicast over ipv6",
            "extended-messages",
            "role customer",
            "graceful-restart 90 s, over notifications, ipv4-unicast, ipv6-unicast",
            "four-octet-as 65000",
            "add-path ipv4-unicast both ipv6-unicast receive",
            "enhanced-refresh",
        ]
    );
}

#[test]
fn an_offer_holds_only_where_both_make_it() {
    let config = offering(Offers {
        enhanced_refresh: true,
        extended_messages: true,
        extended_next_hop: true,
        ..Offers::default()
    });
    let none = agreed(&config, Vec::new());
    assert_eq!((none.enhanced_refresh, none.extended_messages, none.extended_next_hop), (false, false, false));
    let theirs = || {
        vec![
            Capability::EnhancedRouteRefresh,
            Capability::ExtendedMessage,
            Capability::ExtendedNextHop(vec![(1, 1, 2)]),
        ]
    };
    let all = agreed(&config, theirs());
    assert_eq!((all.enhanced_refresh, all.extended_messages, all.extended_next_hop), (true, true, true));
    let unwanted = agreed(&local(), theirs());
    assert_eq!(
        (unwanted.enhanced_refresh, unwanted.extended_messages, unwanted.extended_next_hop),
        (false, false, false)
    );
    let other = agreed(&config, vec![Capability::ExtendedNextHop(vec![(1, 128, 2), (2, 1, 1)])]);
    assert!(!other.extended_next_hop, "for other families than IPv4 unicast over IPv6 it means nothing");
}

#[test]
fn paths_flow_where_one_side_sends_and_the_other_takes_them() {
    let wants = |receive, send| {
        offering(Offers { add_path: vec![(Family::Ipv4Unicast, AddPath { receive, send })], ..Offers::default() })
    };
    let says = |number| vec![Capability::AddPath(vec![(1, 1, number), (2, 1, 3)])];
    for (ours, number, receive, send) in [
        ((true, true), 3, true, true),
        ((true, true), 1, false, true),
        ((true, true), 2, true, false),
        ((true, false), 3, true, false),
        ((false, true), 3, false, true),
        ((true, false), 1, false, false),
        ((false, true), 2, false, false),
        ((true, true), 4, false, false),
    ] {
        let established = agreed(&wants(ours.0, ours.1), says(number));
        let directions = established.add_path(Family::Ipv4Unicast);
        assert_eq!((directions.receive, directions.send), (receive, send), "{ours:?} {number}");
        assert_eq!(established.add_path.is_empty(), !receive && !send);
        assert_eq!(established.add_path(Family::Ipv6Unicast), AddPath::default(), "not offered by us");
    }
}

#[test]
fn graceful_restart_is_for_families_of_the_session_and_for_those_who_both_want_it() {
    let said = |flags: &[(u16, u8, u8)]| {
        vec![Capability::GracefulRestart(GracefulRestart {
            restarting: true,
            notification: true,
            time: 77,
            families: flags.to_vec(),
        })]
    };
    let helper = |notification| {
        offering(Offers {
            graceful_restart: Some(Restart { time: None, stale: Duration::from_secs(300), notification }),
            ..Offers::default()
        })
    };
    let families = [(1, 1, 0x80), (1, 128, 0x80), (2, 1, 0x7f), (1, 1, 0)];
    let restart = agreed(&helper(true), said(&families)).graceful_restart.unwrap();
    assert_eq!(restart.families, [(Family::Ipv4Unicast, true), (Family::Ipv6Unicast, false)]);
    assert_eq!((restart.restarting, restart.notification, restart.time.as_secs()), (true, true, 77));
    assert!(!agreed(&helper(false), said(&families)).graceful_restart.unwrap().notification);
    assert_eq!(agreed(&local(), said(&families)).graceful_restart, None);
    assert_eq!(agreed(&helper(true), Vec::new()).graceful_restart, None);
}

#[test]
fn the_restart_flags_are_those_of_the_moment_and_a_helper_says_none() {
    let mut config = offering(Offers {
        graceful_restart: Some(Restart {
            time: Some(Duration::from_secs(5000)),
            stale: Duration::from_secs(300),
            notification: false,
        }),
        ..Offers::default()
    });
    let said = |config: &PeerConfig| {
        open(config, Flags { restarted: true, forwarding: true }).graceful_restart().cloned().unwrap()
    };
    let full = said(&config);
    assert_eq!((full.restarting, full.time, full.families.len()), (true, 4095, 2));
    assert!(full.families.iter().all(|(_, _, flags)| *flags == GracefulRestart::FORWARDING));
    config.offers.graceful_restart = Some(Restart { time: None, stale: Duration::from_secs(1), notification: false });
    assert_eq!(said(&config), GracefulRestart::default());
}

#[test]
fn roles_must_belong_together() {
    let we_are = |role, role_strict| offering(Offers { role: Some(role), role_strict, ..Offers::default() });
    for ours in Role::ALL {
        for theirs in 0..=5 {
            let mut open = self::theirs();
            open.capabilities.push(Capability::Role(theirs));
            let outcome = negotiate(&we_are(ours, false), &open, true);
            if theirs == ours.counterpart().code() {
                assert_eq!(outcome.unwrap().established.role, Some(ours));
            } else {
                let error = outcome.unwrap_err();
                assert_eq!(error.notification().to_octets(), [2, 11], "{ours} {theirs}");
                assert!(error.to_string().contains("it should be"), "{error}");
            }
        }
    }
    let customer = we_are(Role::Customer, false);
    assert_eq!(agreed(&customer, vec![Capability::Role(0), Capability::Role(0)]).role, Some(Role::Customer));
    let mut two = theirs();
    two.capabilities.extend([Capability::Role(0), Capability::Role(4)]);
    assert_eq!(negotiate(&customer, &two, true).unwrap_err().notification().to_octets(), [2, 11]);
    assert_eq!(agreed(&customer, Vec::new()).role, Some(Role::Customer), "a peer may be silent");
    let missing = negotiate(&we_are(Role::Customer, true), &theirs(), true).unwrap_err();
    assert_eq!(missing, OpenError::RoleMissing { ours: Role::Customer });
    assert_eq!(missing.notification().to_octets(), [2, 11]);
    assert_eq!(agreed(&local(), vec![Capability::Role(2)]).role, None, "without a role of ours its is not looked at");
}

#[test]
fn a_hold_time_below_what_is_wanted_is_refused() {
    let mut config = local();
    config.timers.shortest_hold = Duration::from_secs(20);
    let with = |hold_time| negotiate(&config, &Open { hold_time, ..theirs() }, true);
    assert_eq!(with(19).unwrap_err(), OpenError::HoldTimeShort { seconds: 19, shortest: 20 });
    assert_eq!(with(19).unwrap_err().notification().to_octets(), [2, 6]);
    assert_eq!(with(20).unwrap().established.hold_time.as_secs(), 20);
    assert_eq!(with(0).unwrap().established.hold_time, Duration::ZERO);
}
