//! When the kernel changed what: route and nexthop notifications of one namespace, each with the time at which it came.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::Ipv4Net;
use proto_tests::lab::Result;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::netlink::{
    Listener, NEXTHOP, NHA_GATEWAY, ROUTE, RTA_DST, RTM_DELNEXTHOP, RTM_DELROUTE, RTM_NEWROUTE, attribute, messages,
};

use crate::feed::Feed;

/// Seconds since 1970, the time BIRD's log is in.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// What was heard in one namespace.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    _listener: Listener,
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
        let seen = Arc::<Mutex<Seen>>::default();
        let heard = Arc::clone(&seen);
        let _listener = Listener::start(router, move |datagram| {
            let at = now();
            let mut seen = lock(&heard);
            for (kind, body) in messages(datagram) {
                seen.note(at, kind, body);
            }
        })?;
        Ok(Self { seen, _listener })
    }

    /// When the kernel last changed a route.
    pub(crate) fn last_route(&self) -> f64 {
        lock(&self.seen).route
    }

    /// When the last route was gone from `gateway`. The kernel takes a deleted object out of every route at once; who
    /// has none has to change the routes.
    pub(crate) fn left(&self, gateway: Ipv4Addr) -> f64 {
        let seen = lock(&self.seen);
        let deleted = seen.deleted.iter().rfind(|(_, of)| *of == gateway).map(|(at, _)| *at);
        deleted.unwrap_or(seen.route)
    }
}

impl Seen {
    fn note(&mut self, at: f64, kind: u16, body: &[u8]) {
        match kind {
            RTM_NEWROUTE | RTM_DELROUTE if prefix(body).is_some_and(|prefix| Feed::may_hold(&prefix)) => {
                self.route = at;
            }
            RTM_DELNEXTHOP => {
                let gateway = body.get(NEXTHOP..).and_then(|attributes| address(attributes, NHA_GATEWAY));
                self.deleted.extend(gateway.map(|gateway| (at, gateway)));
            }
            _ => {}
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prefix(route: &[u8]) -> Option<Ipv4Net> {
    Ipv4Net::new(address(route.get(ROUTE..)?, RTA_DST)?, *route.get(1)?).ok()
}

fn address(attributes: &[u8], wanted: u16) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(*attribute(attributes, wanted)?.first_chunk::<4>()?))
}
