//! Asks the tasks that own the state and puts their answers together.

mod connections;
mod routes;

use std::collections::BTreeMap;
use std::time::Instant;

use dataplane::EngineCounters;
use ipnet::IpNet;
use wire::ipsec::TunnelId;

use crate::views;
use daemon::topology::Part;
use daemon::{NeighborPart, Owners};
use view::answer::ControlError;
use view::{
    BfdView, FibView, FlowView, PeerView, PoolView, RouteView, StaticView, StatusView, StrangersView, TunnelView,
};

pub use routes::Destination;

/// A handle on the running router for the control socket and the scrape.
#[derive(Clone, Debug)]
pub struct Control {
    pub(super) owners: Owners,
}

impl Control {
    /// The router as a whole.
    ///
    /// # Errors
    /// [`ControlError::Stopping`]; so for the other readers.
    pub async fn status(&self) -> Result<StatusView, ControlError> {
        let (tunnels, peers) = (self.tunnels().await?, self.peers().await?);
        let totals = self.owners.read_rib(rib::Rib::totals).await?;
        let routing = views::routing(totals, &self.owners.fib.status());
        let topology = self.owners.topology.borrow().clone();
        let pools = self.pools();
        let verdict = views::verdict(&topology.router, &tunnels, &peers, &routing);
        let verdict = views::note_connections(verdict, &self.connections().await?, &tunnels);
        Ok(StatusView {
            router: views::router(&topology.router, &self.owners),
            verdict: views::note_pools(verdict, &pools),
            tunnels,
            peers,
            pools: pools.into_iter().map(|pool| PoolView { clients: Vec::new(), ..pool }).collect(),
            routing,
        })
    }

    /// Every configured tunnel.
    pub async fn tunnels(&self) -> Result<Vec<TunnelView>, ControlError> {
        let topology = self.owners.topology.borrow().clone();
        let ike = self.owners.ike_statuses().await?;
        let bgp = self.owners.session_statuses(&topology).await;
        let now = Instant::now();
        let view = |(id, part): (&TunnelId, &Part)| {
            let counters = self.owners.dataplane.counters(*id).unwrap_or_default();
            let interface = self.owners.dataplane.interface(*id).unwrap_or(part.interface);
            let sas = self.owners.dataplane.sas(*id);
            let session = part.tunnel.bgp.as_ref().and_then(|session| bgp.get(&session.id));
            views::tunnel(part, interface, ike.get(id), session, &counters, &sas, now)
        };
        let unmade = topology.unmade.values().map(|unmade| views::unmade_tunnel(unmade, now));
        Ok(topology.tunnels.iter().map(view).chain(unmade).collect())
    }

    /// Every configured session.
    pub async fn peers(&self) -> Result<Vec<PeerView>, ControlError> {
        let topology = self.owners.topology.borrow().clone();
        let statuses = self.owners.session_statuses(&topology).await;
        let ids: Vec<rib::PeerId> = statuses.keys().copied().collect();
        let counts = self
            .owners
            .read_rib(move |rib| -> BTreeMap<rib::PeerId, rib::PeerCounts> {
                ids.iter().filter_map(|id| Some((*id, rib.counts(*id)?))).collect()
            })
            .await?;
        let draining = self.draining().await?;
        let draining: Vec<String> = draining.into_iter().map(|id| topology.session_name(id)).collect();
        let now = Instant::now();
        let view = |part: &Part| {
            let id = part.tunnel.bgp.as_ref()?.id;
            let session = part.tunnel.bgp.as_ref()?;
            Some(views::session(session, statuses.get(&id)?, counts.get(&id).copied().unwrap_or_default(), now))
        };
        let beyond = |(id, part): (&rib::PeerId, &NeighborPart)| {
            let counts = counts.get(id).copied().unwrap_or_default();
            Some(views::neighbor(part, views::session(&part.session, statuses.get(id)?, counts, now)))
        };
        let views = topology.tunnels.values().filter_map(view).chain(topology.neighbors.iter().filter_map(beyond));
        let drained = |view: PeerView| PeerView { draining: view.draining || draining.contains(&view.tunnel), ..view };
        Ok(views.map(drained).collect())
    }

    /// All prefixes, or one, with every path.
    pub async fn routes(&self, prefix: Option<IpNet>) -> Result<Vec<RouteView>, ControlError> {
        let routes = self.owners.read_rib(move |rib| views::routes(rib, prefix)).await?;
        match prefix {
            Some(prefix) if routes.is_empty() => Err(ControlError::NoRoute { prefix }),
            Some(_) | None => Ok(routes),
        }
    }

    /// The static routes, those not in use with the reason.
    pub async fn statics(&self) -> Result<Vec<StaticView>, ControlError> {
        let topology = self.owners.topology.borrow().clone();
        self.owners.read_rib(move |rib| rib.statics().map(|view| views::static_route(&view, &topology)).collect()).await
    }

    /// What each tunnel carries, network by network.
    pub async fn flows(&self) -> Result<Vec<FlowView>, ControlError> {
        let topology = self.owners.topology.borrow().clone();
        let (statuses, rules) = (self.owners.ike_statuses().await?, self.owners.fib.snapshot().await.flows);
        Ok(views::flows(&topology, &statuses, &rules, |id| self.owners.dataplane.sas(id), Instant::now()))
    }

