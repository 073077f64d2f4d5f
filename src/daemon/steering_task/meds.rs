//! Whose routes the peer's MEDs made the better ones. The routing tables are asked beside the task: while they are busy,
//! probes and operators are still heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rib::PeerId;
use steering::Mode;
use wire::ipsec::TunnelId;

use super::{Task, rib_task};

/// Of each tunnel of each connection that the peer steers how many of its routes are accepted and used.
pub(super) type Used = Vec<(String, Vec<(TunnelId, (usize, usize))>)>;

impl Task {
    /// Asks the routing tables, unless what they were asked before is still to be taken note of.
    pub(super) fn look_at_meds(&self) {
        let Ok(looks) = self.looks.clone().try_reserve_owned() else { return };
        let steered = self.connections.iter().filter(|(_, served)| served.mode == Mode::MedSteered);
        let members: BTreeMap<String, Vec<TunnelId>> = steered
            .map(|(name, served)| {
                let members = served.connection.status(Instant::now()).members;
                (name.clone(), members.into_iter().map(|member| member.tunnel).collect())
            })
            .collect();
        let rib = self.rib.clone();
        tokio::spawn(async move {
            let used = rib_task::read(&rib, move |rib| {
                let used = |tunnel: TunnelId| {
                    let counts = rib.counts(PeerId(tunnel.0));
                    counts.map_or((0, 0), |counts| (counts.accepted, counts.best + counts.multipath))
                };
                let all = |members: Vec<TunnelId>| members.into_iter().map(|tunnel| (tunnel, used(tunnel))).collect();
                members.into_iter().map(|(name, members)| (name, all(members))).collect()
            });
            if let Some(used) = used.await {
                looks.send(used);
            }
        });
    }

    /// Leaves the choice among equals to the peer.
    pub(super) fn heed_meds(&mut self, used: Used) {
        for (name, used) in used {
            if let Some(served) = self.connections.get_mut(&name).filter(|served| served.mode == Mode::MedSteered) {
                served.connection.handle_preference(preferred(&used), Instant::now());
            }
        }
    }
}

/// The tunnels most of whose routes are used, if there are others with routes.
fn preferred(used: &[(TunnelId, (usize, usize))]) -> BTreeSet<TunnelId> {
    let most = used.iter().map(|(_, (_, used))| *used).max().unwrap_or(0);
    // A few prefixes that only one tunnel has say nothing about the tunnels.
    let preferred = used.iter().filter(|(_, (_, used))| most > 0 && 2 * used >= most);
    let preferred: BTreeSet<TunnelId> = preferred.map(|(tunnel, _)| *tunnel).collect();
    let speaking = used.iter().filter(|(_, (accepted, _))| *accepted > 0).count();
    if preferred.len() == speaking { BTreeSet::new() } else { preferred }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_prefers_what_most_routes_are_used_through() {
        let check = |counts: &[(usize, usize)], expected: &[u32]| {
            let used: Vec<_> = (0..).map(TunnelId).zip(counts.iter().copied()).collect();
            let expected: BTreeSet<TunnelId> = expected.iter().copied().map(TunnelId).collect();
            assert_eq!(preferred(&used), expected, "{counts:?}");
        };
        check(&[(10, 10), (10, 10)], &[]);
        check(&[(10, 0), (10, 10)], &[1]);
        check(&[(10, 1), (10, 9)], &[1]);
        check(&[(10, 10), (0, 0)], &[]);
        check(&[(0, 0), (0, 0)], &[]);
        check(&[(10, 10), (10, 10), (10, 0)], &[0, 1]);
    }
}
