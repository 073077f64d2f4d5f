//! What happens to the datagrams that arrive outside.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use esp::{OpenError, Opened};
use wire::ipsec::{Direction, Encapsulation, Spi};

use super::early::EarlyPacket;
use super::{Owner, UNKNOWN_SPI_INTERVAL, Worker};
use crate::message::{self, RECEIVE_BATCH, RECEIVE_LEN, Received};
use crate::packet::coalesce::Target;
use crate::packet::ecn;
use crate::packet::ip::Ip;
use crate::packet::mss::{self, TcpChecksum};
use crate::socket::{Kind, Socket};
use crate::tunnel::Tunnel;
use crate::{Event, Limit};

/// Batches from one socket before the next one has its turn.
const BATCHES_PER_TURN: usize = 4;
/// RFC 3948 2.2: what tells IKE from ESP on port 4500.
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// RFC 3948 2.3.
const KEEPALIVE: [u8; 1] = [0xff];
/// Ranges that one write takes.
const MAX_PIECES: usize = 64;

/// A datagram's surroundings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outer {
    pub(super) local: SocketAddr,
    pub(super) from: SocketAddr,
    pub(super) encapsulation: Encapsulation,
    pub(super) tos: u8,
    pub(super) now: Instant,
}

impl Worker {
    /// Takes what waits at a socket.
    pub(super) fn pump(&mut self, index: usize) {
        let Some(socket) = self.sockets.get(index).map(Arc::clone) else { return };
        for _ in 0..BATCHES_PER_TURN {
            let mut received = std::mem::take(&mut self.received);
            let result = message::receive(&socket, &mut self.buffer, &mut self.surroundings, &mut received);
            let now = Instant::now();
            for datagrams in &received {
                self.split(&socket, datagrams, now);
            }
            let count = received.len();
            self.received = received;
            self.coalescer.drain(&mut self.buffer, write);
            match result {
                Ok(()) if count < message::batch_of(&socket) => return,
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // An ICMP error about something sent earlier, for instance. Level-triggered waiting retries.
                    tracing::debug!(%error, local = %socket.local(), "cannot receive");
                    return;
                }
            }
        }
    }

    /// Takes apart what the kernel joined.
    fn split(&mut self, socket: &Socket, datagrams: &Received, now: Instant) {
        let mut outer = Outer {
            local: socket.local(),
            from: datagrams.from,
            encapsulation: Encapsulation::Udp,
            tos: datagrams.tos,
            now,
        };
        if socket.kind() == Kind::Esp {
            self.raw(&mut outer, datagrams.range.clone());
            return;
        }
        let mut start = datagrams.range.start;
        while start < datagrams.range.end {
            let end = (start + datagrams.segment).min(datagrams.range.end);
            match socket.kind() {
                Kind::Ike => self.ike(&outer, start..end),
                Kind::Nat | Kind::Esp => self.demultiplex(&outer, start..end),
            }
            start = end;
        }
    }

    /// A raw IPv4 socket gives the outer header too, an IPv6 one does not.
    fn raw(&mut self, outer: &mut Outer, range: Range<usize>) {
        outer.encapsulation = Encapsulation::Esp;
        if outer.local.is_ipv6() {
            self.esp(outer, range);
        } else if let Some(ip) = Ip::parse(&self.buffer[range.clone()]).filter(|ip| !ip.v6) {
            outer.tos = ip.tos;
            self.esp(outer, range.start + ip.header_len..range.start + ip.total_len);
        } else {
            self.counters.malformed.count();
        }
    }

    fn demultiplex(&mut self, outer: &Outer, range: Range<usize>) {
        let datagram = &self.buffer[range.clone()];
        if datagram == KEEPALIVE {
            self.counters.keepalives_in.count();
        } else if datagram.starts_with(&NON_ESP_MARKER) {
            self.ike(outer, range.start + NON_ESP_MARKER.len()..range.end);
        } else if datagram.len() >= esp::HEADER_LEN {
            self.esp(outer, range);
        } else {
            self.counters.malformed.count();
        }
    }

    fn ike(&mut self, outer: &Outer, range: Range<usize>) {
        let datagram = self.buffer[range].to_vec();
        if self.outbox.offer(Event::Ike { local: outer.local, remote: outer.from, datagram }) {
            self.counters.ike_in.count();
        } else {
            self.counters.ike_dropped.count();
        }
    }

    fn esp(&mut self, outer: &Outer, range: Range<usize>) {
        let packet = &mut self.buffer[range.clone()];
        let entry = match self.db.lookup(packet) {
            Ok(entry) => entry,
            Err(OpenError::UnknownSpi(spi)) => return self.unknown(outer, spi, range),
            Err(_) => return self.counters.malformed.count(),
        };
        let tunnel = &entry.owner.tunnel;
        let opened = match entry.sa.open(packet) {
            Ok(opened) => opened,
            Err(error) => {
                count_refusal(tunnel, error);
                if error == OpenError::Lifetime && !std::mem::replace(&mut entry.owner.exhausted, true) {
                    let (tunnel, spi) = (tunnel.id, entry.sa.spi());
                    let (direction, limit) = (Direction::Inbound, Limit::Hard);
                    self.outbox.send(Event::SaLimit { tunnel, direction, spi, limit });
                }
                return;
            }
        };
        tunnel.counters.touch(self.start, outer.now);
        if opened.soft_limit {
            let (tunnel, spi) = (tunnel.id, entry.sa.spi());
            let (direction, limit) = (Direction::Inbound, Limit::Soft);
            self.outbox.send(Event::SaLimit { tunnel, direction, spi, limit });
        }
        if let Some(event) = moved(&mut entry.owner, outer, &opened) {
            self.outbox.send(event);
        }
        let tunnel = &entry.owner.tunnel;
        let Some(inner) = opened.inner else { return tunnel.counters.dummies_in.count() };
        let inner = range.start + inner.start..range.start + inner.end;
        let octets = &mut self.buffer[inner.clone()];
        let Some(mut ip) = Ip::parse(octets) else { return tunnel.counters.malformed_drops.count() };
        if !ecn::combine(&mut ip, octets, outer.tos) {
            return tunnel.counters.ecn_drops.count();
        }
        mss::clamp(&ip, octets, tunnel.mss(ip.v6), TcpChecksum::Complete);
        tunnel.counters.packets_in.count();
        tunnel.counters.bytes_in.add(inner.len() as u64);
        let target = Target { target: tunnel, number: tunnel.id.0, udp: tunnel.tun.udp_offload() };
        self.coalescer.push(&self.buffer, inner, &ip, target);
    }

    /// Opens what came for an SA before it was there.
    pub(super) fn deliver_early(&mut self, spi: Spi) {
        let now = Instant::now();
        let early = self.early.take(spi, now);
        self.counters.early.add(early.len() as u64);
        for batch in early.chunks(RECEIVE_BATCH) {
            for (index, EarlyPacket { outer, packet, .. }) in batch.iter().enumerate() {
                let start = index * RECEIVE_LEN;
                let range = start..start + packet.len();
                self.buffer[range.clone()].copy_from_slice(packet);
                self.esp(&Outer { now, ..*outer }, range);
            }
            self.coalescer.drain(&mut self.buffer, write);
        }
    }

    fn unknown(&mut self, outer: &Outer, spi: Spi, range: Range<usize>) {
        self.counters.unknown_spi.count();
        self.early.keep(spi, *outer, &self.buffer[range]);
        let recent = |reported: Instant| outer.now.duration_since(reported) < UNKNOWN_SPI_INTERVAL;
        if !self.unknown_spi_reported.is_some_and(recent) {
            self.unknown_spi_reported = Some(outer.now);
            self.outbox.offer(Event::UnknownSpi { from: outer.from, spi });
        }
    }
}

