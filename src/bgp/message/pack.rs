//! From [`Update`]s of any size to messages of at most 4096 octets, or 65535 (RFC 8654), as few as hold them.
//!
//! Withdrawals go first. Attributes are encoded once and copied in front of the prefixes of each message. IPv4
//! travels in the classic fields unless its next hop is IPv6 (RFC 8950), everything else in RFC 4760's attributes,
//! MP_REACH_NLRI ahead of all others (RFC 7606 5.1). All messages of a batch share one allocation, and go out in runs of
//! many, so that a full table costs neither an allocation nor a system call for each message.

use std::net::IpAddr;
use std::ops::Range;

use bytes::Bytes;

use super::attribute::{AttributeBlock, ReachHeader, write_attributes};
use super::header::{HEADER_LEN, MessageType, begin, end};
use super::nlri;
use super::update::Terms;
use crate::{Announcement, Attributes, Family, Nlri, Update};

/// Messages ready to be sent, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Whole UPDATE messages, one behind the other.
    octets: Bytes,
    /// Where each ends.
    ends: Vec<usize>,
    /// Announced prefixes that are withdrawn instead: with their attributes they fit no message, or their next hop
    /// is not of their family.
    pub unsendable: usize,
    /// Octets that the attributes of those take.
    pub attribute_octets: usize,
}

impl Packed {
    /// How many messages there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.ends.len()
    }

    /// Message by message.
    pub fn messages(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.runs(0)
    }

    /// As many whole messages together as `most` octets hold, at least one.
    pub fn runs(&self, most: usize) -> impl Iterator<Item = Bytes> + '_ {
        let (mut start, mut rest) = (0, self.ends.as_slice());
        std::iter::from_fn(move || {
            let fitting = rest.partition_point(|end| end - start <= most).max(1);
            let (taken, left) = rest.split_at_checked(fitting)?;
            let run = self.octets.slice(start..*taken.last()?);
            (start, rest) = (start + run.len(), left);
            Some(run)
        })
    }
}

/// Encodes `updates` in their order. Prefixes of families that were not negotiated are left out.
#[must_use]
pub fn encode_updates(updates: &[Update], terms: &Terms) -> Packed {
    let mut packer = Packer {
        terms,
        out: Vec::with_capacity(updates.iter().map(likely_len).sum()),
        ends: Vec::with_capacity(updates.len()),
        block: AttributeBlock::default(),
        unsendable: 0,
        attribute_octets: 0,
    };
    for update in updates {
        packer.update(update);
    }
    let Packer { out, ends, unsendable, attribute_octets, .. } = packer;
    Packed { octets: out.into(), ends, unsendable, attribute_octets }
}

/// What an update takes if it is like most.
fn likely_len(update: &Update) -> usize {
    const MESSAGE: usize = 96;
    let announced: usize = update.announced.iter().map(|announcement| announcement.prefixes.len()).sum();
    MESSAGE + (announced + update.withdrawn.len()) * LONGEST_V4
}

/// An announcement with its attributes in octets.
struct Ready<'a> {
    prefixes: &'a [Nlri],
    path_ids: bool,
    /// Where in the packer's block the attributes stand that go ahead of the prefixes where those travel in the classic
    /// field, and behind MP_REACH_NLRI where they do not.
    attributes: Range<usize>,
    /// Where the prefixes travel in MP_REACH_NLRI: that attribute up to them.
    reach: Option<ReachHeader>,
}

enum Prepared<'a> {
    Ready(Ready<'a>),
    /// Of a family that was not negotiated, or nothing at all.
    Foreign,
    Unsendable {
        attribute_octets: usize,
    },
}

/// Octets of both length fields of an UPDATE and its header.
const FIXED: usize = HEADER_LEN + 4;
const LONGEST_V4: usize = 5;
const LONGEST_V6: usize = 17;

struct Packer<'a> {
    terms: &'a Terms,
    out: Vec<u8>,
    /// Where each message ends.
    ends: Vec<usize>,
    /// Attributes of the update at hand.
    block: AttributeBlock,
    unsendable: usize,
    attribute_octets: usize,
}