    /// The pools of clients, with those who are connected.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolView> {
        let now = Instant::now();
        self.owners.pools().iter().map(|report| views::pool(report, now)).collect()
    }

    /// What the kernel has from us.
    pub async fn fib(&self) -> Result<FibView, ControlError> {
        let topology = self.owners.topology.borrow().clone();
        Ok(views::fib(&self.owners.fib.snapshot().await, &topology))
    }

    /// Reads the configuration file again.
    ///
    /// # Errors
    /// With [`ControlError::PartlyApplied`] the file is in force but for tunnels that cannot be made, with anything else
    /// nothing was changed.
    pub async fn reload(&self) -> Result<String, ControlError> {
        self.owners.reload().await
    }

    /// Deletes a tunnel's SAs and negotiates anew.
    ///
    /// # Errors
    /// When there is no such tunnel; so for the other actions.
    pub async fn reset_tunnel(&self, name: &str) -> Result<String, ControlError> {
        let tunnel = self.tunnel(name)?;
        self.owners.reset_tunnel(tunnel).await?;
        Ok(format!("tunnel {name}: SAs deleted, negotiating anew"))
    }

    /// Renews the CHILD SA's keys.
    pub async fn rekey_child(&self, name: &str) -> Result<String, ControlError> {
        let tunnel = self.live_tunnel(name).await?;
        self.owners.rekey_child(tunnel).await?;
        Ok(format!("tunnel {name}: rekeying the CHILD SA"))
    }

    /// Renews the IKE SA's keys.
    pub async fn rekey_ike(&self, name: &str) -> Result<String, ControlError> {
        let tunnel = self.live_tunnel(name).await?;
        self.owners.rekey_ike(tunnel).await?;
        Ok(format!("tunnel {name}: rekeying the IKE SA"))
    }

    /// Ends a BGP session and opens it again, with a text for the peer's operator (RFC 9003).
    pub async fn reset_peer(&self, name: &str, reason: String) -> Result<String, ControlError> {
        self.session_named(name)?.1.reset(reason).await?;
        Ok(format!("{name}: BGP session reset"))
    }

    /// Keeps a BGP session down, with a text for the peer's operator (RFC 9003).
    pub async fn shut_down_peer(&self, name: &str, reason: String) -> Result<String, ControlError> {
        self.session_named(name)?.1.shut_down(reason).await?;
        Ok(format!("{name}: BGP session shut down until `quadspan bgp enable {name}`"))
    }

    /// Takes a shutdown back.
    pub async fn enable_peer(&self, name: &str) -> Result<String, ControlError> {
        self.session_named(name)?.1.enable().await?;
        Ok(format!("{name}: BGP session enabled"))
    }

    /// Asks for the peer's routes again, or announces ours again, or both, without ending the session.
    pub async fn soft_reset_peer(&self, name: &str, inbound: bool, outbound: bool) -> Result<String, ControlError> {
        let (id, session) = self.session_named(name)?;
        for family in [bgp::Family::Ipv4Unicast, bgp::Family::Ipv6Unicast] {
            if inbound {
                drop(session.refresh(family).await);
            }
            if outbound {
                drop(self.owners.announce_again(id, family).await);
            }
        }
        let what = match (inbound, outbound) {
            (true, true) => "routes asked for and announced again",
            (true, false) => "routes asked for again",
            (false, _) => "routes announced again",
        };
        Ok(format!("{name}: {what}"))
    }

    fn session_named(&self, name: &str) -> Result<(rib::PeerId, session::Handle), ControlError> {
        let topology = self.owners.topology.borrow();
        let mut sessions = topology.sessions().filter(|(id, _)| topology.session_name(*id) == name);
        let found = sessions.next().map(|(id, handle)| (id, handle.clone()));
        found.ok_or_else(|| ControlError::NoSession { name: name.to_owned() })
    }

    fn tunnel(&self, name: &str) -> Result<TunnelId, ControlError> {
        let topology = self.owners.topology.borrow();
        topology.by_name(name).map(|(id, _)| id).ok_or_else(|| ControlError::NoTunnel {
            name: name.to_owned(),
            known: topology.tunnels.values().map(|part| part.tunnel.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    async fn live_tunnel(&self, name: &str) -> Result<TunnelId, ControlError> {
        let id = self.tunnel(name)?;
        let ike = self.owners.ike_statuses().await?;
        let is_up = ike.get(&id).is_some_and(|status| status.state == negotiation::TunnelState::Up);
        if is_up { Ok(id) } else { Err(ControlError::NotUp { name: name.to_owned() }) }
    }

    /// Every BFD session.
    ///
    /// # Errors
    /// [`ControlError::Stopping`].
    pub async fn bfd(&self) -> Result<BfdView, ControlError> {
        Ok(views::bfd(&self.owners.bfd().await?, Instant::now()))
    }

    /// What the data plane counted that belongs to no tunnel.
    #[must_use]
    pub fn engine_counters(&self) -> EngineCounters {
        self.owners.dataplane.engine_counters()
    }

    /// Who asked without proving who they are.
    ///
    /// # Errors
    /// [`ControlError::Stopping`].
    pub async fn strangers(&self) -> Result<StrangersView, ControlError> {
        let (counters, strangers) = self.owners.strangers().await?;
        let topology = self.owners.topology.borrow().clone();
        Ok(views::strangers(&counters, &strangers, &topology, Instant::now()))
    }
}
