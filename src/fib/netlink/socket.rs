//! A routing netlink socket with room to receive.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, SocketAddr, TokioSocket};
use nix::sys::socket::{setsockopt, sockopt};

use crate::FibError;

/// Larger than any datagram the kernel composes for a dump.
const DATAGRAM: usize = 256 * 1024;

/// Octets the kernel may queue for us; it counts generously.
const QUEUE: usize = 8 * 1024 * 1024;

/// A bound socket and its receive buffer.
pub(super) struct Socket {
    socket: TokioSocket,
    buffer: Vec<u8>,
    /// Our address; the kernel puts it on notifications that our requests caused.
    pub(super) port: u32,
}

impl Socket {
    /// Opens and binds.
    ///
    /// # Errors
    /// [`FibError::Open`].
    pub(super) fn open() -> Result<Self, FibError> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(at("socket"))?;
        let mut address = SocketAddr::new(0, 0);
        socket.socket_mut().bind(&address).map_err(at("bind"))?;
        socket.socket_ref().get_address(&mut address).map_err(at("getsockname"))?;
        // Without CAP_NET_ADMIN in the first user namespace, the system's limit has to do.
        let forced = setsockopt(&socket.socket_ref().as_fd(), sockopt::RcvBufForce, &QUEUE);
        if forced.is_err() {
            setsockopt(&socket.socket_ref().as_fd(), sockopt::RcvBuf, &QUEUE)
                .map_err(|errno| at("SO_RCVBUF")(errno.into()))?;
        }
        Ok(Self { socket, buffer: Vec::with_capacity(DATAGRAM), port: address.port_number() })
    }

    /// The socket itself, for options.
    pub(super) fn raw(&self) -> &netlink_sys::Socket {
        self.socket.socket_ref()
    }

    /// Sends one datagram. The kernel has done what it asks when this returns.
    pub(super) async fn send(&self, datagram: &[u8]) -> Result<(), FibError> {
        let sent = poll_fn(|cx| self.socket.poll_send(cx, datagram)).await;
        sent.map(drop).map_err(|source| FibError::Io { step: "send", source })
    }

    /// Receives one datagram. May be abandoned at any time without losing one.
    pub(super) async fn receive(&mut self) -> Result<&[u8], FibError> {
        self.buffer.clear();
        let received = poll_fn(|cx| self.socket.poll_recv(cx, &mut self.buffer)).await;
        match received {
            Ok(()) => Ok(&self.buffer),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Err(FibError::Overrun),
            Err(source) => Err(FibError::Io { step: "receive", source }),
        }
    }
}

/// Names the step that failed.
pub(super) fn at(step: &'static str) -> impl FnOnce(io::Error) -> FibError {
    move |source| FibError::Open { step, source }
}
