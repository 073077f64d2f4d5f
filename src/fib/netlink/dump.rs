//! The socket that lists what the kernel holds. It is not the one that changes it: a long listing must not keep a dead
//! tunnel waiting.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkPayload};
use netlink_packet_route::AddressFamily;

use super::link::LinkMessage;
use super::message::{Rtnl, Verb, append, messages};
use super::nexthop::NexthopMessage;
use super::socket::{Socket, at};
use super::{Marks, route, rule};
use crate::FibError;
use crate::plan::{Kernel, Route, RouteKey};
use crate::policy::{Installed, Rule};

/// How often a listing is begun anew when the kernel's tables change under it. After that, what was seen has to do:
/// the tables are compared again, and a comparison too late is worse than one that leaves something for the next.
const ATTEMPTS: usize = 5;

/// Between two pieces of one listing.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket that lists.
pub(crate) struct Lister {
    socket: Socket,
    marks: Marks,
    sequence: u32,
}

/// What was found.
pub(crate) struct Dump {
    pub(crate) kernel: Kernel,
    /// Rules of ours, and our routes in tables of ours.
    pub(crate) policy: Installed,
    /// Names of interfaces by index.
    pub(crate) names: BTreeMap<u32, String>,
    /// Whether the kernel has nexthop objects.
    pub(crate) has_objects: bool,
}

impl Lister {
    /// Opens the socket.
    ///
    /// # Errors
    /// [`FibError::Open`].
    pub(crate) fn open(marks: Marks) -> Result<Self, FibError> {
        let socket = Socket::open()?;
        socket.raw().set_ext_ack(true).map_err(at("NETLINK_EXT_ACK"))?;
        // Lets the kernel filter by table and protocol (Linux 4.20); what it does not filter is filtered here.
        if let Err(error) = socket.raw().set_netlink_get_strict_chk(true) {
            tracing::debug!(%error, "kernel does not filter dumps");
        }
        Ok(Self { socket, marks, sequence: 0 })
    }

