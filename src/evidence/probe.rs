//! Whether the peer's ports are there.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use doctor::{IkeAnswer, PortAnswer, Session};
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// UDP port of IKE.
pub(super) const IKE: u16 = 500;
/// UDP port of IKE and ESP behind NATs (RFC 3948).
pub(super) const NAT_TRAVERSAL: u16 = 4500;
/// The BGP port.
const BGP: u16 = 179;
/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_millis(1200);
/// Datagrams to each port.
const TRIES: u32 = 2;

/// Sends a header of IKE version 3, which an IKE daemon answers with `INVALID_MAJOR_VERSION` and no state (RFC 7296 2.5).
pub(super) fn ike(local: IpAddr, remote: IpAddr, port: u16) -> Option<IkeAnswer> {
    let answer = || -> io::Result<IkeAnswer> {
        let socket = UdpSocket::bind(SocketAddr::new(local, 0))?;
        if local.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        }
        socket.connect(SocketAddr::new(remote, port))?;
        socket.set_read_timeout(Some(PATIENCE / TRIES))?;
        let mut message = if port == NAT_TRAVERSAL { vec![0; 4] } else { Vec::new() };
        message.extend(header()?);
        for _ in 0..TRIES {
            if let Err(error) = socket.send(&message) {
                return Ok(error_answer(&socket, &error).unwrap_or(IkeAnswer::NotSent { reason: error.to_string() }));
            }
            match socket.recv(&mut [0; 64]) {
                Ok(_) => return Ok(IkeAnswer::Answered),
                Err(error) if is_timeout(&error) => {}
                Err(error) => {
                    let answer = error_answer(&socket, &error);
                    return Ok(answer.unwrap_or(IkeAnswer::Unreachable { what: error.to_string(), from: None }));
                }
            }
        }
        Ok(IkeAnswer::Silent)
    };
    Some(answer().unwrap_or_else(|error| IkeAnswer::NotSent { reason: error.to_string() }))
}

/// RFC 7296 3.1: random SPI, none of the peer's, no payload, version 3.0, IKE_SA_INIT, initiator.
fn header() -> io::Result<[u8; 28]> {
    let mut header = [0; 28];
    getrandom::fill(&mut header[..8]).map_err(|error| io::Error::other(error.to_string()))?;
    header[17] = 0x30;
    header[18] = 34;
    header[19] = 0x08;
    header[27] = 28;
    Ok(header)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The ICMP error in the socket's queue, with who sent it (ip(7), IP_RECVERR).
fn error_answer(socket: &UdpSocket, error: &io::Error) -> Option<IkeAnswer> {
    let mut space = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in);
    let mut data = [0; 64];
    let mut parts = [IoSliceMut::new(&mut data)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).ok()?;
    let from = message.cmsgs().ok()?.find_map(|control| {
        if let ControlMessageOwned::Ipv4RecvErr(_, Some(offender)) = control {
            Some(IpAddr::from(offender.sin_addr.s_addr.to_ne_bytes()))
        } else {
            None
        }
    });
    Some(IkeAnswer::Unreachable { what: error.to_string(), from })
}

/// Asks the peer's BGP port of a session that is not established.
pub(super) fn port(session: &mut Session, interface: Option<&str>) {
    if session.state.as_deref().is_none_or(|state| state == "Established") {
        return;
    }
    let interface = interface.or(session.interface.as_deref());
    session.port = Some(match connect(session.local, session.address, interface) {
        Ok(()) => PortAnswer::Open,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => PortAnswer::Refused,
        Err(error) if is_timeout(&error) => PortAnswer::Silent,
        Err(error) => PortAnswer::NotTried { reason: error.to_string() },
    });
}

fn connect(local: Option<IpAddr>, peer: IpAddr, interface: Option<&str>) -> io::Result<()> {
    let peer = SocketAddr::new(peer, BGP);
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if let Some(local) = local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    let begun = Instant::now();
    socket
        .connect_timeout(&peer.into(), PATIENCE)
        .map_err(|error| if begun.elapsed() >= PATIENCE { io::Error::from(io::ErrorKind::TimedOut) } else { error })
}
