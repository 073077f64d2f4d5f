//! Our OPEN, and what follows from it and the peer's (RFC 4271 4.2, 6.2).

use std::time::Duration;

use bgp::message::{Capability, GracefulRestart, Open, OpenError, Terms};
use bgp::{AddPath, Family, Role};
use wire::{Asn, RouterId};

use super::continuity::Flags;
use super::established::{Established, PeerRestart};
use crate::PeerConfig;

/// What both sides agreed on, for the world and for the codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) established: Established,
    pub(super) terms: Terms,
}

/// Our OPEN.
pub(super) fn open(config: &PeerConfig, flags: Flags) -> Open {
    Open {
        my_as: config.local_asn.two_octets(),
        hold_time: whole_seconds(config.timers.hold),
        router_id: config.router_id,
        capabilities: capabilities(config, flags),
    }
}

/// What we offer, in order of number.
fn capabilities(config: &PeerConfig, flags: Flags) -> Vec<Capability> {
    let offers = &config.offers;
    let mut capabilities: Vec<Capability> = config.families.iter().copied().map(Capability::family).collect();
    capabilities.push(Capability::RouteRefresh);
    if offers.extended_next_hop && config.families.contains(&Family::Ipv4Unicast) {
        capabilities.push(Capability::ExtendedNextHop(vec![(1, 1, 2)]));
    }
    if offers.extended_messages {
        capabilities.push(Capability::ExtendedMessage);
    }
    capabilities.extend(offers.role.map(|role| Capability::Role(role.code())));
    capabilities.extend(graceful_restart(config, flags));
    capabilities.push(Capability::FourOctetAs(config.local_asn));
    capabilities.extend(add_path(config));
    if offers.enhanced_refresh {
        capabilities.push(Capability::EnhancedRouteRefresh);
    }
    capabilities
}

// RFC 4724 3: without families it says that we only help.
fn graceful_restart(config: &PeerConfig, flags: Flags) -> Option<Capability> {
    let restart = config.offers.graceful_restart?;
    let forwarding = if flags.forwarding { GracefulRestart::FORWARDING } else { 0 };
    let families = config.families.iter().map(|family| (family.codes().0, family.codes().1, forwarding));
    Some(Capability::GracefulRestart(GracefulRestart {
        restarting: flags.restarted && restart.time.is_some(),
        notification: restart.notification,
        time: restart.time.map_or(0, whole_seconds).min(GracefulRestart::LONGEST),
        families: if restart.time.is_some() { families.collect() } else { Vec::new() },
    }))
}

fn add_path(config: &PeerConfig) -> Option<Capability> {
    let offered = config.offers.add_path.iter().filter(|(family, _)| config.families.contains(family));
    let families: Vec<(u16, u8, u8)> = offered
        .map(|(family, AddPath { receive, send })| {
            (family.codes().0, family.codes().1, u8::from(*receive) | u8::from(*send) << 1)
        })
        .filter(|(_, _, directions)| *directions != 0)
        .collect();
    (!families.is_empty()).then_some(Capability::AddPath(families))
}

