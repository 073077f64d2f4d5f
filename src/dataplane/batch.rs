//! Sealed packets on their way out, one behind the other in one buffer.
//!
//! Over UDP a batch is packets of one length, the last one maybe shorter, which is what one `sendmsg` with
//! segmentation takes. As raw ESP it is packets of any length for one `sendmmsg`. All share the outer traffic class
//! and "don't fragment", since a call has only one of each.

use std::io;
use std::ops::Range;

use socket2::SockAddr;
use wire::outer::OuterHeader;

use crate::message;
use crate::packet::ip::Ip;
use crate::poll::wait_writable;
use crate::socket::{Kind, Socket};

/// Segments the kernel takes in one call (`UDP_MAX_SEGMENTS` of older kernels).
const MAX_PACKETS: usize = 64;
/// Octets it takes: the largest UDP payload over IPv4 with an IP header of 20 octets, less a little.
const MAX_LEN: usize = 65_400;
/// Milliseconds to wait for a full socket before packets are dropped.
const SEND_PATIENCE: u16 = 20;

/// What outer headers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The traffic class.
    pub(crate) tos: u8,
    /// Nobody may fragment the outer packet.
    pub(crate) whole: bool,
}

impl Marks {
    pub(crate) fn of(outer: OuterHeader, inner: &Ip) -> Self {
        Self { tos: outer.traffic_class(inner.tos), whole: outer.stays_whole(inner.dont_fragment) }
    }
}

/// What a flush could not send.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    /// Packets.
    pub(crate) packets: u64,
    /// Some of them had to stay whole and were too long for the path.
    pub(crate) too_long: bool,
}

/// Packets for one peer.
#[derive(Debug)]
pub(crate) struct Batch {
    buffer: Box<[u8]>,
    packets: Vec<Range<usize>>,
    marks: Marks,
    /// Whether to wait for a full socket. It may cost one wait per turn, however many batches find it full.
    patient: bool,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; MAX_LEN + esp::MAX_HEADROOM + esp::MAX_TAILROOM].into_boxed_slice(),
            packets: Vec::with_capacity(MAX_PACKETS),
            marks: Marks::default(),
            patient: true,
        }
    }

    /// A new turn begins: a full socket may be waited for again.
    pub(crate) fn begin_turn(&mut self) {
        self.patient = true;
    }

    /// Whether a packet of `len` octets may join those that wait.
    pub(crate) fn takes(&self, socket: &Socket, len: usize, marks: Marks) -> bool {
        let (Some(first), Some(last)) = (self.packets.first(), self.packets.last()) else { return true };
        self.marks == marks
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
    pub(crate) fn commit(&mut self, len: usize, marks: Marks) {
        let start = self.end();
        self.packets.push(start..start + len);
        self.marks = marks;
    }

    /// Sends what waits. Returns what was lost.
    pub(crate) fn flush(&mut self, socket: &Socket, remote: &SockAddr) -> Loss {
        if self.packets.is_empty() {
            return Loss::default();
        }
        let loss = match self.try_segments(socket, remote) {
            Some(Ok(())) => Loss::default(),
            Some(Err(error)) => {
                tracing::trace!(%error, "packets not sent");
                Loss { packets: self.packets.len() as u64, too_long: self.is_too_long(&error) }
            }
            None => self.send_each(socket, remote),
        };
        self.packets.clear();
        loss
    }

    fn is_too_long(&self, error: &io::Error) -> bool {
        self.marks.whole && error.raw_os_error() == Some(libc::EMSGSIZE)
    }

    /// All in one call, where the socket can. `None`: one by one.
    fn try_segments(&mut self, socket: &Socket, remote: &SockAddr) -> Option<io::Result<()>> {
        let (segment, end) = (self.packets.first()?.len(), self.end());
        if socket.kind() == Kind::Esp || (self.packets.len() > 1 && !socket.gso()) {
            return None;
        }
        let Self { buffer, packets, marks, patient } = self;
        let data = &buffer[..end];
        match patiently(socket, patient, || message::send_segments(socket, remote, data, segment, *marks)) {
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

    /// What one packet is refused for need not concern the next one, but a socket that stays full refuses them all.
    fn send_each(&mut self, socket: &Socket, remote: &SockAddr) -> Loss {
        let (mut sent, mut loss) = (0, Loss::default());
        while sent < self.packets.len() {
            let Self { buffer, packets, marks, patient } = self;
            let rest = &packets[sent..];
            match patiently(socket, patient, || message::send_each(socket, remote, buffer, rest, *marks)) {
                Ok(count) => sent += count.clamp(1, rest.len()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    loss.packets += rest.len() as u64;
                    break;
                }
                Err(error) => {
                    tracing::trace!(%error, "packet not sent");
                    loss.packets += 1;
                    loss.too_long |= self.is_too_long(&error);
                    sent += 1;
                }
            }
        }
        loss
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
