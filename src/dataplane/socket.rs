//! The outside sockets: UDP 500, UDP 4500 and raw ESP on each local address.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Type};

use crate::message;
use crate::{Error, IKE_PORT, NAT_PORT};

/// IP protocol number of ESP.
const ESP: i32 = 50;

/// What arrives at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Port 500: IKE.
    Ike,
    /// Port 4500: IKE behind four zero octets, keepalives, ESP (RFC 3948 2).
    Nat,
    /// IP protocol 50.
    Esp,
}

/// One socket, shared by the workers of both directions.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: socket2::Socket,
    local: SocketAddr,
    kind: Kind,
    gso: AtomicBool,
    /// Whether packets differ in what [`Self::keeping_whole`] is about.
    mixed: AtomicBool,
    whole: Mutex<bool>,
}

impl Socket {
    pub(crate) fn open(kind: Kind, address: IpAddr, buffer: usize) -> Result<Self, Error> {
        let port = match kind {
            Kind::Ike => IKE_PORT,
            Kind::Nat => NAT_PORT,
            Kind::Esp => 0,
        };
        let local = SocketAddr::new(address, port);
        let socket = match kind {
            Kind::Ike => bind_udp(local, |_| Ok(()))?,
            Kind::Nat => bind_udp(local, |socket| carry_udp(socket, local, buffer))?,
            Kind::Esp => bind_esp(local, buffer)?,
        };
        let (gso, mixed) = (AtomicBool::new(kind != Kind::Esp), AtomicBool::new(false));
        Ok(Self { socket, local, kind, gso, mixed, whole: Mutex::new(false) })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether one call may send several datagrams of one size.
    pub(crate) fn gso(&self) -> bool {
        self.gso.load(Ordering::Relaxed)
    }

    /// The kernel or the device cannot.
    pub(crate) fn disable_gso(&self) {
        if self.gso.swap(false, Ordering::Relaxed) {
            tracing::debug!(local = %self.local, "no UDP segmentation offload");
        }
    }

    pub(crate) fn send(&self, pieces: &[IoSlice<'_>], remote: &SockAddr) -> io::Result<usize> {
        self.keeping_whole(false, || self.socket.send_to_vectored(pieces, remote))
    }

    /// From now on some packets must stay whole and others need not.
    pub(crate) fn mix(&self) {
        self.mixed.store(true, Ordering::Relaxed);
    }

    /// Sends with outer packets that must stay whole, or need not. The kernel keeps this with the socket, not with
    /// the packet, so that where packets differ only one thread at a time can send.
    pub(crate) fn keeping_whole<T>(&self, whole: bool, send: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if !self.mixed.load(Ordering::Relaxed) {
            return send();
        }
        let mut now = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != whole {
            message::keep_whole(&self.socket, self.local, whole)?;
            *now = whole;
        }
        send()
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// All sockets.
#[derive(Clone, Debug)]
pub(crate) struct Sockets(Vec<Arc<Socket>>);

impl Sockets {
    pub(crate) fn open(addresses: &[IpAddr], buffer: usize) -> Result<Self, Error> {
        let mut sockets = Vec::new();
        for address in addresses {
            if address.is_unspecified() {
                return Err(Error::UnspecifiedAddress(*address));
            }
            for kind in [Kind::Ike, Kind::Nat, Kind::Esp] {
                sockets.push(Arc::new(Socket::open(kind, *address, buffer)?));
            }
        }
        Ok(Self(sockets))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Socket>> {
        self.0.iter()
    }

    /// The socket of this kind on this address.
    pub(crate) fn find(&self, kind: Kind, address: IpAddr) -> Option<&Arc<Socket>> {
        self.0.iter().find(|socket| socket.kind == kind && socket.local.ip() == address)
    }

    /// The UDP socket bound here.
    pub(crate) fn bound_to(&self, local: SocketAddr) -> Option<&Arc<Socket>> {
        self.0.iter().find(|socket| socket.kind != Kind::Esp && socket.local == local)
    }
}

/// A UDP socket of an engine on `local`, which does not block. `prepare` sets what it needs beyond that before it is bound.
/// The address need not be there yet.
///
/// # Errors
/// [`Error::Bind`].
pub fn bind_udp(
    local: SocketAddr,
    prepare: impl FnOnce(&socket2::Socket) -> io::Result<()>,
) -> Result<socket2::Socket, Error> {
    let bound = || {
        let socket = socket2::Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        finish(socket, local, prepare)
    };
    bound().map_err(|source| Error::Bind { protocol: "UDP", address: local, source })
}

/// Whether an interface has this address by now.
///
/// # Errors
/// [`Error::Bind`], by which [`Error::is_absent_address`].
pub fn require_address(address: IpAddr) -> Result<(), Error> {
    let bound = std::net::UdpSocket::bind((address, 0));
    bound.map(drop).map_err(|source| Error::Bind {
        protocol: "UDP",
        address: SocketAddr::new(address, IKE_PORT),
        source,
    })
}

fn bind_esp(local: SocketAddr, buffer: usize) -> Result<socket2::Socket, Error> {
    let bound = || {
        let socket = socket2::Socket::new(Domain::for_address(local), Type::RAW, Some(Protocol::from(ESP)))?;
        finish(socket, local, |socket| carry(socket, local, buffer))
    };
    bound().map_err(|source| Error::Bind { protocol: "ESP", address: local, source })
}

fn finish(
    socket: socket2::Socket,
    local: SocketAddr,
    prepare: impl FnOnce(&socket2::Socket) -> io::Result<()>,
) -> io::Result<socket2::Socket> {
    socket.set_nonblocking(true)?;
    prepare(&socket)?;
    // Cloud gateways do no path MTU discovery.
    message::keep_whole(&socket, local, false)?;
    match socket.bind(&local.into()) {
        // Some addresses come late at boot: the socket hears, and can send, from then on.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            match local {
                SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
                SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
            }
            socket.bind(&local.into())?;
        }
        bound => bound?,
    }
    Ok(socket)
}

/// What a socket needs that packets pass through.
fn carry(socket: &socket2::Socket, local: SocketAddr, buffer: usize) -> io::Result<()> {
    grow_buffers(socket, buffer)?;
    message::report_traffic_class(socket, local)
}

fn carry_udp(socket: &socket2::Socket, local: SocketAddr, buffer: usize) -> io::Result<()> {
    carry(socket, local, buffer)?;
    if message::enable_gro(socket).is_err() {
        tracing::debug!(%local, "no UDP receive offload");
    }
    Ok(())
}

/// Beyond the system's limit where the process may, otherwise up to it.
fn grow_buffers(socket: &socket2::Socket, buffer: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &buffer).is_err() {
        socket.set_recv_buffer_size(buffer)?;
    }
    if setsockopt(socket, sockopt::SndBufForce, &buffer).is_err() {
        socket.set_send_buffer_size(buffer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set aside for documentation (RFC 5737, RFC 3849): no machine has them.
    const NOBODYS: [&str; 2] = ["192.0.2.77", "2001:db8::77"];

    #[test]
    fn sockets_are_there_before_their_address_is_and_the_address_is_missed() {
        for address in NOBODYS.map(|address| address.parse::<IpAddr>().unwrap()) {
            let socket = bind_udp(SocketAddr::new(address, 0), |_| Ok(())).unwrap();
            assert_eq!(socket.local_addr().unwrap().as_socket().unwrap().ip(), address);
            let error = require_address(address).unwrap_err();
            assert!(error.is_absent_address() && error.to_string().contains(&address.to_string()), "{error}");
        }
        require_address([127, 0, 0, 1].into()).unwrap();
    }
}
