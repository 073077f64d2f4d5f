//! The router itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use policy::PolicySet;
use wire::ipsec::TunnelId;
use wire::{Asn, RouterId};

use super::routes::{self, AggregateDraft};
use super::{NeighborDraft, PoolDraft, StaticDraft, TunnelDraft, name_finding, statics};
use crate::secrets::SecretSource;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::Leaf;
use document::scalar::Within;
use document::source::{At, Span};
use schema::{ApiSection, LogSection, MetricsSection, RouterSection};
use settings::{DataplaneChoice, FIRST_NEIGHBOR, Log, LogFormat, MAIN_TABLE, Router, Watch};

/// What could be made out of the `router` section.
#[derive(Clone, Debug)]
pub struct RouterDraft {
    /// Where it is written.
    pub at: Span,
    name: Option<At<String>>,
    /// Our AS number.
    pub asn: Option<At<Asn>>,
    router_id: Option<At<RouterId>>,
    /// Prefixes announced of our own.
    pub networks: Vec<At<IpNet>>,
    /// Nothing was written under `networks`; what cannot be read is not nothing.
    pub silent: bool,
    /// Static routes, those that are written at tunnels among them.
    pub statics: Vec<StaticDraft>,
    connected: rib::ConnectedRule,
    /// What moves packets.
    pub dataplane: DataplaneChoice,
    /// The kernel's table for learned routes.
    pub table: u32,
    metric: u32,
    ecmp: u32,
    /// Whether learned routes go there.
    pub install: bool,
    /// Aggregates.
    pub aggregates: Vec<AggregateDraft>,
    decision: rib::DecisionRules,
    api_socket: Option<PathBuf>,
    metrics_listen: Option<SocketAddr>,
    log: Log,
}

pub(super) fn resolve(section: At<RouterSection>, secrets: &dyn SecretSource, findings: &Findings) -> RouterDraft {
    let At { value: section, span: at } = section;
    let name = section.name.require("name", at, "name the router, for logs and metrics", findings);
    let name = name.map(|name| At::new(name.value.0, name.span));
    if let Some(finding) = name.as_ref().and_then(|name| name_finding(&name.value, name.span)) {
        findings.push(finding);
    }
    let router_id = section.router_id.require(
        "router-id",
        at,
        "give an IPv4 address of this router that no other speaker uses as its id",
        findings,
    );
    RouterDraft {
        at,
        name,
        asn: section.asn.require("asn", at, "give our AS number; 64512 to 65534 are for private use", findings),
        router_id: router_id.map(|id| router_id_checked(id, findings)),
        silent: !section.networks.is_unreadable()
            && section.networks.get().is_none_or(Vec::is_empty)
            && section.connected.span().is_none()
            && section.statics.span().is_none(),
        statics: statics::resolve(section.statics, secrets, findings),
        connected: statics::connected(section.connected),
        networks: section.networks.scalars().unwrap_or_default(),
        dataplane: section.dataplane.value().unwrap_or(DataplaneChoice::Auto),
        table: table(section.table, findings),
        metric: section.metric.value().map_or(142, |metric| metric.0),
        ecmp: section.ecmp.value().map_or(16, |ecmp| ecmp.0),
        install: section.install.value().unwrap_or(true),
        aggregates: routes::aggregates(section.aggregates, at, findings),
        decision: routes::decision(section.best_path.section(at).value),
        api_socket: api_socket(section.api.section(at).value, findings),
        metrics_listen: metrics_listen(section.metrics.section(at).value, findings),
        log: log(section.log.section(at).value),
    }
}

fn router_id_checked(id: At<std::net::Ipv4Addr>, findings: &Findings) -> At<RouterId> {
    let reason = if id.value.is_unspecified() {
        // RFC 6286 2.1: a non-zero value.
        Some("zero identifies nobody")
    } else if id.value.is_link_local() {
        Some("an address inside a tunnel is the same in many networks")
    } else if id.value.is_loopback() || id.value.is_multicast() || id.value.is_broadcast() {
        Some("no router has this address for itself")
    } else {
        None
    };
    if let Some(reason) = reason {
        findings.push(
            Finding::error(Code::RouterId, id.span, format!("{} cannot be the router id", id.value))
                .label(reason)
                .remedy("use an IPv4 address of this router on the network behind it"),
        );
    }
    At::new(RouterId(id.value), id.span)
}

