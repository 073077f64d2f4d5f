//! Import policy: whether a received route takes part in the decision process.

use std::net::IpAddr;

use bgp::{Attributes, Family, Leak, Role};
use ipnet::IpNet;
use policy::{Changes, Community, Decider, NextHop, Source, Verdict};
use wire::LinkId;
use wire::{Asn, RouterId};

use crate::as_path;
use crate::config::Ends;
use crate::peer::Peer;
use crate::policy::{InsideLink, Special};
use crate::{PeerPolicy, Reach, RibConfig, Standing};

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
    /// A next hop on no network that we share with the peer.
    #[error("the next hop {0} is on no network that we share with the peer")]
    NextHopOffLink(IpAddr),
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
    /// The session's import policy does not accept it.
    #[error("rejected by {0}")]
    Policy(Decider),
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
    /// What policy put in place of the next hop, if anything.
    pub(crate) toward: Option<IpAddr>,
}

/// What the judgement about one peer's routes rests on.
#[derive(Clone, Copy)]
pub(crate) struct Import<'a> {
    pub(crate) config: &'a RibConfig,
    pub(crate) links: &'a [InsideLink],
    pub(crate) policy: &'a PeerPolicy,
    pub(crate) ebgp: bool,
    /// Our addresses on the link that the peer is on, if next hops may be on its networks.
    pub(crate) networks: &'a [IpNet],
    /// RFC 8950
    pub(crate) extended_next_hop: bool,
    /// RFC 9234
    pub(crate) role: Option<Role>,
    /// RFC 8326: traffic is to leave the session.
    pub(crate) drain: bool,
    /// Where the tunnel stands in its connection.
    pub(crate) standing: Standing,
    /// Whether hits of rules are counted.
    pub(crate) counts: bool,
}

