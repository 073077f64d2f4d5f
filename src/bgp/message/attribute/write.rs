//! Attributes into octets, in ascending order of their types (RFC 4271 5).

use std::net::Ipv4Addr;

use super::as_path::{self, Width};
use super::scalar::origin_code;
use super::{AttributeCode, flag, kind};
use crate::{AsPath, Attributes, RareAttributes, UnknownAttribute};

/// Octets of attributes, ready to be copied into messages; kept from one set to the next for the room they take.
#[derive(Clone, Debug, Default)]
pub(in crate::message) struct AttributeBlock {
    octets: Vec<u8>,
    scratch: Vec<u8>,
    /// An attribute outgrew its length field.
    oversized: bool,
}

impl AttributeBlock {
    pub(in crate::message) fn clear(&mut self) {
        self.octets.clear();
        self.oversized = false;
    }

    /// What stands there.
    pub(in crate::message) fn as_slice(&self) -> &[u8] {
        &self.octets
    }

    /// Octets so far; more than a message holds if there is an attribute that no message holds.
    pub(in crate::message) const fn len(&self) -> usize {
        if self.oversized { usize::MAX / 2 } else { self.octets.len() }
    }

    fn put(&mut self, code: AttributeCode, value: impl FnOnce(&mut Vec<u8>)) {
        self.put_with_flags(kind(code).unwrap_or(flag::OPTIONAL | flag::TRANSITIVE), code.0, value);
    }

    fn put_with_flags(&mut self, flags: u8, code: u8, value: impl FnOnce(&mut Vec<u8>)) {
        self.scratch.clear();
        value(&mut self.scratch);
        match (u8::try_from(self.scratch.len()), u16::try_from(self.scratch.len())) {
            (Ok(length), _) => self.octets.extend_from_slice(&[flags & !flag::EXTENDED_LENGTH, code, length]),
            (Err(_), Ok(length)) => {
                self.octets.extend_from_slice(&[flags | flag::EXTENDED_LENGTH, code]);
                self.octets.extend_from_slice(&length.to_be_bytes());
            }
            (Err(_), Err(_)) => {
                self.oversized = true;
                return;
            }
        }
        self.octets.extend_from_slice(&self.scratch);
    }
}

/// Appends all `attributes` but those of RFC 4760, with NEXT_HOP where the prefixes travel in the classic field.
pub(in crate::message) fn write_attributes(
    block: &mut AttributeBlock,
    attributes: &Attributes,
    next_hop: Option<Ipv4Addr>,
    width: Width,
) {
    let mut unknown = attributes.unknown.iter().peekable();
    let mut put = |code: AttributeCode, write: &dyn Fn(&mut Vec<u8>)| {
        while let Some(attribute) = unknown.next_if(|attribute| attribute.code < code.0) {
            put_unknown(block, attribute);
        }
        block.put(code, write);
    };
    put(AttributeCode::ORIGIN, &|out| out.push(origin_code(attributes.origin)));
    put(AttributeCode::AS_PATH, &|out| as_path::encode(&attributes.as_path, width, out));
    if let Some(address) = next_hop {
        put(AttributeCode::NEXT_HOP, &|out| out.extend_from_slice(&address.octets()));
    }
    if let Some(med) = attributes.med {
        put(AttributeCode::MULTI_EXIT_DISC, &|out| out.extend_from_slice(&med.to_be_bytes()));
    }
    if let Some(preference) = attributes.local_preference {
        put(AttributeCode::LOCAL_PREF, &|out| out.extend_from_slice(&preference.to_be_bytes()));
    }
    put_aggregation(attributes, width, &mut put);
    put_lists(attributes, &mut put);
    put_for_two_octets(attributes, width, &mut put);
    if !attributes.large_communities.is_empty() {
        let words = attributes.large_communities.as_flattened();
        put(AttributeCode::LARGE_COMMUNITY, &|out| words.iter().for_each(|w| out.extend_from_slice(&w.to_be_bytes())));
    }
    if let Some(asn) = attributes.only_to_customer {
        put(AttributeCode::ONLY_TO_CUSTOMER, &|out| out.extend_from_slice(&asn.0.to_be_bytes()));
    }
    for attribute in unknown {
        put_unknown(block, attribute);
    }
}

type Put<'a> = dyn FnMut(AttributeCode, &dyn Fn(&mut Vec<u8>)) + 'a;

fn put_aggregation(attributes: &Attributes, width: Width, put: &mut Put<'_>) {
    if attributes.atomic_aggregate {
        put(AttributeCode::ATOMIC_AGGREGATE, &|_| {});
    }
    if let Some((asn, address)) = attributes.aggregator {
        put(AttributeCode::AGGREGATOR, &|out| {
            match width {
                Width::Two => out.extend_from_slice(&asn.two_octets().to_be_bytes()),
                Width::Four => out.extend_from_slice(&asn.0.to_be_bytes()),
            }
            out.extend_from_slice(&address.octets());
        });
    }
}

fn put_lists(attributes: &Attributes, put: &mut Put<'_>) {
    let communities = &attributes.communities;
    let RareAttributes { extended_communities, cluster_list, originator_id, .. } = &**attributes;
    if !communities.is_empty() {
        put(AttributeCode::COMMUNITIES, &|out| {
            communities.iter().for_each(|c| out.extend_from_slice(&c.to_be_bytes()))
        });
    }
    if let Some(id) = originator_id {
        put(AttributeCode::ORIGINATOR_ID, &|out| out.extend_from_slice(&id.0.octets()));
    }
    if !cluster_list.is_empty() {
        put(AttributeCode::CLUSTER_LIST, &|out| cluster_list.iter().for_each(|id| out.extend_from_slice(&id.octets())));
    }
    if !extended_communities.is_empty() {
        put(AttributeCode::EXTENDED_COMMUNITIES, &|out| out.extend_from_slice(extended_communities.as_flattened()));
    }
}

// RFC 6793 4.2.2: what two octets lose travels beside. Segments of a confederation would stay out; there are none.
fn put_for_two_octets(attributes: &Attributes, width: Width, put: &mut Put<'_>) {
    if width == Width::Four {
        return;
    }
    let path: &AsPath = &attributes.as_path;
    if as_path::needs_four_octets(path) {
        put(AttributeCode::AS4_PATH, &|out| as_path::encode(path, Width::Four, out));
    }
    if let Some((asn, address)) = attributes.aggregator.filter(|(asn, _)| asn.0 > u16::MAX.into()) {
        put(AttributeCode::AS4_AGGREGATOR, &|out| {
            out.extend_from_slice(&asn.0.to_be_bytes());
            out.extend_from_slice(&address.octets());
        });
    }
}

// RFC 4271 5: what is passed on unread is Partial.
fn put_unknown(block: &mut AttributeBlock, attribute: &UnknownAttribute) {
    let flags = (attribute.flags | flag::PARTIAL) & (flag::OPTIONAL | flag::TRANSITIVE | flag::PARTIAL);
    block.put_with_flags(flags, attribute.code, |out| out.extend_from_slice(&attribute.value));
}
