//! Import policy: whether a received route takes part in the decision process.

use std::net::IpAddr;
use std::ptr;

use bgp::{Attributes, Family};
use ipnet::IpNet;
use wire::LinkId;
use wire::{Asn, RouterId};

use crate::as_path;
use crate::config::Ends;
use crate::policy::{InsideLink, ListVerdict, Special, consult};
use crate::{PeerPolicy, PrefixRule, RibConfig};

/// Why a received route is not accepted. The route is kept, marked as refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A loop.
    #[error("our own AS {0} is in the AS path")]
    OwnAsInPath(Asn),
    /// The next hop is our end of the tunnel.
    #[error("the next hop {0} is our own address")]
    OwnNextHop(IpAddr),
    /// No next hop of that family can be reached through the tunnel.
    #[error("the tunnel has no inside address of {0}")]
    NoAddressOfFamily(Family),
    /// A next hop of another address family than its prefix.
    #[error("the next hop {next_hop} is not of {family}")]
    NextHopFamily {
        /// As received.
        next_hop: IpAddr,
        /// Of the prefix.
        family: Family,
    },
    /// A next hop that is not the peer.
    #[error("the next hop {next_hop} is not the peer's inside address {peer}")]
    ThirdPartyNextHop {
        /// As received.
        next_hop: IpAddr,
        /// The only one accepted.
        peer: IpAddr,
    },
    /// RFC 4456 8.
    #[error("ORIGINATOR_ID {0} is our own router id")]
    OwnOriginatorId(RouterId),
    /// RFC 4456 8.
    #[error("our own router id {0} is in CLUSTER_LIST")]
    OwnClusterId(RouterId),
    /// An address block that is never routed.
    #[error("the prefix lies in {0}")]
    Special(Special),
    /// Part of a tunnel's inside link.
    #[error("the prefix lies in the inside link {prefix} of {link}")]
    InsideLink {
        /// The link's.
        prefix: IpNet,
        /// Whose.
        link: LinkId,
    },
    /// Would route a tunnel into a tunnel.
    #[error("the prefix covers {0}, the outside address of a tunnel")]
    CoversTunnelEndpoint(IpAddr),
    /// The import list denies it.
    #[error("line {line} of the import list denies it")]
    DeniedByRule {
        /// From one.
        line: usize,
    },
    /// The import list does not permit it.
    #[error("no line of the import list matches")]
    NoRuleMatches,
}

/// What was received with a prefix, before any policy. Shared by all prefixes it came with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReceivedRoute {
    pub(crate) attributes: Attributes,
    pub(crate) next_hop: IpAddr,
}

/// What the judgement about one peer's routes rests on.
#[derive(Clone, Copy)]
pub(crate) struct Import<'a> {
    pub(crate) config: &'a RibConfig,
    pub(crate) links: &'a [InsideLink],
    pub(crate) policy: &'a PeerPolicy,
    pub(crate) ebgp: bool,
}

impl Import<'_> {
    pub(crate) fn judge(&self, prefix: &IpNet, route: &ReceivedRoute) -> Result<(), Refusal> {
        self.judge_route(Family::of(prefix), route)?;
        self.judge_prefix(prefix)
    }

    /// What does not depend on the prefix.
    pub(crate) fn judge_route(&self, family: Family, route: &ReceivedRoute) -> Result<(), Refusal> {
        self.judge_next_hop(family, route.next_hop)?;
        // RFC 4271 9.1.2: an AS loop.
        if as_path::contains(&route.attributes.as_path, self.config.asn) {
            return Err(Refusal::OwnAsInPath(self.config.asn));
        }
        let own = self.config.router_id;
        // RFC 4456 8: both attributes mean something inside an AS only.
        if !self.ebgp && route.attributes.originator_id == Some(own) {
            return Err(Refusal::OwnOriginatorId(own));
        }
        if !self.ebgp && route.attributes.cluster_list.contains(&own.0) {
            return Err(Refusal::OwnClusterId(own));
        }
        Ok(())
    }

    fn judge_next_hop(&self, family: Family, next_hop: IpAddr) -> Result<(), Refusal> {
        let Ends { local, peer } = self.policy.ends(family).ok_or(Refusal::NoAddressOfFamily(family))?;
        if Family::of(&next_hop.into()) != family {
            return Err(Refusal::NextHopFamily { next_hop, family });
        }
        // RFC 4271 5.1.3
        if next_hop == local {
            return Err(Refusal::OwnNextHop(next_hop));
        }
        if next_hop != peer { Err(Refusal::ThirdPartyNextHop { next_hop, peer }) } else { Ok(()) }
    }

    /// What depends on the prefix alone.
    pub(crate) fn judge_prefix(&self, prefix: &IpNet) -> Result<(), Refusal> {
        if let Some(special) = Special::of(prefix) {
            return Err(Refusal::Special(special));
        }
        if let Some(link) = self.links.iter().find(|link| link.prefix.contains(prefix)) {
            return Err(Refusal::InsideLink { prefix: link.prefix, link: link.link });
        }
        let listed = self.policy.import.as_deref().map(|list| consult(list, prefix));
        let named = matches!(listed, Some(ListVerdict::Permit(rule)) if names_the_default(&rule));
        if let Some(endpoint) = captured(self.config, prefix)
            && !named
        {
            return Err(Refusal::CoversTunnelEndpoint(endpoint));
        }
        match listed {
            None | Some(ListVerdict::Permit(_)) => Ok(()),
            Some(ListVerdict::Deny(line)) => Err(Refusal::DeniedByRule { line }),
            Some(ListVerdict::NoMatch) => Err(Refusal::NoRuleMatches),
        }
    }
}

/// The first protected address that `prefix` covers.
pub(crate) fn captured(config: &RibConfig, prefix: &IpNet) -> Option<IpAddr> {
    config.protected.iter().copied().find(|address| prefix.contains(address))
}

/// RFC 4271 5.1.5: LOCAL_PREF has no meaning on an external session.
pub(crate) fn local_preference(policy: &PeerPolicy, ebgp: bool, attributes: &Attributes) -> u32 {
    match attributes.local_preference {
        Some(preference) if !ebgp => preference,
        Some(_) | None => policy.local_preference,
    }
}

impl ReceivedRoute {
    pub(crate) fn is(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

fn names_the_default(rule: &PrefixRule) -> bool {
    rule.prefix.prefix_len() == 0 && rule.max_len == 0
}

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;
