//! The kernel's routes: ours, and those of others that win over them.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::code::Code;
use crate::evidence::{Evidence, KernelRoute, OurRoute, Tunnel};
use crate::finding::{Findings, Outcome, Rung, Step};

/// Findings of one kind beyond this number are only counted.
const SHOWN: usize = 8;

pub(crate) fn examine(evidence: &Evidence, findings: &mut Findings) {
    let fib = &evidence.fib;
    if fib.matches_kernel == Some(false) {
        findings.warn(
            Code::FibDiffers,
            None,
            format!("table {} is not what it should be", fib.table),
            "look who else writes routes: `ip monitor route`; systemd-networkd needs `ManageForeignRoutes=no`",
        );
    }
    let refused = fib.ours.iter().filter_map(|route| Some((route, route.refused.as_ref()?)));
    for (route, reason) in refused.take(SHOWN) {
        findings.fail(
            Code::RouteRefused,
            None,
            format!("{}: {reason}", route.prefix),
            "remove the route that stands in the way, or give ours another `metric`",
        );
    }
    for (ours, foreign) in overruled(evidence).into_iter().take(SHOWN) {
        let ForeignWin { route, narrower } = foreign;
        let seen = format!(
            "{} {} by {} (protocol {}, metric {}) comes before our {} by {}",
            if narrower { "the narrower" } else { "the route to" },
            route.prefix,
            route.interface,
            route.protocol,
            route.metric,
            ours.prefix,
            ours.interfaces.join(", ")
        );
        if narrower {
            findings.warn(Code::ForeignNarrower, None, seen, "remove it if its packets should take the tunnel");
        } else {
            let remedy =
                "remove it: `ip route del PREFIX proto PROTOCOL`, or write a lower `router: {metric: ..}` than its own";
            findings.fail(
                Code::ForeignRoute,
                None,
                seen,
                remedy.replace("PREFIX", &route.prefix.to_string()).replace("PROTOCOL", &route.protocol),
            );
        }
    }
}

struct ForeignWin<'a> {
    route: &'a KernelRoute,
    narrower: bool,
}

/// Routes of others that the kernel takes instead of ours.
fn overruled(evidence: &Evidence) -> Vec<(&OurRoute, ForeignWin<'_>)> {
    let fib = &evidence.fib;
    let ours: BTreeMap<IpNet, &OurRoute> = fib.ours.iter().map(|route| (route.prefix, route)).collect();
    let metric = fib.metric.unwrap_or(u32::MAX);
    let mut wins: Vec<_> = Vec::new();
    for route in &fib.foreign {
        if let Some(own) = ours.get(&route.prefix) {
            if route.metric <= metric {
                wins.push((*own, ForeignWin { route, narrower: false }));
            }
        } else if !route.connected {
            let wider =
                std::iter::successors(route.prefix.supernet(), IpNet::supernet).take_while(|it| it.prefix_len() > 0);
            let covered = wider.filter_map(|it| ours.get(&it)).next();
            // What leads into a tunnel of ours is likely meant.
            let own_way = evidence.tunnels.iter().any(|tunnel| tunnel.interface == route.interface);
            wins.extend(covered.filter(|_| !own_way).map(|own| (*own, ForeignWin { route, narrower: true })));
        }
    }
    wins.sort_by_key(|(own, win)| (win.narrower, own.prefix));
    wins
}

/// How the kernel's routes through one tunnel are.
pub(crate) fn step(tunnel: &Tunnel, evidence: &Evidence, _: &mut Findings) -> Step {
    let through = |route: &&OurRoute| route.interfaces.contains(&tunnel.interface);
    let count = evidence.fib.ours.iter().filter(through).count();
    let lost = overruled(evidence).into_iter().filter(|(own, win)| through(own) && !win.narrower).count();
    let refused = evidence.fib.ours.iter().filter(|route| through(route) && route.refused.is_some()).count();
    let (outcome, text) = match (lost + refused, count) {
        (0, 0) => (Outcome::Unknown, "no route of ours leads through it".to_owned()),
        (0, count) => (Outcome::Ok, format!("{count} routes lead through it")),
        (bad, count) => (Outcome::Failure, format!("{bad} of {count} routes are not used")),
    };
    Step::new(Rung::Fib, outcome, text)
}
