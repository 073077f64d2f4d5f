//! Policies on netlink: `xfrm_userpolicy_info`, and the template that names the SA.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::fields::{ESP, Fields, TUNNEL_MODE, address, family};
use super::message::{Message, Received, attribute, word};
use super::state::IF_ID;
use crate::plan::{Policy, PolicyKey, Template, Verdict, Way};
use crate::selector::Selector;

const NEW: u16 = 0x13;
pub(super) const DELETE: u16 = 0x14;
const GET: u16 = 0x15;
const UPDATE: u16 = 0x19;
pub(super) const FLUSH: u16 = 0x1d;
const TMPL: u16 = 5;
const POLICY: u16 = 7;

const SELECTOR: usize = 56;
const STRUCTURE: usize = 168;
/// Octets of `xfrm_userpolicy_id`.
const NAME: usize = 64;
const BLOCK: u8 = 1;

/// `XFRM_POLICY_*`.
pub(crate) const fn direction(way: Way) -> u8 {
    match way {
        Way::In => 0,
        Way::Out => 1,
        Way::Forward => 2,
    }
}

/// An `xfrm_selector`.
fn selector(selector: &Selector) -> Vec<u8> {
    let mut octets = address(selector.destination.network()).to_vec();
    octets.extend(address(selector.source.network()));
    for ports in [selector.destination_port, selector.source_port] {
        octets.extend(ports.value.to_be_bytes());
        octets.extend(ports.mask.to_be_bytes());
    }
    octets.extend(family(selector.source.addr()).to_ne_bytes());
    octets.extend([selector.destination.prefix_len(), selector.source.prefix_len(), selector.protocol]);
    octets.resize(SELECTOR, 0);
    octets
}

/// An `xfrm_userpolicy_info` without limits.
pub(crate) fn structure(selector: &[u8], way: Way, priority: u32, block: bool) -> Vec<u8> {
    let mut octets = selector.to_vec();
    octets.resize(SELECTOR, 0);
    octets.extend([0xff; 32]);
    // Limits of time, and the current lifetime.
    octets.extend([0; 32 + 32]);
    octets.extend(priority.to_ne_bytes());
    octets.extend([0; 4]);
    octets.extend([direction(way), if block { BLOCK } else { 0 }]);
    octets.resize(STRUCTURE, 0);
    octets
}

/// The `xfrm_userpolicy_info` that lets a socket's own packets pass whatever policies say, in one family.
pub(crate) fn bypass(way: Way, family: u16) -> Vec<u8> {
    let mut selector = vec![0; SELECTOR];
    selector[40..42].copy_from_slice(&family.to_ne_bytes());
    structure(&selector, way, 0, false)
}

/// An `xfrm_user_tmpl`.
fn template(template: &Template) -> Vec<u8> {
    let mut octets = address(template.destination).to_vec();
    octets.extend(template.spi.0.to_be_bytes());
    octets.extend([ESP, 0, 0, 0]);
    octets.extend(family(template.destination).to_ne_bytes());
    octets.extend([0; 2]);
    octets.extend(address(template.source));
    octets.extend(template.reqid.to_ne_bytes());
    octets.extend([TUNNEL_MODE, 0, 0, 0]);
    // Any algorithm: the SA is chosen already.
    octets.extend([0xff; 12]);
    octets
}

/// Makes a policy, or replaces the one with its key.
pub(crate) fn put(flags: u16, if_id: u32, key: &PolicyKey, policy: &Policy) -> Message {
    let block = policy.verdict == Verdict::Block;
    let structure = structure(&selector(&key.selector), key.way, policy.priority, block);
    let message = Message::new(UPDATE, flags, &structure);
    let message = match &policy.verdict {
        Verdict::Block => message,
        Verdict::Protect(protect) => message.attribute(TMPL, &[&template(protect)]),
    };
    message.attribute(IF_ID, &[&if_id.to_ne_bytes()])
}

/// Removes a policy.
pub(crate) fn delete(flags: u16, if_id: u32, key: &PolicyKey) -> Message {
    InstalledPolicy::of(if_id, key).delete(flags)
}

/// Lists all policies.
pub(crate) fn list(flags: u16) -> Message {
    Message::new(GET, flags, &[])
}

/// A policy that was found, as far as removing it takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstalledPolicy {
    selector: Vec<u8>,
    direction: u8,
    pub(crate) if_id: u32,
}

impl InstalledPolicy {
    /// One of ours.
    pub(crate) fn of(if_id: u32, key: &PolicyKey) -> Self {
        Self { selector: selector(&key.selector), direction: direction(key.way), if_id }
    }

    /// Of a listing, or a notice that it was removed.
    pub(crate) fn decode(message: Received<'_>) -> Option<Self> {
        match message.kind {
            NEW => Self::read(message.payload, message.payload.get(STRUCTURE..)?),
            DELETE => {
                let attributes = message.payload.get(NAME..)?;
                Self::read(attribute(attributes, POLICY)?, attributes)
            }
            _ => None,
        }
    }

    /// From an `xfrm_userpolicy_info` and attributes that come with it.
    fn read(structure: &[u8], attributes: &[u8]) -> Option<Self> {
        let mut fields = Fields(structure);
        let selector = fields.take(SELECTOR)?.to_vec();
        fields.take(64 + 32 + 8)?;
        let direction = fields.byte()?;
        let if_id = word(attributes, IF_ID).unwrap_or(0);
        Some(Self { selector, direction, if_id })
    }

    /// An `xfrm_userpolicy_id`.
    pub(crate) fn delete(&self, flags: u16) -> Message {
        let mut octets = self.selector.clone();
        octets.extend([0, 0, 0, 0, self.direction, 0, 0, 0]);
        Message::new(DELETE, flags, &octets).attribute(IF_ID, &[&self.if_id.to_ne_bytes()])
    }
}

/// Everything in one family.
pub(crate) fn everything(v6: bool) -> IpNet {
    let any: IpAddr = if v6 { std::net::Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    IpNet::new(any, 0).expect("zero is a prefix length")
}
