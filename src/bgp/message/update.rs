//! UPDATE (RFC 4271 4.3): first its structure, then what it means, with the verdicts of RFC 7606.
//!
//! ```text
//!  | withdrawn length (2) | prefixes | attributes length (2) | attributes | prefixes to the end |
//!
//!  lengths, prefixes ──► attributes, one by one ──► Draft ──► mandatory, first AS, next hops ──► Update
//!       wrong: reset        wrong: a Fault each                                     strongest Fault decides
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use wire::{Asn, Decoder};

use super::attribute::{
    Aggregator, AttributeCode, RawAttribute, Reach, Unreach, Width, decode_aggregator, decode_as_path, decode_as4_path,
    decode_cluster_list, decode_communities, decode_empty, decode_extended_communities, decode_large_communities,
    decode_next_hop, decode_origin, decode_originator, decode_reach, decode_u32, decode_unreach, first_as, has_as_zero,
    judge_next_hop, merge_aggregator, merge_as_path, next,
};
use super::fault::{Defect, Fault, FaultList, Place, Problem, UpdateFaults, Verdict};
use super::header::{MAX_EXTENDED_LEN, MAX_MESSAGE_LEN};
use super::nlri;
use crate::{AddPath, Announcement, AsPath, Attributes, Family, Nlri, Origin, Role, UnknownAttribute, Update};

/// What both sides of a session agreed on, as far as messages depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Our autonomous system.
    pub local_asn: Asn,
    /// The peer's autonomous system.
    pub peer_asn: Asn,
    /// Our end of the link.
    pub local_address: IpAddr,
    /// Whether AS numbers take four octets (RFC 6793).
    pub four_octet: bool,
    /// The families negotiated.
    pub families: Vec<Family>,
    /// Families whose prefixes have path identifiers (RFC 7911).
    pub add_path: Vec<(Family, AddPath)>,
    /// Whether IPv4 prefixes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// Whether messages may have up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
    /// What we are to the peer (RFC 9234), if that is configured.
    pub role: Option<Role>,
}

impl Terms {
    /// Whether the peer is in another AS.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.local_asn != self.peer_asn
    }

    /// Whether the peer has to be first in the paths it announces.
    const fn peer_is_first(&self) -> bool {
        self.local_asn.0 != self.peer_asn.0
            && match self.role {
                // RFC 7947 2.2.2.1: a route server leaves itself out.
                Some(Role::RsClient) => false,
                Some(Role::Provider | Role::RsServer | Role::Customer | Role::Peer) | None => true,
            }
    }

    /// Octets of the longest message either side may send, but for OPEN and KEEPALIVE.
    #[must_use]
    pub const fn longest(&self) -> usize {
        if self.extended_messages { MAX_EXTENDED_LEN } else { MAX_MESSAGE_LEN }
    }

    pub(super) fn receives_path_ids(&self, family: Family) -> bool {
        self.add_path.iter().any(|(of, directions)| *of == family && directions.receive)
    }

    pub(super) fn sends_path_ids(&self, family: Family) -> bool {
        self.add_path.iter().any(|(of, directions)| *of == family && directions.send)
    }

    pub(super) const fn width(&self) -> Width {
        if self.four_octet { Width::Four } else { Width::Two }
    }
}

/// An UPDATE that leaves the session standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What holds of it, after the verdicts.
    pub update: Update,
    /// What was wrong with it, if anything was.
    pub faults: Option<UpdateFaults>,
}

/// Reads the body of an UPDATE.
///
/// # Errors
/// The decisive [`Fault`] where RFC 7606 demands a session reset.
pub fn decode_update(body: &[u8], terms: &Terms) -> Result<Decoded, Fault> {
    let fields = Fields::split(body)?;
    let mut update = Update { withdrawn: prefixes(fields.withdrawn, Place::Withdrawn, terms)?, ..Update::default() };
    let announced = prefixes(fields.nlri, Place::Nlri, terms)?;
    // RFC 4724 2: an UPDATE that says nothing ends the initial IPv4 routes.
    if body == [0; 4] {
        update.end_of_rib = negotiated(Family::Ipv4Unicast, terms);
    }
    let mut draft = Draft::new(terms);
    draft.read(fields.attributes);
    draft.finish(update, announced)
}

fn negotiated(family: Family, terms: &Terms) -> Option<Family> {
    terms.families.contains(&family).then_some(family)
}

/// The three variable parts of the body.
struct Fields<'a> {
    withdrawn: &'a [u8],
    attributes: &'a [u8],
    nlri: &'a [u8],
}

