//! One question through one tunnel: a raw ICMP socket or a TCP connection, bound to the tunnel's interface and our inside
//! address, so that it leaves through that tunnel whatever the routes say, and only an answer that comes back through it
//! counts.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use steering::Target;
use steering::echo::Echo;
use system::system_entropy;
use tokio::net::{TcpSocket, UdpSocket};

/// Longest answer looked at, in octets: an IPv4 header with options, and the message.
const LONGEST: usize = 512;

/// The way a question takes.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) interface: String,
    pub(super) source: IpAddr,
}

/// Whether `target` answers within `limit`.
///
/// # Errors
/// When it cannot even be asked.
pub(super) async fn ask(target: Target, way: &Way, limit: Duration) -> io::Result<bool> {
    let question = async {
        match target {
            Target::Icmp(address) => echo(address, way).await,
            Target::Tcp(address) => connect(address, way).await,
        }
    };
    tokio::time::timeout(limit, question).await.unwrap_or(Ok(false))
}

async fn echo(target: IpAddr, way: &Way) -> io::Result<bool> {
    let (domain, protocol) =
        if target.is_ipv4() { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(way.interface.as_bytes()))?;
    socket.bind(&SocketAddr::new(way.source, 0).into())?;
    socket.connect(&SocketAddr::new(target, 0).into())?;
    let mut token = [0; steering::echo::TOKEN];
    let mut entropy = system_entropy();
    entropy.fill(&mut token);
    let numbers = entropy.random_u32();
    let [a, b, c, d] = numbers.to_be_bytes();
    let echo = Echo { identifier: u16::from_be_bytes([a, b]), sequence: u16::from_be_bytes([c, d]), token, padding: 0 };
    // A raw socket takes send(2) and recv(2) as one of UDP does; what goes through are whole ICMP messages.
    let socket = UdpSocket::from_std(socket.into())?;
    socket.send(&echo.request(target)).await?;
    let mut buffer = [0; LONGEST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // The socket hears whatever ICMP the target sends through the tunnel.
        if echo.is_answered_by(target, buffer.get(..length).unwrap_or_default()) {
            return Ok(true);
        }
    }
}

async fn connect(target: SocketAddr, way: &Way) -> io::Result<bool> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind_device(Some(way.interface.as_bytes()))?;
    socket.bind(SocketAddr::new(way.source, 0))?;
    // A refusal is an answer of the host, but not of the service that was asked for.
    Ok(socket.connect(target).await.is_ok())
}
