//! The control thread: makes and removes interfaces, listens to the kernel and to the IKE sockets. It was started in the
//! network namespace that all sockets live in.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dataplane::{Error, Event, Failure, InterfaceInfo, TunnelInterface, netlink};
use netlink_sys::protocols::{NETLINK_ROUTE, NETLINK_XFRM};
use rtnetlink::Handle;
use tokio::sync::{mpsc, oneshot};
use wire::ipsec::TunnelId;

use crate::kernel::Links;
use crate::netlink::link;
use crate::netlink::message::messages;
use crate::netlink::notice::{self, Notice};
use crate::netlink::socket::{Listener, Refusal};
use crate::registry::Registry;
use crate::socket::{self, IkeCounters, Sockets};

/// Requests that may wait.
pub(crate) const CAPACITY: usize = 1024;
/// How often it is looked at what is due.
const TICK: Duration = Duration::from_millis(250);

/// What the control thread is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Add { id: TunnelId, interface: TunnelInterface, mtu: u32, done: oneshot::Sender<Result<InterfaceInfo, Error>> },
    Remove { id: TunnelId, done: oneshot::Sender<Result<(), Error>> },
    SetMtu { id: TunnelId, name: String, ifindex: u32, mtu: u32 },
    Stop { done: oneshot::Sender<()> },
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) registry: Mutex<Registry>,
    pub(crate) sockets: Sockets,
    pub(crate) counters: Arc<IkeCounters>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) nat_keepalive: Option<Duration>,
}

impl Shared {
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sockets that listen to the kernel.
pub(crate) struct Listeners {
    notices: Listener,
    links: Listener,
}

impl Listeners {
    /// Opens them within a runtime, in the network namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            notices: Listener::open(NETLINK_XFRM, notice::GROUPS)?,
            links: Listener::open(NETLINK_ROUTE, link::GROUP)?,
        })
    }
}

/// Works until told to stop, or until nobody can tell any more.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut listeners: Listeners,
    mut commands: mpsc::Receiver<Command>,
) -> io::Result<()> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let mut links = Links::open()?;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    for (local, socket) in shared.sockets.iter() {
        let (events, counters) = (shared.events.clone(), Arc::clone(&shared.counters));
        tasks.spawn(socket::receive(*local, Arc::clone(socket), events, counters));
    }
    let mut stopped = None;
    let mut pause = TICK;
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Stop { done }) => {
                    stopped = Some(done);
                    break;
                }
                Some(command) => carry_out(&shared, &mut links, &handle, command).await,
                None => break,
            },
            received = listeners.notices.next() => match received {
                Ok(datagram) => {
                    let mut registry = shared.registry();
                    messages(datagram).filter_map(Notice::decode).for_each(|notice| registry.notice(notice));
                }
                Err(error) => {
                    warn(&error);
                    shared.registry().doubt();
                }
            },
            received = listeners.links.next() => match received {
                Ok(datagram) => {
                    let mut registry = shared.registry();
                    messages(datagram).filter_map(link::gone).for_each(|ifindex| registry.link_gone(ifindex));
                }
                Err(error) => warn(&error),
            },
            () = tokio::time::sleep(pause) => {}
        }
        let now = Instant::now();
        keep_alive(&shared, now);
        pause = shared.registry().tick(now).unwrap_or(TICK);
    }
    let ours = shared.registry().end();
    if let Err(refusal) = links.clear(|if_id| ours.contains(&if_id)) {
        tracing::warn!(%refusal, "cannot remove the interfaces that are left");
    }
    tasks.shutdown().await;
    if let Some(done) = stopped {
        let _ = done.send(());
    }
    Ok(())
}

/// What was lost is found out by the next look at the kernel's states and interfaces, and at its policies; a packet that waits
/// asks again.
fn warn(error: &io::Error) {
    tracing::warn!(%error, "notices of the kernel were lost");
}

async fn carry_out(shared: &Shared, links: &mut Links, handle: &Handle, command: Command) {
    match command {
        Command::Add { id, interface, mtu, done } => {
            let _ = done.send(add(shared, links, handle, id, interface, mtu).await);
        }
        Command::Remove { id, done } => {
            let _ = done.send(remove(shared, handle, id).await);
        }
        Command::SetMtu { id, name, ifindex, mtu } => {
            if let Err(error) = netlink::set_mtu(handle, ifindex, mtu).await {
                let failure = Failure::Mtu { name, mtu, reason: error.to_string() };
                shared.registry().outbox.send(Event::Failed { tunnel: Some(id), failure });
            }
        }
        Command::Stop { done } => {
            let _ = done.send(());
        }
    }
}

async fn add(
    shared: &Shared,
    links: &mut Links,
    handle: &Handle,
    id: TunnelId,
    interface: TunnelInterface,
    mtu: u32,
) -> Result<InterfaceInfo, Error> {
    if shared.registry().tunnels.contains_key(&id) {
        return Err(Error::TunnelExists(id));
    }
    let name = interface.name.clone();
    let failed = |action| move |source| Error::Interface { action, name, source };
    let if_id = make(shared, links, &interface.name).map_err(|refusal| failed("create")(refusal.into()))?;
    let name = interface.name.clone();
    let result = match netlink::set_up(handle, &interface, mtu).await {
        Ok(ifindex) => shared.registry().enter(id, interface, (ifindex, if_id), mtu).map_err(io::Error::from),
        Err(error) => Err(error),
    };
    if result.is_err() {
        // Nothing of it stays behind.
        shared.registry().clear(if_id);
        if let Err(refusal) = links.clear(|found| found == if_id) {
            tracing::warn!(%refusal, "cannot remove an interface that could not be set up");
        }
    }
    result.map_err(|source| Error::Interface { action: "set up", name, source })
}

/// Makes an xfrm interface. Returns its identifier.
fn make(shared: &Shared, links: &mut Links, name: &str) -> Result<u32, Refusal> {
    loop {
        let if_id = shared.registry().identifier();
        match links.add(name, if_id) {
            Ok(()) => return Ok(if_id),
            Err(refusal) if refusal.is(libc::EEXIST) => {
                // Another interface with the identifier, or with the name?
                if links.list()?.iter().all(|link| link.if_id != Some(if_id)) {
                    return Err(refusal);
                }
            }
            Err(refusal) => return Err(refusal),
        }
    }
}

async fn remove(shared: &Shared, handle: &Handle, id: TunnelId) -> Result<(), Error> {
    let tunnel = shared.registry().leave(id).ok_or(Error::TunnelUnknown(id))?;
    netlink::remove(handle, tunnel.ifindex).await.map_err(|source| Error::Interface {
        action: "remove",
        name: tunnel.name,
        source,
    })
}

/// Sends a keepalive for each tunnel behind a NAT that was silent for long.
fn keep_alive(shared: &Shared, now: Instant) {
    let Some(interval) = shared.nat_keepalive else { return };
    let mut registry = shared.registry();
    let quiet = |since: Instant| now.saturating_duration_since(since) >= interval;
    for tunnel in registry.tunnels.values_mut() {
        if let Some((local, remote)) = tunnel.carrier().filter(|_| quiet(tunnel.last_sent)) {
            shared.sockets.keep_alive(local, remote, &shared.counters);
            tunnel.last_sent = now;
        }
    }
}