impl<'a> Fields<'a> {
    // RFC 7606 3 a: lengths that contradict the message's leave nothing to be sure of.
    fn split(body: &'a [u8]) -> Result<Self, Fault> {
        let mut decoder = Decoder::new(body);
        let withdrawn = Self::counted(&mut decoder)?;
        let attributes = Self::counted(&mut decoder)?;
        Ok(Self { withdrawn, attributes, nlri: decoder.rest() })
    }

    fn counted(decoder: &mut Decoder<'a>) -> Result<&'a [u8], Fault> {
        let available = decoder.remaining();
        let broken = |needed| Fault {
            place: Place::AttributeList,
            problem: Problem::Overrun { needed, available },
            verdict: Verdict::Reset,
            octets: Vec::new(),
        };
        let length = decoder.u16("length").map_err(|_| broken(2))?;
        decoder.take(length.into(), "field").map_err(|_| broken(2 + usize::from(length)))
    }
}

// RFC 7606 5.3: prefixes of the classic fields that cannot be told apart end the session.
fn prefixes(field: &[u8], place: Place, terms: &Terms) -> Result<Vec<Nlri>, Fault> {
    nlri::decode(Family::Ipv4Unicast, terms.receives_path_ids(Family::Ipv4Unicast), field).map_err(|problem| Fault {
        place,
        problem,
        verdict: Verdict::Reset,
        octets: Vec::new(),
    })
}

/// What the attributes said so far.
struct Draft<'t> {
    terms: &'t Terms,
    attributes: Attributes,
    origin: Option<Origin>,
    as_path: Option<AsPath>,
    as4_path: Option<AsPath>,
    aggregator: Option<Aggregator>,
    as4_aggregator: Option<Aggregator>,
    next_hop: Option<Ipv4Addr>,
    reach: Option<Reach>,
    unreach: Option<Unreach>,
    /// One bit per attribute type.
    seen: [u64; 4],
    /// Whether MP_REACH_NLRI is there, whatever it holds.
    reaches: bool,
    /// Whether anything but MP_UNREACH_NLRI is there.
    describes: bool,
    faults: FaultList,
}

impl<'t> Draft<'t> {
    fn new(terms: &'t Terms) -> Self {
        Self {
            terms,
            attributes: Attributes::default(),
            origin: None,
            as_path: None,
            as4_path: None,
            aggregator: None,
            as4_aggregator: None,
            next_hop: None,
            reach: None,
            unreach: None,
            seen: [0; 4],
            reaches: false,
            describes: false,
            faults: FaultList::default(),
        }
    }

    fn read(&mut self, list: &[u8]) {
        let mut list = Decoder::new(list);
        loop {
            match next(&mut list) {
                Ok(Some(raw)) => self.take(&raw),
                Ok(None) => return,
                // RFC 7606 4: what came before counts; where the rest held prefixes, they are lost.
                Err(broken) => {
                    self.describes = true;
                    let hides = |code| matches!(code, AttributeCode::MP_REACH_NLRI | AttributeCode::MP_UNREACH_NLRI);
                    let defect = match broken.code {
                        Some(code) if hides(code) => broken.problem.reset(),
                        Some(_) | None => broken.problem.withdraw(),
                    };
                    self.faults.push(Place::AttributeList, defect, list.rest());
                    return;
                }
            }
        }
    }

    fn take(&mut self, raw: &RawAttribute<'_>) {
        let taken = if self.is_first(raw.code) { self.take_first(raw) } else { Err(duplicate(raw.code)) };
        if let Err(defect) = taken {
            self.faults.push(Place::Attribute(raw.code), defect, raw.octets);
        }
    }

    fn is_first(&mut self, code: AttributeCode) -> bool {
        let (word, bit) = (usize::from(code.0 / 64), 1_u64 << (code.0 % 64));
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        first
    }

    fn take_first(&mut self, raw: &RawAttribute<'_>) -> Result<(), Defect> {
        self.describes |= raw.code != AttributeCode::MP_UNREACH_NLRI;
        match raw.code {
            AttributeCode::MP_REACH_NLRI => {
                self.reaches = true;
                self.reach = Some(decode_reach(raw.value, self.terms)?);
                raw.check_flags()
            }
            AttributeCode::MP_UNREACH_NLRI => {
                self.unreach = Some(decode_unreach(raw.value, self.terms)?);
                raw.check_flags()
            }
            // RFC 7606 7.5, 7.9, 7.10: whatever they hold.
            AttributeCode::LOCAL_PREF | AttributeCode::ORIGINATOR_ID | AttributeCode::CLUSTER_LIST
                if self.terms.is_external() =>
            {
                Err(Problem::External.discard())
            }
            // RFC 6793 4.1
            AttributeCode::AS4_PATH | AttributeCode::AS4_AGGREGATOR if self.terms.four_octet => {
                Err(Problem::FourOctetSpeaker.discard())
            }
            _ => {
                raw.check_flags()?;
                self.take_value(raw)
            }
        }
    }

