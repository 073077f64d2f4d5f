//! Setting up an interface: link, addresses, host route, sysctls. For every engine, whatever its interfaces are.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressScope};
use netlink_packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};

use crate::TunnelInterface;

/// Packets that wait between the kernel and us; the kernel's 500 are too few for bursts of small ones.
const QUEUE_LEN: u32 = 1000;

/// Sets up an interface that is there, and returns its number.
///
/// # Errors
/// What the kernel refuses.
pub async fn set_up(handle: &Handle, interface: &TunnelInterface, mtu: u32) -> io::Result<u32> {
    let ifindex = nix::net::if_::if_nametoindex(interface.name.as_str())?;
    set_sysctls(&interface.name)?;
    raise(handle, ifindex, mtu).await?;
    for address in &interface.addresses {
        add_address(handle, ifindex, *address).await?;
    }
    match interface.peer {
        Some(peer) if !interface.addresses.iter().any(|net| net.contains(&peer)) => {
            add_peer_route(handle, ifindex, peer).await?;
        }
        Some(_) | None => {}
    }
    Ok(ifindex)
}

/// Brings the interface up, with its queue and MTU.
async fn raise(handle: &Handle, ifindex: u32, mtu: u32) -> io::Result<()> {
    let message = LinkUnspec::new_with_index(ifindex).mtu(mtu).txqueuelen(QUEUE_LEN).arp(false).up().build();
    handle.link().set(message).execute().await.map_err(into_io)
}

/// Changes the MTU.
///
/// # Errors
/// What the kernel refuses.
pub async fn set_mtu(handle: &Handle, ifindex: u32, mtu: u32) -> io::Result<()> {
    let message = LinkUnspec::new_with_index(ifindex).mtu(mtu).build();
    handle.link().set(message).execute().await.map_err(into_io)
}

/// Puts an inside address on the interface. RFC 3927 2.6.2: 169.254.0.0/16 has link scope.
async fn add_address(handle: &Handle, ifindex: u32, address: IpNet) -> io::Result<()> {
    let mut request = handle.address().add(ifindex, address.addr(), address.prefix_len());
    let message = request.message_mut();
    match address.addr() {
        IpAddr::V4(v4) if v4.is_link_local() => message.header.scope = AddressScope::Link,
        IpAddr::V4(_) => {}
        // Nobody else is on a tunnel: no duplicate address detection, usable at once.
        IpAddr::V6(_) => message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad)),
    }
    request.execute().await.map_err(into_io)
}

/// Makes a host route to a peer that no prefix covers.
async fn add_peer_route(handle: &Handle, ifindex: u32, peer: IpAddr) -> io::Result<()> {
    let message = match peer {
        IpAddr::V4(peer) => RouteMessageBuilder::<std::net::Ipv4Addr>::new()
            .destination_prefix(peer, 32)
            .output_interface(ifindex)
            .scope(RouteScope::Link)
            .build(),
        IpAddr::V6(peer) => RouteMessageBuilder::<std::net::Ipv6Addr>::new()
            .destination_prefix(peer, 128)
            .output_interface(ifindex)
            .build(),
    };
    debug_assert_ne!(message.header.address_family, AddressFamily::Unspec);
    handle.route().add(message).execute().await.map_err(into_io)
}

/// Removes the interface. One that is gone already is no error.
///
/// # Errors
/// What the kernel refuses.
pub async fn remove(handle: &Handle, ifindex: u32) -> io::Result<()> {
    match handle.link().del(ifindex).execute().await.map_err(into_io) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result,
    }
}

/// Sysctls, before the interface comes up. Those of IPv6 are missing where IPv6 is.
fn set_sysctls(name: &str) -> io::Result<()> {
    // Traffic of one connection may leave through one tunnel and come back through another: loose reverse path
    // filter (RFC 3704 2.4). The kernel takes the greater of this and `all`, and loose is the greatest.
    std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), "2")?;
    let v6 = format!("/proc/sys/net/ipv6/conf/{name}");
    // No address of its own making, and no talk about routers and neighbours, on a point-to-point link.
    for (key, value) in [("addr_gen_mode", "1"), ("accept_ra", "0"), ("router_solicitations", "0")] {
        match std::fs::write(format!("{v6}/{key}"), value) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn into_io(error: rtnetlink::Error) -> io::Error {
    if let rtnetlink::Error::NetlinkError(message) = error { message.to_io() } else { io::Error::other(error) }
}
