//! Nexthop objects on the wire (`linux/nexthop.h`).
//!
//! ```text
//!  0               1               2               3
//! +---------------+---------------+---------------+---------------+
//! | nh_family     | nh_scope      | nh_protocol   | reserved      |
//! +---------------+---------------+---------------+---------------+
//! | nh_flags (RTNH_F_*)                                           |
//! +---------------+---------------+---------------+---------------+
//! | attributes: NHA_ID, then NHA_OIF and NHA_GATEWAY, or NHA_GROUP ...
//!
//! NHA_GROUP, once per member:
//! +---------------+---------------+---------------+---------------+
//! | id                                                            |
//! +---------------+---------------+---------------+---------------+
//! | weight - 1    | weight, high  | reserved                      |
//! +---------------+---------------+---------------+---------------+
//! ```
//!
//! Numbers are in host order, addresses in network order.

use std::net::IpAddr;

use netlink_packet_core::{DecodeError, DefaultNla, Emitable, NlasIterator};

use crate::plan::{Body, Hop, Member, Nexthop, NexthopId};

/// `RTNH_F_ONLINK`: the gateway is reachable on the interface, whatever the addresses there are.
pub(super) const ONLINK: u32 = 4;

const HEADER: usize = 8;

const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_GROUP_TYPE: u16 = 3;
const NHA_BLACKHOLE: u16 = 4;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
const NHA_ENCAP: u16 = 8;
const NHA_FDB: u16 = 11;

/// A nexthop message, whatever its verb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NexthopMessage {
    /// `AF_INET` or `AF_INET6` for a single nexthop, `AF_UNSPEC` for a group.
    pub(super) family: u8,
    /// Who installed it.
    pub(super) protocol: u8,
    /// `RTNH_F_*`.
    pub(super) flags: u32,
    /// 0 stands for none.
    pub(super) id: u32,
    /// Outgoing interface.
    pub(super) interface: Option<u32>,
    /// Gateway of the same family.
    pub(super) gateway: Option<IpAddr>,
    /// Members of a group with their weights, 1 to 65536.
    pub(super) group: Vec<(u32, u32)>,
    /// `NEXTHOP_GRP_TYPE_*`; 0 is the plain hash-threshold group.
    pub(super) group_type: u16,
    /// Blackhole, bridge entry or encapsulation: attributes we never send.
    pub(super) special: bool,
}

impl NexthopMessage {
    /// A single nexthop.
    pub(super) fn hop(id: NexthopId, protocol: u8, hop: &Hop) -> Self {
        Self {
            family: family(hop.gateway),
            protocol,
            flags: ONLINK,
            id: id.0,
            interface: Some(hop.interface),
            gateway: Some(hop.gateway),
            ..Self::default()
        }
    }

    /// A group.
    pub(super) fn group(id: NexthopId, protocol: u8, members: &[Member]) -> Self {
        let group = members.iter().map(|member| (member.id.0, member.weight.into())).collect();
        Self { protocol, id: id.0, group, ..Self::default() }
    }

    /// Names a nexthop, to delete it.
    pub(super) fn named(id: NexthopId) -> Self {
        Self { id: id.0, ..Self::default() }
    }

    /// What the plan has to know of it.
    pub(super) fn to_nexthop(&self) -> (NexthopId, Nexthop) {
        let body = match (self.group.as_slice(), self.interface, self.gateway) {
            ([], Some(interface), Some(gateway)) if !self.special => Body::Hop(Hop { interface, gateway }),
            ([], _, _) => Body::Other,
            (group, _, _) => {
                let equal = group.iter().all(|(_, weight)| *weight == group[0].1);
                let weight = |weight: u32| if equal { 1 } else { u16::try_from(weight).unwrap_or(u16::MAX) };
                let mut members: Vec<Member> =
                    group.iter().map(|(id, own)| Member { id: NexthopId(*id), weight: weight(*own) }).collect();
                members.sort_unstable();
                match self.group_type {
                    0 => Body::Group(members),
                    _ => Body::OtherGroup(members.into_iter().map(|member| member.id).collect()),
                }
            }
        };
        (NexthopId(self.id), Nexthop { protocol: self.protocol, body })
    }