fn count_refusal(tunnel: &Tunnel, error: OpenError) {
    tracing::trace!(%error, tunnel = %tunnel.id, "packet refused");
    let counters = &tunnel.counters;
    match error {
        OpenError::Replay(_) => counters.replay_drops.count(),
        OpenError::Integrity => counters.integrity_drops.count(),
        OpenError::Lifetime => counters.lifetime_drops.count(),
        OpenError::Selector => counters.selector_drops.count(),
        OpenError::Malformed(_) | OpenError::UnknownSpi(_) => counters.malformed_drops.count(),
    }
}

/// RFC 7296 2.23: only an authentic packet, and only one newer than all before it, says where the peer is.
fn moved(owner: &mut Owner, outer: &Outer, opened: &Opened) -> Option<Event> {
    let same = match outer.encapsulation {
        Encapsulation::Udp => outer.from == owner.remote,
        Encapsulation::Esp => outer.from.ip() == owner.remote.ip(),
    };
    if same {
        owner.reported = None;
        return None;
    }
    let news = opened.newest
        && owner.encapsulation == outer.encapsulation
        && owner.reported.replace(outer.from) != Some(outer.from);
    news.then(|| Event::PeerMoved { tunnel: owner.tunnel.id, local: outer.local, remote: outer.from })
}

/// One write per group.
fn write(tunnel: &Arc<Tunnel>, buffer: &[u8], pieces: &[Range<usize>]) {
    let mut vectors = [IoSlice::new(&[]); MAX_PIECES];
    for (vector, piece) in vectors.iter_mut().zip(pieces) {
        *vector = IoSlice::new(&buffer[piece.clone()]);
    }
    if let Err(error) = tunnel.tun.write(&vectors[..pieces.len().min(MAX_PIECES)]) {
        tracing::trace!(%error, interface = tunnel.name, "packets not delivered");
        tunnel.counters.interface_drops.add(pieces.len() as u64);
    }
}
