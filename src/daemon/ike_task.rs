//! The task that owns all IKE state.
//!
//! Datagrams and SA limits come from the data plane, commands from the operator. What the endpoint asks for is done
//! in its order before the next input: SAs are installed before the message that lets the peer use them goes out. Only
//! where a tunnel loses its last SAs, traffic leaves it before all else, and the peer hears of it before they go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ike::{Endpoint, EndpointCounters, Stranger};
use negotiation::{Event, Output, TunnelStatus};
use system::{sleep_until, system_entropy, unix_time};
use tokio::sync::{mpsc, oneshot};
use wire::ipsec::{SaAction, TunnelId};

use super::coupling::Coupling;
use super::engine::Engine;
use super::flows;
use telemetry::report::Reporter;
use view::cause::TunnelNames as _;

/// Commands waiting for IKE.
const COMMAND_QUEUE: usize = 64;
/// How often inbound traffic is noted as a sign of life. Liveness intervals are 10 s and more.
const TRAFFIC_NOTED_EVERY: Duration = Duration::from_secs(1);

/// What others ask of IKE.
#[derive(Debug)]
pub(super) enum Command {
    /// Begin to serve a tunnel.
    Add {
        tunnel: TunnelId,
        config: Box<negotiation::TunnelConfig>,
        /// Its BGP session opens connections by itself, or static routes lead into it: there is always traffic for it.
        eager: bool,
    },
    /// Whether there is always traffic for a tunnel from now on.
    Eager {
        tunnel: TunnelId,
        eager: bool,
    },
    /// Hear the peers: every tunnel of the first configuration has been added. A peer heard earlier would be refused as a
    /// stranger by the tunnels that are there, and some take that for an answer.
    Listen,
    /// Prove who we are with other certificates, or trust other CAs, from now on.
    Credentials {
        tunnel: TunnelId,
        auth: Box<negotiation::Authentication>,
    },
    /// Delete its SAs and forget it.
    Remove {
        tunnel: TunnelId,
        done: oneshot::Sender<()>,
    },
    /// Delete its SAs and negotiate anew.
    Reset {
        tunnel: TunnelId,
    },
    RekeyChild {
        tunnel: TunnelId,
    },
    RekeyIke {
        tunnel: TunnelId,
    },
    Status {
        reply: oneshot::Sender<BTreeMap<TunnelId, TunnelStatus>>,
    },
    Strangers {
        reply: oneshot::Sender<(EndpointCounters, Vec<Stranger>)>,
    },
    /// Delete all SAs; answered when the peers have been told.
    Shutdown {
        done: oneshot::Sender<()>,
    },
}

/// Tunnels whose interface was taken away, waiting for the supervisor.
pub(super) const LOST_QUEUE: usize = 64;

/// Starts the task. It ends when `commands` closes.
pub(super) fn spawn(
    dataplane: Engine,
    events: mpsc::Receiver<dataplane::Event>,
    coupling: Coupling,
    lost_interfaces: mpsc::Sender<TunnelId>,
    reporter: Reporter,
) -> (mpsc::Sender<Command>, tokio::task::JoinHandle<()>) {
    let (handle, commands) = mpsc::channel(COMMAND_QUEUE);
    let task = Task {
        endpoint: Endpoint::new(system_entropy()),
        dataplane,
        coupling,
        lost_interfaces,
        reporter,
        seen: BTreeMap::new(),
        eager: BTreeSet::new(),
        listening: false,
    };
    (handle, tokio::spawn(task.run(commands, events)))
}

