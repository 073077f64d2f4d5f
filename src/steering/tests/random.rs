//! Whatever happens, in whatever order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use wire::ipsec::TunnelId;

use crate::{Cause, Config, Connection, Failback, Member, Mode, Obstacle};

const TUNNELS: u32 = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    Health(TunnelId, Option<Obstacle>),
    Pass(u64),
    Switch(TunnelId),
    Release,
    Prefer(TunnelId),
    Indifferent,
}

fn step() -> impl Strategy<Value = Step> {
    let tunnel = || (1..=TUNNELS).prop_map(TunnelId);
    let obstacle = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Obstacle::TunnelDown)),
        1 => Just(Some(Obstacle::Probes)),
        1 => Just(Some(Obstacle::Unprobed)),
        1 => Just(Some(Obstacle::Drained)),
    ];
    prop_oneof![
        6 => (tunnel(), obstacle).prop_map(|(tunnel, obstacle)| Step::Health(tunnel, obstacle)),
        4 => (0_u64..40_000).prop_map(Step::Pass),
        1 => tunnel().prop_map(Step::Switch),
        1 => Just(Step::Release),
        1 => tunnel().prop_map(Step::Prefer),
        1 => Just(Step::Indifferent),
    ]
}

/// A connection, and what an observer knows of it.
struct Observed {
    connection: Connection,
    now: Instant,
    obstacles: BTreeMap<TunnelId, Option<Obstacle>>,
    failed: BTreeMap<TunnelId, Instant>,
    hold: Duration,
}

impl Observed {
    fn new(mode: Mode) -> Self {
        let failback = Failback { hold: Duration::from_secs(10), ..Failback::default() };
        let priority = |number: u32| if mode == Mode::PrimaryStandby { u16::try_from(number).unwrap() } else { 1 };
        let members = (1..=TUNNELS).map(|number| Member { tunnel: TunnelId(number), priority: priority(number) });
        let config = Config { mode, members: members.collect(), failback };
        let now = Instant::now();
        let obstacles = config.members.iter().map(|member| (member.tunnel, Some(Obstacle::TunnelDown))).collect();
        Self { connection: Connection::new(config, now), now, obstacles, failed: BTreeMap::new(), hold: failback.hold }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Health(tunnel, obstacle) => {
                let before = self.obstacles.insert(tunnel, obstacle).flatten();
                if before.is_none() && obstacle.is_some_and(Obstacle::is_failure) {
                    self.failed.insert(tunnel, self.now);
                }
                self.connection.handle_health(tunnel, obstacle, self.now);
            }
            Step::Pass(milliseconds) => {
                let until = self.now + Duration::from_millis(milliseconds);
                while let Some(due) = self.connection.poll_timeout().filter(|due| *due <= until) {
                    prop_assert!(due > self.now, "a deadline lies ahead");
                    self.now = due;
                    self.connection.handle_timeout(due);
                    self.check()?;
                }
                self.now = until;
            }
            Step::Switch(tunnel) => drop(self.connection.switch(Some(tunnel), self.now)),
            Step::Release => drop(self.connection.release(self.now)),
            Step::Prefer(tunnel) => self.connection.handle_preference([tunnel].into(), self.now),
            Step::Indifferent => self.connection.handle_preference([].into(), self.now),
        }
        self.check()
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let active: Vec<TunnelId> = self.connection.active().collect();
        let healthy = |tunnel: &TunnelId| self.obstacles[tunnel].is_none();
        let any = self.obstacles.keys().any(healthy);
        let status = self.connection.status(self.now);
        if any {
            prop_assert!(active.iter().all(healthy), "only healthy ones carry traffic: {active:?}");
            prop_assert!(!active.is_empty(), "one of them does");
        }
        if status.mode == Mode::PrimaryStandby {
            prop_assert!(active.len() <= 1 && (!any || active.len() == 1), "exactly one: {active:?}");
            let first = status.members.iter().filter(|member| member.standing.export == 0).count();
            prop_assert_eq!(first, 1, "exactly one is announced as the first");
        }
        for member in &status.members {
            prop_assert_eq!(member.standing.export == 0, member.active || active.is_empty() && member.first);
        }
        while let Some(switch) = self.connection.poll_output() {
            let Cause::Recovered { tunnel } = switch.cause else { continue };
            if let Some(failed) = self.failed.get(&tunnel) {
                prop_assert!(switch.at - *failed >= self.hold, "{tunnel} came back too early");
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn one_is_active_and_nobody_comes_back_before_the_hold_down(steps in proptest::collection::vec(step(), 1..60)) {
        for mode in [Mode::PrimaryStandby, Mode::ActiveActive, Mode::MedSteered] {
            let mut observed = Observed::new(mode);
            for step in &steps {
                observed.take(*step)?;
            }
        }
    }

    #[test]
    fn a_flapping_primary_moves_traffic_at_most_once_per_hold_down(
        pauses in proptest::collection::vec(1_u64..5_000, 10..200)
    ) {
        let mut observed = Observed::new(Mode::PrimaryStandby);
        observed.take(Step::Health(TunnelId(1), None))?;
        observed.take(Step::Health(TunnelId(2), None))?;
        let start = observed.now;
        for (index, pause) in pauses.iter().enumerate() {
            let obstacle = (index % 2 == 0).then_some(Obstacle::TunnelDown);
            observed.take(Step::Health(TunnelId(1), obstacle))?;
            observed.take(Step::Pass(*pause))?;
        }
        let returns = observed.connection.status(observed.now).switches / 2;
        let elapsed = (observed.now - start).as_secs();
        prop_assert!(returns <= 1 + elapsed / 10, "{returns} returns in {elapsed} s");
    }
}
