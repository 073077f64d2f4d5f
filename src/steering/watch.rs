//! Health of one tunnel by probes through it.
//!
//! ```text
//!   begin ──► unknown ──── first good round ────► good ◄──────── up-after answers in a row ──────┐
//!                │                                 │ down-after rounds without                    │
//!                └── down-after bad rounds ──► bad ◄┘ ───────────────────────────────────────────┘
//! ```
//!
//! A round asks every target once. Each target counts for itself; the policy makes one verdict of all. What comes after
//! the time limit counts as missing. While the tunnel is down nobody is asked, and what was known of targets that were
//! bad is kept: a tunnel does not become good by coming up again.

use std::collections::VecDeque;
use std::time::Instant;

use crate::{HealthCheck, Policy, Target};

/// What probes tell of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There was no answer yet, nor time enough for one.
    Unknown,
    /// Enough targets answer.
    Good,
    /// Too few do.
    Bad,
}

impl Verdict {
    /// A stable word for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// What the process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchOutput {
    /// Ask this target, and hand over the answer with these two numbers.
    Ask {
        /// Which of the configured ones.
        index: usize,
        /// Which round.
        round: u64,
        /// What.
        target: Target,
    },
    /// Probes have come to an opinion, or changed it.
    Verdict(Verdict),
}

/// One target at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeStatus {
    /// What is asked.
    pub target: Target,
    /// Whether it answers.
    pub verdict: Verdict,
    /// When it answered last.
    pub answered: Option<Instant>,
    /// Answers missing in a row.
    pub missing: u32,
}

/// The probes of one tunnel.
#[derive(Debug)]
pub struct Watch {
    config: HealthCheck,
    probes: Vec<Probe>,
    verdict: Verdict,
    round: u64,
    /// The current round's end, while the tunnel is up.
    next: Option<Instant>,
    /// When answers of the current round are too late.
    late: Option<Instant>,
    outputs: VecDeque<WatchOutput>,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    target: Target,
    verdict: Verdict,
    /// In the current round.
    pending: bool,
    good: u32,
    missing: u32,
    answered: Option<Instant>,
}

impl Watch {
    /// The tunnel is down.
    #[must_use]
    pub fn new(config: HealthCheck) -> Self {
        let probes = config.probes.iter().map(|target| Probe::new(*target)).collect();
        Self { config, probes, verdict: Verdict::Unknown, round: 0, next: None, late: None, outputs: VecDeque::new() }
    }

    /// Takes other settings over; targets that stay keep what is known of them.
    pub fn reconfigure(&mut self, config: HealthCheck, now: Instant) {
        let known = std::mem::take(&mut self.probes);
        let keep = |target: &Target| known.iter().find(|probe| probe.target == *target).copied();
        self.probes = config.probes.iter().map(|target| keep(target).unwrap_or_else(|| Probe::new(*target))).collect();
        // Answers of the old round would be taken for those of others.
        self.round += 1;
        for probe in &mut self.probes {
            probe.pending = false;
        }
        self.config = config;
        if self.next.is_some() {
            self.next = Some(now);
        }
        self.judge();
    }

    /// The tunnel carries packets.
    pub fn start(&mut self, now: Instant) {
        self.next = Some(now);
        self.handle_timeout(now);
    }

    /// It does not any more.
    pub fn stop(&mut self) {
        (self.next, self.late) = (None, None);
        self.round += 1;
        for probe in &mut self.probes {
            probe.pending = false;
            (probe.good, probe.missing) = (0, 0);
            if probe.verdict == Verdict::Good {
                probe.verdict = Verdict::Unknown;
            }
        }
        self.judge();
    }

    /// A target answered (`answered`), or cannot be asked.
    pub fn handle_answer(&mut self, index: usize, round: u64, answered: bool, now: Instant) {
        let current = round == self.round && self.late.is_some_and(|late| now <= late);
        let (down_after, up_after) = (self.config.down_after, self.config.up_after);
        let Some(probe) = self.probes.get_mut(index).filter(|probe| current && probe.pending) else { return };
        probe.pending = false;
        if answered {
            probe.answer(up_after, now)
        } else {
            probe.miss(down_after)
        }
        self.judge();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.late.is_some_and(|late| late < now) {
            self.late = None;
            for probe in self.probes.iter_mut().filter(|probe| probe.pending) {
                probe.pending = false;
                probe.miss(self.config.down_after);
            }
            self.judge();
        }
        if self.next.is_some_and(|next| next <= now) {
            self.begin_round(now);
        }
    }

    /// When time will have made a difference.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // At the very moment of the limit an answer is still good.
        let late = self.late.filter(|_| self.probes.iter().any(|probe| probe.pending));
        let late = late.and_then(|late| late.checked_add(std::time::Duration::from_nanos(1)));
        [late, self.next].into_iter().flatten().min()
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<WatchOutput> {
        self.outputs.pop_front()
    }

    /// What probes tell.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &HealthCheck {
        &self.config
    }

    /// Every target.
    pub fn statuses(&self) -> impl Iterator<Item = ProbeStatus> + '_ {
        self.probes.iter().map(|probe| ProbeStatus {
            target: probe.target,
            verdict: probe.verdict,
            answered: probe.answered,
            missing: probe.missing,
        })
    }

    fn begin_round(&mut self, now: Instant) {
        // What the last round is still waiting for is late: the limit is no longer than a round.
        for probe in self.probes.iter_mut().filter(|probe| probe.pending) {
            probe.miss(self.config.down_after);
        }
        self.judge();
        self.round += 1;
        self.next = now.checked_add(self.config.interval);
        self.late = now.checked_add(self.config.timeout);
        for (index, probe) in self.probes.iter_mut().enumerate() {
            probe.pending = true;
            self.outputs.push_back(WatchOutput::Ask { index, round: self.round, target: probe.target });
        }
    }

    fn judge(&mut self) {
        let mut verdicts = self.probes.iter().map(|probe| probe.verdict);
        let is = |wanted: Verdict| move |verdict: Verdict| verdict == wanted;
        let verdict = match self.config.policy {
            Policy::Any if verdicts.clone().any(is(Verdict::Good)) => Verdict::Good,
            Policy::Any if verdicts.all(is(Verdict::Bad)) => Verdict::Bad,
            Policy::All if verdicts.clone().any(is(Verdict::Bad)) => Verdict::Bad,
            Policy::All if verdicts.all(is(Verdict::Good)) => Verdict::Good,
            Policy::Any | Policy::All => Verdict::Unknown,
        };
        if std::mem::replace(&mut self.verdict, verdict) != verdict {
            self.outputs.push_back(WatchOutput::Verdict(verdict));
        }
    }
}

impl Probe {
    const fn new(target: Target) -> Self {
        Self { target, verdict: Verdict::Unknown, pending: false, good: 0, missing: 0, answered: None }
    }

    fn answer(&mut self, up_after: u32, now: Instant) {
        self.answered = Some(now);
        self.missing = 0;
        self.good = self.good.saturating_add(1);
        if self.verdict == Verdict::Unknown || self.good >= up_after {
            self.verdict = Verdict::Good;
        }
    }

    fn miss(&mut self, down_after: u32) {
        self.good = 0;
        self.missing = self.missing.saturating_add(1);
        if self.missing >= down_after {
            self.verdict = Verdict::Bad;
        }
    }
}
