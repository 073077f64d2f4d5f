//! Sealed packets on their way out, one behind the other in one buffer.
//!
//! Over UDP a batch is packets of one length, the last one maybe shorter, which is what one `sendmsg` with
//! segmentation takes. As raw ESP it is packets of any length for one `sendmmsg`. All share the outer traffic class,
//! since a call has only one.

use std::io;
use std::ops::Range;

use socket2::SockAddr;

use crate::message;
use crate::poll::wait_writable;
use crate::socket::{Kind, Socket};

/// Segments the kernel takes in one call (`UDP_MAX_SEGMENTS` of older kernels).
const MAX_PACKETS: usize = 64;
/// Octets it takes: the largest UDP payload over IPv4 with an IP header of 20 octets, less a little.
const MAX_LEN: usize = 65_400;
/// Milliseconds to wait for a full socket before packets are dropped.
const SEND_PATIENCE: u16 = 20;

/// Packets for one peer.
#[derive(Debug)]
pub(crate) struct Batch {
    buffer: Box<[u8]>,
    packets: Vec<Range<usize>>,
    tos: u8,
    /// Whether to wait for a full socket. It may cost one wait per turn, however many batches find it full.
    patient: bool,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; MAX_LEN + esp::MAX_HEADROOM + esp::MAX_TAILROOM].into_boxed_slice(),
            packets: Vec::with_capacity(MAX_PACKETS),
            tos: 0,
            patient: true,
        }
    }

    /// A new turn begins: a full socket may be waited for again.
    pub(crate) fn begin_turn(&mut self) {
        self.patient = true;
    }

    /// Whether a packet of `len` octets may join those that wait.
    pub(crate) fn takes(&self, socket: &Socket, len: usize, tos: u8) -> bool {
        let (Some(first), Some(last)) = (self.packets.first(), self.packets.last()) else { return true };
        self.tos == tos
            && self.packets.len() < MAX_PACKETS
            && last.end + len <= MAX_LEN
            && (socket.kind() == Kind::Esp || (last.len() == first.len() && len <= first.len()))
    }

    /// Where the next packet is to be sealed. `None` if it fits no batch.
    pub(crate) fn slot(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.end();
        self.buffer.get_mut(start..start + len)
    }

    /// The packet in the slot is ready.
    pub(crate) fn commit(&mut self, len: usize, tos: u8) {
        let start = self.end();
        self.packets.push(start..start + len);
        self.tos = tos;
    }

    /// Sends what waits. Returns how many packets were lost.
    pub(crate) fn flush(&mut self, socket: &Socket, remote: &SockAddr) -> u64 {
        if self.packets.is_empty() {
            return 0;
        }
        let lost = match self.try_segments(socket, remote) {
            Some(Ok(())) => 0,
            Some(Err(error)) => {
                tracing::trace!(%error, "packets not sent");
                self.packets.len()
            }
            None => self.send_each(socket, remote),
        };
        self.packets.clear();
        lost as u64
    }

    /// All in one call, where the socket can. `None`: one by one.
    fn try_segments(&mut self, socket: &Socket, remote: &SockAddr) -> Option<io::Result<()>> {
        let (segment, end) = (self.packets.first()?.len(), self.end());
        if socket.kind() == Kind::Esp || (self.packets.len() > 1 && !socket.gso()) {
            return None;
        }
        let Self { buffer, packets, tos, patient } = self;
        match patiently(socket, patient, || message::send_segments(socket, remote, &buffer[..end], segment, *tos)) {
            Err(error) if packets.len() > 1 => match error.raw_os_error() {
                // The device has no checksum offload, which segmentation needs.
                Some(libc::EIO) => {
                    socket.disable_gso();
                    None
                }
                // A segment longer than the path's MTU: alone it can be fragmented.
                Some(libc::EINVAL | libc::EMSGSIZE) => None,
                _ => Some(Err(error)),
            },
            result => Some(result),
        }
    }

    /// Returns how many were lost. What one packet is refused for need not concern the next one, but a socket that
    /// stays full refuses them all.
    fn send_each(&mut self, socket: &Socket, remote: &SockAddr) -> usize {
        let Self { buffer, packets, tos, patient } = self;
        let (mut rest, mut lost) = (&packets[..], 0);
        while !rest.is_empty() {
            match patiently(socket, patient, || message::send_each(socket, remote, buffer, rest, *tos)) {
                Ok(sent) => rest = &rest[sent.clamp(1, rest.len())..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return lost + rest.len(),
                Err(error) => {
                    tracing::trace!(%error, "packet not sent");
                    lost += 1;
                    rest = &rest[1..];
                }
            }
        }
        lost
    }

    fn end(&self) -> usize {
        self.packets.last().map_or(0, |last| last.end)
    }
}

/// Waits once if the socket is full, unless that was in vain a moment ago.
fn patiently<T>(socket: &Socket, patient: &mut bool, mut send: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match send() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && *patient => {
            *patient = wait_writable(socket, SEND_PATIENCE);
            if *patient { send() } else { Err(error) }
        }
        result => result,
    }
}
