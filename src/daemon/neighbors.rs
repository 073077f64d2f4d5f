//! Sessions outside the tunnels: where each runs, when it begins and ends.
//!
//! ```text
//!  configuration ──┐
//!  interfaces ─────┼──► place: on which link, from which of our addresses ──► session, listening sockets
//!  connections ────┘    (one that is on none waits, and says why)
//! ```
//!
//! A neighbour on a network of ours follows its interface as a session in a tunnel follows the tunnel. One that is
//! several hops away only needs its local address to be there; its routes follow the routes to their next hops.
//! Neighbours of a range are made when they connect and forgotten when they are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bfd::{Hops, Path};
use peering::StopReason;
use rib::PeerId;
use settings::{Neighbor, NeighborPlace, Router, Session};
use tokio::sync::mpsc;
use wire::LinkId;

use super::bfd_task::Add;
use super::interfaces::Interfaces;
use super::reception::{Accepted, Post, Reception};
use super::reload::Supervisor;
use super::rib_task;
use super::topology::Topology;
use telemetry::report::Reporter;

/// Sessions that ended by themselves and wait to be forgotten.
const ENDED_QUEUE: usize = 64;
/// Sessions of ranges are numbered from here.
const FIRST_OF_RANGE: u32 = 0xc000_0000;

/// A session outside the tunnels, as it runs.
#[derive(Clone, Debug)]
pub struct NeighborPart {
    /// As configured; for one of a range, as the range is.
    pub neighbor: Arc<Neighbor>,
    /// With the addresses it has.
    pub session: Arc<Session>,
    pub(super) handle: session::Handle,
    /// Where it runs, or why it cannot.
    pub spot: Result<Where, String>,
}

/// Where a session runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Where {
    /// Through what.
    pub link: LinkId,
    /// Its interface, if it must be that one.
    pub interface: Option<String>,
    /// Our address.
    pub local: IpAddr,
}

/// What the supervisor needs for them.
#[derive(Debug)]
pub(super) struct Neighborhood {
    pub(super) reception: Reception,
    /// Names the sessions of ranges that are over.
    pub(super) ended: mpsc::Sender<PeerId>,
    next: u32,
}

impl Neighborhood {
    pub(super) fn new(reception: Reception) -> (Self, mpsc::Receiver<PeerId>) {
        let (ended, receiver) = mpsc::channel(ENDED_QUEUE);
        (Self { reception, ended, next: FIRST_OF_RANGE }, receiver)
    }
}

impl Supervisor {
    /// The interfaces changed.
    pub(super) async fn follow_interfaces(&mut self, interfaces: Arc<Interfaces>) {
        self.change_topology(|topology| topology.interfaces = interfaces);
        self.place_neighbors().await;
        self.place_watches().await;
    }

    /// Ends what is not configured any more, and what has to begin anew; in words what was done.
    pub(super) async fn change_neighbors(&mut self, old: &Router, new: &Router) -> Option<String> {
        let (mut removed, mut restarted, mut policies) = (0, 0, 0);
        let parts = self.topology.borrow().neighbors.clone();
        for (id, part) in parts {
            let next = new.neighbors.iter().find(|next| next.session.name == part.neighbor.session.name);
            match next {
                Some(next) if *next == *part.neighbor => {}
                Some(next) if same_but_policy(&part.neighbor, next) => {
                    self.change_neighbor_policy(id, &part, next).await;
                    policies += 1;
                }
                Some(_) => {
                    self.end_neighbor(id, StopReason::ConfigurationChanged).await;
                    restarted += 1;
                }
                None => {
                    self.end_neighbor(id, StopReason::Deconfigured).await;
                    removed += 1;
                }
            }
        }
        let known = |name: &str| old.neighbors.iter().any(|old| old.session.name == name);
        let added = new.neighbors.iter().filter(|new| !known(&new.session.name)).count();
        (added + removed + restarted + policies > 0).then(|| {
            format!("neighbors: {added} added, {removed} removed, {restarted} restarted, {policies} with new policy")
        })
    }

