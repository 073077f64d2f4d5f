//! Import policy: whether a received route takes part in the decision process.

use std::net::IpAddr;

use bgp::{Attributes, Family, Leak, Role};
use ipnet::IpNet;
use wire::LinkId;
use wire::{Asn, RouterId};

use crate::as_path;
use crate::config::Ends;
use crate::peer::Peer;
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
    /// RFC 9234 5.
    #[error(transparent)]
    Leak(#[from] Leak),
}

/// A route as it takes part in the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effective {
    /// As policy made them; `None` as received, which costs no memory.
    pub(crate) attributes: Option<Box<Attributes>>,
    pub(crate) local_preference: u32,
}

/// What the judgement about one peer's routes rests on.
#[derive(Clone, Copy)]
pub(crate) struct Import<'a> {
    pub(crate) config: &'a RibConfig,
    pub(crate) links: &'a [InsideLink],
    pub(crate) policy: &'a PeerPolicy,
    pub(crate) ebgp: bool,
    /// RFC 8950
    pub(crate) extended_next_hop: bool,
    /// RFC 9234
    pub(crate) role: Option<Role>,
}

impl<'a> Import<'a> {
    pub(crate) fn of(config: &'a RibConfig, links: &'a [InsideLink], peer: &'a Peer) -> Self {
        let session = peer.session.as_ref();
        Self {
            config,
            links,
            policy: &peer.policy,
            ebgp: peer.ebgp,
            extended_next_hop: session.is_some_and(|session| session.extended_next_hop),
            role: session.and_then(|session| session.role),
        }
    }

    /// The route as it takes part in the decision, or why it does not. `attributes` are as received.
    pub(crate) fn judge(
        &self,
        prefix: &IpNet,
        attributes: &Attributes,
        next_hop: IpAddr,
    ) -> Result<Effective, Refusal> {
        self.judge_route(Family::of(prefix), attributes, next_hop)?;
        self.judge_prefix(prefix)?;
        self.apply_policy(prefix, attributes)
    }

    /// What does not depend on the prefix, but for its family.
    pub(crate) fn judge_route(&self, family: Family, attributes: &Attributes, next_hop: IpAddr) -> Result<(), Refusal> {
        self.judge_next_hop(family, next_hop)?;
        // RFC 4271 9.1.2: an AS loop, beyond what is allowed here.
        if as_path::count(&attributes.as_path, self.config.asn) > usize::from(self.policy.treatment.own_as_in) {
            return Err(Refusal::OwnAsInPath(self.config.asn));
        }
        let own = self.config.router_id;
        // RFC 4456 8: both attributes mean something inside an AS only.
        if !self.ebgp && attributes.originator_id == Some(own) {
            return Err(Refusal::OwnOriginatorId(own));
        }
        if !self.ebgp && attributes.cluster_list.contains(&own.0) {
            return Err(Refusal::OwnClusterId(own));
        }
        Ok(())
    }

    fn judge_next_hop(&self, family: Family, next_hop: IpAddr) -> Result<(), Refusal> {
        let ends =
            self.policy.ends_extended(family, self.extended_next_hop).ok_or(Refusal::NoAddressOfFamily(family))?;
        // RFC 8950 4: an IPv4 route may come with either, if that was agreed on.
        let beside = self.policy.all_ends().find(|ends| ends.peer.is_ipv6() == next_hop.is_ipv6());
        let Ends { local, peer } = match (Family::of(&next_hop.into()) == family, family, self.extended_next_hop) {
            (true, _, _) => self.policy.ends(family).unwrap_or(ends),
            (false, Family::Ipv4Unicast, true) => beside.unwrap_or(ends),
            (false, _, _) => return Err(Refusal::NextHopFamily { next_hop, family }),
        };
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

    /// Whether [`apply_policy`](Self::apply_policy) makes something else of the same attributes for another prefix.
    /// Where it does not, its outcome is shared by all prefixes of an update.
    #[expect(clippy::unused_self, reason = "it is the policy's to say")]
    pub(crate) const fn policy_depends_on_prefix(&self) -> bool {
        false
    }

    /// What policy makes of a sound route.
    pub(crate) fn apply_policy(&self, _prefix: &IpNet, attributes: &Attributes) -> Result<Effective, Refusal> {
        let local_preference = local_preference(self.policy, self.ebgp, attributes);
        let otc = attributes.only_to_customer;
        let admitted = match self.role {
            Some(role) if self.ebgp => role.admit(otc, self.policy.peer_asn)?,
            Some(_) | None => otc,
        };
        let changed =
            (admitted != otc).then(|| Box::new(Attributes { only_to_customer: admitted, ..attributes.clone() }));
        Ok(Effective { attributes: changed, local_preference })
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

fn names_the_default(rule: &PrefixRule) -> bool {
    rule.prefix.prefix_len() == 0 && rule.max_len == 0
}

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;
