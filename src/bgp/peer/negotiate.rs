//! Our OPEN, and what follows from it and the peer's (RFC 4271 4.2, 6.2).

use std::time::Duration;

use wire::{Asn, RouterId};

use super::established::Established;
use crate::message::{Capability, Open, OpenError, Terms};
use crate::{Family, PeerConfig};

/// What both sides agreed on, for the world and for the codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) established: Established,
    pub(super) terms: Terms,
}

/// Our OPEN.
pub(super) fn open(config: &PeerConfig) -> Open {
    let mut capabilities: Vec<Capability> = config.families.iter().copied().map(Capability::family).collect();
    capabilities.extend([Capability::RouteRefresh, Capability::FourOctetAs(config.local_asn)]);
    Open {
        my_as: config.local_asn.two_octets(),
        hold_time: proposed_hold_time(config),
        router_id: config.router_id,
        capabilities,
    }
}

/// Whether the peer's OPEN is one we can work with, and how.
pub(super) fn negotiate(config: &PeerConfig, theirs: &Open, opened_by_us: bool) -> Result<Agreed, OpenError> {
    let peer_asn = check_asn(config, theirs)?;
    let peer_router_id = check_identifier(config, theirs)?;
    let hold_time = hold_time(config, theirs)?;
    let families = families(config, theirs)?;
    let terms = Terms {
        local_asn: config.local_asn,
        peer_asn,
        local_address: config.local_address,
        four_octet: theirs.four_octet(),
        families: families.clone(),
    };
    let established = Established {
        peer_router_id,
        peer_asn,
        local_asn: config.local_asn,
        hold_time,
        keepalive: keepalive(config, hold_time),
        families,
        four_octet: theirs.four_octet(),
        route_refresh: theirs.route_refresh(),
        enhanced_refresh: false,
        extended_messages: false,
        extended_next_hop: false,
        add_path: Vec::new(),
        graceful_restart: None,
        role: None,
        opened_by_us,
    };
    Ok(Agreed { established, terms })
}

fn check_asn(config: &PeerConfig, theirs: &Open) -> Result<Asn, OpenError> {
    let (found, expected) = (theirs.asn(), config.peer_asn);
    // RFC 7607 2: never AS 0, whatever is configured.
    if found != expected || found == Asn(0) { Err(OpenError::PeerAs { found, expected }) } else { Ok(found) }
}

// RFC 6286 2.1, 2.2
fn check_identifier(config: &PeerConfig, theirs: &Open) -> Result<RouterId, OpenError> {
    let found = theirs.router_id;
    if found.0.is_unspecified() {
        return Err(OpenError::Identifier { found, why: "zero" });
    }
    if found == config.router_id && config.peer_asn == config.local_asn {
        return Err(OpenError::Identifier { found, why: "our own, and we are in the same AS" });
    }
    Ok(found)
}

// RFC 4271 4.2: the smaller of both; zero turns it off; one and two seconds are not allowed.
fn hold_time(config: &PeerConfig, theirs: &Open) -> Result<Duration, OpenError> {
    match theirs.hold_time {
        seconds @ (1 | 2) => Err(OpenError::HoldTime { seconds }),
        seconds => Ok(Duration::from_secs(seconds.min(proposed_hold_time(config)).into())),
    }
}

// RFC 4271 4.4: at most a third of the hold time, never with a hold time of zero.
fn keepalive(config: &PeerConfig, hold_time: Duration) -> Duration {
    let third = hold_time / 3;
    if config.keepalive.is_zero() { third } else { third.min(config.keepalive) }
}

fn families(config: &PeerConfig, theirs: &Open) -> Result<Vec<Family>, OpenError> {
    let theirs = theirs.families();
    let common: Vec<Family> = config.families.iter().copied().filter(|family| theirs.contains(family)).collect();
    if common.is_empty() {
        return Err(OpenError::Families { ours: config.families.clone(), theirs });
    }
    Ok(common)
}

fn proposed_hold_time(config: &PeerConfig) -> u16 {
    u16::try_from(config.hold_time.as_secs()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::peer::tests::support::config;

    fn theirs() -> Open {
        let mut open = open(&config("peer", 64512, 65000, 1));
        open.router_id = RouterId(Ipv4Addr::new(10, 0, 0, 9));
        open
    }

    fn local() -> PeerConfig {
        config("local", 65000, 64512, 2)
    }

    #[test]
    fn the_smaller_hold_time_holds_and_keepalive_is_at_most_a_third() {
        let seconds = |ours: u64, keepalive: u64, theirs_hold: u16| {
            let config = PeerConfig {
                hold_time: Duration::from_secs(ours),
                keepalive: Duration::from_secs(keepalive),
                ..local()
            };
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
        assert_eq!(
            refused(&local(), &other),
            (vec![2, 2], "the peer says that it is AS 64513, expected AS 64512".into())
        );
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
}
