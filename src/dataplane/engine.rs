//! The handle of the data plane.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZero;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use wire::ipsec::{SaAction, TunnelId};
use wire::outer::DontFragment;

use crate::control::{self, Control, Registry};
use crate::counters::RunningEngineCounters;
use crate::crew::{Crew, Workers};
use crate::outbox::Outbox;
use crate::socket::{Kind, Socket, Sockets};
use crate::tunnel::Tunnel;
use crate::{
    EngineCounters, Error, Event, InterfaceInfo, NAT_PORT, SaUsage, TunnelCounters, TunnelInterface, inbound, message,
    outbound,
};

mod action;

/// How to run the data plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// Outside addresses. On each, UDP 500 and 4500 and raw ESP are opened.
    pub local_addresses: Vec<IpAddr>,
    /// Octets of the largest packet the outside path carries.
    pub outer_mtu: u32,
    /// How long an encapsulated tunnel may be silent before a keepalive goes out (RFC 3948 4). `None`: never.
    pub nat_keepalive: Option<Duration>,
    /// Worker threads in each direction, inbound no more than local addresses. `None`: half the processors, at least 1.
    pub workers: Option<NonZero<usize>>,
    /// Octets to ask for as socket buffers.
    pub socket_buffer: usize,
}

impl Config {
    /// Usual values: a path of 1500 octets, a keepalive every 20 s.
    #[must_use]
    pub fn new(local_addresses: Vec<IpAddr>) -> Self {
        Self {
            local_addresses,
            outer_mtu: 1500,
            nat_keepalive: Some(Duration::from_secs(20)),
            workers: None,
            socket_buffer: 8 << 20,
        }
    }

    /// An address of the family with the longer header, which decides what fits at first.
    #[must_use]
    pub fn least_outer(&self) -> IpAddr {
        self.local_addresses.iter().copied().max().unwrap_or(Ipv6Addr::UNSPECIFIED.into())
    }
}

/// A running data plane. Clones are the same data plane; when the last one is dropped, it ends.
#[derive(Clone, Debug)]
pub struct Dataplane(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    outer_mtu: usize,
    least_outer: IpAddr,
    sockets: Sockets,
    workers: Workers,
    registry: Arc<Registry>,
    counters: Arc<RunningEngineCounters>,
    control: mpsc::Sender<control::Command>,
    events: mpsc::Sender<Event>,
}

impl Dataplane {
    /// Binds the sockets and starts the threads, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When an address is unusable or the system is out of resources.
    pub fn start(config: Config, events: mpsc::Sender<Event>) -> Result<Self, Error> {
        let sockets = Sockets::open(&config.local_addresses, config.socket_buffer)?;
        let start = Instant::now();
        let counters = Arc::new(RunningEngineCounters::default());
        let registry = Arc::new(RwLock::new(BTreeMap::new()));
        let crew = start_workers(&config, &sockets, &counters, &events, start).map_err(Error::Start)?;
        let outbox = Outbox::new(events.clone());
        let workers = crew.workers().clone();
        let control = Control { registry: Arc::clone(&registry), crew, outbox };
        let control = start_control(control).map_err(Error::Start)?;
        let least_outer = config.least_outer();
        let outer_mtu = config.outer_mtu as usize;
        let inner = Inner { start, outer_mtu, least_outer, sockets, workers, registry, counters, control, events };
        Ok(Self(Arc::new(inner)))
    }

    /// Makes the interface of a tunnel. It is up at once and stays up whatever becomes of the tunnel's SAs.
    ///
    /// # Errors
    /// When the interface cannot be made; then nothing of it stays behind.
    pub async fn add_tunnel(&self, id: TunnelId, interface: TunnelInterface) -> Result<InterfaceInfo, Error> {
        interface.check_name()?;
        if interface.outer.dont_fragment != DontFragment::Clear {
            self.0.sockets.iter().for_each(|socket| socket.mix());
        }
        let mtu = interface.first_mtu(self.0.least_outer, self.0.outer_mtu);
        self.ask(|done| control::Command::Add { id, interface, mtu, done }).await?
    }

    /// Forgets a tunnel, its SAs and its interface.
    ///
    /// # Errors
    /// When there is no such tunnel.
    pub async fn remove_tunnel(&self, id: TunnelId) -> Result<(), Error> {
        self.ask(|done| control::Command::Remove { id, done }).await?
    }

