//! Addresses of interfaces, in the kernel's messages.

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};

/// Our address in a message, unless it cannot be used yet (RFC 4862 5.4).
#[must_use]
pub fn own_address(message: &AddressMessage) -> Option<IpNet> {
    if message.header.flags.intersects(AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed) {
        return None;
    }
    // On point-to-point links the other one of the two is the peer's.
    let local = message
        .attributes
        .iter()
        .find_map(|attribute| if let AddressAttribute::Local(address) = attribute { Some(*address) } else { None });
    let address = || {
        message.attributes.iter().find_map(|attribute| {
            if let AddressAttribute::Address(address) = attribute { Some(*address) } else { None }
        })
    };
    IpNet::new(local.or_else(address)?, message.header.prefix_len).ok()
}
