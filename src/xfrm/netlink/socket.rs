//! Netlink sockets: one that asks, and waits for the answer that is there already; one that listens.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use netlink_packet_core::{NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_REQUEST};
use netlink_sys::protocols::NETLINK_XFRM;
use netlink_sys::{AsyncSocket, Socket, SocketAddr, TokioSocket};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use zeroize::{Zeroize, Zeroizing};

use super::fields::Fields;
use super::message::{Message, Received, attribute, messages};
use super::state;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;
/// `NLM_F_DUMP_INTR`: what is listed changed meanwhile, and something may be missing.
const INTERRUPTED: u16 = 0x10;
/// How often to list again what changes while it is listed.
const LISTINGS: usize = 4;
/// `nlmsghdr` of the request that an error repeats.
const REPEATED_HEADER: usize = 16;
/// The kernel composes no larger datagrams.
const DATAGRAM: usize = 64 * 1024;
/// `XFRMNLGRP_SA`: states made and removed.
const STATE_GROUP: u32 = 3;
/// Octets of notices that may wait; the kernel counts generously.
const QUEUE: usize = 4 << 20;
/// The kernel answers before `send` returns, or never.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the kernel did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The socket failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// The kernel said no.
    #[error("{}{}", io::Error::from_raw_os_error(*errno), text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Kernel {
        /// Its reason.
        errno: i32,
        /// Its words, where it has any.
        text: Option<String>,
    },
}

impl Refusal {
    /// Whether this is the kernel's reason.
    pub(crate) fn is(&self, wanted: i32) -> bool {
        matches!(self, Self::Kernel { errno, .. } if *errno == wanted)
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Socket(error) => error,
            Refusal::Kernel { errno, text: None } => Self::from_raw_os_error(errno),
            Refusal::Kernel { errno, .. } => Self::new(Self::from_raw_os_error(errno).kind(), refusal),
        }
    }
}

/// The socket that asks.
pub(crate) struct Requests {
    socket: Socket,
    sequence: u32,
    /// Wiped after each answer: listed states come with their keys.
    buffer: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Requests {
    /// Opens a socket of one of netlink's protocols.
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        let patience = TimeVal::new(PATIENCE.as_secs().cast_signed(), 0);
        setsockopt(&socket.as_fd(), sockopt::ReceiveTimeout, &patience)?;
        Ok(Self { socket, sequence: 0, buffer: Zeroizing::new(Vec::with_capacity(DATAGRAM)) })
    }

    /// Has something done.
    pub(crate) fn ask(&mut self, make: impl FnOnce(u16) -> Message) -> Result<(), Refusal> {
        self.exchange(make(NLM_F_REQUEST | NLM_F_ACK), |_| ())
    }