    fn take_value(&mut self, raw: &RawAttribute<'_>) -> Result<(), Defect> {
        let attributes = &mut self.attributes;
        match raw.code {
            AttributeCode::ORIGIN => self.origin = Some(decode_origin(raw.value)?),
            AttributeCode::AS_PATH => self.as_path = Some(decode_as_path(raw.value, self.terms.width())?),
            AttributeCode::NEXT_HOP => self.next_hop = Some(decode_next_hop(raw.value)?),
            AttributeCode::MULTI_EXIT_DISC => attributes.med = Some(decode_u32(raw.value)?),
            AttributeCode::LOCAL_PREF => attributes.local_preference = Some(decode_u32(raw.value)?),
            AttributeCode::ATOMIC_AGGREGATE => {
                decode_empty(raw.value)?;
                attributes.atomic_aggregate = true;
            }
            AttributeCode::AGGREGATOR => self.aggregator = Some(decode_aggregator(raw.value, self.terms.width())?),
            AttributeCode::COMMUNITIES => attributes.communities = decode_communities(raw.value)?,
            AttributeCode::ORIGINATOR_ID => attributes.originator_id = Some(decode_originator(raw.value)?),
            AttributeCode::CLUSTER_LIST => attributes.cluster_list = decode_cluster_list(raw.value)?,
            AttributeCode::EXTENDED_COMMUNITIES => {
                attributes.extended_communities = decode_extended_communities(raw.value)?;
            }
            AttributeCode::AS4_PATH => self.as4_path = Some(decode_as4_path(raw.value)?),
            AttributeCode::AS4_AGGREGATOR => self.as4_aggregator = Some(decode_aggregator(raw.value, Width::Four)?),
            AttributeCode::LARGE_COMMUNITY => attributes.large_communities = decode_large_communities(raw.value)?,
            // RFC 9234 5: of another length, treat-as-withdraw.
            AttributeCode::ONLY_TO_CUSTOMER => attributes.only_to_customer = Some(Asn(decode_u32(raw.value)?)),
            // RFC 4271 6.3
            _ if !raw.is_optional() => return Err(Problem::UnknownWellKnown.reset()),
            // RFC 4271 9: kept and passed on; the non-transitive ones are quietly dropped.
            _ if raw.is_transitive() => {
                let (flags, code, value) = (raw.meaning(), raw.code.0, raw.value.to_vec());
                attributes.unknown.push(UnknownAttribute { flags, code, value });
            }
            _ => {}
        }
        Ok(())
    }

    fn fault(&mut self, code: AttributeCode, defect: Defect) {
        self.faults.push(Place::Attribute(code), defect, &[]);
    }

    fn finish(mut self, mut update: Update, mut nlri: Vec<Nlri>) -> Result<Decoded, Fault> {
        self.restore_four_octets();
        let reaches = self.reaches || !nlri.is_empty();
        let mut reach = self.reach.take();
        self.examine(&mut nlri, reach.as_mut());
        let verdict = self.judge(reaches)?;
        self.add_withdrawn(&mut update);
        let mut lost = 0;
        if verdict == Some(Verdict::TreatAsWithdraw) {
            // RFC 7606 2: as though all of them had been withdrawn.
            let announced = nlri.into_iter().chain(reach.into_iter().flat_map(|reach| reach.prefixes));
            let before = update.withdrawn.len();
            update.withdrawn.extend(announced);
            lost = update.withdrawn.len() - before;
        } else {
            let classic = self.next_hop.map(|next_hop| Announcement { next_hop: next_hop.into(), prefixes: nlri });
            let reach = reach.map(|Reach { next_hop, prefixes }| Announcement { next_hop, prefixes });
            update.announced = classic.into_iter().chain(reach).filter(|some| !some.prefixes.is_empty()).collect();
        }
        if !update.announced.is_empty() {
            let mut attributes = self.attributes;
            attributes.origin = self.origin.unwrap_or_default();
            attributes.as_path = self.as_path.unwrap_or_default();
            if self.aggregator.is_some() {
                attributes.aggregator = self.aggregator;
            }
            if let Some(rare) = attributes.rare.present_mut() {
                rare.unknown.sort_unstable_by_key(|attribute| attribute.code);
            }
            update.attributes = Arc::new(attributes);
        }
        Ok(Decoded { update, faults: self.faults.finish(lost) })
    }

