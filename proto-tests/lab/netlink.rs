//! The kernel's own words about interfaces, routes and nexthop objects, as it says them.
//!
//! Read from netlink directly: `ip monitor` would take more of the machine for its words than the routers under
//! measurement take for their work. A message is a header of 16 octets (`nlmsghdr`), then `rtmsg` (12), `nhmsg` (8) or
//! others, then attributes of two octets length, two octets type and a value; all is in host order and aligned to 4.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::namespace::Namespace;
use super::{LabError, Result};

/// An interface is new, or changed.
pub const RTM_NEWLINK: u16 = 16;
/// A route is new, or changed.
pub const RTM_NEWROUTE: u16 = 24;
/// A route is gone.
pub const RTM_DELROUTE: u16 = 25;
/// A nexthop object is new, or changed.
pub const RTM_NEWNEXTHOP: u16 = 104;
/// A nexthop object is gone.
pub const RTM_DELNEXTHOP: u16 = 105;
/// Destination of a route.
pub const RTA_DST: u16 = 1;
/// Gateway of a nexthop object.
pub const NHA_GATEWAY: u16 = 6;

/// Octets of a message's header.
pub const HEADER: usize = 16;
/// Octets of a route ahead of its attributes.
pub const ROUTE: usize = 12;
/// Octets of a nexthop object ahead of its attributes.
pub const NEXTHOP: usize = 8;

/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_ROUTE` and `RTNLGRP_NEXTHOP`.
const GROUPS: [u32; 3] = [1, 7, 32];
/// Room for what comes while the listener does not run.
const BUFFER: usize = 128 << 20;
/// How often the listener looks whether it is still wanted, in microseconds.
const BREATH_US: i64 = 100_000;

/// Hears what changes in one namespace while it lives.
#[derive(Debug)]
pub struct Listener {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Begins to listen; `hear` is given each datagram at once, for [`messages`] to take apart.
    pub fn start(host: &Namespace, mut hear: impl FnMut(&[u8]) + Send + 'static) -> Result<Self> {
        let socket = host.enter(listening)?.map_err(LabError::io("listen to the kernel's routes"))?;
        let ended = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                let mut buffer = Vec::with_capacity(1 << 16);
                while !ended.load(Ordering::Relaxed) {
                    buffer.clear();
                    if socket.recv(&mut buffer, 0).is_ok() {
                        hear(&buffer);
                    }
                }
            }
        });
        Ok(Self { ended, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _already_gone = thread.join();
        }
    }
}

fn listening() -> std::io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.set_no_enobufs(true)?;
    setsockopt(&socket.as_fd(), RcvBufForce, &BUFFER)?;
    setsockopt(&socket.as_fd(), ReceiveTimeout, &TimeVal::microseconds(BREATH_US))?;
    GROUPS.into_iter().try_for_each(|group| socket.add_membership(group))?;
    Ok(socket)
}

/// Type and body of each message of a datagram.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        let kind = u16::from_ne_bytes([*rest.get(4)?, *rest.get(5)?]);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The value of the first attribute of this type.
#[must_use]
pub fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [a, b, c, d, ..] = *attributes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = attributes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}
