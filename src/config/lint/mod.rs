//! What only shows when values are compared: tunnels with each other, tunnels with the router.

mod asns;
mod azure;
mod connections;
mod dataplane;
mod flows;
mod neighbors;
mod networks;
mod overlap;
mod policies;
mod pools;
mod routes;
mod statics;
mod tunnels;

use resolve::Drafts;

use document::diagnostic::Findings;

/// Compares what could be made out so far.
pub(crate) fn lint(drafts: &Drafts, findings: &Findings) {
    let Drafts { tunnels, connections, neighbors, pools, .. } = drafts;
    let router = drafts.router.as_ref();
    tunnels::lint(tunnels, router.map_or(&[], |router| &router.statics), findings);
    azure::lint(tunnels, findings);
    flows::lint(router, tunnels, findings);
    connections::lint(connections, tunnels, findings);
    pools::lint(router, pools, tunnels, findings);
    neighbors::lint(neighbors, tunnels, findings);
    asns::lint(router, tunnels, neighbors, findings);
    policies::unused(&drafts.policies, findings);
    let own = router.and_then(|router| router.asn);
    let beyond = neighbors.iter().map(|neighbor| &neighbor.session);
    for session in tunnels.iter().filter_map(|tunnel| tunnel.session.as_ref()).chain(beyond) {
        own.iter().for_each(|own| policies::missing(own.value, session, findings));
    }
    if let Some(router) = router {
        dataplane::lint(router, tunnels, findings);
        let announced = networks::announced(router, pools);
        networks::lint(router, &announced, tunnels, neighbors, findings);
        overlap::lint(router, &announced, tunnels, findings);
        statics::lint(&router.statics, tunnels, neighbors, findings);
        let within = tunnels.iter().filter_map(|tunnel| tunnel.session.as_ref());
        routes::lint(router, tunnels, within.chain(neighbors.iter().map(|neighbor| &neighbor.session)), findings);
    }
}
