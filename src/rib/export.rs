//! Export policy: whether and how the best route is announced to a peer.
//!
//! The next hop is always our own end of the tunnel, of the prefix's family, on internal sessions too: the address we got the route with is
//! of link scope and means nothing elsewhere (RFC 4271 5.1.3 permits it).

use bgp::{Attributes, Family};
use ipnet::IpNet;
use wire::Asn;

use crate::as_path;
use crate::import::ReceivedRoute;
use crate::policy::{ListVerdict, Special, consult};
use crate::{PeerId, PeerPolicy};

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
    Originated,
    Learned { from: PeerId, ebgp: bool, local_preference: u32, route: &'a ReceivedRoute },
}

/// What the judgement about announcements to one peer rests on.
#[derive(Clone, Copy)]
pub(crate) struct Export<'a> {
    pub(crate) asn: Asn,
    pub(crate) peer: PeerId,
    pub(crate) policy: &'a PeerPolicy,
    pub(crate) families: &'a [Family],
    pub(crate) ebgp: bool,
}

impl Export<'_> {
    /// All but the limit.
    pub(crate) fn judge(&self, prefix: &IpNet, best: Option<BestRoute<'_>>) -> Result<(), Withheld> {
        let family = Family::of(prefix);
        if !self.families.contains(&family) {
            return Err(Withheld::FamilyNotNegotiated(family));
        }
        if self.policy.ends(family).is_none() {
            return Err(Withheld::NoAddressOfFamily(family));
        }
        let best = best.ok_or(Withheld::NoRoute)?;
        if let Some(special) = Special::of(prefix) {
            return Err(Withheld::Special(special));
        }
        if let BestRoute::Learned { from, ebgp, route, .. } = best {
            self.judge_learned(from, ebgp, &route.attributes)?;
        }
        match (self.policy.export.as_deref().map(|list| consult(list, prefix)), best) {
            (None, BestRoute::Originated) | (Some(ListVerdict::Permit(_)), _) => Ok(()),
            (None, BestRoute::Learned { .. }) => Err(Withheld::Learned),
            (Some(ListVerdict::Deny(line)), _) => Err(Withheld::DeniedByRule { line }),
            (Some(ListVerdict::NoMatch), _) => Err(Withheld::NoRuleMatches),
        }
    }

    fn judge_learned(&self, from: PeerId, from_ebgp: bool, attributes: &Attributes) -> Result<(), Withheld> {
        if from == self.peer {
            return Err(Withheld::SplitHorizon);
        }
        if !from_ebgp && !self.ebgp {
            return Err(Withheld::InternalToInternal);
        }
        if self.ebgp && as_path::contains(&attributes.as_path, self.policy.peer_asn) {
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
        Ok(())
    }

    /// The attributes as this peer gets them.
    pub(crate) fn attributes(&self, best: BestRoute<'_>) -> Attributes {
        let mut out = match best {
            BestRoute::Originated => Attributes::default(),
            BestRoute::Learned { route, .. } => route.attributes.clone(),
        };
        // RFC 4271 5, 9: passed on without being understood.
        for attribute in &mut out.unknown {
            attribute.flags |= PARTIAL;
        }
        if self.ebgp { self.external(out) } else { self.internal(out, best) }
    }

    fn external(&self, mut out: Attributes) -> Attributes {
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
        out
    }

    fn internal(&self, mut out: Attributes, best: BestRoute<'_>) -> Attributes {
        out.med = self.policy.med.or(out.med);
        // RFC 4271 5.1.5: always present on an internal session.
        out.local_preference = Some(match best {
            BestRoute::Originated => self.policy.local_preference,
            BestRoute::Learned { local_preference, .. } => local_preference,
        });
        out
    }
}

#[cfg(test)]
#[path = "export/tests.rs"]
mod tests;
