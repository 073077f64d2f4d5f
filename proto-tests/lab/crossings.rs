//! Requests of both ends that crossed on the wire, whatever the ends make of it (RFC 7296 2.8.1, 2.8.2).
//!
//! ```text
//!   us ── CREATE_CHILD_SA request ──>        | both are without a response:
//!      <── CREATE_CHILD_SA request ── peer   | they have crossed
//! ```

use std::io::{ErrorKind, Read as _};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::namespace::Namespace;
use super::{LabError, Result};

/// `ETH_P_ALL`: what leaves, too.
const ALL_PROTOCOLS: u16 = 3;
const UDP: u8 = 17;
const IKE: u16 = 500;
const IKE_AND_ESP: u16 = 4500;
/// RFC 3948 2.2: what tells IKE from ESP.
const NOT_ESP: [u8; 4] = [0; 4];
const CREATE_CHILD_SA: u8 = 36;
const RESPONSE: u8 = 0x20;
/// How often the watcher looks whether it is still wanted.
const BREATH: Duration = Duration::from_millis(100);

/// Watches one host's wire while it lives.
#[derive(Debug)]
pub struct Crossings {
    count: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Crossings {
    /// Begins to watch what goes in and out of a host with one IKE peer.
    ///
    /// # Errors
    /// When the host's packets cannot be watched.
    pub fn watch(host: &Namespace) -> Result<Self> {
        let mut socket = host.enter(watching)?.map_err(LabError::io("watch a host's packets"))?;
        let (count, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let (count, ended) = (Arc::clone(&count), Arc::clone(&ended));
            move || {
                let (mut asked, mut packet) = (Asked::default(), [0; 128]);
                while !ended.load(Ordering::Relaxed) {
                    match socket.read(&mut packet) {
                        Ok(length) => _ = count.fetch_add(usize::from(asked.see(&packet[..length])), Ordering::Relaxed),
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                        Err(_) => return,
                    }
                }
            }
        });
        Ok(Self { count, ended, thread: Some(thread) })
    }

    /// Pairs of requests so far.
    #[must_use]
    pub fn so_far(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Crossings {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _already_gone = thread.join();
        }
    }
}

fn watching() -> std::io::Result<Socket> {
    let protocol = Protocol::from(i32::from(ALL_PROTOCOLS.to_be()));
    // Without the link's header; the rest of a longer packet is not asked for.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
    socket.set_read_timeout(Some(BREATH))?;
    Ok(socket)
}

/// A message of a `CREATE_CHILD_SA` exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    from: Ipv4Addr,
    response: bool,
    /// SPIs and message ID: what pairs a response with its request, but for who asked.
    exchange: [u8; 20],
}

/// The last request of each end without a response, and whether it has crossed one of the other's.
#[derive(Debug, Default)]
struct Asked(Vec<(Message, bool)>);

impl Asked {
    /// Whether this packet is a request that crosses one of the other end, none of them counted before.
    fn see(&mut self, packet: &[u8]) -> bool {
        let Some(message) = read(packet) else { return false };
        let Self(asked) = self;
        if message.response {
            asked.retain(|(request, _)| request.from == message.from || request.exchange != message.exchange);
            return false;
        }
        if asked.iter().any(|(request, _)| *request == message) {
            // Sent again.
            return false;
        }
        asked.retain(|(request, _)| request.from != message.from);
        let rival = asked.iter_mut().find(|(_, crossed)| !*crossed);
        let crosses = rival.map(|(_, crossed)| *crossed = true).is_some();
        asked.push((message, crosses));
        crosses
    }
}

fn read(packet: &[u8]) -> Option<Message> {
    let header = usize::from(packet.first().filter(|first| **first >> 4 == 4)? & 0x0f) * 4;
    let (ip, datagram) = packet.split_at_checked(header)?;
    if *ip.get(9)? != UDP {
        return None;
    }
    let from: [u8; 4] = *ip.get(12..)?.first_chunk()?;
    let port = u16::from_be_bytes(*datagram.first_chunk()?);
    let payload = datagram.get(8..)?;
    let message = match port {
        IKE => payload,
        IKE_AND_ESP => payload.strip_prefix(&NOT_ESP)?,
        _ => return None,
    };
    let (spis, id): (&[u8; 16], &[u8; 4]) = (message.first_chunk()?, message.get(20..)?.first_chunk()?);
    let mut exchange = [0; 20];
    exchange[..16].copy_from_slice(spis);
    exchange[16..].copy_from_slice(id);
    let response = message.get(19)? & RESPONSE != 0;
    (*message.get(18)? == CREATE_CHILD_SA).then_some(Message { from: from.into(), response, exchange })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of end `from` in exchange `id`.
    fn packet(from: u8, id: u8, flags: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, UDP, 0, 0, 192, 0, 2, from, 192, 0, 2, 10 - from];
        packet.extend([0x11, 0x94, 0x11, 0x94, 0, 0, 0, 0]);
        packet.extend(NOT_ESP);
        packet.extend([7; 16]);
        packet.extend([46, 0x20, CREATE_CHILD_SA, flags, 0, 0, 0, id]);
        packet
    }

    fn crossings(packets: &[(u8, u8, u8)]) -> usize {
        let mut asked = Asked::default();
        packets.iter().filter(|(from, id, flags)| asked.see(&packet(*from, *id, *flags))).count()
    }

    #[test]
    fn one_request_after_the_other_is_no_crossing() {
        assert_eq!(crossings(&[(1, 5, 0), (9, 5, RESPONSE), (9, 3, 0), (1, 3, RESPONSE), (1, 6, 0)]), 0);
    }

    #[test]
    fn requests_without_a_response_cross_once() {
        assert_eq!(crossings(&[(1, 5, 0), (9, 5, 0), (1, 5, 0), (9, 5, 0), (1, 5, RESPONSE), (9, 5, RESPONSE)]), 1);
        assert_eq!(crossings(&[(9, 1, 0), (1, 2, 0), (9, 2, RESPONSE), (1, 3, 0)]), 1, "asked again meanwhile");
        assert_eq!(crossings(&[(9, 1, 0), (1, 2, 0), (1, 1, RESPONSE), (9, 2, RESPONSE), (1, 3, 0), (9, 2, 0)]), 2);
    }

    #[test]
    fn other_packets_are_nothing() {
        let mut asked = Asked::default();
        let whole = packet(1, 1, 0);
        for length in 0..whole.len() {
            assert!(!asked.see(&whole[..length]));
        }
        assert!(read(&whole).is_some());
    }
}
