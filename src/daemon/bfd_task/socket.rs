//! UDP sockets of BFD (RFC 5881 4): one per link and address to hear at, one per session to speak from.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use bfd::{SOURCE_PORTS, TTL};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// DSCP CS6, network control (RFC 4594 3.1), in the TOS octet.
const NETWORK_CONTROL: u32 = 0xc0;
/// How many source ports are tried.
const ATTEMPTS: u16 = 64;

/// Hears what is sent to `local` and comes through `interface`.
pub(super) fn receiver(interface: Option<&str>, local: IpAddr, port: u16) -> io::Result<Socket> {
    let socket = bound(interface, local)?;
    socket.set_reuse_address(true)?;
    if local.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
    }
    socket.bind(&SocketAddr::new(local, port).into())?;
    Ok(socket)
}

/// Speaks to `remote`. `start` is where the search for a free source port begins.
pub(super) fn sender(interface: Option<&str>, local: IpAddr, remote: SocketAddr, start: u16) -> io::Result<Socket> {
    let socket = bound(interface, local)?;
    if local.is_ipv4() {
        socket.set_ttl_v4(TTL.into())?;
        socket.set_tos_v4(NETWORK_CONTROL)?;
    } else {
        socket.set_unicast_hops_v6(TTL.into())?;
        socket.set_tclass_v6(NETWORK_CONTROL)?;
    }
    // RFC 5881 4: the same port for the whole life of a session, and no other session's.
    let (first, last) = (*SOURCE_PORTS.start(), *SOURCE_PORTS.end());
    let mut outcome = Err(io::ErrorKind::AddrInUse.into());
    for attempt in 0..ATTEMPTS {
        let port = first + start.wrapping_add(attempt) % (last - first);
        outcome = socket.bind(&SocketAddr::new(local, port).into());
        if outcome.is_ok() {
            break;
        }
    }
    outcome?;
    socket.connect(&remote.into())?;
    Ok(socket)
}

fn bound(interface: Option<&str>, local: IpAddr) -> io::Result<Socket> {
    let domain = if local.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(interface.map(str::as_bytes))?;
    Ok(socket)
}

/// Takes one datagram without waiting: its octets, who sent it, what was left of its TTL (0 if the kernel did not say).
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, IpAddr, u8)> {
    let mut control = nix::cmsg_space!(i32);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
    let from = message.address.as_ref().and_then(address).ok_or(io::ErrorKind::InvalidData)?;
    let mut left = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) = control {
            left = u8::try_from(ttl).ok();
        }
    }
    Ok((message.bytes, from, left.unwrap_or(0)))
}

fn address(from: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = from.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| from.as_sockaddr_in6().map(|address| address.ip().into()))
}