fn table(table: Leaf<Within<0, { u32::MAX }>>, findings: &Findings) -> u32 {
    let Some(table) = table.scalar() else { return MAIN_TABLE };
    if matches!(table.value.0, 0 | 253 | 255) {
        let name = match table.value.0 {
            0 => "means no table",
            253 => "is the kernel's table `default`",
            _ => "is the kernel's table `local`",
        };
        findings.push(
            Finding::error(Code::KernelTable, table.span, format!("routes cannot go into table {}", table.value.0))
                .label(name)
                .remedy("use 254 (`main`), or a number of your own with an `ip rule` that leads there"),
        );
    }
    table.value.0
}

/// Longest path that fits a socket address, without its final zero.
const MAX_SOCKET_PATH: usize = 107;

fn api_socket(section: ApiSection, findings: &Findings) -> Option<PathBuf> {
    let path = section.socket.scalar()?;
    let long = path.value.as_os_str().len() > MAX_SOCKET_PATH;
    if long || !path.value.is_absolute() {
        let reason = if long { "longer than the 107 octets of a socket address" } else { "depends on where we start" };
        findings.push(
            Finding::error(Code::SocketPath, path.span, "the control API cannot listen here")
                .label(reason)
                .remedy("give a short absolute path such as `/run/quadspan/edge.sock`"),
        );
    }
    Some(path.value)
}

fn metrics_listen(section: MetricsSection, findings: &Findings) -> Option<SocketAddr> {
    let listen = section.listen.scalar()?;
    if listen.value.ip().is_unspecified() {
        findings.push(
            Finding::warning(Code::MetricsExposed, listen.span, "metrics are served on every address of this router")
                .label("outside addresses included, without authentication")
                .remedy("listen on 127.0.0.1 or on an address of the management network"),
        );
    }
    Some(listen.value)
}

fn log(section: LogSection) -> Log {
    Log {
        filter: section.filter.value().map_or_else(|| "info".to_owned(), |filter| filter.0),
        format: section.format.value().unwrap_or(LogFormat::Text),
    }
}

impl RouterDraft {
    /// The router with its tunnels; `None` if a part is missing, which was reported.
    pub(super) fn finish(
        self,
        tunnels: Vec<TunnelDraft>,
        neighbors: Vec<NeighborDraft>,
        pools: Vec<PoolDraft>,
        policies: Arc<PolicySet>,
    ) -> Option<Router> {
        let (asn, router_id, name) = (self.asn?.value, self.router_id?.value, self.name?.value);
        let tunnels = (1..)
            .zip(tunnels)
            .map(|(number, tunnel)| tunnel.finish(TunnelId(number), asn, router_id))
            .collect::<Option<Vec<_>>>()?;
        let neighbors = (FIRST_NEIGHBOR + 1..)
            .zip(neighbors)
            .map(|(number, neighbor)| neighbor.finish(rib::PeerId(number), (asn, router_id)))
            .collect::<Option<Vec<_>>>()?;
        let mut watches: Vec<Watch> = Vec::new();
        for watch in self.statics.iter().flat_map(StaticDraft::watches) {
            if !watches.iter().any(|other| other.is_of(&watch)) {
                watches.push(watch);
            }
        }
        let statics = self.statics.into_iter().map(|route| route.finish(&tunnels)).collect::<Option<Vec<_>>>()?;
        let pools = pools.into_iter().map(PoolDraft::finish).collect::<Option<Vec<_>>>()?;
        let ecmp_width = usize::try_from(self.ecmp).ok()?;
        Some(Router {
            api_socket: self.api_socket.unwrap_or_else(|| format!("/run/quadspan/{name}.sock").into()),
            name,
            asn,
            router_id,
            dataplane: self.dataplane,
            table: self.table,
            metric: self.metric,
            ecmp_width,
            install: self.install,
            rib: rib::RibConfig {
                asn,
                router_id,
                originated: self.networks.iter().map(|network| network.value).collect(),
                aggregates: self.aggregates.iter().map(|draft| draft.aggregate.value).collect(),
                ecmp_width,
                decision: self.decision,
                protected: tunnels.iter().map(|tunnel| tunnel.ike.remote).collect(),
            },
            tunnels,
            connections: Vec::new(),
            health: BTreeMap::new(),
            neighbors,
            pools,
            statics,
            watches,
            connected: self.connected,
            policies,
            metrics_listen: self.metrics_listen,
            log: self.log,
        })
    }
}
