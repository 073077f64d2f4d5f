//! One connection: which of its tunnels carry traffic now.
//!
//! ```text
//!   healthy ── steady? (not held down, or active) ── wanted by the operator? ── of the best priority ──► active
//!      │            └─ nobody is: all that are healthy                                    │
//!      └─ nobody is: the first against which nothing speaks but its probes                └─ med-steered: and preferred
//! ```
//!
//! What is active is a function of health, hold-downs and the operator's will. Only hold-downs look back, so a tunnel
//! whose health changes twice a second moves traffic away once and back once per hold-down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use wire::ipsec::TunnelId;

use crate::{Cause, Config, Failback, MemberStatus, Mode, Obstacle, Standing, Status, Switch};

/// Why traffic is not moved as the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The tunnel does not belong to the connection.
    NoMember,
    /// Something speaks against the tunnel.
    Unhealthy(TunnelId, Obstacle),
    /// No other tunnel is healthy.
    NoOther,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    members: BTreeMap<TunnelId, State>,
    active: BTreeSet<TunnelId>,
    /// Those that would be, did the peer not care.
    first: BTreeSet<TunnelId>,
    forced: Option<TunnelId>,
    /// Those that the peer prefers; empty if it makes no difference.
    preferred: BTreeSet<TunnelId>,
    elected_at: Instant,
    switches: u64,
    last: Option<Switch>,
    outputs: VecDeque<Switch>,
}

/// What is known of one tunnel.
#[derive(Clone, Copy, Debug)]
struct State {
    priority: u16,
    obstacle: Option<Obstacle>,
    since: Instant,
    /// Failures as of `since`.
    flaps: u32,
    /// When it was healthy for long enough.
    ready: Instant,
}

