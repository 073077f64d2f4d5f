//! The handle of the engine.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, MutexGuard};
use std::thread;

use dataplane::{
    Config, EngineCounters, Error, Event, Failure, InterfaceInfo, Limit, Outbox, SaUsage, TunnelCounters,
    TunnelInterface,
};
use tokio::sync::{mpsc, oneshot};
use wire::ipsec::{Direction, EspSuite, SaAction, SecurityAssociation, TunnelId};
use wire::outer::{DontFragment, Dscp};

use crate::control::{self, Command, Listeners, Shared};
use crate::kernel::{Kernel, Links};
use crate::look;
use crate::probe::probe;
use crate::registry::Registry;
use crate::socket::{IkeCounters, Sockets};
use crate::tunnel::Tunnel;

/// ESP packets that found no state, among other things that went wrong, of the thread's network namespace.
const STATISTICS: &str = "/proc/thread-self/net/xfrm_stat";
/// Their line in it.
const NO_STATE: &str = "XfrmInNoStates";

/// A running engine. Clones are the same engine; when the last one is dropped, it ends.
#[derive(Clone, Debug)]
pub struct Xfrm(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    control: mpsc::Sender<Command>,
    /// Asks for a look at the kernel's numbers.
    look: SyncSender<()>,
    outer_mtu: usize,
    least_outer: IpAddr,
    /// Opened where the engine was started: whoever reads it may be elsewhere.
    statistics: Option<File>,
    /// ESP packets for no SA that had come before the start.
    earlier: u64,
}

impl Xfrm {
    /// Binds the sockets and starts the control thread, in the network namespace of the calling thread. Removes there what
    /// a process that was killed has left behind.
    ///
    /// # Errors
    /// When an address is unusable, the kernel lacks IPsec or one of `suites`, or the system is out of resources.
    pub fn start(config: Config, suites: &[EspSuite], events: mpsc::Sender<Event>) -> Result<Self, Error> {
        probe(suites).map_err(|missing| Error::Missing { what: missing.what, remedy: missing.remedy })?;
        let sockets = Sockets::open(&config.local_addresses)?;
        let outer_mtu = config.outer_mtu as usize;
        let registry = Registry::open(Outbox::new(events.clone()), outer_mtu);
        let registry = registry.map_err(|refusal| Error::Start(refusal.into()))?.into();
        let (counters, nat_keepalive) = (Arc::new(IkeCounters::default()), config.nat_keepalive);
        let shared = Arc::new(Shared { registry, sockets, counters, events, nat_keepalive });
        let control = start_control(Arc::clone(&shared)).map_err(Error::Start)?;
        let look = start_look(Arc::clone(&shared)).map_err(Error::Start)?;
        let least_outer = config.least_outer();
        let statistics = File::open(STATISTICS).ok();
        let earlier = without_state(statistics.as_ref());
        Ok(Self(Arc::new(Inner { shared, control, look, outer_mtu, least_outer, statistics, earlier })))
    }

    /// Makes the interface of a tunnel. It is up at once and stays up whatever becomes of the tunnel's SAs.
    ///
    /// # Errors
    /// When the interface cannot be made; then nothing of it stays behind. When the kernel cannot make the outer headers
    /// that are asked for.
    pub async fn add_tunnel(&self, id: TunnelId, interface: TunnelInterface) -> Result<InterfaceInfo, Error> {
        interface.check_name()?;
        if let Some(what) = unsupported(&interface) {
            return Err(Error::Unsupported { name: interface.name, what });
        }
        let mtu = interface.first_mtu(self.0.least_outer, self.0.outer_mtu);
        self.ask(|done| Command::Add { id, interface, mtu, done }).await?
    }

    /// Forgets a tunnel, its SAs and its interface.
    ///
    /// # Errors
    /// When there is no such tunnel.
    pub async fn remove_tunnel(&self, id: TunnelId) -> Result<(), Error> {
        self.ask(|done| Command::Remove { id, done }).await?
    }

    /// Installs, removes or moves SAs. When this returns, an installed SA is in force. What fails is reported as
    /// [`Event::Failed`].
    pub fn apply(&self, action: SaAction) {
        let (tunnel, result) = match action {
            SaAction::Install { tunnel, direction, sa } => {
                let spi = sa.spi;
                let installed = self.install(tunnel, direction, *sa);
                if installed.is_err() {
                    // IKE takes it for installed, and routes follow: it is to end it, and to begin again in its own time.
                    let limit = Event::SaLimit { tunnel, direction, spi, limit: Limit::Hard };
                    self.0.shared.registry().outbox.send(limit);
                }
                (tunnel, installed)
            }
            SaAction::Remove { tunnel, direction, spi } => {
                self.0.shared.registry().remove(tunnel, direction, spi);
                return;
            }
            SaAction::Move { tunnel, local, remote } => {
                (tunnel, self.served(local).and_then(|()| self.0.shared.registry().relocate(tunnel, local, remote)))
            }
        };
        if let Err(failure) = result {
            tracing::warn!(%tunnel, %failure, "SA not usable");
            self.0.shared.registry().outbox.send(Event::Failed { tunnel: Some(tunnel), failure });
        }
    }

