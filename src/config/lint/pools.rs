//! Pools of remote clients beside everything else: another pool, links inside tunnels, outside addresses, networks, what is
//! behind a peer. What may be announced at all is in `networks` and `overlap`, for pools as for networks.

use ipnet::IpNet;

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::At;
use resolve::{PoolDraft, RouterDraft, TunnelDraft};

pub(super) fn lint(router: Option<&RouterDraft>, pools: &[PoolDraft], tunnels: &[TunnelDraft], findings: &Findings) {
    for (index, pool) in pools.iter().enumerate() {
        let earlier = pools.get(..index).unwrap_or_default();
        named_twice(pool, earlier, findings);
        let others = others(router, earlier, tunnels);
        for own in pool.networks() {
            others.iter().for_each(|other| overlap(own, other, findings));
        }
    }
}

fn named_twice(pool: &PoolDraft, earlier: &[PoolDraft], findings: &Findings) {
    let Some(name) = &pool.name else { return };
    let mut names = earlier.iter().filter_map(|other| other.name.as_ref());
    if let Some(first) = names.find(|other| other.value == name.value) {
        findings.push(
            Finding::error(Code::DuplicateName, name.span, format!("two pools are called {}", name.value))
                .label("second")
                .also(first.span, "first")
                .remedy("give each pool a name of its own"),
        );
    }
}

/// A network that no client may have an address of.
struct Other {
    network: At<IpNet>,
    what: &'static str,
    /// The kernel takes the narrower route: around the pool it does no harm, in it it does.
    around: bool,
}

fn others(router: Option<&RouterDraft>, earlier: &[PoolDraft], tunnels: &[TunnelDraft]) -> Vec<Other> {
    let other = |what, around| move |network| Other { network, what, around };
    let pools = earlier.iter().flat_map(PoolDraft::networks).map(other("the clients of another pool", false));
    let links = tunnels.iter().flat_map(TunnelDraft::links).map(other("the link inside a tunnel", false));
    let outside = tunnels.iter().flat_map(|tunnel| [tunnel.local, tunnel.remote]).flatten();
    let outside = outside.map(|address| At::new(IpNet::from(address.value), address.span));
    let outside = outside.map(other("the outside address of a tunnel", false));
    // S2-19, S2-20. Protected flows are routed by rules, which come before any narrower route.
    let far = tunnels.iter().flat_map(|tunnel| &tunnel.far).copied().map(other("what is behind a tunnel", false));
    let statics = router.into_iter().flat_map(|router| &router.statics).filter_map(|route| route.prefix);
    let statics = statics.map(other("a static route", true));
    let networks = router.into_iter().flat_map(|router| &router.networks).copied();
    let networks = networks.map(other("a network behind this router", true));
    pools.chain(links).chain(outside).chain(far).chain(statics).chain(networks).collect()
}

fn overlap(own: At<IpNet>, other: &Other, findings: &Findings) {
    let (inside, around) = (own.value.contains(&other.network.value), other.network.value.contains(&own.value));
    if !inside && (!around || other.around || other.network.value.prefix_len() == 0) {
        return;
    }
    findings.push(
        Finding::error(
            Code::PoolOverlap,
            own.span,
            format!("the clients' network {} overlaps {}", own.value, other.what),
        )
        .label("handed out to clients")
        .also(other.network.span, other.network.value.to_string())
        .remedy("choose another `server` network in the server's file, or narrow the other one"),
    );
}
