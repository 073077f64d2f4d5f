//! TCP sockets that exist inside one tunnel only: bound to its interface and its inside address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// The BGP port (RFC 4271 8.2.1).
const BGP_PORT: u16 = 179;
/// Two connections may collide; strangers beyond that wait or are dropped.
const BACKLOG: i32 = 8;
/// An attempt to connect that takes longer has failed.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long sent data may go unacknowledged (compare RFC 9687: a peer that stops reading).
const USER_TIMEOUT: Duration = Duration::from_secs(60);
/// DSCP CS6, network control (RFC 4594 3.1), in the TOS octet.
const NETWORK_CONTROL: u32 = 0xc0;

/// The interface a session lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The tunnel's interface.
    pub(crate) interface: String,
    /// Largest TCP segment that fits the tunnel, in octets.
    pub(crate) mss: Option<u16>,
}

/// Listens for the peer.
pub(super) fn listen(link: &Link, local: IpAddr) -> io::Result<TcpListener> {
    let socket = bound(link, SocketAddr::new(local, BGP_PORT))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connects to the peer.
pub(super) async fn connect(link: &Link, local: IpAddr, peer: IpAddr) -> io::Result<TcpStream> {
    let socket = bound(link, SocketAddr::new(local, 0))?;
    let attempt = TcpSocket::from_std_stream(socket.into()).connect(SocketAddr::new(peer, BGP_PORT));
    tokio::time::timeout(CONNECT_WITHIN, attempt)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to the TCP handshake")))
}

fn bound(link: &Link, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // The session must neither leave nor enter by another way than its tunnel.
    socket.bind_device(Some(link.interface.as_bytes()))?;
    if let Some(mss) = link.mss {
        socket.set_tcp_mss(mss.into())?;
    }
    if address.is_ipv4() {
        socket.set_tos_v4(NETWORK_CONTROL)?;
    } else {
        socket.set_tclass_v6(NETWORK_CONTROL)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(USER_TIMEOUT))?;
    socket.bind(&address.into())?;
    Ok(socket)
}
