//! Netlink messages: header, structure, attributes.
//!
//! What is sent may hold keys: it is wiped when dropped, and never grows, so that no copy stays behind.

use netlink_packet_core::{NLA_F_NESTED, NLA_HEADER_SIZE, NLM_F_ACK, NetlinkBuffer, NlaBuffer, NlasIterator};
use zeroize::Zeroizing;

/// Octets of `nlmsghdr`.
const HEADER: usize = 16;
/// More than any message of ours takes: a policy has a few hundred octets, a state less than two thousand.
const CAPACITY: usize = 4096;

/// A message being made.
pub(crate) struct Message(Zeroizing<Vec<u8>>);

impl Message {
    /// Begins a message with its structure.
    pub(crate) fn new(kind: u16, flags: u16, structure: &[u8]) -> Self {
        let mut octets = Zeroizing::new(Vec::with_capacity(CAPACITY));
        octets.extend_from_slice(&[0; 4]);
        octets.extend_from_slice(&kind.to_ne_bytes());
        octets.extend_from_slice(&flags.to_ne_bytes());
        octets.extend_from_slice(&[0; 8]);
        let mut message = Self(octets);
        message.append(structure);
        message
    }

    /// Appends an attribute whose value is all of `parts`.
    pub(crate) fn attribute(mut self, kind: u16, parts: &[&[u8]]) -> Self {
        let start = self.begin(kind);
        for part in parts {
            self.0.extend_from_slice(part);
        }
        self.end(start);
        self
    }

    /// Appends an attribute of attributes.
    pub(crate) fn nested(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.begin(kind | NLA_F_NESTED);
        let mut message = fill(self);
        message.end(start);
        message
    }

    /// Answered when it is done, where it would be only if it fails.
    pub(crate) fn acknowledged(mut self) -> Self {
        let flags = u16::from_ne_bytes([self.0[6], self.0[7]]) | NLM_F_ACK;
        self.0[6..8].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    /// The octets to send.
    pub(crate) fn finish(mut self, sequence: u32) -> Zeroizing<Vec<u8>> {
        let len = u32::try_from(self.0.len()).expect("messages are short");
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }

    fn begin(&mut self, kind: u16) -> usize {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn end(&mut self, start: usize) {
        let len = u16::try_from(self.0.len() - start).expect("attributes are short");
        self.0[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        self.append(&[]);
        debug_assert!(self.0.len() <= CAPACITY, "a message that grows leaves a copy behind");
    }

    fn append(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
        let whole = self.0.len().next_multiple_of(4);
        self.0.resize(whole, 0);
    }
}

/// A message from the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// Structure and attributes.
    pub(crate) payload: &'a [u8],
}

/// The messages of a datagram, up to one that is cut short.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = Received<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(rest).ok()?;
        let len = usize::try_from(buffer.length()).ok()?;
        let (message, after) = rest.split_at_checked(len)?;
        rest = after.get(len.next_multiple_of(4) - len..).unwrap_or_default();
        let payload = message.get(HEADER..)?;
        Some(Received {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            payload,
        })
    })
}

/// The attributes behind a structure, up to one that is broken.
pub(crate) fn attributes(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(octets).map_while(Result::ok).map(|attribute: NlaBuffer<&[u8]>| {
        let octets = attribute.into_inner();
        let attribute = NlaBuffer::new(octets);
        let end = (NLA_HEADER_SIZE + attribute.value_length()).min(octets.len());
        (attribute.kind(), octets.get(NLA_HEADER_SIZE..end).unwrap_or_default())
    })
}

/// The value of one attribute.
pub(crate) fn attribute(octets: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(octets).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// The number that is an attribute's value.
pub(crate) fn word(octets: &[u8], kind: u16) -> Option<u32> {
    attribute(octets, kind)?.try_into().ok().map(u32::from_ne_bytes)
}
