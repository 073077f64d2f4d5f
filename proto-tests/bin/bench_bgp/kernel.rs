//! What the router's kernel does with the announced prefixes, and since when: a model of its table, kept by its own
//! notifications.
//!
//! With an interface the kernel drops the nexthop objects on it and says nothing of that: after each word on an interface
//! the objects are listed. There are a handful; listing all routes would take longer than what is measured, so that is
//! done afterwards only.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::netlink::{
    HEADER, Listener, NEXTHOP, NHA_GATEWAY, ROUTE, RTA_DST, RTM_DELNEXTHOP, RTM_DELROUTE, RTM_NEWLINK, RTM_NEWNEXTHOP,
    RTM_NEWROUTE, attribute, messages,
};
use proto_tests::lab::{LabError, Result, ensure};

use crate::feed::position;
use crate::site::{SENDERS, Seat};

const NLMSG_DONE: u16 = 3;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEXTHOP: u16 = 106;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_NH_ID: u16 = 30;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
/// `rtnexthop`: length, flags, weight, interface.
const HOP: usize = 8;

/// A table that is right and stays so this long is taken to be.
const CALM: Duration = Duration::from_millis(300);

/// A set of senders as next hops, one bit each.
pub(crate) type Ways = u8;

/// These senders.
pub(crate) fn ways(seats: impl IntoIterator<Item = Seat>) -> Ways {
    seats.into_iter().fold(0, |ways, seat| ways | 1 << seat.0)
}

/// A listener in one namespace.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    _listener: Listener,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    table: Table,
    /// So many prefixes, all by these ways.
    wanted: Option<(u32, Ways)>,
    /// Since when that is so.
    right: Option<Instant>,
}

impl Watch {
    /// Begins to listen.
    pub(crate) fn start(router: &Namespace) -> Result<Self> {
        let shared = Arc::<Shared>::default();
        let heard = Arc::clone(&shared);
        let mut lister = router.enter(Lister::open)?.map_err(LabError::io("open netlink"))?;
        let _listener = Listener::start(router, move |datagram| heard.take(datagram, &mut lister))?;
        Ok(Self { shared, _listener })
    }

    /// From now on this is waited for.
    pub(crate) fn aim(&self, prefixes: u32, ways: Ways) {
        let mut state = self.shared.state();
        state.wanted = Some((prefixes, ways));
        state.judge(Instant::now());
    }

    /// When the table became right and stayed so. The kernel's own table is then read, and must say the same.
    pub(crate) fn right(&self, router: &Namespace, limit: Duration) -> Result<Instant> {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.state();
        let (at, wanted) = loop {
            if let (Some(at), Some(wanted)) = (state.right, state.wanted)
                && at.elapsed() > CALM
            {
                break (at, wanted);
            }
            if Instant::now() > deadline {
                let seen = state.table.words();
                return Err(LabError::Timeout { what: "the kernel's table is right".to_owned(), waited: limit, seen });
            }
            state = self.shared.changed.wait_timeout(state, CALM).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        let table = router.enter(Table::read)?.map_err(LabError::io("read the kernel's routes"))?;
        ensure(table.holds(wanted), "the kernel's table is as its notifications said", || table.words())?;
        Ok(at)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, datagram: &[u8], lister: &mut Lister) {
        let mut state = self.state();
        for (kind, body) in messages(datagram) {
            if kind == RTM_NEWLINK {
                state.table.objects.clear();
                // If that fails, nothing is right any more.
                let _failed = lister.list(RTM_GETNEXTHOP, NEXTHOP, &mut state.table);
            } else {
                let _not_of_the_feed = state.table.take(kind, body);
            }
        }
        let before = state.right;
        state.judge(Instant::now());
        if state.right != before {
            self.changed.notify_all();
        }
    }
}

impl State {
    fn judge(&mut self, at: Instant) {
        let right = self.wanted.is_some_and(|wanted| self.table.holds(wanted));
        self.right = right.then(|| self.right.unwrap_or(at));
    }
}

/// The announced prefixes in a kernel.
#[derive(Debug, Default)]
struct Table {
    routes: HashMap<u32, Via>,
    /// Routes by what they name.
    counts: HashMap<Via, u32>,
    objects: HashMap<u32, Object>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Via {
    Ways(Ways),
    Object(u32),
}

#[derive(Debug)]
enum Object {
    Way(Ways),
    Group(Vec<u32>),
}

impl Table {
    /// As the kernel has it.
    fn read() -> std::io::Result<Self> {
        let (mut lister, mut table) = (Lister::open()?, Self::default());
        lister.list(RTM_GETNEXTHOP, NEXTHOP, &mut table)?;
        lister.list(RTM_GETROUTE, ROUTE, &mut table)?;
        Ok(table)
    }

