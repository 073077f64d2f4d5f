//! An outbound SA with where its packets go, and which of several a packet takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use esp::{OutboundSa, overhead};
use socket2::SockAddr;
use wire::ipsec::Encapsulation;

use crate::message;
use crate::socket::Socket;
use crate::tunnel::Tunnel;

/// RFC 1191 6.3: how long a path's MTU that was found smaller is believed.
const PATH_MTU_LIFE: Duration = Duration::from_secs(600);
/// A path is asked for its MTU no more often.
const PATH_MTU_PAUSE: Duration = Duration::from_secs(1);
/// RFC 791 3.1: what every IPv4 host takes; less is not believed.
const LEAST_PATH_MTU: usize = 576;

/// An SA and where its packets go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) sa: OutboundSa,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) socket: Arc<Socket>,
    pub(crate) remote: SockAddr,
    /// The largest inner packet that needs no outer fragments.
    pub(crate) mtu: usize,
    /// The same on a path as wide as configured.
    pub(crate) widest: usize,
    /// When the path was found narrower than that.
    pub(crate) narrowed: Option<Instant>,
    /// Whether the process knows already that the SA carries no more.
    pub(crate) exhausted: bool,
}

impl Route {
    /// Whether packets of both may leave in one call.
    pub(crate) fn same_way(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket) && self.remote == other.remote
    }

    /// A new SA begins with what was learnt of the path by one that went the same way.
    pub(super) fn inherit(&mut self, before: &[Self], tunnel: &Tunnel) {
        let same = |known: &&Self| known.narrowed.is_some() && known.same_way(self) && known.widest == self.widest;
        if let Some(known) = before.iter().rev().find(same) {
            (self.mtu, self.narrowed) = (known.mtu, known.narrowed);
            tunnel.set_carried(u32::try_from(self.mtu).unwrap_or(u32::MAX));
        }
    }

    /// Packets that had to stay whole were too long for the path: what fits is learnt from the kernel, which keeps
    /// what ICMP told it (RFC 4301 8.2.1).
    pub(crate) fn narrow(&mut self, tunnel: &Tunnel, now: Instant) {
        let recent = |at: Instant| now.duration_since(at) < PATH_MTU_PAUSE;
        let Some(remote) = self.remote.as_socket().filter(|_| !self.narrowed.is_some_and(recent)) else { return };
        self.narrowed = Some(now);
        match message::path_mtu(self.socket.local().ip(), remote.ip()) {
            Ok(path) => {
                let path = path.max(LEAST_PATH_MTU);
                let fits = overhead::inner_mtu(self.sa.suite(), self.encapsulation, remote.ip(), path);
                self.mtu = fits.min(self.widest);
                tunnel.set_carried(u32::try_from(self.mtu).unwrap_or(u32::MAX));
                tracing::debug!(interface = tunnel.name, path, inner = self.mtu, "path MTU");
            }
            Err(error) => tracing::debug!(%error, interface = tunnel.name, "path MTU unknown"),
        }
    }

    /// Tries the configured width again after a while.
    pub(crate) fn widen(&mut self, tunnel: &Tunnel, now: Instant) {
        if self.narrowed.is_some_and(|at| now.duration_since(at) >= PATH_MTU_LIFE) {
            self.narrowed = None;
            self.mtu = self.widest;
            tunnel.set_carried(u32::try_from(self.mtu).unwrap_or(u32::MAX));
        }
    }
}

/// Which of `routes`, the newest last, carries `packet`: RFC 4301 4.4.1, the newest whose selectors it matches.
pub(super) fn choose(routes: &[Route], packet: &[u8]) -> Option<usize> {
    let newest = routes.len().checked_sub(1)?;
    if routes[newest].sa.permits(packet) {
        return Some(newest);
    }
    routes[..newest].iter().rposition(|route| route.sa.permits(packet))
}
