//! The pairs of selectors of a tunnel: each has ESP SAs of its own, and is asked for while nothing carries it.

use std::time::{Duration, Instant};

use negotiation::{Backoff, Cx, Failure, RekeyKind, TunnelConfig, between};

use crate::children::{Child, Selectors};
use crate::tunnel::{COURTESY, Tunnel, Will};

/// What should be carried, by a pair of ESP SAs of its own.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) selectors: Selectors,
    /// When we begin, if nothing carries it.
    pub(crate) retry_at: Option<Instant>,
    backoff: Backoff,
}

/// Pause after a renewal that failed.
const RENEW_RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));

/// Every combination of a local and a remote selector of one family: IKEv1 carries one pair per SA.
pub(super) fn pairs(config: &TunnelConfig) -> Vec<Pair> {
    let combinations = config
        .local_selectors
        .iter()
        .flat_map(|local| config.remote_selectors.iter().map(|remote| Selectors { local: *local, remote: *remote }));
    combinations
        .filter(|selectors| selectors.local.start.is_ipv4() == selectors.remote.start.is_ipv4())
        .map(|selectors| Pair { selectors, retry_at: None, backoff: Backoff::default() })
        .collect()
}

impl Tunnel {
    pub(super) fn is_carried(&self, index: usize) -> bool {
        let within = |selectors| self.pair_of(selectors) == Some(index);
        self.children.iter().any(|child| child.is_installed() && within(child.selectors))
            || self.quicks.iter().any(|quick| quick.is_pending() && within(quick.selectors))
    }

    pub(super) fn fill_pairs(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.pairs.len() {
            if self.is_carried(index) {
                continue;
            }
            let pair = &mut self.pairs[index];
            let selectors = pair.selectors;
            let (now, backoff) = (cx.now, &mut pair.backoff);
            if *pair.retry_at.get_or_insert_with(|| backoff.fail(false, now, cx.entropy)) <= now {
                pair.retry_at = None;
                self.begin_quick(cx, selectors);
            }
        }
    }

    /// A pair is carried: nothing is to be tried again.
    pub(crate) fn satisfied(&mut self, selectors: Selectors) {
        if let Some(pair) = self.pair_of(selectors).and_then(|index| self.pairs.get_mut(index)) {
            pair.retry_at = None;
            pair.backoff.up();
        }
    }

    /// What the peer deleted is wanted again, though not at once.
    pub(crate) fn want_pairs(&mut self, cx: &mut Cx<'_>) {
        let courtesy = if self.will == Will::Connect { Duration::ZERO } else { COURTESY };
        for index in 0..self.pairs.len() {
            if !self.is_carried(index) && self.pairs[index].retry_at.is_none() {
                let pair = &mut self.pairs[index];
                pair.retry_at = Some(pair.backoff.fail(false, cx.now, cx.entropy) + courtesy);
            }
        }
    }

    /// Our quick mode for a pair that nothing carries failed.
    pub(crate) fn pair_failed(&mut self, cx: &mut Cx<'_>, selectors: Selectors, failure: Failure) {
        if let Some(pair) = self.pair_of(selectors).and_then(|index| self.pairs.get_mut(index)) {
            pair.retry_at = Some(pair.backoff.fail(failure.is_silence(), cx.now, cx.entropy));
        }
        self.note_failure(cx, failure);
    }

    /// Our quick mode to renew a pair failed.
    pub(crate) fn renewal_failed(&mut self, cx: &mut Cx<'_>, selectors: Selectors, failure: Failure) {
        let retry_at = cx.now + between(RENEW_RETRY.0, RENEW_RETRY.1, cx.entropy);
        let of = |child: &&mut Child| child.is_installed() && child.selectors == selectors;
        self.children.iter_mut().filter(of).for_each(|child| child.rekey_at = Some(retry_at));
        self.rekey_failed(cx, RekeyKind::Child, failure, retry_at);
    }
}