    /// Reads a message body.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let Some((&[family, _, protocol, _, a, b, c, d], attributes)) = payload.split_first_chunk::<HEADER>() else {
            return Err(DecodeError::from("nexthop message shorter than its header"));
        };
        let flags = u32::from_ne_bytes([a, b, c, d]);
        let mut message = Self { family, protocol, flags, ..Self::default() };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            message.read(attribute.kind(), attribute.value())?;
        }
        Ok(message)
    }

    fn read(&mut self, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            NHA_ID => self.id = u32::from_ne_bytes(fixed(value)?),
            NHA_OIF => self.interface = Some(u32::from_ne_bytes(fixed(value)?)),
            NHA_GROUP_TYPE => self.group_type = u16::from_ne_bytes(fixed(value)?),
            NHA_GATEWAY if value.len() == 4 => self.gateway = Some(IpAddr::from(fixed::<4>(value)?)),
            NHA_GATEWAY => self.gateway = Some(IpAddr::from(fixed::<16>(value)?)),
            NHA_GROUP => {
                if !value.len().is_multiple_of(8) {
                    return Err(DecodeError::from("nexthop group of broken members"));
                }
                self.group = value.chunks_exact(8).map(member).collect::<Result<_, _>>()?;
            }
            NHA_BLACKHOLE | NHA_ENCAP | NHA_FDB => self.special = true,
            _ => {}
        }
        Ok(())
    }

    fn attributes(&self) -> Vec<DefaultNla> {
        let mut attributes = Vec::with_capacity(3);
        if self.id != 0 {
            attributes.push(DefaultNla::new(NHA_ID, self.id.to_ne_bytes().to_vec()));
        }
        if let Some(interface) = self.interface {
            attributes.push(DefaultNla::new(NHA_OIF, interface.to_ne_bytes().to_vec()));
        }
        match self.gateway {
            Some(IpAddr::V4(gateway)) => attributes.push(DefaultNla::new(NHA_GATEWAY, gateway.octets().to_vec())),
            Some(IpAddr::V6(gateway)) => attributes.push(DefaultNla::new(NHA_GATEWAY, gateway.octets().to_vec())),
            None => {}
        }
        if !self.group.is_empty() {
            let members = self.group.iter().flat_map(|(id, weight)| {
                let [low, high, _, _] = weight.saturating_sub(1).to_le_bytes();
                let [a, b, c, d] = id.to_ne_bytes();
                [a, b, c, d, low, high, 0, 0]
            });
            attributes.push(DefaultNla::new(NHA_GROUP, members.collect()));
        }
        attributes
    }
}

impl Emitable for NexthopMessage {
    fn buffer_len(&self) -> usize {
        HEADER + self.attributes().as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        let [a, b, c, d] = self.flags.to_ne_bytes();
        buffer[..HEADER].copy_from_slice(&[self.family, 0, self.protocol, 0, a, b, c, d]);
        self.attributes().as_slice().emit(&mut buffer[HEADER..]);
    }
}

/// `AF_INET` or `AF_INET6`.
pub(super) fn family(address: IpAddr) -> u8 {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn member(octets: &[u8]) -> Result<(u32, u32), DecodeError> {
    let [a, b, c, d, low, high, _, _] = fixed(octets)?;
    Ok((u32::from_ne_bytes([a, b, c, d]), u32::from(u16::from_le_bytes([low, high])) + 1))
}

pub(super) fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], DecodeError> {
    value.try_into().map_err(|_| DecodeError::invalid_number(N, value.len()))
}

#[cfg(test)]
mod tests;
