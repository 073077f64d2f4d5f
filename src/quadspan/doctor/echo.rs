//! Pings (RFC 792, RFC 4443), small and of full size.

use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use doctor::{Ping, Sizes};
use socket2::{Domain, Protocol, Socket, Type};

/// Echo requests that tell whether anybody answers.
const PINGS: u32 = 3;
/// How long to wait for each answer.
const PATIENCE: Duration = Duration::from_millis(700);
/// The least to wait for a large packet's answer, however fast small ones come back.
const SHORTEST: Duration = Duration::from_millis(200);
/// Octets of the headers of an echo request over IPv4.
const HEADERS: usize = 28;
/// What every path carries (RFC 791 3.2).
const SMALLEST: u32 = 68;
/// Sizes tried between the largest that passes and the smallest that does not.
const HALVINGS: u32 = 8;
/// How near to the true size is near enough.
const NEAR: u32 = 8;

/// Whether `peer` answers; stops at the first answer. `None` if nothing can be sent.
pub(super) fn ping(local: Option<IpAddr>, peer: IpAddr) -> Option<Ping> {
    let mut echo = Echo::new(local, peer).ok()?;
    for sent in 1..=PINGS {
        if echo.ask(56).ok()? {
            return Some(Ping { sent, received: 1 });
        }
    }
    Some(Ping { sent: PINGS, received: 0 })
}

/// The largest packet, of at most `mtu` octets, that `peer` answers, with "don't fragment" set.
pub(super) fn sizes(local: IpAddr, peer: IpAddr, mtu: u32) -> Option<Sizes> {
    let (IpAddr::V4(ours), IpAddr::V4(theirs)) = (local, peer) else { return None };
    let mut echo = Echo::whole(ours, theirs).ok()?;
    let asked = Instant::now();
    if !echo.ask(56).ok()? {
        return None;
    }
    echo.patience = (asked.elapsed() * 4).clamp(SHORTEST, PATIENCE);
    let mut passes = |size: u32| {
        let data = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(HEADERS);
        // One that is lost by chance must not pass for too large.
        (0..2).any(|_| echo.ask(data).unwrap_or(false))
    };
    if passes(mtu) {
        return Some(Sizes { mtu, passed: mtu });
    }
    let (mut good, mut bad) = (SMALLEST, mtu);
    for _ in 0..HALVINGS {
        if bad - good <= NEAR {
            break;
        }
        let middle = good + (bad - good) / 2;
        if passes(middle) { good = middle } else { bad = middle }
    }
    Some(Sizes { mtu, passed: good })
}

/// One conversation of requests and answers.
struct Echo {
    socket: Socket,
    ends: Option<(Ipv4Addr, Ipv4Addr)>,
    peer: SocketAddr,
    id: u16,
    sequence: u16,
    patience: Duration,
}

impl Echo {
    fn new(local: Option<IpAddr>, peer: IpAddr) -> io::Result<Self> {
        let protocol = if peer.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let peer = SocketAddr::new(peer, 0);
        let socket = Socket::new(Domain::for_address(peer), Type::RAW, Some(protocol))?;
        if let Some(local) = local {
            socket.bind(&SocketAddr::new(local, 0).into())?;
        }
        let mut id = [0; 2];
        getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { socket, ends: None, peer, id: u16::from_ne_bytes(id), sequence: 0, patience: PATIENCE })
    }

    /// With an IP header of our own making, which says that the packet must stay whole.
    fn whole(local: Ipv4Addr, peer: Ipv4Addr) -> io::Result<Self> {
        let echo = Self::new(Some(local.into()), peer.into())?;
        echo.socket.set_header_included_v4(true)?;
        Ok(Self { ends: Some((local, peer)), ..echo })
    }

    /// Sends a request with `data` octets and says whether its answer came.
    fn ask(&mut self, data: usize) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = self.request(data);
        let packet = match self.ends {
            Some((local, peer)) => [ip_header(local, peer).as_slice(), &request].concat(),
            None => request,
        };
        match self.socket.send_to(&packet, &self.peer.into()) {
            Ok(_) => self.wait(),
            // EMSGSIZE: too large for the interface itself.
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn request(&self, data: usize) -> Vec<u8> {
        let kind = if self.peer.is_ipv4() { 8 } else { 128 };
        let mut message = vec![kind, 0, 0, 0];
        message.extend(self.id.to_be_bytes());
        message.extend(self.sequence.to_be_bytes());
        message.resize(8 + data, 0x51);
        // The kernel makes the checksum of ICMPv6 itself (RFC 3542 3.1).
        let sum = if self.peer.is_ipv4() { checksum(&message) } else { 0 };
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        message
    }

    fn wait(&mut self) -> io::Result<bool> {
        let deadline = Instant::now() + self.patience;
        let mut packet = vec![0; 65_536];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(&mut packet) {
                Ok(length) if self.is_answer(&packet[..length]) => return Ok(true),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A raw socket hears everything; over IPv4 with its header.
    fn is_answer(&self, packet: &[u8]) -> bool {
        let (kind, message) = match self.peer {
            SocketAddr::V4(peer) => {
                let header = packet.first().map_or(0, |first| usize::from(first & 0xf) * 4);
                let from = packet.get(12..16).is_some_and(|from| *from == peer.ip().octets());
                (0, packet.get(header..).filter(|_| from))
            }
            SocketAddr::V6(_) => (129, Some(packet)),
        };
        let expected = [self.id.to_be_bytes(), self.sequence.to_be_bytes()].concat();
        message.is_some_and(|message| message.first() == Some(&kind) && message.get(4..8) == Some(expected.as_slice()))
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

/// RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let words =
        message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to sixteen bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_checksum_that_its_answer_is_judged_by() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let echo = Echo { socket, ends: None, peer, id: 0x1234, sequence: 7, patience: PATIENCE };
        for data in [0, 1, 56, 1472] {
            let request = echo.request(data);
            assert_eq!(request.len(), 8 + data);
            assert_eq!(checksum(&request), 0, "RFC 1071: with its checksum in, it adds up to nothing");
        }
        let mut answer = [&[0x45; 1][..], &[0; 11], &[127, 0, 0, 1], &[0; 4]].concat();
        answer.extend([0, 0, 0, 0, 0x12, 0x34, 0, 7]);
        assert!(echo.is_answer(&answer));
        answer[27] = 8;
        assert!(!echo.is_answer(&answer), "another request's");
        for length in 0..answer.len() {
            let _no_panic = echo.is_answer(&answer[..length]);
        }
    }
}
