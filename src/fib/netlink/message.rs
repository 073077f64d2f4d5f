//! All messages we send or understand, and datagrams of several of them.

use netlink_packet_core::{
    DecodeError, Emitable, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable, Parseable,
};
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;

use super::Marks;
use super::link::LinkMessage;
use super::nexthop::NexthopMessage;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;
const RTM_GETNEXTHOP: u16 = 106;

/// What a message asks or says. From the kernel, `New` means that it is there and `Delete` that it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    New,
    Delete,
    List,
}

/// A message of routing netlink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rtnl {
    Link(Verb, LinkMessage),
    Route(Verb, RouteMessage),
    Nexthop(Verb, NexthopMessage),
    Rule(Verb, RuleMessage),
    /// Some other type.
    Other(u16),
}

impl Rtnl {
    fn body(&self) -> Option<&dyn Emitable> {
        match self {
            Self::Link(_, message) => Some(message),
            Self::Route(_, message) => Some(message),
            Self::Nexthop(_, message) => Some(message),
            Self::Rule(_, message) => Some(message),
            Self::Other(_) => None,
        }
    }
}

impl NetlinkSerializable for Rtnl {
    fn message_type(&self) -> u16 {
        match self {
            Self::Link(Verb::New, _) => RTM_NEWLINK,
            Self::Link(Verb::Delete, _) => RTM_DELLINK,
            Self::Link(Verb::List, _) => RTM_GETLINK,
            Self::Route(Verb::New, _) => RTM_NEWROUTE,
            Self::Route(Verb::Delete, _) => RTM_DELROUTE,
            Self::Route(Verb::List, _) => RTM_GETROUTE,
            Self::Nexthop(Verb::New, _) => RTM_NEWNEXTHOP,
            Self::Nexthop(Verb::Delete, _) => RTM_DELNEXTHOP,
            Self::Nexthop(Verb::List, _) => RTM_GETNEXTHOP,
            Self::Rule(Verb::New, _) => RTM_NEWRULE,
            Self::Rule(Verb::Delete, _) => RTM_DELRULE,
            Self::Rule(Verb::List, _) => RTM_GETRULE,
            Self::Other(kind) => *kind,
        }
    }

    fn buffer_len(&self) -> usize {
        self.body().map_or(0, Emitable::buffer_len)
    }

    fn serialize(&self, buffer: &mut [u8]) {
        if let Some(body) = self.body() {
            body.emit(buffer);
        }
    }
}

impl NetlinkDeserializable for Rtnl {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        Ok(match header.message_type {
            RTM_NEWLINK => Self::Link(Verb::New, LinkMessage::decode(payload)?),
            RTM_DELLINK => Self::Link(Verb::Delete, LinkMessage::decode(payload)?),
            RTM_NEWROUTE => Self::Route(Verb::New, RouteMessage::parse(payload)?),
            RTM_DELROUTE => Self::Route(Verb::Delete, RouteMessage::parse(payload)?),
            RTM_NEWNEXTHOP => Self::Nexthop(Verb::New, NexthopMessage::decode(payload)?),
            RTM_DELNEXTHOP => Self::Nexthop(Verb::Delete, NexthopMessage::decode(payload)?),
            RTM_NEWRULE => Self::Rule(Verb::New, RuleMessage::parse(payload)?),
            RTM_DELRULE => Self::Rule(Verb::Delete, RuleMessage::parse(payload)?),
            kind => Self::Other(kind),
        })
    }
}

/// Something asked of the kernel.
pub(crate) trait Request {
    /// The message, and its flags besides `NLM_F_REQUEST`.
    fn encode(&self, marks: &Marks) -> (Rtnl, u16);
}

impl From<Rtnl> for NetlinkPayload<Rtnl> {
    fn from(message: Rtnl) -> Self {
        Self::InnerMessage(message)
    }
}

/// Appends a message to a datagram.
pub(super) fn append(datagram: &mut Vec<u8>, message: Rtnl, flags: u16, sequence: u32) {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let start = datagram.len();
    datagram.resize(start + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut datagram[start..]);
}

/// The messages of a datagram. One that cannot be decoded, such as a foreign route of a kind we do not know, is left
/// out.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = NetlinkMessage<Rtnl>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let whole = NetlinkBuffer::new_checked(&rest).ok()?.length();
        let whole = usize::try_from(whole).ok()?;
        let (message, after) = rest.split_at_checked(whole)?;
        let padding = whole.next_multiple_of(4) - whole;
        rest = after.get(padding..).unwrap_or_default();
        Some(message)
    })
    .filter_map(|message| {
        NetlinkMessage::deserialize(message)
            .inspect_err(|error| tracing::debug!(%error, "netlink message not understood"))
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_datagram_holds_several_messages() {
        let mut datagram = Vec::new();
        for sequence in 1..=3 {
            append(
                &mut datagram,
                Rtnl::Nexthop(Verb::New, NexthopMessage { id: 7, ..Default::default() }),
                5,
                sequence,
            );
        }
        assert_eq!(datagram.len(), 3 * 32);
        let found: Vec<u32> = messages(&datagram).map(|message| message.header.sequence_number).collect();
        assert_eq!(found, [1, 2, 3]);
        for length in 0..datagram.len() {
            assert_eq!(messages(&datagram[..length]).count(), length / 32);
        }
    }

    proptest! {
        #[test]
        fn no_datagram_panics(
            octets in prop::collection::vec(any::<u8>(), 0..200),
            kind in prop::sample::select(vec![2_u16, 3, 16, 24, 25, 32, 33, 104, 105, 300]),
        ) {
            let length = u32::try_from(octets.len() + 16).unwrap();
            let mut datagram = length.to_ne_bytes().to_vec();
            datagram.extend_from_slice(&kind.to_ne_bytes());
            datagram.extend_from_slice(&[0; 10]);
            datagram.extend_from_slice(&octets);
            messages(&datagram).for_each(drop);
        }
    }
}