    /// Sends an IKE message from `local`, with the four zero octets before it where the port is 4500.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send_ike(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        self.0.shared.sockets.send_ike(local, remote, datagram)
    }

    /// What a tunnel has carried, as of the last look at the kernel's numbers. Who finds them older than a quarter of a
    /// second makes that they are looked at again.
    #[must_use]
    pub fn counters(&self, id: TunnelId) -> Option<TunnelCounters> {
        self.looked().tunnels.get(&id).map(Tunnel::counters)
    }

    /// What each SA of a tunnel has carried, in no particular order; as old as [`Self::counters`].
    #[must_use]
    pub fn sas(&self, id: TunnelId) -> Vec<SaUsage> {
        self.looked().tunnels.get(&id).map(Tunnel::usage).unwrap_or_default()
    }

    /// What belongs to no tunnel.
    #[must_use]
    pub fn engine_counters(&self) -> EngineCounters {
        let now = without_state(self.0.statistics.as_ref());
        self.0.shared.counters.snapshot(now.saturating_sub(self.0.earlier))
    }

    /// A tunnel's interface as it is now.
    #[must_use]
    pub fn interface(&self, id: TunnelId) -> Option<InterfaceInfo> {
        self.0.shared.registry().tunnels.get(&id).map(Tunnel::info)
    }

    /// What of the machine hinders, but did not keep the engine from starting; with the remedy.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.0.shared.registry().warning()
    }

    /// Ends the control thread and removes all interfaces, states and policies. The sockets close with the last clone.
    pub async fn stop(self) {
        // If the control thread has ended before, there is nothing left to stop.
        drop(self.ask(|done| Command::Stop { done }).await);
    }

    /// The registry. If its numbers are old, the next ones are on their way.
    fn looked(&self) -> MutexGuard<'_, Registry> {
        let registry = self.0.shared.registry();
        if registry.is_stale() {
            // Full: it was asked for already.
            let _ = self.0.look.try_send(());
        }
        registry
    }

    fn install(&self, id: TunnelId, direction: Direction, sa: SecurityAssociation) -> Result<(), Failure> {
        self.served(sa.local)?;
        let mut registry = self.0.shared.registry();
        if let Some(mtu) = registry.install(id, direction, sa)? {
            let Some(tunnel) = registry.tunnels.get(&id) else { return Ok(()) };
            let (name, ifindex) = (tunnel.name.clone(), tunnel.ifindex);
            if self.0.control.try_send(Command::SetMtu { id, name, ifindex, mtu }).is_err() {
                tracing::warn!(%id, mtu, "MTU not changed");
            }
        }
        Ok(())
    }

    fn served(&self, local: SocketAddr) -> Result<(), Failure> {
        if self.0.shared.sockets.serve(local.ip()) { Ok(()) } else { Err(Failure::NoSocket(local)) }
    }

    async fn ask<R>(&self, command: impl FnOnce(oneshot::Sender<R>) -> Command) -> Result<R, Error> {
        let (done, answer) = oneshot::channel();
        self.0.control.send(command(done)).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)
    }
}

/// What the kernel cannot write into outer headers (RFC 4301 5.1.2).
fn unsupported(interface: &TunnelInterface) -> Option<&'static str> {
    match (interface.outer.dscp, interface.outer.dont_fragment) {
        (Dscp::Fixed(1..), _) => Some(
            "Linux's IPsec copies the inner DSCP or clears it, and has no fixed one: use another, or the engine in user space",
        ),
        (_, DontFragment::Set) => Some(
            "Linux's IPsec copies the inner \"don't fragment\" or clears it, and cannot set it always: use another, or the engine in user space",
        ),
        (Dscp::Copy | Dscp::Clear | Dscp::Fixed(0), DontFragment::Copy | DontFragment::Clear) => None,
    }
}

fn start_control(shared: Arc<Shared>) -> io::Result<mpsc::Sender<Command>> {
    let (sender, commands) = mpsc::channel(control::CAPACITY);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let opened = {
        let _inside = runtime.enter();
        Listeners::open()
    };
    let listeners = match opened {
        Ok(listeners) => listeners,
        Err(error) => {
            // Whoever starts the engine may be within a runtime, where none is dropped the plain way.
            runtime.shutdown_background();
            return Err(error);
        }
    };
    thread::Builder::new().name("xfrm-control".into()).spawn(move || {
        if let Err(error) = runtime.block_on(control::run(shared, listeners, commands)) {
            tracing::error!(%error, "data plane control ends");
        }
    })?;
    Ok(sender)
}

fn start_look(shared: Arc<Shared>) -> io::Result<SyncSender<()>> {
    let (sender, asked) = sync_channel(1);
    let (kernel, links) = (Kernel::open()?, Links::open()?);
    thread::Builder::new().name("xfrm-look".into()).spawn(move || look::run(&shared, kernel, links, &asked))?;
    Ok(sender)
}

/// The kernel's count of ESP packets that found no state; 0 where it counts none.
fn without_state(statistics: Option<&File>) -> u64 {
    let mut buffer = [0; 4096];
    let Some(Ok(len)) = statistics.map(|file| file.read_at(&mut buffer, 0)) else { return 0 };
    let text = String::from_utf8_lossy(&buffer[..len]);
    let line = text.lines().find_map(|line| line.strip_prefix(NO_STATE));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