    /// Brings every session to where it belongs now, and listens for those who connect.
    pub(super) async fn place_neighbors(&mut self) {
        let topology = Arc::clone(&self.topology.borrow());
        for neighbor in topology.router.neighbors.iter().filter(|neighbor| neighbor.range.is_none()) {
            let id = neighbor.session.id;
            let spot = spot(&neighbor.place, neighbor.session.peer.peer_address, &topology.interfaces);
            match topology.neighbors.get(&id) {
                Some(part) if part.spot == spot => {}
                Some(part) if stays_at(part, &spot) => self.move_neighbor(id, part.clone(), spot).await,
                Some(_) => {
                    self.end_neighbor(id, StopReason::ConfigurationChanged).await;
                    self.begin_neighbor(neighbor, spot).await;
                }
                None => self.begin_neighbor(neighbor, spot).await,
            }
        }
        for (id, part) in topology.neighbors.iter().filter(|(_, part)| part.neighbor.range.is_some()) {
            let spot = spot(&part.neighbor.place, part.session.peer.peer_address, &topology.interfaces);
            if part.spot != spot {
                self.end_neighbor(*id, StopReason::TunnelDown).await;
            }
        }
        let addresses = listening(&self.topology.borrow());
        self.neighborhood.reception.listen_at(&addresses);
    }

    /// Makes a session for a peer of a range that has connected.
    pub(super) async fn accept_neighbor(&mut self, accepted: Accepted) {
        let Accepted { local, from, asn, range, stream } = accepted;
        let topology = Arc::clone(&self.topology.borrow());
        let Some(neighbor) = topology.router.neighbors.iter().find(|neighbor| neighbor.session.id == range) else {
            return;
        };
        let limit = neighbor.range.as_ref().map_or(0, |range| range.limit);
        let same = |part: &&NeighborPart| part.neighbor.session.name == neighbor.session.name;
        let spot = spot(&neighbor.place, from.ip(), &topology.interfaces).map(|spot| Where { local, ..spot });
        let refusal = if topology.neighbors.values().filter(same).count() >= limit {
            Some(format!("there are {limit} peers of {} already", neighbor.session.name))
        } else {
            spot.as_ref().err().cloned()
        };
        if let Some(reason) = refusal {
            self.reporter.neighbor_refused(local, from, &reason);
            return;
        }
        let id = PeerId(self.neighborhood.next);
        self.neighborhood.next = self.neighborhood.next.checked_add(1).unwrap_or(FIRST_OF_RANGE);
        let mut member =
            Session { id, name: format!("{}-{}", neighbor.session.name, from.ip()), ..neighbor.session.clone() };
        member.peer.peer_asn = asn;
        member.policy.peer_asn = asn;
        member.peer.peer_address = from.ip();
        member.policy.peer_address = from.ip();
        let handle = self.spawn_neighbor(neighbor, member, spot, session::Life::OneConnection).await;
        drop(handle.commands.send(session::Command::Accepted(stream, from)).await);
    }

    /// A session of a range is over.
    pub(super) async fn forget_neighbor(&mut self, id: PeerId) {
        self.sessions.remove(&id);
        let part = self.topology.borrow().neighbors.get(&id).cloned();
        if let Some(part) = part {
            self.coupling.unwatch_outside(&part.session).await;
            self.tell_rib(rib_task::Command::RemovePeer { peer: id }).await;
            self.change_topology(|topology| drop(topology.neighbors.remove(&id)));
        }
    }

    async fn begin_neighbor(&mut self, neighbor: &Neighbor, spot: Result<Where, String>) {
        self.spawn_neighbor(neighbor, neighbor.session.clone(), spot, session::Life::Configured).await;
    }

