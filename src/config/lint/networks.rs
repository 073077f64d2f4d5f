//! The prefixes we announce of our own.

use bgp::Family;
use ipnet::IpNet;
use policy::{Chain, Route, Source, Verdict};

use super::tunnels::remote_within;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::At;
use resolve::{NeighborDraft, PoolDraft, RouterDraft, SessionDraft, TunnelDraft, martian};
use settings::MAIN_TABLE;

/// A network that is announced of our own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    /// It, at where it is written.
    pub(super) network: At<IpNet>,
    /// What to do if it cannot be announced.
    choose: &'static str,
}

/// All that is announced of our own: what `networks` names, and what clients have addresses of.
pub(super) fn announced(router: &RouterDraft, pools: &[PoolDraft]) -> Vec<Announced> {
    let own = router.networks.iter().copied();
    let choose = "name prefixes that machines behind this router have addresses of";
    let own = own.map(move |network| Announced { network, choose });
    let pools = pools.iter().filter(|pool| pool.announce).flat_map(PoolDraft::networks);
    let choose = "choose another `server` network in the server's file";
    own.chain(pools.map(move |network| Announced { network, choose })).collect()
}

pub(super) fn lint(
    router: &RouterDraft,
    announced: &[Announced],
    tunnels: &[TunnelDraft],
    neighbors: &[NeighborDraft],
    findings: &Findings,
) {
    // What a pool overlaps, another network among it, is for the lints of pools.
    for (index, network) in router.networks.iter().enumerate() {
        named_twice(*network, router.networks.get(..index).unwrap_or_default(), findings);
        beside_tunnels(*network, tunnels, findings);
    }
    for announced in announced {
        alone(*announced, findings);
        carried(announced.network, tunnels, neighbors, findings);
    }
    let within = tunnels.iter().filter_map(|tunnel| tunnel.session.as_ref());
    let sessions = within.chain(neighbors.iter().map(|neighbor| &neighbor.session));
    sessions.clone().for_each(|session| within_limit(router, announced, session, findings));
    // What a neighbour on a network of ours announces leads to that network, not into a tunnel.
    let routed = |neighbor: &&NeighborDraft| neighbor.multihop.is_some();
    let remote = neighbors.iter().filter(routed).map(|neighbor| &neighbor.session);
    let within = tunnels.iter().filter_map(|tunnel| tunnel.session.as_ref());
    within.chain(remote).for_each(|session| default_beside_peers(router, session, findings));
    let silent = router.silent && sessions.clone().all(|session| session.export.is_none());
    if silent && sessions.count() > 0 {
        findings.push(
            Finding::warning(Code::NothingAnnounced, router.at, "this router announces nothing")
                .label("has no `networks`")
                .remedy("list the prefixes behind it: `networks: [10.1.0.0/16]`"),
        );
    }
}

fn named_twice(network: At<IpNet>, earlier: &[At<IpNet>], findings: &Findings) {
    if let Some(first) = earlier.iter().find(|other| other.value == network.value) {
        findings.push(
            Finding::error(Code::NetworkDuplicate, network.span, format!("{} is announced twice", network.value))
                .label("second time")
                .also(first.span, "first time")
                .remedy("keep one of the two"),
        );
    }
}

fn alone(announced: Announced, findings: &Findings) {
    let Announced { network, choose } = announced;
    if network.value.prefix_len() == 0 {
        findings.push(
            Finding::warning(Code::NetworkDefault, network.span, "a default route is announced")
                .label("draws all of the peers' traffic here, to the Internet too")
                .remedy("name the prefixes behind this router unless that is the purpose"),
        );
    } else if let Some(reason) = martian(network.value) {
        findings.push(
            Finding::error(Code::NetworkMartian, network.span, format!("{} must not be announced", network.value))
                .label(reason)
                .remedy(choose),
        );
    }
}

fn beside_tunnels(network: At<IpNet>, tunnels: &[TunnelDraft], findings: &Findings) {
    if network.value.prefix_len() == 0 || martian(network.value).is_some() {
        return;
    }
    let mut links = tunnels.iter().flat_map(|tunnel| tunnel.links().map(move |link| (tunnel, link)));
    let overlaps = |link: IpNet| network.value.contains(&link) || link.contains(&network.value);
    if let Some((tunnel, link)) = links.find(|(_, link)| overlaps(link.value)) {
        findings.push(
            Finding::error(
                Code::NetworkInside,
                network.span,
                format!("{} overlaps the link inside {}", network.value, tunnel.title()),
            )
            .label("announced to peers")
            .also(link.span, "the inside link")
            .remedy("inside links stay inside: announce only what is behind this router"),
        );
    }
    if let Some((tunnel, remote)) = remote_within(tunnels, &network.value) {
        findings.push(
            Finding::warning(
                Code::NetworkOutside,
                network.span,
                format!("{} holds the outside address of the peer of {}", network.value, tunnel.title()),
            )
            .label("announced to peers")
            .also(remote.span, "the peer")
            .remedy("the peer may send its own IPsec packets into a tunnel: announce a narrower prefix"),
        );
    }
}

