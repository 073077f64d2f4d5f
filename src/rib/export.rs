//! Export policy: whether and how the best route is announced to a peer.
//!
//! The next hop is our own end of the link, of the prefix's family if there is one and of IPv6 else (RFC 8950), on
//! internal sessions too: the address we got the route with is most often of link scope and means nothing elsewhere
//! (RFC 4271 5.1.3 permits it). Without `next-hop-self` an address of wider scope goes on to internal peers as it came.

use std::net::IpAddr;
use std::sync::LazyLock;

use bgp::{Attributes, Family, OnlyToCustomer};
use ipnet::IpNet;
use policy::{Changes, Community, Decider, NextHop, Step, Verdict};
use wire::Asn;

use crate::as_path;
use crate::local::LocalKind;
use crate::peer::{Peer, Sent};
use crate::policy::Special;
use crate::route::Route;
use crate::treatment::{override_as, treat_private};
use crate::{PeerId, PeerPolicy, PeerSession, Standing};

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
    /// Where only networks are announced, static and connected routes stay here.
    #[error("it is static or connected, and `export` lets out nothing but networks")]
    NotRedistributed,
    /// Where only networks are announced, learned routes stay here.
    #[error("it is learned, and `export` lets out nothing but networks")]
    Learned,
    /// The session's export policy does not let it out.
    #[error("rejected by {0}")]
    Policy(Decider),
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
        announce: bool,
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
    /// RFC 8326: traffic is to leave the session.
    pub(crate) drain: bool,
    /// Where the tunnel stands in its connection.
    pub(crate) standing: Standing,
    /// For how many sessions hits of rules are counted.
    pub(crate) counts: u64,
}