    fn holds(&self, (prefixes, ways): (u32, Ways)) -> bool {
        let by_ways = |via: Via| match via {
            Via::Ways(ways) => ways,
            Via::Object(id) => self.resolve(id),
        };
        let right: u32 = self.counts.iter().filter(|(via, _)| by_ways(**via) == ways).map(|(_, count)| count).sum();
        right == prefixes && self.routes.len() == prefixes as usize
    }

    fn resolve(&self, id: u32) -> Ways {
        match self.objects.get(&id) {
            None => 0,
            Some(Object::Way(ways)) => *ways,
            Some(Object::Group(members)) => members.iter().fold(0, |ways, member| match self.objects.get(member) {
                Some(Object::Way(way)) => ways | way,
                Some(Object::Group(_)) | None => ways,
            }),
        }
    }

    fn take(&mut self, kind: u16, body: &[u8]) -> Option<()> {
        match kind {
            RTM_NEWROUTE | RTM_DELROUTE => {
                let attributes = body.get(ROUTE..)?;
                let prefix = position(number(attribute(attributes, RTA_DST)?, u32::from_be_bytes)?)?;
                let via = via(attributes);
                let before = if kind == RTM_NEWROUTE {
                    *self.counts.entry(via).or_default() += 1;
                    self.routes.insert(prefix, via)
                } else {
                    self.routes.remove(&prefix)
                };
                if let Some(count) = before.and_then(|before| self.counts.get_mut(&before)) {
                    *count -= 1;
                }
            }
            RTM_NEWNEXTHOP => {
                let attributes = body.get(NEXTHOP..)?;
                self.objects.insert(number(attribute(attributes, NHA_ID)?, u32::from_ne_bytes)?, object(attributes));
            }
            RTM_DELNEXTHOP => {
                let id = number(attribute(body.get(NEXTHOP..)?, NHA_ID)?, u32::from_ne_bytes)?;
                self.objects.remove(&id);
                for object in self.objects.values_mut() {
                    if let Object::Group(members) = object {
                        members.retain(|member| *member != id);
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    fn words(&self) -> String {
        let used = self.counts.iter().filter(|(_, count)| **count > 0);
        let shown: Vec<String> = used
            .map(|(via, count)| match via {
                Via::Ways(ways) => format!("{count} by {ways:#b}"),
                Via::Object(id) => format!("{count} by object {id}: {:#b}", self.resolve(*id)),
            })
            .collect();
        format!("{} routes: {}", self.routes.len(), shown.join(", "))
    }
}

/// Has the kernel say all it knows of a kind.
#[derive(Debug)]
struct Lister(Socket);

impl Lister {
    /// In the namespace of the calling thread.
    fn open() -> std::io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        Ok(Self(socket))
    }

    /// Puts all it says of this kind into `table`; a request has so many octets behind its header.
    fn list(&mut self, kind: u16, size: usize, table: &mut Table) -> std::io::Result<()> {
        const NLM_F_REQUEST_DUMP: u16 = 0x301;
        let mut request = vec![0; HEADER + size];
        let length = u32::try_from(request.len()).expect("a short request");
        request[..4].copy_from_slice(&length.to_ne_bytes());
        request[4..6].copy_from_slice(&kind.to_ne_bytes());
        request[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
        if kind == RTM_GETROUTE {
            request[HEADER] = 2; // AF_INET
        }
        self.0.send(&request, 0)?;
        let mut buffer = Vec::with_capacity(1 << 16);
        loop {
            buffer.clear();
            self.0.recv(&mut buffer, 0)?;
            for (kind, body) in messages(&buffer) {
                if kind == NLMSG_DONE {
                    return Ok(());
                }
                let _not_of_the_feed = table.take(kind, body);
            }
        }
    }
}

fn via(attributes: &[u8]) -> Via {
    if let Some(id) = attribute(attributes, RTA_NH_ID).and_then(|value| number(value, u32::from_ne_bytes)) {
        return Via::Object(id);
    }
    let Some(mut hops) = attribute(attributes, RTA_MULTIPATH) else { return Via::Ways(way(attributes, RTA_GATEWAY)) };
    let mut ways = 0;
    while let [a, b, ..] = *hops {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(hop) = hops.get(HOP..length) else { break };
        ways |= way(hop, RTA_GATEWAY);
        hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Via::Ways(ways)
}

fn object(attributes: &[u8]) -> Object {
    match attribute(attributes, NHA_GROUP) {
        // `nexthop_grp`: the member's id, its weight, padding.
        Some(group) => {
            Object::Group(group.chunks_exact(8).filter_map(|member| number(member, u32::from_ne_bytes)).collect())
        }
        None => Object::Way(way(attributes, NHA_GATEWAY)),
    }
}

fn way(attributes: &[u8], kind: u16) -> Ways {
    let gateway = attribute(attributes, kind).and_then(|value| value.first_chunk::<4>());
    ways(SENDERS.into_iter().filter(|seat| gateway == Some(&seat.address().octets())))
}

fn number(value: &[u8], from: fn([u8; 4]) -> u32) -> Option<u32> {
    value.first_chunk().copied().map(from)
}