impl Connection {
    /// All tunnels are down.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut connection = Self {
            config: Config { mode: config.mode, members: Vec::new(), failback: config.failback },
            members: BTreeMap::new(),
            active: BTreeSet::new(),
            first: BTreeSet::new(),
            forced: None,
            preferred: BTreeSet::new(),
            elected_at: now,
            switches: 0,
            last: None,
            outputs: VecDeque::new(),
        };
        connection.reconfigure(config, now);
        connection
    }

    /// Takes other settings over; what is known of tunnels that stay is kept.
    pub fn reconfigure(&mut self, config: Config, now: Instant) {
        self.members.retain(|tunnel, _| config.members.iter().any(|member| member.tunnel == *tunnel));
        for member in &config.members {
            let unknown = State {
                priority: member.priority,
                obstacle: Some(Obstacle::TunnelDown),
                since: now,
                flaps: 0,
                ready: now,
            };
            self.members.entry(member.tunnel).or_insert(unknown).priority = member.priority;
        }
        self.forced = self.forced.filter(|tunnel| self.members.contains_key(tunnel));
        self.preferred.retain(|tunnel| self.members.contains_key(tunnel));
        self.active.retain(|tunnel| self.members.contains_key(tunnel));
        self.config = config;
        self.elect(Some(Cause::Reconfigured), now);
    }

    /// What speaks against a tunnel now; nothing if it is healthy.
    pub fn handle_health(&mut self, tunnel: TunnelId, obstacle: Option<Obstacle>, now: Instant) {
        let failback = self.config.failback;
        let Some(state) = self.members.get_mut(&tunnel) else { return };
        if state.obstacle == obstacle {
            return;
        }
        match (state.obstacle, obstacle) {
            (None, Some(obstacle)) => state.fail(obstacle, &failback, now),
            (Some(_), None) => state.recover(&failback, now),
            (Some(before), Some(obstacle)) => {
                // A drained tunnel that goes down, too, has failed.
                if !before.is_failure() && obstacle.is_failure() && before != Obstacle::Unprobed {
                    state.flaps = state.flaps.saturating_add(1);
                }
                state.obstacle = Some(obstacle);
            }
            (None, None) => {}
        }
        self.elect(None, now);
    }

    /// The tunnels whose routes the peer makes the better ones; empty if it makes no difference.
    pub fn handle_preference(&mut self, preferred: BTreeSet<TunnelId>, now: Instant) {
        if self.preferred != preferred {
            self.preferred = preferred;
            self.elect(Some(Cause::Med), now);
        }
    }

    /// Moves traffic to `to`, or to the best of those that do not carry it, until [`release`](Self::release)d. Should that
    /// one fail, the others take over as ever.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn switch(&mut self, to: Option<TunnelId>, now: Instant) -> Result<TunnelId, Refusal> {
        let chosen = match to {
            Some(tunnel) => {
                let state = self.members.get(&tunnel).ok_or(Refusal::NoMember)?;
                state.obstacle.map_or(Ok(tunnel), |obstacle| Err(Refusal::Unhealthy(tunnel, obstacle)))?
            }
            None => {
                let idle = self.members.iter().filter(|(tunnel, _)| !self.active.contains(tunnel));
                let healthy = idle.filter(|(_, state)| state.obstacle.is_none());
                healthy.min_by_key(|(_, state)| state.priority).map(|(tunnel, _)| *tunnel).ok_or(Refusal::NoOther)?
            }
        };
        if let Some(state) = self.members.get_mut(&chosen) {
            state.ready = state.ready.min(now);
        }
        self.forced = Some(chosen);
        self.elect(Some(Cause::Operator), now);
        Ok(chosen)
    }

    /// Leaves the choice to the rules again; whether the operator had chosen.
    pub fn release(&mut self, now: Instant) -> bool {
        let forced = self.forced.take().is_some();
        if forced {
            self.elect(Some(Cause::Released), now);
        }
        forced
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.elect(None, now);
    }

    /// When time will have made a difference.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let held = self.members.iter().filter(|(tunnel, state)| {
            state.obstacle.is_none() && !self.first.contains(tunnel) && state.ready > self.elected_at
        });
        held.map(|(_, state)| state.ready).min()
    }

    /// The next time that traffic moved, until there is none that was not told of.
    pub fn poll_output(&mut self) -> Option<Switch> {
        self.outputs.pop_front()
    }

    /// The tunnels that carry traffic, in order of number.
    pub fn active(&self) -> impl Iterator<Item = TunnelId> + '_ {
        self.active.iter().copied()
    }

    /// Where each tunnel stands.
    pub fn standings(&self) -> impl Iterator<Item = (TunnelId, Standing)> + '_ {
        self.members.iter().map(|(tunnel, state)| (*tunnel, self.standing(*tunnel, state)))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        let best = self.members.values().map(|state| state.priority).min();
        let mut members: Vec<MemberStatus> = self
            .members
            .iter()
            .map(|(tunnel, state)| MemberStatus {
                tunnel: *tunnel,
                priority: state.priority,
                first: Some(state.priority) == best,
                active: self.active.contains(tunnel),
                obstacle: state.obstacle,
                since: state.since,
                flaps: state.remembered(&self.config.failback, now),
                held_for: (state.obstacle.is_none() && !self.active.contains(tunnel))
                    .then(|| state.ready.saturating_duration_since(now))
                    .filter(|left| !left.is_zero()),
                standing: self.standing(*tunnel, state),
            })
            .collect();
        members.sort_by_key(|member| (member.priority, member.tunnel));
        Status {
            mode: self.config.mode,
            forced: self.forced,
            switches: self.switches,
            last: self.last.clone(),
            members,
        }
    }

    /// Chooses again. `cause` is what happened, unless it was to a tunnel.
    fn elect(&mut self, cause: Option<Cause>, now: Instant) {
        self.elected_at = now;
        self.first = self.contenders(now);
        let elected = self.chosen();
        if elected == self.active {
            return;
        }
        let cause = self.explain(cause, &elected);
        let from = std::mem::replace(&mut self.active, elected).into_iter().collect();
        let switch = Switch { from, to: self.active.iter().copied().collect(), cause, at: now };
        self.switches += 1;
        self.last = Some(switch.clone());
        self.outputs.push_back(switch);
    }

    /// Those that are to carry traffic as far as health, hold-downs, priorities and the operator's will go.
    fn contenders(&self, now: Instant) -> BTreeSet<TunnelId> {
        let healthy = || self.members.iter().filter(|(_, state)| state.obstacle.is_none());
        let steady = || healthy().filter(|(tunnel, state)| state.ready <= now || self.active.contains(tunnel));
        let pool: Vec<(TunnelId, u16)> = match steady().next() {
            Some(_) => steady().map(|(tunnel, state)| (*tunnel, state.priority)).collect(),
            None => healthy().map(|(tunnel, state)| (*tunnel, state.priority)).collect(),
        };
        if let Some(forced) = self.forced.filter(|forced| pool.iter().any(|(tunnel, _)| tunnel == forced)) {
            return BTreeSet::from([forced]);
        }
        let best = pool.iter().map(|(_, priority)| *priority).min();
        pool.into_iter().filter(|(_, priority)| Some(*priority) == best).map(|(tunnel, _)| tunnel).collect()
    }

    /// Which of them do.
    fn chosen(&self) -> BTreeSet<TunnelId> {
        if self.first.is_empty() {
            return self.last_resort().into_iter().collect();
        }
        match self.config.mode {
            Mode::ActiveActive => self.first.clone(),
            // Priorities differ; should they not, one is still chosen.
            Mode::PrimaryStandby => self.first.iter().take(1).copied().collect(),
            Mode::MedSteered => {
                let preferred: BTreeSet<TunnelId> = self.first.intersection(&self.preferred).copied().collect();
                if preferred.is_empty() { self.first.clone() } else { preferred }
            }
        }
    }

    /// Where no tunnel is healthy: the first that is up and against which nothing speaks but what its probes tell. Targets
    /// that answer through none of the tunnels say nothing about the choice between them.
    fn last_resort(&self) -> Option<TunnelId> {
        let doubtful = self.members.iter().filter(|(_, state)| state.obstacle == Some(Obstacle::Probes));
        let key = |(tunnel, state): &(&TunnelId, &State)| {
            (self.forced != Some(**tunnel), !self.active.contains(tunnel), state.priority, **tunnel)
        };
        doubtful.min_by_key(key).map(|(tunnel, _)| *tunnel)
    }

    fn explain(&self, cause: Option<Cause>, elected: &BTreeSet<TunnelId>) -> Cause {
        if let Some(cause) = cause {
            return cause;
        }
        let lost =
            self.active.difference(elected).find_map(|tunnel| Some((*tunnel, self.members.get(tunnel)?.obstacle?)));
        let resort =
            elected.iter().find(|tunnel| self.members.get(tunnel).is_some_and(|state| state.obstacle.is_some()));
        match (lost, resort, elected.difference(&self.active).next()) {
            (Some((tunnel, obstacle)), _, _) => Cause::Failed { tunnel, obstacle },
            (None, Some(tunnel), _) => Cause::LastResort { tunnel: *tunnel },
            (None, None, _) if self.active.is_empty() => Cause::Began,
            (None, None, Some(tunnel)) => Cause::Recovered { tunnel: *tunnel },
            (None, None, None) => Cause::Med,
        }
    }

    fn standing(&self, tunnel: TunnelId, state: &State) -> Standing {
        let own = self.rank(tunnel, state);
        let ahead: BTreeSet<Rank> =
            self.members.iter().map(|(other, state)| self.rank(*other, state)).filter(|rank| *rank < own).collect();
        let position = u8::try_from(ahead.len()).unwrap_or(u8::MAX);
        // The peer's MEDs decide among equals; only what failed of late, or was not chosen, stands back.
        let equal = self.config.mode == Mode::MedSteered && self.first.contains(&tunnel);
        Standing { import: if equal { 0 } else { position }, export: position }
    }

    fn rank(&self, tunnel: TunnelId, state: &State) -> Rank {
        let alone = self.config.mode == Mode::PrimaryStandby;
        Rank {
            idle: !self.active.is_empty() && !self.active.contains(&tunnel),
            unhealthy: !self.active.is_empty() && state.obstacle.is_some(),
            priority: state.priority,
            tie: alone.then_some(tunnel),
        }
    }
}

/// The order in which the tunnels of a connection stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    idle: bool,
    unhealthy: bool,
    priority: u16,
    tie: Option<TunnelId>,
}

impl State {
    fn fail(&mut self, obstacle: Obstacle, failback: &Failback, now: Instant) {
        self.flaps = self.remembered(failback, now).saturating_add(u32::from(obstacle.is_failure()));
        self.obstacle = Some(obstacle);
        self.since = now;
    }

    fn recover(&mut self, failback: &Failback, now: Instant) {
        self.obstacle = None;
        self.since = now;
        self.ready = now.checked_add(failback.after(self.flaps)).unwrap_or(now);
    }

    /// Failures that are not forgotten at `now`.
    fn remembered(&self, failback: &Failback, now: Instant) -> u32 {
        if self.obstacle.is_some() {
            return self.flaps;
        }
        let healthy = now.saturating_duration_since(self.since).as_nanos();
        let forgotten = healthy.checked_div(failback.forget.as_nanos()).unwrap_or(0);
        self.flaps.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}
