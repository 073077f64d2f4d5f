//! Several paths to a prefix for peers that take them (RFC 7911).
//!
//! Which ones: [`SendPaths`]. A path is known to the peer by a number that it keeps as long as it is in the tables, so
//! that a change of another path never touches it; what is of our own making has a number above theirs.

use bgp::Family;
use policy::Changes;

use crate::SendPaths;
use crate::announce::Sources;
use crate::decision::{Candidate, Contest, Standing};
use crate::export::{BestRoute, Export, Source};
use crate::settle::candidate;
use crate::table::{Path, Role};

/// The number of what is of our own making; paths have lower ones.
const LOCAL: u32 = 1 << 16;

/// The routes to a prefix that a peer is to have, with their numbers.
pub(crate) fn several<'a>(id: u32, export: &Export<'_>, sources: Sources<'a>) -> Vec<(u32, BestRoute<'a>, Changes)> {
    let entry = sources.table.entry(id);
    let own = sources.best_for(id, export).filter(|best| !best.is_learned()).map(|best| (LOCAL, best));
    let learned: Vec<&Path> = match export.policy.treatment.send_paths {
        // What we originate is all we use.
        _ if entry.local => Vec::new(),
        SendPaths::Best => entry.best().into_iter().collect(),
        SendPaths::Ecmp => entry.paths.iter().filter(|path| path.role() != Role::Unused).collect(),
        SendPaths::All => entry.paths.iter().filter(|path| is_usable(path, sources)).collect(),
        SendPaths::First(count) => first(entry.paths.iter(), usize::from(count), sources),
    };
    let learned = learned.into_iter().filter(|path| path.number() > 0).filter_map(|path| {
        let from = Source::of(sources.peers.at(path.peer)?);
        Some((path.number(), BestRoute::Learned { from, route: &path.route }))
    });
    let mut routes: Vec<_> = own
        .into_iter()
        .chain(learned)
        .filter_map(|(number, route)| Some((number, route, export.judge(&entry.prefix, Some(route)).ok()?)))
        .collect();
    debug_assert!(export.sends_paths(Family::of(&entry.prefix)), "the session has path identifiers");
    routes.sort_unstable_by_key(|(number, ..)| *number);
    routes
}

/// The best, the best without it, and so on.
fn first<'a>(paths: impl Iterator<Item = &'a Path>, count: usize, sources: Sources<'_>) -> Vec<&'a Path> {
    let mut left: Vec<(Candidate, &Path)> = paths
        .filter(|path| path.is_accepted())
        .filter_map(|path| Some((candidate(path, sources.peers.at(path.peer)?)?, path)))
        .collect();
    let mut contest = Contest::default();
    let mut chosen = Vec::with_capacity(count.min(left.len()));
    while chosen.len() < count {
        let candidates: Vec<Candidate> = left.iter().map(|(candidate, _)| *candidate).collect();
        let standings = contest.decide(false, &candidates, (sources.rules, 1));
        let Some(at) = standings.iter().position(|standing| *standing == Standing::Best) else { break };
        chosen.push(left.remove(at).1);
    }
    chosen
}

fn is_usable(path: &Path, sources: Sources<'_>) -> bool {
    crate::settle::is_usable(path, sources.peers)
}
