//! The rows: what is tried, with whom, and what must be seen.

mod attributes;
mod exchange;
mod extensions;
mod limits;
mod outside;
mod paths;
mod reach;
mod restart;

use proto_tests::lab::Result;

use crate::peer::{Software, Told};
use crate::scene::Scene;

/// What joins us and the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// IPsec tunnels.
    Tunnels,
    /// Cables.
    Cables,
}

/// One capability or habit.
#[derive(Debug)]
pub(crate) struct Row {
    /// In the table.
    pub(crate) name: &'static str,
    /// Who has it, and what they are told for it.
    pub(crate) peers: &'static [(Software, Told)],
    /// What joins us and the peer.
    pub(crate) links: Links,
    /// What is done and seen.
    pub(crate) play: fn(&mut Scene, &Told) -> Result<()>,
}

/// All of them, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    let near = [exchange::ROWS, attributes::ROWS, limits::ROWS, restart::ROWS, reach::ROWS];
    let beyond = [outside::ROWS, paths::ROWS, extensions::ROWS];
    near.into_iter().chain(beyond).flatten()
}

/// All five, told nothing.
const EVERYONE: &[(Software, Told)] = &[
    (Software::Bird, Told::NOTHING),
    (Software::Frr, Told::NOTHING),
    (Software::Gobgp, Told::NOTHING),
    (Software::Openbgpd, Told::NOTHING),
    (Software::Exabgp, Told::NOTHING),
];