    async fn spawn_neighbor(
        &mut self,
        neighbor: &Neighbor,
        mut session: Session,
        spot: Result<Where, String>,
        life: session::Life,
    ) -> session::Handle {
        if let Ok(spot) = &spot {
            session.peer.local_address = spot.local;
            session.policy.local_address = spot.local;
        }
        let id = session.id;
        let policy = Box::new(session.policy.clone());
        self.tell_rib(rib_task::Command::AddPeer { peer: id, policy }).await;
        let (rib, reporter) = (self.rib.clone(), self.reporter.clone());
        let (handle, task) = session::spawn(&session, life, self.restarted, rib, reporter);
        let task = match life {
            session::Life::Configured => task,
            session::Life::OneConnection => {
                let ended = self.neighborhood.ended.clone();
                tokio::spawn(async move {
                    drop(task.await);
                    if ended.send(id).await.is_err() {
                        tracing::debug!("nobody is left to forget the session");
                    }
                })
            }
        };
        self.sessions.insert(id, task);
        say_where(&self.reporter, &session.name, &spot);
        let link = spot.as_ref().ok().map(|spot| link(&neighbor.place, &session, spot));
        let part = NeighborPart {
            neighbor: Arc::new(neighbor.clone()),
            session: Arc::new(session),
            handle: handle.clone(),
            spot,
        };
        self.change_topology(|topology| drop(topology.neighbors.insert(id, part)));
        if let Some(link) = link {
            drop(handle.commands.send(session::Command::TunnelUp(link)).await);
            self.watch_neighbor(id).await;
        }
        handle
    }

    /// Its interface came, went or changed; its addresses are what they were.
    async fn move_neighbor(&mut self, id: PeerId, part: NeighborPart, spot: Result<Where, String>) {
        if part.spot.is_ok() {
            self.coupling.unwatch_outside(&part.session).await;
            drop(part.handle.commands.send(session::Command::TunnelDown).await);
        }
        say_where(&self.reporter, &part.session.name, &spot);
        if let Ok(spot) = &spot {
            let link = link(&part.neighbor.place, &part.session, spot);
            drop(part.handle.commands.send(session::Command::TunnelUp(link)).await);
        }
        self.change_topology(|topology| drop(topology.neighbors.insert(id, NeighborPart { spot, ..part })));
        self.watch_neighbor(id).await;
    }

    /// Has BFD follow the session to where it is now, if it is anywhere.
    async fn watch_neighbor(&mut self, id: PeerId) {
        let Some(part) = self.topology.borrow().neighbors.get(&id).cloned() else { return };
        let (Ok(spot), Some(config)) = (&part.spot, part.session.bfd.clone()) else { return };
        let hops = match part.neighbor.place.multihop {
            // RFC 5883 says nothing of the TTL that others send with.
            Some(_) => Hops::Many { least_ttl: 0 },
            None => Hops::One,
        };
        let link = spot.interface.as_ref().map(|_| spot.link);
        let path = Path { link, local: spot.local, remote: part.session.peer.peer_address, hops };
        let (name, counted) = (part.session.name.clone(), part.session.peer.name.clone());
        let interface = spot.interface.clone();
        self.coupling.watch_outside(Add { peer: id, name, counted, path, interface, config }).await;
    }