impl<'a> Import<'a> {
    pub(crate) fn of(config: &'a RibConfig, links: &'a [InsideLink], peer: &'a Peer) -> Self {
        let session = peer.session.as_ref();
        Self {
            config,
            links,
            policy: &peer.policy,
            ebgp: peer.ebgp,
            networks: &peer.egress.networks,
            extended_next_hop: session.is_some_and(|session| session.extended_next_hop),
            role: session.and_then(|session| session.role),
            drain: peer.is_drained(),
            standing: peer.standing.unwrap_or_default(),
            counts: true,
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
        let changes = self.consult(prefix, attributes, next_hop)?;
        self.effect(Family::of(prefix), &changes, attributes, next_hop)
    }

    /// What does not depend on the prefix, but for its family.
    pub(crate) fn judge_route(&self, family: Family, attributes: &Attributes, next_hop: IpAddr) -> Result<(), Refusal> {
        self.judge_next_hop(family, next_hop)?;
        // RFC 4271 9.1.2: an AS loop, beyond what is allowed here.
        let treatment = &self.policy.treatment;
        let ours = [Some(self.config.asn), treatment.local_as.map(|local| local.asn)];
        let too_often = |asn: &Asn| as_path::count(&attributes.as_path, *asn) > usize::from(treatment.own_as_in);
        if let Some(asn) = ours.into_iter().flatten().find(too_often) {
            return Err(Refusal::OwnAsInPath(asn));
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
        if next_hop == local || self.networks.iter().any(|ours| ours.addr() == next_hop) {
            return Err(Refusal::OwnNextHop(next_hop));
        }
        // Policy may yet put the peer in its place.
        if next_hop == peer || self.policy.import.sets_next_hop() {
            return Ok(());
        }
        self.judge_third_party(next_hop, peer)
    }

    /// Whether a next hop that is not the peer can be one.
    fn judge_third_party(&self, next_hop: IpAddr, peer: IpAddr) -> Result<(), Refusal> {
        match self.policy.reach {
            Reach::Tunnel => Err(Refusal::ThirdPartyNextHop { next_hop, peer }),
            // RFC 4271 5.1.3 2): another router on the same network.
            Reach::Connected { .. } if !self.networks.iter().any(|ours| ours.contains(&next_hop)) => {
                Err(Refusal::NextHopOffLink(next_hop))
            }
            Reach::Connected { .. } | Reach::Routed => Ok(()),
        }
    }

    /// What depends on the prefix alone.
    pub(crate) fn judge_prefix(&self, prefix: &IpNet) -> Result<(), Refusal> {
        if let Some(special) = Special::of(prefix) {
            return Err(Refusal::Special(special));
        }
        if let Some(link) = self.links.iter().find(|link| link.prefix.contains(prefix)) {
            return Err(Refusal::InsideLink { prefix: link.prefix, link: link.link });
        }
        match captured(self.config, prefix) {
            // Whether a line for just this one lets it in is seen when policy is asked.
            Some(_) if prefix.prefix_len() == 0 && self.policy.import.may_name_default() => Ok(()),
            Some(endpoint) => Err(Refusal::CoversTunnelEndpoint(endpoint)),
            None => Ok(()),
        }
    }

    /// What policy changes of a sound route, if it accepts it.
    pub(crate) fn consult(
        &self,
        prefix: &IpNet,
        attributes: &Attributes,
        next_hop: IpAddr,
    ) -> Result<Changes, Refusal> {
        let route = policy::Route {
            prefix: *prefix,
            attributes,
            local_preference: local_preference(self.policy, self.ebgp, attributes),
            next_hop: Some(next_hop),
            source: Source::Bgp,
            peer: &self.policy.name,
            repeat: self.policy.peer_asn,
        };
        let import = &self.policy.import;
        match if self.counts { import.judge(&route) } else { import.consider(&route) } {
            Verdict::Reject(by) => Err(Refusal::Policy(by)),
            Verdict::Accept(accepted) if prefix.prefix_len() == 0 && !accepted.names_default => {
                captured(self.config, prefix)
                    .map_or(Ok(accepted.changes), |endpoint| Err(Refusal::CoversTunnelEndpoint(endpoint)))
            }
            Verdict::Accept(accepted) => Ok(accepted.changes),
        }
    }

    /// The route with `changes` made. The same changes of the same attributes come to the same.
    pub(crate) fn effect(
        &self,
        family: Family,
        changes: &Changes,
        attributes: &Attributes,
        next_hop: IpAddr,
    ) -> Result<Effective, Refusal> {
        self.judge_changed_next_hop(family, changes, next_hop)?;
        let mut local_preference = local_preference(self.policy, self.ebgp, attributes);
        let otc = attributes.only_to_customer;
        let admitted = match self.role {
            Some(role) if self.ebgp => role.admit(otc, self.policy.peer_asn)?,
            Some(_) | None => otc,
        };
        let mut changed = None;
        // RFC 7705 3.2
        let before = self.policy.treatment.local_as.filter(|local| self.ebgp && !local.no_prepend);
        if !changes.is_none() || admitted != otc || before.is_some() {
            let received = attributes.local_preference;
            let mut new = Attributes { local_preference: Some(local_preference), ..attributes.clone() };
            changes.make(&mut new, self.policy.peer_asn);
            local_preference = new.local_preference.unwrap_or(local_preference);
            // What counts is beside the attributes, so that those may stay as they came.
            new.local_preference = received;
            if admitted != otc {
                new.only_to_customer = admitted;
            }
            before.iter().for_each(|local| as_path::prepend(&mut new.as_path, local.asn, 1));
            changed = (new != *attributes).then(|| Box::new(new));
        }
        local_preference = self.standing.preference_in(local_preference);
        // RFC 8326 4.2: the lowest LOCAL_PREF, so that any other path is preferred.
        let leaving = attributes.communities.contains(&Community::GRACEFUL_SHUTDOWN);
        if self.drain || self.policy.graceful_shutdown.honor && leaving {
            local_preference = 0;
        }
        Ok(Effective { attributes: changed, local_preference, toward: self.toward(family, changes) })
    }

    /// What policy put in place of the next hop, where that may be another than the peer.
    fn toward(&self, family: Family, changes: &Changes) -> Option<IpAddr> {
        match (&self.policy.reach, changes.next_hop()?) {
            (Reach::Tunnel, _) | (_, NextHop::Own) => None,
            (Reach::Connected { .. } | Reach::Routed, NextHop::Address(address)) => Some(address),
            (Reach::Connected { .. } | Reach::Routed, NextHop::Peer) => self.policy.ends(family).map(|ends| ends.peer),
        }
    }

    /// A route leads to the peer: by itself, or because policy says so.
    fn judge_changed_next_hop(&self, family: Family, changes: &Changes, received: IpAddr) -> Result<(), Refusal> {
        let next_hop = match changes.next_hop() {
            Some(NextHop::Peer) => return Ok(()),
            Some(NextHop::Address(address)) => address,
            Some(NextHop::Own) | None => received,
        };
        if self.policy.all_ends().any(|ends| ends.peer == next_hop) {
            return Ok(());
        }
        let ends = self.policy.ends_extended(family, self.extended_next_hop);
        let peer = ends.ok_or(Refusal::NoAddressOfFamily(family))?.peer;
        self.judge_third_party(next_hop, peer)
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

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;
