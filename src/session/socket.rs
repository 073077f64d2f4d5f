//! TCP sockets of sessions. Those that exist inside one tunnel only are bound to its interface and its inside address;
//! those outside are bound to an address, and to an interface if the peer is on one of its networks.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::protect;

/// The BGP port (RFC 4271 8.2.1).
const BGP_PORT: u16 = 179;
/// Two connections may collide; strangers beyond that wait or are dropped.
const BACKLOG: i32 = 8;
/// The same at an address that many sessions share.
const PLAIN_BACKLOG: i32 = 256;
/// An attempt to connect that takes longer has failed.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may be silent before the kernel asks whether it is still there.
pub(super) const USER_TIMEOUT: Duration = Duration::from_secs(60);
/// DSCP CS6, network control (RFC 4594 3.1), in the TOS octet.
const NETWORK_CONTROL: u32 = 0xc0;

/// The interface a session lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The interface that packets must take; any for a peer several hops away.
    pub interface: Option<String>,
    /// Largest TCP segment that fits the tunnel, in octets.
    pub mss: Option<u16>,
    /// How far packets may go, if not as far as any.
    pub hops: Option<u8>,
    /// Whether the session listens for itself; otherwise it is told who connects.
    pub listens: bool,
}

/// Who the session is between, and how its packets are protected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends<'a> {
    pub(super) local: IpAddr,
    pub(super) peer: IpAddr,
    pub(super) transport: &'a settings::Transport,
    /// How long sent data may go unacknowledged: a little more than the session itself would wait (RFC 9687).
    pub(super) patience: Duration,
}

impl Ends<'_> {
    /// What an accepted connection inherits from its listener, and one of our own needs before it connects.
    pub(super) fn tune(&self, socket: &SockRef<'_>, local: SocketAddr) -> io::Result<()> {
        socket.set_tcp_user_timeout(Some(self.patience))?;
        if let Some(mss) = self.transport.mss {
            socket.set_tcp_mss(mss.into())?;
        }
        if let Some(hops) = self.transport.ttl_security {
            protect::bound_distance(socket, local, hops)?;
        }
        if let Some(key) = &self.transport.md5 {
            protect::sign(&**socket, self.peer.into(), key)?;
        }
        Ok(())
    }
}

/// Listens for the peer.
pub(super) fn listen(link: &Link, ends: &Ends<'_>) -> io::Result<TcpListener> {
    let address = SocketAddr::new(ends.local, BGP_PORT);
    let socket = bound(link, address)?;
    ends.tune(&SockRef::from(&socket), address)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connects to the peer.
pub(super) fn connect(link: &Link, ends: &Ends<'_>) -> io::Result<impl Future<Output = io::Result<TcpStream>> + use<>> {
    let address = SocketAddr::new(ends.local, 0);
    let socket = bound(link, address)?;
    ends.tune(&SockRef::from(&socket), address)?;
    let attempt = TcpSocket::from_std_stream(socket.into()).connect(SocketAddr::new(ends.peer, BGP_PORT));
    Ok(within(attempt))
}

async fn within(attempt: impl Future<Output = io::Result<TcpStream>>) -> io::Result<TcpStream> {
    tokio::time::timeout(CONNECT_WITHIN, attempt)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to the TCP handshake")))
}

/// Listens at an address that sessions share; at one of link scope on one interface.
///
/// # Errors
///
/// Those of the system, such as an address that this machine does not have.
pub fn listen_plain(local: IpAddr, interface: Option<String>) -> io::Result<TcpListener> {
    let link = Link { interface, mss: None, hops: None, listens: true };
    let address = SocketAddr::new(local, BGP_PORT);
    let socket = bound(&link, address)?;
    // RFC 5082 3: a peer that asks for TTL security asks it of our answer to its first packet already.
    limit_hops(&socket, address, u8::MAX)?;
    protect::keep_first_packets(&socket)?;
    socket.listen(PLAIN_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Gives an accepted connection what it did not inherit, since its listener is shared.
pub(super) fn tune_accepted(link: &Link, ends: &Ends<'_>, stream: &TcpStream) -> io::Result<()> {
    let (socket, local) = (SockRef::from(stream), stream.local_addr()?);
    if let Some(hops) = link.hops {
        limit_hops(&socket, local, hops)?;
    }
    ends.tune(&socket, local)
}

fn limit_hops(socket: &Socket, address: SocketAddr, hops: u8) -> io::Result<()> {
    if address.is_ipv4() { socket.set_ttl_v4(hops.into()) } else { socket.set_unicast_hops_v6(hops.into()) }
}

fn bound(link: &Link, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // The session must neither leave nor enter by another way than its tunnel.
    if let Some(interface) = &link.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if let Some(hops) = link.hops {
        limit_hops(&socket, address, hops)?;
    }
    if let Some(mss) = link.mss {
        socket.set_tcp_mss(mss.into())?;
    }
    if address.is_ipv4() {
        socket.set_tos_v4(NETWORK_CONTROL)?;
    } else {
        socket.set_tclass_v6(NETWORK_CONTROL)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(USER_TIMEOUT))?;
    socket.bind(&address.into())?;
    Ok(socket)
}