fn carried(network: At<IpNet>, tunnels: &[TunnelDraft], neighbors: &[NeighborDraft], findings: &Findings) {
    let family = Family::of(&network.value);
    let within = tunnels.iter().filter_map(|tunnel| tunnel.session.as_ref());
    let mut sessions = within.chain(neighbors.iter().map(|neighbor| &neighbor.session)).peekable();
    if martian(network.value).is_some()
        || sessions.peek().is_none()
        || sessions.any(|session| session.families.contains(&family))
    {
        return;
    }
    let remedy = match family {
        Family::Ipv4Unicast => "add `ipv4` to the `families` of a session",
        Family::Ipv6Unicast => "give a tunnel an IPv6 inside link: `inside6: fd00:...::/126`",
    };
    findings.push(
        Finding::warning(Code::NetworkFamily, network.span, format!("nobody will hear of {}", network.value))
            .label(format!("no session carries {family}"))
            .remedy(remedy),
    );
}

fn within_limit(router: &RouterDraft, announced: &[Announced], session: &SessionDraft, findings: &Findings) {
    let Some((limit, written)) = session.max_prefix_out else { return };
    let is_announced = |network: &&At<IpNet>| {
        session.families.contains(&Family::of(&network.value)) && exported(network.value, session.export.as_ref())
    };
    let inside = |prefix: &IpNet, aggregate: &IpNet| aggregate.contains(prefix) && aggregate != prefix;
    let covering = router.aggregates.iter().map(|draft| draft.aggregate.value).filter(|draft| draft.summary_only);
    let shown = |network: &&At<IpNet>| {
        !covering.clone().any(|aggregate| inside(&network.value, &aggregate.prefix)) && is_announced(network)
    };
    let networks = announced.iter().map(|announced| &announced.network);
    let own = networks.clone().filter(shown).count();
    // What learned routes bring about is seen at run time.
    let aggregates = router.aggregates.iter().map(|draft| At::new(draft.aggregate.value.prefix, draft.aggregate.span));
    let aggregates = aggregates.filter(|aggregate| {
        networks.clone().any(|network| inside(&network.value, &aggregate.value))
            && networks.clone().all(|network| network.value != aggregate.value)
            && is_announced(&aggregate)
    });
    let statics = router.statics.iter().filter(|route| route.announce).filter_map(|route| route.prefix);
    let statics = statics.filter(|prefix| is_announced(&prefix)).count();
    let defaults = if session.treatment.originates_default() { session.families.len() } else { 0 };
    let total = own + aggregates.count() + statics + defaults;
    if u32::try_from(total).is_ok_and(|total| total <= limit) {
        return;
    }
    let source = if written.is_some() { "" } else { ", which is what the peer's cloud takes" };
    let mut finding = Finding::error(
        Code::PrefixLimitOut,
        written.unwrap_or(session.at),
        format!("{total} prefixes to announce, {limit} allowed{source}"),
    )
    .label("some would be held back")
    .remedy("announce fewer, larger prefixes, or choose with `export`");
    if let Some(first) = announced.first() {
        finding = finding.also(first.network.span, "announced from here on");
    }
    findings.push(finding);
}

/// A default route into a tunnel would carry the tunnel's own packets: they are routed by table `main`.
fn default_beside_peers(router: &RouterDraft, session: &SessionDraft, findings: &Findings) {
    let named = session.import.as_ref().is_some_and(Chain::may_name_default);
    if named && router.table == MAIN_TABLE {
        findings.push(
            Finding::error(
                Code::ImportDefault,
                session.at,
                "a learned default route would carry the tunnels themselves",
            )
            .label("its `import` names the default route, and learned routes go into table main")
            .remedy(
                "keep learned routes apart with `router: {table: 100}` and send what comes from your networks there: \
                     `ip rule add iif LAN lookup 100`",
            ),
        );
    }
}

pub(super) fn exported(network: IpNet, export: Option<&Chain>) -> bool {
    let Some(export) = export else { return true };
    let attributes = bgp::Attributes::default();
    let route = Route {
        prefix: network,
        attributes: &attributes,
        local_preference: 100,
        next_hop: None,
        source: Source::Originated,
        peer: "",
        repeat: wire::Asn(0),
    };
    matches!(export.consider(&route), Verdict::Accept(_))
}