    /// What the attributes mean for the prefixes they describe, and which of these can be routes.
    fn examine(&mut self, nlri: &mut Vec<Nlri>, reach: Option<&mut Reach>) {
        if !nlri.is_empty() || reach.as_ref().is_some_and(|reach| !reach.prefixes.is_empty()) {
            self.check_meaning(!nlri.is_empty(), reach.as_deref());
        }
        if !nlri.is_empty() && negotiated(Family::Ipv4Unicast, self.terms).is_none() {
            let (afi, safi) = Family::Ipv4Unicast.codes();
            self.faults.push(Place::Nlri, Problem::NotNegotiated { afi, safi }.discard(), &[]);
            nlri.clear();
        }
        self.drop_unusable(Place::Nlri, nlri);
        if let Some(reach) = reach {
            self.drop_unusable(Place::Attribute(AttributeCode::MP_REACH_NLRI), &mut reach.prefixes);
        }
    }

    // RFC 6793 4.2.3
    fn restore_four_octets(&mut self) {
        let (aggregator, usable) = merge_aggregator(self.aggregator, self.as4_aggregator);
        self.aggregator = aggregator;
        if let (Some(two), Some(four), true) = (self.as_path.as_mut(), self.as4_path.take(), usable) {
            *two = merge_as_path(std::mem::take(two), four);
        }
    }

    fn check_meaning(&mut self, classic: bool, reach: Option<&Reach>) {
        // RFC 7606 3 d: those that failed to decode have their fault already.
        let mandatory =
            [(AttributeCode::ORIGIN, true), (AttributeCode::AS_PATH, true), (AttributeCode::NEXT_HOP, classic)];
        for (code, needed) in mandatory {
            if needed && self.is_first(code) {
                self.fault(code, Problem::Missing.withdraw());
            }
        }
        self.check_path();
        let own = self.terms.local_address;
        if let (Some(next_hop), true) = (self.next_hop, classic)
            && let Err(defect) = judge_next_hop(next_hop.into(), own)
        {
            self.fault(AttributeCode::NEXT_HOP, defect);
        }
        if let Some(reach) = reach
            && let Err(defect) = judge_next_hop(reach.next_hop, own)
        {
            self.fault(AttributeCode::MP_REACH_NLRI, defect);
        }
    }

    fn check_path(&mut self) {
        let Some(path) = &self.as_path else { return };
        let (found, expected) = (first_as(path), self.terms.peer_asn);
        if has_as_zero(path) {
            self.fault(AttributeCode::AS_PATH, Problem::AsZero.withdraw());
        } else if self.terms.peer_is_first() && found != Some(expected) {
            // RFC 4271 6.3: a peer in another AS puts itself first.
            self.fault(AttributeCode::AS_PATH, Problem::FirstAs { found, expected }.withdraw());
        }
    }

    // RFC 4271 6.3: prefixes that are no unicast destination are ignored, each for itself.
    fn drop_unusable(&mut self, place: Place, prefixes: &mut Vec<Nlri>) {
        if prefixes.iter().all(|nlri| nlri::is_unicast(&nlri.prefix)) {
            return;
        }
        for nlri in prefixes.extract_if(.., |nlri| !nlri::is_unicast(&nlri.prefix)) {
            self.faults.push(place, Problem::NotUnicast(nlri.prefix).discard(), &[]);
        }
    }

    // RFC 7606 3 h, 5.2: the strongest verdict holds. Attributes in error without a prefix they describe may be
    // hiding one.
    fn judge(&self, reaches: bool) -> Result<Option<Verdict>, Fault> {
        let hidden = self.describes && !reaches;
        match (self.faults.verdict(), self.faults.worst()) {
            (Some(Verdict::Reset), Some(fault)) => Err(fault.clone()),
            (Some(Verdict::TreatAsWithdraw), Some(fault)) if hidden => {
                Err(Fault { verdict: Verdict::Reset, ..fault.clone() })
            }
            (verdict, _) => Ok(verdict),
        }
    }

    fn add_withdrawn(&mut self, update: &mut Update) {
        let Some(Unreach { family, mut prefixes }) = self.unreach.take() else { return };
        // RFC 4724 2: MP_UNREACH_NLRI without prefixes, alone in its UPDATE.
        if prefixes.is_empty() && !self.describes && update.withdrawn.is_empty() {
            update.end_of_rib = Some(family);
        }
        update.withdrawn.append(&mut prefixes);
    }
}

// RFC 7606 3 g
const fn duplicate(code: AttributeCode) -> Defect {
    match code {
        AttributeCode::MP_REACH_NLRI | AttributeCode::MP_UNREACH_NLRI => Problem::Duplicate.reset(),
        _ => Problem::Duplicate.discard(),
    }
}

#[cfg(test)]
mod tests;