struct Task {
    endpoint: Endpoint,
    dataplane: Engine,
    coupling: Coupling,
    lost_interfaces: mpsc::Sender<TunnelId>,
    reporter: Reporter,
    /// Tunnels served, with the time of the last inbound packet that was noted.
    seen: BTreeMap<TunnelId, Option<Instant>>,
    /// Tunnels that a session of ours, or a static route, wants up.
    eager: BTreeSet<TunnelId>,
    listening: bool,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut events: mpsc::Receiver<dataplane::Event>) {
        let mut traffic = tokio::time::interval(TRAFFIC_NOTED_EVERY);
        traffic.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            self.drain_outputs().await;
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command).await,
                    None => return,
                },
                () = sleep_until(self.endpoint.poll_timeout()) => {
                    let now = self.now();
                    self.endpoint.handle_timeout(now);
                }
                Some(event) = events.recv(), if self.listening => self.handle_event(event),
                _ = traffic.tick() => self.note_traffic(),
            }
        }
    }

    /// The instant, told to the endpoint together with the time of day: the clock may have been set meanwhile.
    fn now(&mut self) -> Instant {
        let now = Instant::now();
        self.endpoint.set_wall_clock(unix_time(), now);
        now
    }

    async fn handle_command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Add { tunnel, config, eager } => {
                self.seen.insert(tunnel, None);
                self.endpoint.add_tunnel(tunnel, *config, now);
                self.set_eager(tunnel, eager, now);
            }
            Command::Eager { tunnel, eager } => self.set_eager(tunnel, eager, now),
            Command::Listen => self.listening = true,
            Command::Credentials { tunnel, auth } => self.endpoint.set_credentials(tunnel, *auth, now),
            Command::Remove { tunnel, done } => {
                self.endpoint.remove_tunnel(tunnel, now);
                self.seen.remove(&tunnel);
                self.eager.remove(&tunnel);
                self.drain_outputs().await;
                let _ = done.send(());
            }
            Command::Reset { tunnel } => {
                self.endpoint.terminate(tunnel, now);
                self.drain_outputs().await;
                self.endpoint.initiate(tunnel, now);
            }
            Command::RekeyChild { tunnel } => self.endpoint.rekey_child(tunnel, now),
            Command::RekeyIke { tunnel } => self.endpoint.rekey_ike(tunnel, now),
            Command::Status { reply } => {
                let status = |id: &TunnelId| Some((*id, self.endpoint.status(*id)?));
                drop(reply.send(self.seen.keys().filter_map(status).collect()));
            }
            Command::Strangers { reply } => {
                drop(reply.send((self.endpoint.counters(), self.endpoint.strangers())));
            }
            Command::Shutdown { done } => {
                self.endpoint.shutdown(now);
                self.drain_outputs().await;
                let _ = done.send(());
            }
        }
    }

    fn set_eager(&mut self, tunnel: TunnelId, eager: bool, now: Instant) {
        if eager {
            self.eager.insert(tunnel);
            self.endpoint.handle_demand(tunnel, now);
        } else {
            self.eager.remove(&tunnel);
        }
    }

    fn handle_event(&mut self, event: dataplane::Event) {
        let now = self.now();
        match event {
            dataplane::Event::Ike { local, remote, datagram } => {
                self.endpoint.handle_datagram(local, remote, &datagram, now);
            }
            dataplane::Event::SaLimit { tunnel, direction, spi, limit } => {
                let limit = match limit {
                    dataplane::Limit::Soft => negotiation::LimitReached::Soft,
                    dataplane::Limit::Hard => negotiation::LimitReached::Hard,
                };
                self.endpoint.handle_sa_limit(tunnel, direction, spi, limit, now);
            }
            dataplane::Event::PeerMoved { tunnel, local, remote } => {
                self.endpoint.handle_peer_moved(tunnel, local, remote, now);
            }
            dataplane::Event::Demand { tunnel } => self.endpoint.handle_demand(tunnel, now),
            dataplane::Event::UnknownSpi { from, spi } => self.reporter.unknown_spi(from, spi),
            dataplane::Event::Failed { tunnel, failure } => {
                let name = tunnel.map(|id| self.coupling.topology.borrow().name(id));
                self.reporter.dataplane_failed(name.as_deref(), &failure);
                if let (Some(tunnel), dataplane::Failure::InterfaceLost(_)) = (tunnel, &failure) {
                    // A full queue has this tunnel's neighbours in it; the data plane says it again.
                    let _ = self.lost_interfaces.try_send(tunnel);
                }
            }
        }
    }

    /// Inbound ESP is a sign of life (RFC 7296 2.4): no liveness check while it flows.
    fn note_traffic(&mut self) {
        let now = Instant::now();
        for tunnel in &self.eager {
            self.endpoint.handle_demand(*tunnel, now);
        }
        for (tunnel, noted) in &mut self.seen {
            let last = self.dataplane.counters(*tunnel).and_then(|counters| counters.last_inbound);
            if last > *noted {
                *noted = last;
                self.endpoint.handle_inbound_traffic(*tunnel, now);
            }
        }
    }

    async fn drain_outputs(&mut self) {
        let mut outputs: Vec<Output> = std::iter::from_fn(|| self.endpoint.poll_output()).collect();
        let down = outputs.iter().filter_map(|output| {
            let Output::Event(Event::TunnelDown { tunnel, .. }) = output else { return None };
            Some(*tunnel)
        });
        let down: Vec<TunnelId> = down.collect();
        if !down.is_empty() {
            self.coupling.leave(&down).await;
            // What the peer sends until it hears of it still finds its SA.
            outputs.sort_by_key(|output| match output {
                Output::Sa(SaAction::Install { .. } | SaAction::Move { .. }) => 0,
                Output::Transmit { .. } => 1,
                Output::Sa(SaAction::Remove { .. }) | Output::Event(_) => 2,
            });
        }
        for output in outputs {
            match output {
                Output::Transmit { local, remote, datagram } => {
                    if let Err(error) = self.dataplane.send_ike(local, remote, &datagram) {
                        self.reporter.ike_send_failed(local, remote, &error);
                    }
                }
                Output::Sa(action) => self.dataplane.apply(action),
                Output::Event(event) => self.handle_output_event(event).await,
            }
        }
    }

    async fn handle_output_event(&mut self, event: Event) {
        match &event {
            Event::TunnelUp { tunnel, .. } => self.coupling.tunnel_up(*tunnel).await,
            Event::TunnelDown { tunnel, .. } => self.coupling.tunnel_down(*tunnel).await,
            // These are for the log and the counters.
            Event::IkeUp { .. }
            | Event::ChildUp { .. }
            | Event::ChildDown { .. }
            | Event::IkeDown { .. }
            | Event::Failed { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
            | Event::RekeyFailed { .. }
            | Event::PeerMoved { .. }
            | Event::Stranger { .. } => {}
        }
        let topology = self.coupling.topology.borrow().clone();
        self.reporter.ike_event(topology.as_ref(), &event);
        if let Event::TunnelUp { tunnel, local_selectors, remote_selectors, .. }
        | Event::ChildUp { tunnel, local_selectors, remote_selectors, .. } = &event
            && let Some(part) = topology.tunnels.get(tunnel)
            && let Some(asked) = flows::left_out(&part.tunnel, local_selectors, remote_selectors)
        {
            let (asked, taken) =
                (flows::pair(&asked.local, &asked.remote), flows::pair(local_selectors, remote_selectors));
            self.reporter.narrowed(&part.tunnel.name, &asked, &taken);
        }
    }
}