/// Whether the peer's OPEN is one we can work with, and how.
pub(super) fn negotiate(config: &PeerConfig, theirs: &Open, opened_by_us: bool) -> Result<Agreed, OpenError> {
    let peer_asn = check_asn(config, theirs)?;
    let peer_router_id = check_identifier(config, theirs)?;
    let hold_time = hold_time(config, theirs)?;
    let role = check_role(config, theirs)?;
    let families = families(config, theirs)?;
    let offers = &config.offers;
    let established = Established {
        peer_router_id,
        peer_asn,
        local_asn: config.local_asn,
        hold_time,
        keepalive: keepalive(config, hold_time),
        four_octet: theirs.four_octet(),
        route_refresh: theirs.route_refresh(),
        enhanced_refresh: offers.enhanced_refresh && theirs.enhanced_refresh(),
        extended_messages: offers.extended_messages && theirs.extended_messages(),
        extended_next_hop: offers.extended_next_hop
            && theirs.extended_next_hop()
            && families.contains(&Family::Ipv4Unicast),
        add_path: common_add_path(config, theirs, &families),
        graceful_restart: common_restart(config, theirs, &families),
        families,
        role,
        opened_by_us,
    };
    let terms = Terms {
        local_asn: config.local_asn,
        peer_asn,
        local_address: config.local_address,
        four_octet: established.four_octet,
        families: established.families.clone(),
        add_path: established.add_path.clone(),
        extended_next_hop: established.extended_next_hop,
        extended_messages: established.extended_messages,
        role: established.role,
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
    let shortest = whole_seconds(config.timers.shortest_hold);
    match theirs.hold_time {
        seconds @ (1 | 2) => Err(OpenError::HoldTime { seconds }),
        seconds if seconds != 0 && seconds < shortest => Err(OpenError::HoldTimeShort { seconds, shortest }),
        seconds => Ok(Duration::from_secs(seconds.min(whole_seconds(config.timers.hold)).into())),
    }
}

// RFC 4271 4.4: at most a third of the hold time, never with a hold time of zero.
fn keepalive(config: &PeerConfig, hold_time: Duration) -> Duration {
    let third = hold_time / 3;
    if config.timers.keepalive.is_zero() { third } else { third.min(config.timers.keepalive) }
}

// RFC 9234 4.2
fn check_role(config: &PeerConfig, theirs: &Open) -> Result<Option<Role>, OpenError> {
    let Some(ours) = config.offers.role else { return Ok(None) };
    let mut said: Vec<u8> = theirs.roles().collect();
    said.dedup();
    match said.as_slice() {
        [] if config.offers.role_strict => Err(OpenError::RoleMissing { ours }),
        [] => Ok(Some(ours)),
        [role] if *role == ours.counterpart().code() => Ok(Some(ours)),
        [_, ..] => Err(OpenError::Role { ours, theirs: said }),
    }
}

fn families(config: &PeerConfig, theirs: &Open) -> Result<Vec<Family>, OpenError> {
    let theirs = theirs.families();
    let common: Vec<Family> = config.families.iter().copied().filter(|family| theirs.contains(family)).collect();
    if common.is_empty() {
        return Err(OpenError::Families { ours: config.families.clone(), theirs });
    }
    Ok(common)
}

// RFC 7911 4: what one side sends the other must take.
fn common_add_path(config: &PeerConfig, theirs: &Open, families: &[Family]) -> Vec<(Family, AddPath)> {
    let offered = config.offers.add_path.iter().filter(|(family, _)| families.contains(family));
    offered
        .map(|(family, ours)| {
            let theirs = theirs.add_path(*family);
            (*family, AddPath { receive: ours.receive && theirs.send, send: ours.send && theirs.receive })
        })
        .filter(|(_, directions)| directions.receive || directions.send)
        .collect()
}

// RFC 4724 3: only families that the session carries.
fn common_restart(config: &PeerConfig, theirs: &Open, families: &[Family]) -> Option<PeerRestart> {
    let ours = config.offers.graceful_restart?;
    let theirs = theirs.graceful_restart()?;
    let mut restart = PeerRestart {
        restarting: theirs.restarting,
        time: Duration::from_secs(theirs.time.into()),
        notification: ours.notification && theirs.notification,
        families: Vec::new(),
    };
    for (afi, safi, flags) in &theirs.families {
        let family = Family::from_codes(*afi, *safi).filter(|family| families.contains(family));
        if let Some(family) = family.filter(|family| restart.families.iter().all(|(known, _)| known != family)) {
            restart.families.push((family, flags & GracefulRestart::FORWARDING != 0));
        }
    }
    Some(restart)
}

fn whole_seconds(duration: Duration) -> u16 {
    u16::try_from(duration.as_secs()).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[path = "negotiate/tests.rs"]
mod tests;
