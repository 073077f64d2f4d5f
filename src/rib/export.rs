//! Export policy: whether and how the best route is announced to a peer.
//!
//! The next hop is our own end of the link, of the prefix's family if there is one and of IPv6 else (RFC 8950), on
//! internal sessions too: the address we got the route with is most often of link scope and means nothing elsewhere
//! (RFC 4271 5.1.3 permits it). Without `next-hop-self` an address of wider scope goes on to internal peers as it came.

use std::net::IpAddr;
use std::sync::LazyLock;

use bgp::{Attributes, Family, OnlyToCustomer};
use ipnet::IpNet;
use wire::Asn;

use crate::as_path;
use crate::local::LocalKind;
use crate::peer::{Peer, Sent};
use crate::policy::{ListVerdict, Special, consult};
use crate::route::Route;
use crate::treatment::{override_as, treat_private};
use crate::{PeerId, PeerPolicy, PeerSession};

/// RFC 1997: do not announce to external peers.
const NO_EXPORT: u32 = 0xffff_ff01;
/// RFC 1997: do not announce to any peer.
const NO_ADVERTISE: u32 = 0xffff_ff02;
/// RFC 1997: do not announce to external peers, not even of our own confederation.
const NO_EXPORT_SUBCONFED: u32 = 0xffff_ff03;

/// RFC 4271 4.3: attribute flag, some speaker on the way did not know the attribute.
const PARTIAL: u8 = 0x20;
/// RFC 4360 2: type bit of an extended community that does not leave its AS.
const NON_TRANSITIVE: u8 = 0x40;

/// Why a prefix is not announced to a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// Nobody to announce to.
    #[error("the session is down")]
    SessionDown,
    /// RFC 4760 8.
    #[error("the session does not carry {0}")]
    FamilyNotNegotiated(Family),
    /// We have no next hop of that family to announce.
    #[error("the tunnel has no inside address of {0}")]
    NoAddressOfFamily(Family),
    /// Nothing to announce.
    #[error("there is no usable route")]
    NoRoute,
    /// An address block that is never routed.
    #[error("the prefix lies in {0}")]
    Special(Special),
    /// The peer itself has it better.
    #[error("the best route was learned from this peer")]
    SplitHorizon,
    /// The peer would refuse it as a loop, and yet count it against its limit.
    #[error("the peer's AS {0} is in the AS path")]
    PeerAsInPath(Asn),
    /// RFC 4271 9.2: internal routes are not passed on inside the AS.
    #[error("learned on an internal session, and this one is internal")]
    InternalToInternal,
    /// RFC 1997.
    #[error("it carries the community NO_ADVERTISE")]
    NoAdvertise,
    /// RFC 1997.
    #[error("it carries the community NO_EXPORT")]
    NoExport,
    /// RFC 1997.
    #[error("it carries the community NO_EXPORT_SUBCONFED")]
    NoExportSubconfed,
    /// RFC 9234 5.
    #[error(transparent)]
    OnlyToCustomer(#[from] OnlyToCustomer),
    /// An aggregate is announced in its place.
    #[error("the aggregate {0} is announced in its place")]
    Summarised(IpNet),
    /// Without an export list static and connected routes stay here.
    #[error("it is static or connected, and there is no export list")]
    NotRedistributed,
    /// Without an export list only what is originated here is announced.
    #[error("it is learned, and there is no export list")]
    Learned,
    /// The export list denies it.
    #[error("line {line} of the export list denies it")]
    DeniedByRule {
        /// From one.
        line: usize,
    },
    /// The export list does not permit it.
    #[error("no line of the export list matches")]
    NoRuleMatches,
    /// The peer gets as many prefixes as it may; see [`limit`](crate::limit).
    #[error("held back: the peer gets at most {limit} prefixes")]
    HeldBack {
        /// How many.
        limit: u32,
    },
}

/// The route in the Loc-RIB.
#[derive(Clone, Copy)]
pub(crate) enum BestRoute<'a> {
    /// Of our own making.
    Local {
        kind: LocalKind,
        attributes: &'a Attributes,
    },
    /// The default route that one peer is given.
    Default,
    Learned {
        from: Source<'a>,
        route: &'a Route,
    },
}

