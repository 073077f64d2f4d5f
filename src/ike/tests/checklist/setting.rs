//! What the ends are configured with, and where they stand when a scenario begins.

use std::time::Duration;

use negotiation::{DownReason, SelectorLayout, TunnelConfig};

use super::super::children::net;
use super::super::failover;
use super::super::network::*;
use super::act::part;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// Up with one CHILD SA; under every third seed with two.
    Plain,
    /// Up, and A begins with a group that B takes no more.
    Guess,
    /// Up with two key exchanges for everything.
    Hybrid,
    /// Up since some rekeys, so that message IDs were used.
    Aged,
    /// The same with two key exchanges for everything.
    AgedHybrid,
    /// Up with two pairs of networks, one of which has no CHILD SA now.
    Missing,
    /// The same, with A's guess.
    MissingGuess,
    /// Not begun; A does without a CHILD SA at first.
    Childless,
    /// The same, and both begin.
    ChildlessBoth,
    /// The same, with A's guess.
    ChildlessGuess,
}

/// The group that A guesses, and the one that B wants.
const GUESSES: [&str; 2] = ["x25519", "ecp256"];

fn suites(config: &mut TunnelConfig, groups: &[&str]) {
    config.ike_proposals =
        groups.iter().map(|group| format!("aes128gcm16-prfsha256-{group}").parse().unwrap()).collect();
    config.esp_proposals = groups.iter().map(|group| format!("aes128gcm16-{group}").parse().unwrap()).collect();
}

fn pairs(configs: &mut [TunnelConfig; 2]) {
    let (ours, theirs) = (vec![net(1), net(2)], vec![net(9)]);
    let [a, b] = configs;
    (a.local_selectors, a.remote_selectors) = (ours.clone(), theirs.clone());
    (b.local_selectors, b.remote_selectors) = (theirs, ours);
    (a.layout, b.layout) = (SelectorLayout::PerPair, SelectorLayout::PerPair);
}

impl Setting {
    const fn guesses(self) -> bool {
        matches!(self, Self::Guess | Self::MissingGuess | Self::ChildlessGuess)
    }

    const fn begins_without(self) -> bool {
        matches!(self, Self::Childless | Self::ChildlessBoth | Self::ChildlessGuess)
    }

    const fn is_missing_one(self) -> bool {
        matches!(self, Self::Missing | Self::MissingGuess)
    }

    /// A network with both ends, and how many CHILD SAs they must have in the end.
    pub(super) fn build(self, seed: u64, swapped: bool) -> (Network, usize) {
        let mut configs = [config_a(), config_b()];
        let two = self.is_missing_one() || (self == Self::Plain && seed % 3 == 2);
        if two {
            pairs(&mut configs);
        }
        if self.guesses() {
            configs.iter_mut().for_each(|config| suites(config, &GUESSES));
        }
        if matches!(self, Self::Hybrid | Self::AgedHybrid) {
            configs.iter_mut().for_each(|config| suites(config, &["x25519-ke1_ecp256"]));
        }
        if self.begins_without() {
            return (self.unbegun(seed, swapped, configs), 1);
        }
        let [a, b] = configs;
        let mut network = Network::up_with(seed, a, b);
        if matches!(self, Self::Aged | Self::AgedHybrid) {
            failover::busy(&mut network);
            network.forget();
        }
        if self.is_missing_one() {
            forget_one(&mut network);
        }
        self.insist(&mut network, swapped);
        (network, if two { 2 } else { 1 })
    }

    /// From here on B takes the second group only.
    fn insist(self, network: &mut Network, swapped: bool) {
        if self.guesses() {
            network.with(part(B, swapped), |endpoint, now| {
                endpoint.with(TUNNEL, now, |tunnel, _| suites(&mut tunnel.config, &GUESSES[1..]));
            });
        }
    }

    fn unbegun(self, seed: u64, swapped: bool, configs: [TunnelConfig; 2]) -> Network {
        let mut network = Network::bare(seed);
        let [mut a, mut b] = configs;
        a.start = negotiation::StartAction::Respond;
        b.start = negotiation::StartAction::Respond;
        network.add(A, a);
        network.add(B, b);
        self.insist(&mut network, swapped);
        if self == Self::ChildlessGuess {
            // The first exchange still goes by with the group that A guesses.
            network.with(part(B, swapped), |endpoint, now| {
                endpoint.with(TUNNEL, now, |tunnel, _| {
                    tunnel.config.ike_proposals = vec!["aes128gcm16-prfsha256-x25519".parse().unwrap()];
                });
            });
        }
        let begin = |network: &mut Network, end: usize| {
            network.with(end, |endpoint, now| {
                endpoint.with(TUNNEL, now, |tunnel, _| tunnel.childless = true);
                endpoint.initiate(TUNNEL, now);
            });
        };
        begin(&mut network, part(A, swapped));
        if self == Self::ChildlessBoth {
            begin(&mut network, part(B, swapped));
        }
        network
    }
}

/// Both ends lose the second pair's CHILD SA without a word, and ask for it by themselves only much later.
fn forget_one(network: &mut Network) {
    for end in [A, B] {
        network.with(end, |endpoint, now| {
            endpoint.with(TUNNEL, now, |tunnel, cx| {
                let doomed = tunnel.flows.last().and_then(|flow| tunnel.carrier(flow.id)).map(|child| child.spi);
                tunnel.drop_child(cx, doomed.unwrap(), &DownReason::Operator);
                for flow in &mut tunnel.flows {
                    flow.retry_at = flow.retry_at.map(|_| cx.now + Duration::from_secs(60));
                }
            });
        });
    }
    network.forget();
}