impl Packer<'_> {
    fn update(&mut self, update: &Update) {
        self.block.clear();
        let mut sendable = Vec::with_capacity(update.announced.len());
        for announcement in &update.announced {
            match self.prepare(announcement, &update.attributes) {
                Prepared::Ready(ready) => sendable.push(ready),
                Prepared::Foreign => {}
                Prepared::Unsendable { attribute_octets } => {
                    self.unsendable += announcement.prefixes.len();
                    self.attribute_octets = self.attribute_octets.max(attribute_octets);
                    self.withdraw(&announcement.prefixes);
                }
            }
        }
        self.withdraw(&update.withdrawn);
        for ready in &sendable {
            self.announce(ready);
        }
        if let Some(family) = update.end_of_rib.filter(|family| self.speaks(*family)) {
            self.end_of_rib(family);
        }
    }

    fn speaks(&self, family: Family) -> bool {
        self.terms.families.contains(&family)
    }

    fn prepare<'u>(&mut self, announcement: &'u Announcement, attributes: &Attributes) -> Prepared<'u> {
        let Announcement { next_hop, prefixes } = announcement;
        let Some(family) = prefixes.first().map(|nlri| Family::of(&nlri.prefix)).filter(|family| self.speaks(*family))
        else {
            return Prepared::Foreign;
        };
        let (classic, longest) = match (family, next_hop) {
            (Family::Ipv4Unicast, IpAddr::V4(next_hop)) => (Some(*next_hop), LONGEST_V4),
            (Family::Ipv6Unicast, IpAddr::V6(_)) => (None, LONGEST_V6),
            (Family::Ipv4Unicast, IpAddr::V6(_)) if self.terms.extended_next_hop => (None, LONGEST_V4),
            (Family::Ipv4Unicast, IpAddr::V6(_)) | (Family::Ipv6Unicast, IpAddr::V4(_)) => {
                return Prepared::Unsendable { attribute_octets: 0 };
            }
        };
        let reach = classic.is_none().then(|| ReachHeader::reach(family, *next_hop));
        let start = self.block.as_slice().len();
        write_attributes(&mut self.block, attributes, classic, self.terms.width());
        let attribute_octets = self.block.len() - start + reach.as_ref().map_or(0, ReachHeader::len);
        let path_ids = self.terms.sends_path_ids(family);
        let longest = longest + if path_ids { nlri::PATH_ID_LEN } else { 0 };
        if FIXED + attribute_octets + longest > self.terms.longest() {
            return Prepared::Unsendable { attribute_octets };
        }
        Prepared::Ready(Ready { prefixes, path_ids, attributes: start..self.block.as_slice().len(), reach })
    }

    fn announce(&mut self, ready: &Ready<'_>) {
        let mut rest = ready.prefixes;
        while !rest.is_empty() {
            let start = begin(&mut self.out, MessageType::Update);
            self.out.extend_from_slice(&[0, 0]);
            rest = match &ready.reach {
                None => {
                    self.counted(|packer| packer.copy_attributes(ready));
                    self.fill(rest, ready.path_ids, start + self.terms.longest())
                }
                Some(reach) => {
                    let limit = start + self.terms.longest() - ready.attributes.len();
                    self.counted(|packer| {
                        let left = packer.attribute(reach, rest, ready.path_ids, limit);
                        packer.copy_attributes(ready);
                        left
                    })
                }
            };
            self.end(start);
        }
    }

    fn copy_attributes(&mut self, ready: &Ready<'_>) {
        self.out.extend_from_slice(&self.block.as_slice()[ready.attributes.clone()]);
    }

    fn withdraw(&mut self, prefixes: &[Nlri]) {
        for family in [Family::Ipv4Unicast, Family::Ipv6Unicast] {
            if !self.speaks(family) {
                continue;
            }
            if prefixes.iter().all(|nlri| Family::of(&nlri.prefix) == family) {
                self.withdraw_family(family, prefixes);
            } else {
                let own: Vec<Nlri> =
                    prefixes.iter().filter(|nlri| Family::of(&nlri.prefix) == family).copied().collect();
                self.withdraw_family(family, &own);
            }
        }
    }

    fn withdraw_family(&mut self, family: Family, mut rest: &[Nlri]) {
        let path_ids = self.terms.sends_path_ids(family);
        while !rest.is_empty() {
            let start = begin(&mut self.out, MessageType::Update);
            let limit = start + self.terms.longest();
            rest = match family {
                Family::Ipv4Unicast => {
                    // Two octets stay for the length of the attributes, of which there are none.
                    let left = self.counted(|packer| packer.fill(rest, path_ids, limit - 2));
                    self.out.extend_from_slice(&[0, 0]);
                    left
                }
                Family::Ipv6Unicast => {
                    self.out.extend_from_slice(&[0, 0]);
                    self.counted(|packer| packer.attribute(&ReachHeader::unreach(family), rest, path_ids, limit))
                }
            };
            self.end(start);
        }
    }

    // RFC 4724 2
    fn end_of_rib(&mut self, family: Family) {
        let start = begin(&mut self.out, MessageType::Update);
        self.out.extend_from_slice(&[0, 0]);
        match family {
            Family::Ipv4Unicast => self.out.extend_from_slice(&[0, 0]),
            Family::Ipv6Unicast => {
                let limit = start + self.terms.longest();
                self.counted(|packer| packer.attribute(&ReachHeader::unreach(family), &[], false, limit));
            }
        }
        self.end(start);
    }

    /// Appends prefixes while they fit below `limit`; returns the others.
    fn fill<'p>(&mut self, prefixes: &'p [Nlri], path_ids: bool, limit: usize) -> &'p [Nlri] {
        for (position, nlri) in prefixes.iter().enumerate() {
            if self.out.len() + nlri::encoded_len(nlri, path_ids) > limit {
                return &prefixes[position..];
            }
            nlri::encode(nlri, path_ids, &mut self.out);
        }
        &[]
    }

    /// Appends one of RFC 4760's attributes with the prefixes that fit below `limit`; returns the others.
    fn attribute<'p>(
        &mut self,
        header: &ReachHeader,
        prefixes: &'p [Nlri],
        path_ids: bool,
        limit: usize,
    ) -> &'p [Nlri] {
        let at = self.out.len() + ReachHeader::LENGTH_AT;
        self.out.extend_from_slice(header.as_slice());
        let left = self.fill(prefixes, path_ids, limit);
        self.patch(at);
        left
    }

    /// Appends a two-octet length and what it counts.
    fn counted<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        let at = self.out.len();
        self.out.extend_from_slice(&[0, 0]);
        let value = body(self);
        self.patch(at);
        value
    }

    fn patch(&mut self, at: usize) {
        let length = u16::try_from(self.out.len() - at - 2).expect("a part of a message is no longer than the message");
        self.out[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }

    fn end(&mut self, start: usize) {
        end(&mut self.out, start);
        self.ends.push(self.out.len());
    }
}

#[cfg(test)]
mod tests;
