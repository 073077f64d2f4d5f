//! When the kernel changed what: route and nexthop notifications of one namespace, each with the time at which it came.
//!
//! Read from netlink directly: `ip monitor` would take more of the machine for its words than the routers under
//! measurement take for their work. A message is a header of 16 octets (`nlmsghdr`), then `rtmsg` (12) or `nhmsg` (8),
//! then attributes of two octets length, two octets type and a value; all is in host order and aligned to 4.

use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::Ipv4Net;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike as _};
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{LabError, Result};

use crate::feed::Feed;

/// `RTNLGRP_IPV4_ROUTE` and `RTNLGRP_NEXTHOP`.
const GROUPS: [u32; 2] = [7, 32];
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_DELNEXTHOP: u16 = 105;
const RTA_DST: u16 = 1;
const NHA_GATEWAY: u16 = 6;

const HEADER: usize = 16;
const ROUTE: usize = 12;
const NEXTHOP: usize = 8;

/// Room for what comes while the reader does not run.
const BUFFER: usize = 32 << 20;
/// How often the reader looks whether it is still wanted, in microseconds.
const BREATH_US: i64 = 100_000;

/// Seconds since 1970, the time BIRD's log is in.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A listener in one namespace.
#[derive(Debug)]
pub(crate) struct Watch {
    reader: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The last change of a route to an announced prefix.
    route: f64,
    /// Deleted nexthop objects.
    deleted: Vec<(f64, Ipv4Addr)>,
}

impl Watch {
    /// Begins to listen.
    pub(crate) fn start(router: &Namespace) -> Result<Self> {
        let io = |source| LabError::Io { what: "listen to the kernel's routes".to_owned(), source };
        let socket = router.enter(open)?.map_err(io)?;
        let shared = Arc::<Shared>::default();
        let reader = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || read(&socket, &shared)
        });
        Ok(Self { reader: Some(reader), shared })
    }

    /// When the kernel last changed a route.
    pub(crate) fn last_route(&self) -> f64 {
        self.shared.seen().route
    }

    /// When the last route was gone from `gateway`. The kernel takes a deleted object out of every route at once; who
    /// has none has to change the routes.
    pub(crate) fn left(&self, gateway: Ipv4Addr) -> f64 {
        let seen = self.shared.seen();
        let deleted = seen.deleted.iter().rfind(|(_, of)| *of == gateway).map(|(at, _)| *at);
        deleted.unwrap_or(seen.route)
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _already_gone = reader.join();
        }
    }
}

fn open() -> std::io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.set_no_enobufs(true)?;
    setsockopt(&socket.as_fd(), RcvBufForce, &BUFFER)?;
    setsockopt(&socket.as_fd(), ReceiveTimeout, &TimeVal::microseconds(BREATH_US))?;
    GROUPS.into_iter().try_for_each(|group| socket.add_membership(group))?;
    Ok(socket)
}

fn read(socket: &Socket, shared: &Shared) {
    let mut buffer = Vec::with_capacity(1 << 16);
    while !shared.ended.load(Ordering::Relaxed) {
        buffer.clear();
        if socket.recv(&mut buffer, 0).is_err() {
            continue;
        }
        let at = now();
        let mut rest = buffer.as_slice();
        while let Some((kind, body, next)) = message(rest) {
            note(&mut shared.seen(), at, kind, body);
            rest = next;
        }
    }
}

fn note(seen: &mut Seen, at: f64, kind: u16, body: &[u8]) {
    match kind {
        RTM_NEWROUTE | RTM_DELROUTE if prefix(body).is_some_and(|prefix| Feed::may_hold(&prefix)) => seen.route = at,
        RTM_DELNEXTHOP => {
            let gateway = body.get(NEXTHOP..).and_then(|attributes| address(attributes, NHA_GATEWAY));
            seen.deleted.extend(gateway.map(|gateway| (at, gateway)));
        }
        _ => {}
    }
}

/// Type and body of the first message, and what follows it.
fn message(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*octets.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes([*octets.get(4)?, *octets.get(5)?]);
    let body = octets.get(HEADER..length)?;
    Some((kind, body, octets.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn prefix(route: &[u8]) -> Option<Ipv4Net> {
    Ipv4Net::new(address(route.get(ROUTE..)?, RTA_DST)?, *route.get(1)?).ok()
}

fn address(mut attributes: &[u8], wanted: u16) -> Option<Ipv4Addr> {
    while let [a, b, c, d, ..] = *attributes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = attributes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) == wanted {
            return Some(Ipv4Addr::from(*value.first_chunk::<4>()?));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}
