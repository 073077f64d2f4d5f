//! xfrm interfaces and their statistics on routing netlink (`linux/if_link.h`).

use super::fields::Fields;
use super::message::{Message, Received, attribute, word};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWSTATS: u16 = 92;
const GETSTATS: u16 = 94;
/// `NLM_F_CREATE | NLM_F_EXCL`.
const CREATE: u16 = 0x600;

const IFNAME: u16 = 3;
const LINKINFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const XFRM_IF_ID: u16 = 2;
const KIND: &[u8] = b"xfrm\0";
const STATS_LINK_64: u16 = 1;

/// Octets of `ifinfomsg`.
const STRUCTURE: usize = 16;
/// Octets of `if_stats_msg`.
const STATS_STRUCTURE: usize = 12;

/// `RTNLGRP_LINK`, as a bit.
pub(crate) const GROUP: u32 = 1;

/// Makes an xfrm interface.
pub(crate) fn create(flags: u16, name: &str, if_id: u32) -> Message {
    Message::new(NEWLINK, flags | CREATE, &[0; STRUCTURE]).attribute(IFNAME, &[name.as_bytes(), &[0]]).nested(
        LINKINFO,
        |info| {
            let data = |data: Message| data.attribute(XFRM_IF_ID, &[&if_id.to_ne_bytes()]);
            info.attribute(INFO_KIND, &[KIND]).nested(INFO_DATA, data)
        },
    )
}

/// Removes an interface.
pub(crate) fn delete(flags: u16, ifindex: u32) -> Message {
    Message::new(DELLINK, flags, &ifinfomsg(ifindex))
}

/// Lists interfaces.
pub(crate) fn list(flags: u16) -> Message {
    Message::new(GETLINK, flags, &[0; STRUCTURE])
}

/// Lists the statistics of interfaces.
pub(crate) fn list_statistics(flags: u16) -> Message {
    let mut structure = [0; STATS_STRUCTURE];
    let filter: u32 = 1 << (STATS_LINK_64 - 1);
    structure[8..].copy_from_slice(&filter.to_ne_bytes());
    Message::new(GETSTATS, flags, &structure)
}

fn ifinfomsg(ifindex: u32) -> [u8; STRUCTURE] {
    let mut structure = [0; STRUCTURE];
    structure[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    structure
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) ifindex: u32,
    pub(crate) name: String,
    /// Of an xfrm interface.
    pub(crate) if_id: Option<u32>,
}

impl Link {
    /// Of a listing.
    pub(crate) fn decode(message: Received<'_>) -> Option<Self> {
        if message.kind != NEWLINK {
            return None;
        }
        let (ifindex, attributes) = split(message.payload)?;
        let name = attribute(attributes, IFNAME)?.split(|octet| *octet == 0).next().unwrap_or_default();
        let info = attribute(attributes, LINKINFO).filter(|info| attribute(info, INFO_KIND) == Some(KIND));
        let if_id = info.and_then(|info| word(attribute(info, INFO_DATA)?, XFRM_IF_ID));
        Some(Self { ifindex, name: String::from_utf8_lossy(name).into_owned(), if_id })
    }
}

/// The interface that a notice says is gone.
pub(crate) fn gone(message: Received<'_>) -> Option<u32> {
    (message.kind == DELLINK).then(|| split(message.payload).map(|(ifindex, _)| ifindex)).flatten()
}

fn split(payload: &[u8]) -> Option<(u32, &[u8])> {
    let mut fields = Fields(payload.get(4..)?);
    Some((fields.word()?, payload.get(STRUCTURE..)?))
}

/// What an interface refused, of `rtnl_link_stats64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    pub(crate) ifindex: u32,
    /// `rx_dropped`.
    pub(crate) inbound: u64,
    /// `tx_dropped`: the two below, and what is too big.
    pub(crate) outbound: u64,
    /// `collisions`: packets whose own carrier would go into the interface.
    pub(crate) looping: u64,
    /// `tx_aborted_errors`: packets that went wrong after they left the interface.
    pub(crate) aborted: u64,
    /// `tx_carrier_errors`: packets that no policy lets pass with an SA and a route to the peer.
    pub(crate) unserved: u64,
}

impl Drops {
    /// Of a listing.
    pub(crate) fn decode(message: Received<'_>) -> Option<Self> {
        if message.kind != NEWSTATS {
            return None;
        }
        let mut fields = Fields(message.payload.get(4..)?);
        let ifindex = fields.word()?;
        let mut statistics = Fields(attribute(message.payload.get(STATS_STRUCTURE..)?, STATS_LINK_64)?);
        // Packets, octets and errors, each received and sent.
        statistics.take(6 * 8)?;
        let (inbound, outbound) = (statistics.long()?, statistics.long()?);
        statistics.take(8)?;
        let looping = statistics.long()?;
        // Received errors in detail.
        statistics.take(6 * 8)?;
        let (aborted, unserved) = (statistics.long()?, statistics.long()?);
        Some(Self { ifindex, inbound, outbound, looping, aborted, unserved })
    }
}