impl Export<'_> {
    /// Whether the route is announced, and what policy changes of it; all but the limit.
    pub(crate) fn judge(&self, prefix: &IpNet, best: Option<BestRoute<'_>>) -> Result<Changes, Withheld> {
        let best = self.judge_prefix(prefix, best)?;
        self.judge_source(best)?;
        self.judge_content(prefix, best)
    }

    /// Whether the session takes the prefix at all.
    pub(crate) fn judge_prefix<'b>(
        &self,
        prefix: &IpNet,
        best: Option<BestRoute<'b>>,
    ) -> Result<BestRoute<'b>, Withheld> {
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
        Ok(best)
    }

    /// Whether the route has been where it would be sent: the one question whose answer differs among peers that
    /// [speak alike](Self::speaks_as).
    pub(crate) fn judge_source(&self, best: BestRoute<'_>) -> Result<(), Withheld> {
        let BestRoute::Learned { from, route } = best else { return Ok(()) };
        if from.id == self.peer {
            return Err(Withheld::SplitHorizon);
        }
        let overridden = self.policy.treatment.as_override;
        if self.ebgp && !overridden && as_path::contains(&route.attributes.as_path, self.policy.peer_asn) {
            return Err(Withheld::PeerAsInPath(self.policy.peer_asn));
        }
        Ok(())
    }

    /// Whether what it carries lets the route out, and policy does.
    pub(crate) fn judge_content(&self, prefix: &IpNet, best: BestRoute<'_>) -> Result<Changes, Withheld> {
        match best {
            BestRoute::Learned { from, route } => self.judge_learned(from, &route.attributes)?,
            BestRoute::Local { .. } => {}
            // It is asked for by itself, whatever the lists say.
            BestRoute::Default => return Ok(Changes::None),
        }
        if let Some(aggregate) = self.covering.iter().find(|cover| cover.contains(prefix) && *cover != prefix) {
            return Err(Withheld::Summarised(*aggregate));
        }
        self.consult(prefix, best)
    }

    /// What policy says to a route that may be announced as far as BGP goes.
    fn consult(&self, prefix: &IpNet, best: BestRoute<'_>) -> Result<Changes, Withheld> {
        let own = (self.policy.local_preference, None, "");
        let ((local_preference, next_hop, peer), source) = match best {
            BestRoute::Learned { from, route } => {
                let next_hop = route.next_hop.address(from.policy.all_ends());
                ((route.rank.local_preference, next_hop, from.policy.name.as_str()), policy::Source::Bgp)
            }
            BestRoute::Default => (own, policy::Source::Originated),
            BestRoute::Local { kind, announce, .. } => match kind {
                LocalKind::Static | LocalKind::Connected if announce => (own, policy::Source::Originated),
                LocalKind::Network | LocalKind::Aggregate | LocalKind::Pool => (own, policy::Source::Originated),
                LocalKind::Static => (own, policy::Source::Static),
                LocalKind::Connected => (own, policy::Source::Connected),
            },
        };
        let attributes = best.attributes();
        let route = policy::Route {
            prefix: *prefix,
            attributes,
            local_preference,
            next_hop,
            source,
            peer,
            repeat: self.behind(),
        };
        let export = &self.policy.export;
        let verdict = if self.counts > 0 { export.judge_for(self.counts, &route) } else { export.consider(&route) };
        match verdict {
            Verdict::Accept(accepted) => Ok(accepted.changes),
            Verdict::Reject(Decider::End) if export.steps() == [Step::Networks] => Err(match source {
                policy::Source::Static | policy::Source::Connected => Withheld::NotRedistributed,
                policy::Source::Bgp | policy::Source::Originated => Withheld::Learned,
            }),
            Verdict::Reject(by) => Err(Withheld::Policy(by)),
        }
    }

    fn judge_learned(&self, from: Source<'_>, attributes: &Attributes) -> Result<(), Withheld> {
        if !from.ebgp && !self.ebgp {
            return Err(Withheld::InternalToInternal);
        }
        let carries = |community| attributes.communities.contains(&community);
        if carries(Community::NO_ADVERTISE) {
            return Err(Withheld::NoAdvertise);
        }
        if self.ebgp && carries(Community::NO_EXPORT) {
            return Err(Withheld::NoExport);
        }
        if self.ebgp && carries(Community::NO_EXPORT_SUBCONFED) {
            return Err(Withheld::NoExportSubconfed);
        }
        if let Some(role) = self.session.role.filter(|_| self.ebgp) {
            role.export(attributes.only_to_customer, self.front())?;
        }
        Ok(())
    }

    /// Whether another peer is told the same in the same words: all that has a say in [`judge_prefix`](Self::judge_prefix),
    /// [`judge_content`](Self::judge_content) and [`outgoing`](Self::outgoing) is alike.
    pub(crate) fn speaks_as(&self, other: &Self) -> bool {
        let ends = |export: &Self, family| {
            let ends = export.policy.ends_extended(family, export.session.extended_next_hop);
            ends.map(|ends| ends.local.is_ipv4())
        };
        let (own, theirs) = (self.policy, other.policy);
        let (session, their_session) = (self.session, other.session);
        let place = |export: &Self| (export.standing.export, export.standing.way_back);
        (self.ebgp, self.drain, place(self)) == (other.ebgp, other.drain, place(other))
            && (own.local_preference, own.med, own.prepend) == (theirs.local_preference, theirs.med, theirs.prepend)
            && (session.extended_next_hop, session.role) == (their_session.extended_next_hop, their_session.role)
            && session.families == their_session.families
            && session.add_path == their_session.add_path
            && [Family::Ipv4Unicast, Family::Ipv6Unicast].iter().all(|of| ends(self, *of) == ends(other, *of))
            && own.treatment == theirs.treatment
            && (!own.treatment.as_override || own.peer_asn == theirs.peer_asn)
            && own.export == theirs.export
    }

    /// The number that the peer knows us by.
    fn front(&self) -> Asn {
        self.policy.treatment.local_as.filter(|_| self.ebgp).map_or(self.asn, |local| local.asn)
    }

    /// The number that stands for us in AS paths, behind [`front`](Self::front) if that is another one.
    fn behind(&self) -> Asn {
        self.policy.treatment.local_as.filter(|local| local.replace).map_or(self.asn, |_| self.front())
    }

    /// The attributes and next hop as this peer gets them, with the changes that policy asks for.
    pub(crate) fn outgoing(&self, prefix: &IpNet, best: BestRoute<'_>, changes: &Changes) -> Sent {
        let mut out = best.attributes().clone();
        // RFC 4271 5, 9: passed on without being understood.
        for attribute in out.rare.present_mut().into_iter().flat_map(|rare| &mut rare.unknown) {
            attribute.flags |= PARTIAL;
        }
        let attributes = if self.ebgp { self.external(out, changes) } else { self.internal(out, best, changes) };
        let next_hop = match changes.next_hop() {
            Some(NextHop::Own | NextHop::Peer) => None,
            Some(NextHop::Address(address)) if Family::of(&address.into()) == Family::of(prefix) => Some(address),
            Some(NextHop::Address(_)) | None => self.foreign_next_hop(Family::of(prefix), best),
        };
        Sent { attributes: attributes.into(), next_hop }
    }

    fn external(&self, mut out: Attributes, changes: &Changes) -> Attributes {
        let treatment = &self.policy.treatment;
        if treatment.as_override {
            override_as(&mut out.as_path, self.policy.peer_asn, self.behind());
        }
        treat_private(&mut out.as_path, treatment.private_as, self.behind());
        // RFC 4271 5.1.4: a received MED does not go on to other ASes.
        out.med = self.policy.med;
        if let Some(rare) = out.rare.present_mut() {
            // RFC 4456 8: both are non-transitive.
            rare.originator_id = None;
            rare.cluster_list.clear();
            // RFC 4360 6
            rare.extended_communities.retain(|community| community[0] & NON_TRANSITIVE == 0);
        }
        changes.make(&mut out, self.behind());
        out.med = self.standing.med(out.med);
        if self.drain {
            mark_leaving(&mut out);
            out.med = Some(u32::MAX);
        }
        let (front, behind) = (self.front(), self.behind());
        // RFC 7705 3.1
        as_path::prepend(&mut out.as_path, behind, usize::from(front != behind));
        // RFC 4271 5.1.2 b), and once more for every prepend that was asked for.
        let times = 1 + usize::from(self.policy.prepend) + self.standing.prepend();
        as_path::prepend(&mut out.as_path, front, times);
        // RFC 4271 5.1.5
        out.local_preference = None;
        // RFC 9234 5, egress 1; what may not go at all was withheld.
        if let Some(role) = self.session.role {
            let marked = role.export(out.only_to_customer, self.front()).unwrap_or(out.only_to_customer);
            if marked != out.only_to_customer {
                out.only_to_customer = marked;
            }
        }
        out
    }

    fn internal(&self, mut out: Attributes, best: BestRoute<'_>, changes: &Changes) -> Attributes {
        out.med = self.policy.med.or(out.med);
        // RFC 4271 5.1.5: always present on an internal session.
        out.local_preference = Some(match best {
            BestRoute::Local { .. } | BestRoute::Default => self.policy.local_preference,
            BestRoute::Learned { route, .. } => route.rank.local_preference,
        });
        changes.make(&mut out, self.asn);
        out.local_preference = out.local_preference.map(|preference| self.standing.preference_out(preference));
        if self.drain {
            mark_leaving(&mut out);
            out.local_preference = Some(0);
        }
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

/// RFC 8326 4.1: what is announced says that it is about to go away.
fn mark_leaving(out: &mut Attributes) {
    if !out.communities.contains(&Community::GRACEFUL_SHUTDOWN) {
        out.communities.push(Community::GRACEFUL_SHUTDOWN);
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