    async fn change_neighbor_bfd(&mut self, id: PeerId, old: &Session, new: Option<&bfd::Config>) {
        match (&old.bfd, new) {
            (None, Some(_)) => self.watch_neighbor(id).await,
            (Some(_), None) => self.coupling.go_on_without_bfd(id).await,
            (Some(old), Some(new)) if old != new => self.coupling.change_outside(id, new.clone()).await,
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    async fn change_neighbor_policy(&mut self, id: PeerId, part: &NeighborPart, next: &Neighbor) {
        let mut session = Session::clone(&part.session);
        session.policy = rib::PeerPolicy {
            name: session.policy.name,
            peer_asn: session.policy.peer_asn,
            local_address: session.policy.local_address,
            peer_address: session.policy.peer_address,
            ..next.session.policy.clone()
        };
        let policy = Box::new(session.policy.clone());
        self.tell_rib(rib_task::Command::SetPolicy { peer: id, policy }).await;
        session.bfd.clone_from(&next.session.bfd);
        let (neighbor, session) = (Arc::new(next.clone()), Arc::new(session));
        self.change_topology(|topology| {
            drop(topology.neighbors.insert(id, NeighborPart { neighbor, session, ..part.clone() }));
        });
        self.change_neighbor_bfd(id, &part.session, next.session.bfd.as_ref()).await;
    }

    async fn end_neighbor(&mut self, id: PeerId, reason: StopReason) {
        let Some(part) = self.topology.borrow().neighbors.get(&id).cloned() else { return };
        drop(part.handle.commands.send(session::Command::Shutdown(reason)).await);
        self.coupling.unwatch_outside(&part.session).await;
        self.finish_session(id).await;
        self.tell_rib(rib_task::Command::RemovePeer { peer: id }).await;
        self.change_topology(|topology| drop(topology.neighbors.remove(&id)));
    }
}

fn say_where(reporter: &Reporter, name: &str, spot: &Result<Where, String>) {
    match spot {
        Ok(spot) => reporter.neighbor_placed(name, spot.interface.as_deref(), spot.local),
        Err(reason) => reporter.neighbor_waits(name, reason),
    }
}

/// Where the session with a peer runs.
fn spot(place: &NeighborPlace, peer: IpAddr, interfaces: &Interfaces) -> Result<Where, String> {
    match (place.multihop, place.local_address) {
        (Some(_), Some(local)) if interfaces.have(local) => Ok(Where { link: LinkId::NONE, interface: None, local }),
        (Some(_), Some(local)) => Err(format!("{local} is no address of this router")),
        (Some(_), None) => Err("no local address is configured".to_owned()),
        (None, local) => {
            let found = interfaces.spot(peer, place.interface.as_deref())?;
            if let Some(local) = local.filter(|local| !interfaces.have(*local)) {
                return Err(format!("{local} is no address of this router"));
            }
            Ok(Where { link: found.link, interface: Some(found.interface), local: local.unwrap_or(found.local) })
        }
    }
}

/// Whether a session can go on, or wait, with the addresses it has.
fn stays_at(part: &NeighborPart, spot: &Result<Where, String>) -> bool {
    spot.as_ref().is_ok_and(|spot| spot.local == part.session.peer.local_address) || spot.is_err()
}

fn link(place: &NeighborPlace, session: &Session, spot: &Where) -> session::Link {
    // With TTL security packets leave with the largest TTL, so that the peer can tell how far they came (RFC 5082 3).
    let near = session.peer.peer_asn != session.peer.local_asn && session.transport.ttl_security.is_none();
    session::Link {
        interface: spot.interface.clone(),
        mss: None,
        // An external peer on a network of ours is one hop away, and nobody beyond it is meant.
        hops: place.multihop.filter(|_| session.transport.ttl_security.is_none()).or_else(|| near.then_some(1)),
        listens: false,
    }
}

/// The addresses at which somebody may connect.
fn listening(topology: &Topology) -> BTreeSet<Post> {
    let spots = topology.neighbors.values().filter_map(|part| part.spot.as_ref().ok());
    let placed = spots.map(|spot| Post::new(spot.local, spot.interface.as_deref()));
    let ranges = topology.router.neighbors.iter().filter_map(|neighbor| Some((neighbor, neighbor.range.as_ref()?)));
    let interfaces = &topology.interfaces;
    let open = ranges.flat_map(|(neighbor, range)| {
        let interface = neighbor.place.interface.as_deref();
        let addresses = match neighbor.place.local_address {
            Some(local) => interfaces.have(local).then_some(local).into_iter().collect(),
            None => interfaces.toward(range.range, interface).collect::<Vec<_>>(),
        };
        addresses.into_iter().map(move |local| Post::new(local, interface))
    });
    placed.chain(open).collect()
}

/// Whether two neighbours differ in nothing but what the routing tables and BFD can change without touching the session.
fn same_but_policy(old: &Neighbor, new: &Neighbor) -> bool {
    let mut with_old_policy = new.clone();
    with_old_policy.session.policy = old.session.policy.clone();
    with_old_policy.session.bfd = old.session.bfd.clone();
    with_old_policy == *old && old.session.policy.reach == new.session.policy.reach
}

/// Every session by number, for those who ask.
pub type Neighbors = BTreeMap<PeerId, NeighborPart>;