    /// Installs, removes or moves SAs. When this returns, an installed SA is in force. What fails is reported as
    /// [`Event::Failed`].
    pub fn apply(&self, action: SaAction) {
        action::apply(&self.0, action);
    }

    /// Sends an IKE message from `local`, with the four zero octets before it where the port is 4500.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send_ike(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let socket = self.0.sockets.bound_to(local).ok_or(io::ErrorKind::AddrNotAvailable)?;
        if local.port() == NAT_PORT {
            // RFC 3948 2.2: the non-ESP marker.
            message::send_pieces(socket, remote, &[&[0; 4], datagram])
        } else {
            message::send_pieces(socket, remote, &[datagram])
        }
    }

    /// What a tunnel has carried.
    #[must_use]
    pub fn counters(&self, id: TunnelId) -> Option<TunnelCounters> {
        self.0.tunnel(id).map(|tunnel| tunnel.counters.snapshot(self.0.start))
    }

    /// What each SA of a tunnel has carried, in no particular order.
    #[must_use]
    pub fn sas(&self, id: TunnelId) -> Vec<SaUsage> {
        self.0.tunnel(id).map(|tunnel| tunnel.sas.snapshot()).unwrap_or_default()
    }

    /// What belongs to no tunnel.
    #[must_use]
    pub fn engine_counters(&self) -> EngineCounters {
        self.0.counters.snapshot()
    }

    /// A tunnel's interface as it is now.
    #[must_use]
    pub fn interface(&self, id: TunnelId) -> Option<InterfaceInfo> {
        self.0.tunnel(id).map(|tunnel| tunnel.info())
    }

    /// Ends all threads and removes all interfaces. The sockets close with the last clone.
    pub async fn stop(self) {
        // If the control thread has ended before, there is nothing left to stop.
        drop(self.ask(|done| control::Command::Stop { done }).await);
    }

    async fn ask<R>(&self, command: impl FnOnce(oneshot::Sender<R>) -> control::Command) -> Result<R, Error> {
        let (done, answer) = oneshot::channel();
        self.0.control.send(command(done)).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)
    }
}

impl Inner {
    fn tunnel(&self, id: TunnelId) -> Option<Arc<Tunnel>> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner).get(&id).map(Arc::clone)
    }

    /// The inbound worker that serves a local address.
    fn inbound(&self, address: IpAddr) -> usize {
        shard(&self.sockets, address) % self.workers.inbound.len()
    }
}

/// The position of an address among the local ones.
fn shard(sockets: &Sockets, address: IpAddr) -> usize {
    sockets
        .iter()
        .filter(|socket| socket.kind() == Kind::Ike)
        .position(|socket| socket.local().ip() == address)
        .unwrap_or(0)
}

fn start_workers(
    config: &Config,
    sockets: &Sockets,
    counters: &Arc<RunningEngineCounters>,
    events: &mpsc::Sender<Event>,
    start: Instant,
) -> io::Result<Crew> {
    let default = thread::available_parallelism().map_or(1, |processors| processors.get() / 2);
    let count = config.workers.map_or(default, NonZero::get).max(1);
    let mut crew = Crew::default();
    for _ in 0..count {
        let (outbox, counters) = (Outbox::new(events.clone()), Arc::clone(counters));
        crew.hire_outbound(|poller| {
            let nat_keepalive = config.nat_keepalive;
            outbound::Worker::new(outbound::Setup { poller, outbox, counters, nat_keepalive })
        })?;
    }
    let count = count.min(config.local_addresses.len().max(1));
    for index in 0..count {
        let (outbox, counters) = (Outbox::new(events.clone()), Arc::clone(counters));
        let own = |socket: &&Arc<Socket>| shard(sockets, socket.local().ip()) % count == index;
        let sockets = sockets.iter().filter(own).map(Arc::clone).collect();
        crew.hire_inbound(|poller| inbound::Worker::new(inbound::Setup { poller, outbox, counters, sockets, start }))?;
    }
    Ok(crew)
}

fn start_control(control: Control) -> io::Result<mpsc::Sender<control::Command>> {
    let (sender, commands) = mpsc::channel(control::CAPACITY);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::Builder::new().name("esp-control".into()).spawn(move || {
        if let Err(error) = runtime.block_on(control.run(commands)) {
            tracing::error!(%error, "data plane control ends");
        }
    })?;
    Ok(sender)
}