/// Who a route was learned from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) id: PeerId,
    pub(crate) ebgp: bool,
    pub(crate) policy: &'a PeerPolicy,
}

impl<'a> Source<'a> {
    pub(crate) const fn of(peer: &'a Peer) -> Self {
        Self { id: peer.id, ebgp: peer.ebgp, policy: &peer.policy }
    }
}

/// What policy makes of a route on the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Nothing: what is sent follows from the route alone and is the same for all prefixes it came with.
    Unchanged,
    /// These attributes, to which [`Export::outgoing`] then does what is due.
    #[expect(dead_code, reason = "prefix lists change no attributes")]
    Changed(Box<Attributes>),
}

/// What the judgement about announcements to one peer rests on.
#[derive(Clone, Copy)]
pub(crate) struct Export<'a> {
    pub(crate) asn: Asn,
    pub(crate) peer: PeerId,
    pub(crate) policy: &'a PeerPolicy,
    pub(crate) session: &'a PeerSession,
    pub(crate) ebgp: bool,
    /// Aggregates in whose place nothing more specific is announced.
    pub(crate) covering: &'a [IpNet],
}

impl Export<'_> {
    /// Whether the route is announced, and what policy makes of it; all but the limit.
    pub(crate) fn judge(&self, prefix: &IpNet, best: Option<BestRoute<'_>>) -> Result<Outgoing, Withheld> {
        let family = Family::of(prefix);
        if !self.session.families.contains(&family) {
            return Err(Withheld::FamilyNotNegotiated(family));
        }
        if self.policy.ends_extended(family, self.session.extended_next_hop).is_none() {
            return Err(Withheld::NoAddressOfFamily(family));
        }
        let best = best.ok_or(Withheld::NoRoute)?;
        if let Some(special) = Special::of(prefix) {
            return Err(Withheld::Special(special));
        }
        match best {
            BestRoute::Learned { from, route } => self.judge_learned(from, &route.attributes)?,
            BestRoute::Local { .. } => {}
            // It is asked for by itself, whatever the lists say.
            BestRoute::Default => return Ok(Outgoing::Unchanged),
        }
        if let Some(aggregate) = self.covering.iter().find(|cover| cover.contains(prefix) && *cover != prefix) {
            return Err(Withheld::Summarised(*aggregate));
        }
        self.apply_policy(prefix, best)
    }

    /// What policy says to a route that may be announced as far as BGP goes.
    fn apply_policy(&self, prefix: &IpNet, best: BestRoute<'_>) -> Result<Outgoing, Withheld> {
        match (self.policy.export.as_deref().map(|list| consult(list, prefix)), best) {
            (Some(ListVerdict::Permit(_)), _) | (None, BestRoute::Default) => Ok(Outgoing::Unchanged),
            (None, BestRoute::Local { kind, .. }) => match kind {
                LocalKind::Network | LocalKind::Aggregate => Ok(Outgoing::Unchanged),
                LocalKind::Connected | LocalKind::Static => Err(Withheld::NotRedistributed),
            },
            (None, BestRoute::Learned { .. }) => Err(Withheld::Learned),
            (Some(ListVerdict::Deny(line)), _) => Err(Withheld::DeniedByRule { line }),
            (Some(ListVerdict::NoMatch), _) => Err(Withheld::NoRuleMatches),
        }
    }

    fn judge_learned(&self, from: Source<'_>, attributes: &Attributes) -> Result<(), Withheld> {
        if from.id == self.peer {
            return Err(Withheld::SplitHorizon);
        }
        if !from.ebgp && !self.ebgp {
            return Err(Withheld::InternalToInternal);
        }
        let overridden = self.policy.treatment.as_override;
        if self.ebgp && !overridden && as_path::contains(&attributes.as_path, self.policy.peer_asn) {
            return Err(Withheld::PeerAsInPath(self.policy.peer_asn));
        }
        let carries = |community| attributes.communities.contains(&community);
        if carries(NO_ADVERTISE) {
            return Err(Withheld::NoAdvertise);
        }
        if self.ebgp && carries(NO_EXPORT) {
            return Err(Withheld::NoExport);
        }
        if self.ebgp && carries(NO_EXPORT_SUBCONFED) {
            return Err(Withheld::NoExportSubconfed);
        }
        if let Some(role) = self.session.role.filter(|_| self.ebgp) {
            role.export(attributes.only_to_customer, self.asn)?;
        }
        Ok(())
    }

    /// The attributes and next hop as this peer gets them.
    pub(crate) fn outgoing(&self, prefix: &IpNet, best: BestRoute<'_>, outgoing: Outgoing) -> Sent {
        let mut out = match outgoing {
            Outgoing::Unchanged => best.attributes().clone(),
            Outgoing::Changed(attributes) => *attributes,
        };
        // RFC 4271 5, 9: passed on without being understood.
        for attribute in &mut out.unknown {
            attribute.flags |= PARTIAL;
        }
        let attributes = if self.ebgp { self.external(out) } else { self.internal(out, best) };
        Sent { attributes, next_hop: self.foreign_next_hop(Family::of(prefix), best) }
    }

    fn external(&self, mut out: Attributes) -> Attributes {
        let treatment = &self.policy.treatment;
        if treatment.as_override {
            override_as(&mut out.as_path, self.policy.peer_asn, self.asn);
        }
        treat_private(&mut out.as_path, treatment.private_as, self.asn);
        // RFC 4271 5.1.2 b), and once more for every prepend that was asked for.
        as_path::prepend(&mut out.as_path, self.asn, 1 + usize::from(self.policy.prepend));
        // RFC 4271 5.1.4: a received MED does not go on to other ASes. 5.1.5: nor does LOCAL_PREF.
        out.med = self.policy.med;
        out.local_preference = None;
        // RFC 4456 8: both are non-transitive.
        out.originator_id = None;
        out.cluster_list.clear();
        // RFC 4360 6
        out.extended_communities.retain(|community| community[0] & NON_TRANSITIVE == 0);
        // RFC 9234 5, egress 1; what may not go at all was withheld.
        if let Some(role) = self.session.role {
            out.only_to_customer = role.export(out.only_to_customer, self.asn).unwrap_or(out.only_to_customer);
        }
        out
    }

    fn internal(&self, mut out: Attributes, best: BestRoute<'_>) -> Attributes {
        out.med = self.policy.med.or(out.med);
        // RFC 4271 5.1.5: always present on an internal session.
        out.local_preference = Some(match best {
            BestRoute::Local { .. } | BestRoute::Default => self.policy.local_preference,
            BestRoute::Learned { route, .. } => route.rank.local_preference,
        });
        out
    }

    /// RFC 4271 5.1.3: on an internal session the next hop may stay as it came, if the peer can make sense of it.
    fn foreign_next_hop(&self, family: Family, best: BestRoute<'_>) -> Option<IpAddr> {
        let BestRoute::Learned { from, route } = best else { return None };
        if self.ebgp || self.policy.treatment.next_hop_self {
            return None;
        }
        let address = route.next_hop.address(from.policy.all_ends())?;
        let link_scope = Special::of(&address.into()).is_some();
        let fits = Family::of(&address.into()) == family || self.session.extended_next_hop;
        (!link_scope && fits).then_some(address)
    }
}

impl<'a> BestRoute<'a> {
    /// As they count here.
    pub(crate) fn attributes(self) -> &'a Attributes {
        static PLAIN: LazyLock<Attributes> = LazyLock::new(Attributes::default);
        match self {
            Self::Local { attributes, .. } => attributes,
            Self::Default => &PLAIN,
            Self::Learned { route, .. } => &route.attributes,
        }
    }

    pub(crate) const fn is_learned(self) -> bool {
        matches!(self, Self::Learned { .. })
    }
}

#[cfg(test)]
#[path = "export/tests.rs"]
mod tests;