    /// Lists interfaces, nexthops, our routes and our rules.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub(crate) async fn dump(&mut self) -> Result<Dump, FibError> {
        let mut kernel = Kernel::new(self.marks.owner.clone());
        let mut names = BTreeMap::new();
        for (index, name, running) in self.links().await? {
            names.insert(index, name);
            if running {
                kernel.running.insert(index);
            }
        }
        let has_objects = self.list_nexthops(&mut kernel).await?;
        let mut policy = Installed::default();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            for (table, key, route) in self.list_routes(family).await? {
                if table == self.marks.table {
                    kernel.insert_route(key, route);
                } else {
                    policy.routes.insert((table, key), route);
                }
            }
            policy.rules.extend(self.list_rules(family).await?);
        }
        Ok(Dump { kernel, policy, names, has_objects })
    }

    /// Lists interfaces: index, name, and whether each is up with carrier.
    ///
    /// # Errors
    /// As [`Lister::dump`].
    pub(crate) async fn links(&mut self) -> Result<Vec<(u32, String, bool)>, FibError> {
        let all = Rtnl::Link(Verb::List, LinkMessage::default());
        let read = |message| match message {
            Rtnl::Link(Verb::New, link) => {
                let running = link.is_running();
                Some((link.index, link.name.unwrap_or_default(), running))
            }
            Rtnl::Link(..) | Rtnl::Route(..) | Rtnl::Nexthop(..) | Rtnl::Rule(..) | Rtnl::Other(_) => None,
        };
        self.list("links", &all, read).await
    }

    /// False if the kernel has no nexthop objects.
    async fn list_nexthops(&mut self, kernel: &mut Kernel) -> Result<bool, FibError> {
        let all = Rtnl::Nexthop(Verb::List, NexthopMessage::default());
        let read = |message| match message {
            Rtnl::Nexthop(Verb::New, nexthop) => Some(nexthop.to_nexthop()),
            Rtnl::Link(..) | Rtnl::Route(..) | Rtnl::Nexthop(..) | Rtnl::Rule(..) | Rtnl::Other(_) => None,
        };
        match self.list("nexthops", &all, read).await {
            Ok(found) => {
                found.into_iter().for_each(|(id, nexthop)| kernel.insert_nexthop(id, nexthop));
                Ok(true)
            }
            Err(FibError::Dump { source, .. }) if source.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Our routes, with their tables. In the table that others use too, ours are those with our metric; in a table of ours
    /// they are whatever has our protocol, and a process that was killed may have left it without a rule that names it.
    async fn list_routes(&mut self, family: AddressFamily) -> Result<Vec<(u32, RouteKey, Route)>, FibError> {
        let marks = self.marks.clone();
        let read = |message| match message {
            Rtnl::Route(Verb::New, message) if message.header.address_family == family => {
                let table = route::table(&message);
                let shared = table == marks.table;
                if !shared && !marks.owner.ids.contains(&table) {
                    return None;
                }
                let metric = if shared { marks.metric } else { route::metric(&message) };
                let (key, route) = route::decode(&message, &Marks { table, metric, ..marks.clone() })?;
                Some((table, key, route))
            }
            Rtnl::Link(..) | Rtnl::Route(..) | Rtnl::Nexthop(..) | Rtnl::Rule(..) | Rtnl::Other(_) => None,
        };
        or_nothing(self.list("routes", &route::listing(family, &marks), read).await)
    }

    async fn list_rules(&mut self, family: AddressFamily) -> Result<Vec<Rule>, FibError> {
        let marks = self.marks.clone();
        let read = |message| match message {
            Rtnl::Rule(Verb::New, message) => rule::decode(&message, &marks),
            Rtnl::Link(..) | Rtnl::Route(..) | Rtnl::Nexthop(..) | Rtnl::Rule(..) | Rtnl::Other(_) => None,
        };
        or_nothing(self.list("rules", &rule::listing(family), read).await)
    }

    /// Keeps of each message what `read` makes of it.
    async fn list<T>(
        &mut self,
        what: &'static str,
        request: &Rtnl,
        read: impl Fn(Rtnl) -> Option<T>,
    ) -> Result<Vec<T>, FibError> {
        for _ in 1..ATTEMPTS {
            let (found, consistent) = self.list_once(what, request, &read).await?;
            if consistent {
                return Ok(found);
            }
        }
        self.list_once(what, request, &read).await.map(|(found, _)| found)
    }

    /// False if the kernel says that the listing is not consistent.
    async fn list_once<T>(
        &mut self,
        what: &'static str,
        request: &Rtnl,
        read: impl Fn(Rtnl) -> Option<T>,
    ) -> Result<(Vec<T>, bool), FibError> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut datagram = Vec::new();
        append(&mut datagram, request.clone(), NLM_F_REQUEST | NLM_F_DUMP, sequence);
        self.socket.send(&datagram).await?;
        let mut found = Vec::new();
        let mut consistent = true;
        loop {
            // There is always more to read at once: whoever waits for a word of something else is let in between.
            tokio::task::yield_now().await;
            let received = tokio::time::timeout(PATIENCE, self.socket.receive()).await;
            let received = received.map_err(|_| FibError::Silent { seconds: PATIENCE.as_secs() })??;
            for message in messages(received).filter(|message| message.header.sequence_number == sequence) {
                consistent &= message.header.flags & NLM_F_DUMP_INTR == 0;
                let code = if let NetlinkPayload::InnerMessage(inner) = message.payload {
                    found.extend(read(inner));
                    continue;
                } else if let NetlinkPayload::Done(done) = message.payload {
                    done.code
                } else if let NetlinkPayload::Error(error) = message.payload {
                    error.code.map_or(0, std::num::NonZero::get)
                } else {
                    continue;
                };
                return match code {
                    0 => Ok((found, consistent)),
                    code => Err(FibError::Dump { what, source: io::Error::from_raw_os_error(code.saturating_abs()) }),
                };
            }
        }
    }
}

/// A kernel may be without IPv6.
fn or_nothing<T>(listed: Result<Vec<T>, FibError>) -> Result<Vec<T>, FibError> {
    match listed {
        Err(FibError::Dump { source, .. }) if is_absent(&source) => Ok(Vec::new()),
        listed => listed,
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EOPNOTSUPP | libc::EAFNOSUPPORT))
}
