//! What is wrong between two ends, from evidence about this one.
//!
//! ```text
//!   control socket, /proc, nftables, netlink, a few packets
//!                      │
//!                  Evidence ──► examine ──► Report: a ladder per tunnel and per neighbour, and findings
//!
//!   the ladder:  ike ─ ipsec ─ inside ─ bgp ─ fib ─ path        beside it:  machine
//! ```
//!
//! Whoever stands on a rung stands on all below it: a rung is judged only where those below carry. What the evidence does
//! not tell is `unknown`, never `ok`. Each finding has a [`Code`] that stays the same over releases, says what was seen
//! here, what is behind it as a rule, and what to do. Nothing in this room reads anything but its arguments.

mod child;
mod code;
mod evidence;
mod fib;
mod finding;
pub mod firewall;
mod ike;
mod inside;
mod machine;
mod path;
mod session;
pub mod sockets;

#[cfg(test)]
mod tests;

pub use code::Code;
pub use evidence::{
    Certificate, Chosen, Clock, Conntrack, DiskFile, Evidence, Failure, Fib, Holder, IkeAnswer, KernelRoute, Machine,
    MissingChild, OurRoute, Ping, Pool, PortAnswer, RouteLookup, RouterState, Session, Sizes, Target, Traffic, Tunnel,
    TunnelState,
};
pub use finding::{Finding, Ladder, LadderKind, Outcome, Report, Rung, Severity, Step, Verdict};

use finding::Findings;

/// Judges all of it.
#[must_use]
pub fn examine(evidence: &Evidence) -> Report {
    let mut findings = Findings::default();
    machine::examine(evidence, &mut findings);
    path::target(evidence, &mut findings);
    let tunnels = evidence.tunnels.iter().filter(|tunnel| evidence.chosen.has(&tunnel.name));
    let mut ladders: Vec<Ladder> = tunnels.map(|tunnel| climb_tunnel(tunnel, evidence, &mut findings)).collect();
    let sessions = evidence.sessions.iter().filter(|session| evidence.chosen.has(&session.name));
    ladders.extend(sessions.map(|session| {
        let step = session::examine(session, None, evidence, &mut findings);
        Ladder { name: session.name.clone(), kind: LadderKind::Neighbor, steps: vec![step] }
    }));
    fib::examine(evidence, &mut findings);
    findings.into_report(evidence, ladders)
}

fn climb_tunnel(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) -> Ladder {
    let mut steps = vec![ike::examine(tunnel, evidence, findings)];
    let mut carried = matches!(steps[0].outcome, Outcome::Ok | Outcome::Warning) && tunnel.state.is_some();
    type Examine = fn(&Tunnel, &Evidence, &mut Findings) -> Step;
    let above: [(Rung, Examine); 5] = [
        (Rung::Ipsec, child::examine),
        (Rung::Inside, inside::examine),
        (Rung::Bgp, |tunnel, evidence, findings| match &tunnel.session {
            Some(session) => session::examine(session, Some(tunnel), evidence, findings),
            None => Step::new(Rung::Bgp, Outcome::Unknown, "no session is configured"),
        }),
        (Rung::Fib, fib::step),
        (Rung::Path, path::examine),
    ];
    for (rung, examine) in above {
        if !carried {
            steps.push(Step::new(rung, Outcome::Unknown, "not looked at: a rung below does not carry"));
            continue;
        }
        let step = examine(tunnel, evidence, findings);
        carried = match (rung, step.outcome) {
            // Static routes lead into tunnels whose session is down, too.
            (Rung::Bgp, _) | (_, Outcome::Ok | Outcome::Warning) => true,
            // Nothing goes through a tunnel before it is up.
            (rung, Outcome::Unknown) => rung != Rung::Ipsec,
            (_, Outcome::Failure) => false,
        };
        steps.push(step);
    }
    Ladder { name: tunnel.name.clone(), kind: LadderKind::Tunnel, steps }
}