    /// Asks for one thing.
    pub(crate) fn get<T>(
        &mut self,
        make: impl FnOnce(u16) -> Message,
        read: impl Fn(Received<'_>) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let mut found = None;
        self.exchange(make(NLM_F_REQUEST | NLM_F_ACK), |message| found = found.take().or_else(|| read(message)))?;
        Ok(found)
    }

    /// Lists things: all of them, or it is a refusal, `EINTR` where they would not stop changing.
    pub(crate) fn list<T>(
        &mut self,
        make: impl Fn(u16) -> Message,
        read: impl Fn(Received<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Refusal> {
        for _ in 0..LISTINGS {
            let mut found = Vec::new();
            match self.exchange(make(NLM_F_REQUEST | NLM_F_DUMP), |message| found.extend(read(message))) {
                Err(refusal) if refusal.is(libc::EINTR) => {}
                result => return result.map(|()| found),
            }
        }
        judge(libc::EINTR, None).map(|()| Vec::new())
    }

    /// Has all of a transaction done, or nothing of it.
    pub(crate) fn ask_together(&mut self, messages: Vec<Message>) -> Result<(), Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        let octets: Vec<_> = messages.into_iter().map(|message| message.finish(self.sequence)).collect();
        let octets: Vec<&[u8]> = octets.iter().map(|octets| &octets[..]).collect();
        self.socket.send(&octets.concat(), 0)?;
        self.hear(|_| ())
    }

    fn exchange(&mut self, message: Message, each: impl FnMut(Received<'_>)) -> Result<(), Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&message.finish(self.sequence), 0)?;
        self.hear(each)
    }

    /// The answers to what was sent last, up to the end of them or the first that is a refusal.
    fn hear(&mut self, mut each: impl FnMut(Received<'_>)) -> Result<(), Refusal> {
        let (sequence, mut interrupted) = (self.sequence, false);
        loop {
            self.buffer.zeroize();
            self.socket.recv(&mut *self.buffer, 0)?;
            // What is left of an exchange that was given up has another number.
            let mut ended = None;
            for message in messages(&self.buffer).filter(|message| message.sequence == sequence) {
                interrupted |= message.flags & INTERRUPTED != 0;
                match end(message, interrupted) {
                    Some(result) => ended = Some(result),
                    None => each(message),
                }
            }
            if let Some(result) = ended {
                self.buffer.zeroize();
                return result;
            }
        }
    }
}

/// How an exchange ends, where this message ends one. A listing that failed half-way ends like a complete one, but for its
/// number.
pub(super) fn end(message: Received<'_>, interrupted: bool) -> Option<Result<(), Refusal>> {
    let code = Fields(message.payload).word().map(|code| code.cast_signed().saturating_neg());
    match message.kind {
        NLMSG_ERROR => Some(judge(code.unwrap_or(libc::EBADMSG), words(message))),
        NLMSG_DONE if interrupted => Some(judge(libc::EINTR, None)),
        NLMSG_DONE => Some(judge(code.unwrap_or(0), None)),
        _ => None,
    }
}

fn judge(errno: i32, text: Option<String>) -> Result<(), Refusal> {
    if errno == 0 { Ok(()) } else { Err(Refusal::Kernel { errno, text }) }
}

/// The kernel's words in an acknowledgement.
fn words(message: Received<'_>) -> Option<String> {
    let words = message.payload.get(4 + REPEATED_HEADER..).filter(|_| message.flags & NLM_F_ACK_TLVS != 0);
    words.and_then(|words| attribute(words, NLMSGERR_ATTR_MSG)).map(|text| {
        let text = text.split(|octet| *octet == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    })
}

/// Subscribes to the notices of some groups, given as one bit each.
fn subscribe(socket: &mut Socket, groups: u32) -> io::Result<()> {
    // Without CAP_NET_ADMIN in the first user namespace, the system's limit has to do.
    if setsockopt(&socket.as_fd(), sockopt::RcvBufForce, &QUEUE).is_err() {
        setsockopt(&socket.as_fd(), sockopt::RcvBuf, &QUEUE)?;
    }
    socket.bind(&SocketAddr::new(0, groups))
}

/// Hears what states were at their end, between `begin` and `end`. It does not block.
#[derive(Debug)]
pub(crate) struct Removals(Socket);

impl Removals {
    /// Opens it, in the network namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_XFRM)?;
        subscribe(&mut socket, 0)?;
        socket.set_non_blocking(true)?;
        Ok(Self(socket))
    }

    /// From now on.
    pub(crate) fn begin(&self) -> io::Result<()> {
        self.0.add_membership(STATE_GROUP)
    }

    /// What `read` finds among the notices since.
    pub(crate) fn end<T>(&self, read: impl Fn(Received<'_>) -> Option<T>) -> io::Result<Option<T>> {
        self.0.drop_membership(STATE_GROUP)?;
        let (mut buffer, mut found) = (Zeroizing::new(Vec::with_capacity(DATAGRAM)), None);
        loop {
            buffer.zeroize();
            match self.0.recv(&mut *buffer, 0) {
                Ok(_) => {
                    let removed = messages(&buffer).filter(|message| message.kind == state::DELETE);
                    found = found.or_else(|| removed.filter_map(&read).next());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(found),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A socket for notices to be waited for.
pub(crate) struct Listener {
    socket: TokioSocket,
    buffer: Zeroizing<Vec<u8>>,
}

impl Listener {
    /// Opens it within a runtime, in the network namespace of the calling thread.
    pub(crate) fn open(protocol: isize, groups: u32) -> io::Result<Self> {
        let mut socket = TokioSocket::new(protocol)?;
        subscribe(socket.socket_mut(), groups)?;
        Ok(Self { socket, buffer: Zeroizing::new(Vec::with_capacity(DATAGRAM)) })
    }

    /// The next datagram. May be abandoned at any time. After an error some may have been lost.
    pub(crate) async fn next(&mut self) -> io::Result<&[u8]> {
        self.buffer.zeroize();
        self.buffer.reserve(DATAGRAM);
        poll_fn(|cx| self.socket.poll_recv(cx, &mut *self.buffer)).await?;
        Ok(&self.buffer)
    }
}
