//! Pings (RFC 792, RFC 4443), small and of full size, out of one interface whatever the routes say.

use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use doctor::{Ping, Sizes};
use socket2::{Domain, Protocol, Socket, Type};
use steering::echo;

/// Echo requests that tell whether anybody answers.
const PINGS: u32 = 3;
/// Octets of data in them.
const DATA: usize = 56;
/// How long to wait for each answer.
const PATIENCE: Duration = Duration::from_millis(700);
/// The least to wait for a large packet's answer, however fast small ones come back.
const SHORTEST: Duration = Duration::from_millis(200);
/// What every path carries (RFC 791 3.2).
const SMALLEST: u32 = 68;
/// Sizes tried between the largest that passes and the smallest that does not.
const HALVINGS: u32 = 8;
/// How near to the true size is near enough.
const NEAR: u32 = 8;

/// Whether `peer` answers through `interface`; stops at the first answer. `None` if nothing can be sent.
pub(super) fn ping(interface: &str, local: Option<IpAddr>, peer: IpAddr) -> Option<Ping> {
    let mut echo = Echo::new(interface, local, peer).ok()?;
    for sent in 1..=PINGS {
        if echo.ask(DATA - echo::TOKEN).ok()? == Answer::Came {
            return Some(Ping { sent, received: 1 });
        }
    }
    Some(Ping { sent: PINGS, received: 0 })
}

/// The largest packet, of at most `mtu` octets, that `peer` answers through `interface`, with "don't fragment" set.
pub(super) fn sizes(interface: &str, local: IpAddr, peer: IpAddr, mtu: u32) -> Option<Sizes> {
    let (IpAddr::V4(ours), IpAddr::V4(theirs)) = (local, peer) else { return None };
    let mut echo = Echo::whole(interface, ours, theirs).ok()?;
    let asked = Instant::now();
    if echo.ask(DATA - echo::TOKEN).ok()? != Answer::Came {
        return None;
    }
    echo.patience = (asked.elapsed() * 4).clamp(SHORTEST, PATIENCE);
    let mut told = false;
    let mut passes = |size: u32| {
        let padding = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(echo::LEAST);
        // One that is lost by chance must not pass for too large.
        (0..2).any(|_| match echo.ask(padding).unwrap_or(Answer::Missing) {
            Answer::Came => true,
            Answer::TooLarge => {
                told = true;
                false
            }
            Answer::Missing => false,
        })
    };
    let (mut good, mut bad) = if passes(mtu) { (mtu, mtu) } else { (SMALLEST, mtu) };
    for _ in 0..HALVINGS {
        if bad - good <= NEAR {
            break;
        }
        let middle = good + (bad - good) / 2;
        if passes(middle) { good = middle } else { bad = middle }
    }
    Some(Sizes { mtu, passed: good, told })
}

/// What comes of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Came,
    /// Somebody, or the interface, says that it is too large.
    TooLarge,
    Missing,
}

/// One conversation of requests and answers.
struct Echo {
    socket: Socket,
    ends: Option<(Ipv4Addr, Ipv4Addr)>,
    peer: SocketAddr,
    request: echo::Echo,
    patience: Duration,
}

impl Echo {
    fn new(interface: &str, local: Option<IpAddr>, peer: IpAddr) -> io::Result<Self> {
        let protocol = if peer.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let peer = SocketAddr::new(peer, 0);
        let socket = Socket::new(Domain::for_address(peer), Type::RAW, Some(protocol))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        if let Some(local) = local {
            socket.bind(&SocketAddr::new(local, 0).into())?;
        }
        let (mut identifier, mut token) = ([0; 2], [0; echo::TOKEN]);
        for random in [identifier.as_mut_slice(), &mut token] {
            getrandom::fill(random).map_err(|error| io::Error::other(error.to_string()))?;
        }
        let request = echo::Echo { identifier: u16::from_ne_bytes(identifier), sequence: 0, token, padding: 0 };
        Ok(Self { socket, ends: None, peer, request, patience: PATIENCE })
    }

    /// With an IP header of our own making, which says that the packet must stay whole.
    fn whole(interface: &str, local: Ipv4Addr, peer: Ipv4Addr) -> io::Result<Self> {
        let echo = Self::new(interface, Some(local.into()), peer.into())?;
        echo.socket.set_header_included_v4(true)?;
        Ok(Self { ends: Some((local, peer)), ..echo })
    }

    /// Sends a request with this many octets behind its token and waits for its answer.
    fn ask(&mut self, padding: usize) -> io::Result<Answer> {
        self.request = echo::Echo { sequence: self.request.sequence.wrapping_add(1), padding, ..self.request };
        let request = self.request.request(self.peer.ip());
        let packet = match self.ends {
            Some((local, peer)) => [ip_header(local, peer).as_slice(), &request].concat(),
            None => request,
        };
        match self.socket.send_to(&packet, &self.peer.into()) {
            Ok(_) => self.wait(),
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => Ok(Answer::TooLarge),
            Err(error) => Err(error),
        }
    }

    /// A raw socket hears everything that comes by the interface.
    fn wait(&mut self) -> io::Result<Answer> {
        let deadline = Instant::now() + self.patience;
        let mut packet = vec![0; 65_536];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Answer::Missing);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(&mut packet) {
                Ok(length) => {
                    let packet = &packet[..length];
                    if self.is_from_peer(packet) && self.request.is_answered_by(self.peer.ip(), packet) {
                        return Ok(Answer::Came);
                    }
                    if self.peer.is_ipv4() && self.request.is_too_large_by(packet) {
                        return Ok(Answer::TooLarge);
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(Answer::Missing);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Over IPv4 a packet comes with its header; over IPv6 the token alone must tell.
    fn is_from_peer(&self, packet: &[u8]) -> bool {
        match self.peer {
            SocketAddr::V4(peer) => packet.get(12..16).is_some_and(|from| *from == peer.ip().octets()),
            SocketAddr::V6(_) => true,
        }
    }
}

/// RFC 791 3.1; the kernel fills in length, identification and checksum (raw(7)).
fn ip_header(local: Ipv4Addr, peer: Ipv4Addr) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[6] = 0x40;
    header[8] = 64;
    header[9] = 1;
    header[12..16].copy_from_slice(&local.octets());
    header[16..].copy_from_slice(&peer.octets());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_from_whom_was_asked() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let request = echo::Echo { identifier: 1, sequence: 7, token: [3; echo::TOKEN], padding: 0 };
        let echo = Echo { socket, ends: None, peer, request, patience: PATIENCE };
        let mut packet = ip_header([127, 0, 0, 1].into(), [127, 0, 0, 1].into());
        assert!(echo.is_from_peer(&packet));
        packet[15] = 2;
        assert!(!echo.is_from_peer(&packet));
        assert!(!echo.is_from_peer(&packet[..15]));
    }
}
