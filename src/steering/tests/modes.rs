//! What each mode does about failures, recoveries, the operator and the peer's MEDs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use wire::ipsec::TunnelId;

use crate::{Cause, Config, Connection, Failback, Member, Mode, Obstacle, Refusal, Standing};

const T1: TunnelId = TunnelId(1);
const T2: TunnelId = TunnelId(2);
const T3: TunnelId = TunnelId(3);
const DOWN: Option<Obstacle> = Some(Obstacle::TunnelDown);

struct Bench {
    connection: Connection,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(mode: Mode, priorities: &[(TunnelId, u16)]) -> Self {
        let start = Instant::now();
        Self { connection: Connection::new(config(mode, priorities), start), start, now: start }
    }

    fn all_up(mode: Mode, priorities: &[(TunnelId, u16)]) -> Self {
        let mut bench = Self::new(mode, priorities);
        priorities.iter().for_each(|(tunnel, _)| bench.health(*tunnel, None));
        bench
    }

    fn health(&mut self, tunnel: TunnelId, obstacle: Option<Obstacle>) {
        self.connection.handle_health(tunnel, obstacle, self.now);
    }

    /// Time passes, with a call at every deadline on the way.
    fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.connection.poll_timeout().filter(|due| *due <= until) {
            assert!(due > self.now, "a deadline lies ahead");
            self.now = due;
            self.connection.handle_timeout(due);
        }
        self.now = until;
    }

    fn active(&self) -> Vec<TunnelId> {
        self.connection.active().collect()
    }

    fn last(&self) -> (Vec<TunnelId>, Cause, u64) {
        let last = self.connection.status(self.now).last.expect("it switched");
        (last.to, last.cause, (last.at - self.start).as_secs())
    }

    /// Inwards and outwards, in order of number.
    fn standings(&self) -> Vec<(u8, u8)> {
        self.connection.standings().map(|(_, Standing { import, export })| (import, export)).collect()
    }
}

fn config(mode: Mode, priorities: &[(TunnelId, u16)]) -> Config {
    let members = priorities.iter().map(|(tunnel, priority)| Member { tunnel: *tunnel, priority: *priority }).collect();
    Config { mode, members, failback: Failback::default() }
}

fn primary_standby() -> Bench {
    Bench::all_up(Mode::PrimaryStandby, &[(T1, 1), (T2, 2)])
}

#[test]
fn the_primary_takes_over_without_delay_when_the_router_starts() {
    let mut bench = Bench::new(Mode::PrimaryStandby, &[(T1, 1), (T2, 2)]);
    assert_eq!(bench.active(), []);
    bench.health(T2, None);
    assert_eq!((bench.active(), bench.last().1), (vec![T2], Cause::Began));
    bench.health(T1, None);
    assert_eq!((bench.active(), bench.last().1), (vec![T1], Cause::Recovered { tunnel: T1 }));
}

#[test]
fn traffic_leaves_a_failed_primary_at_once_and_returns_after_the_hold_down() {
    let mut bench = primary_standby();
    bench.pass(100);
    bench.health(T1, DOWN);
    assert_eq!(
        (bench.active(), bench.last().1),
        (vec![T2], Cause::Failed { tunnel: T1, obstacle: Obstacle::TunnelDown })
    );
    bench.pass(50);
    bench.health(T1, None);
    bench.pass(9);
    assert_eq!(bench.active(), [T2], "held down for 10 s");
    bench.pass(1);
    assert_eq!(bench.last(), (vec![T1], Cause::Recovered { tunnel: T1 }, 160));
}

#[test]
fn the_hold_down_doubles_with_each_failure_up_to_its_limit_and_is_forgotten_in_time() {
    let mut bench = primary_standby();
    for hold in [10, 20, 40, 80, 160, 320, 600, 600] {
        bench.health(T1, DOWN);
        bench.pass(1);
        bench.health(T1, None);
        bench.pass(hold - 1);
        assert_eq!(bench.active(), [T2], "a hold-down of {hold} s");
        bench.pass(1);
        assert_eq!(bench.active(), [T1], "a hold-down of {hold} s");
    }
    let flaps = bench.connection.status(bench.now).members[0].flaps;
    assert_eq!(flaps, 6, "two of eight were forgotten in the last two times 600 s");
    bench.pass(3 * 600);
    assert_eq!(bench.connection.status(bench.now).members[0].flaps, 3);
    bench.health(T1, DOWN);
    bench.health(T1, None);
    assert_eq!(bench.connection.status(bench.now).members[0].held_for, Some(Duration::from_secs(80)), "the fourth");
}

#[test]
fn a_failure_during_the_hold_down_begins_it_anew() {
    let mut bench = primary_standby();
    bench.health(T1, DOWN);
    bench.health(T1, None);
    bench.pass(9);
    bench.health(T1, DOWN);
    bench.health(T1, None);
    bench.pass(19);
    assert_eq!(bench.active(), [T2]);
    bench.pass(1);
    assert_eq!(bench.active(), [T1]);
}

#[test]
fn a_tunnel_in_its_hold_down_is_better_than_none() {
    let mut bench = primary_standby();
    bench.health(T1, DOWN);
    bench.health(T1, None);
    bench.health(T2, DOWN);
    assert_eq!(bench.active(), [T1]);
    bench.health(T2, None);
    bench.pass(1000);
    assert_eq!(bench.active(), [T1]);
}

#[test]
fn a_steady_third_tunnel_is_better_than_one_in_its_hold_down() {
    let mut bench = Bench::all_up(Mode::PrimaryStandby, &[(T1, 1), (T2, 2), (T3, 3)]);
    bench.health(T1, DOWN);
    bench.health(T1, None);
    bench.health(T2, DOWN);
    assert_eq!(bench.active(), [T3]);
    bench.pass(10);
    assert_eq!(bench.active(), [T1]);
}

#[test]
fn standings_follow_roles_health_and_priority() {
    let mut bench = Bench::new(Mode::PrimaryStandby, &[(T1, 1), (T2, 2), (T3, 3)]);
    assert_eq!(bench.standings(), [(0, 0), (1, 1), (2, 2)], "by priority before any is up");
    for tunnel in [T1, T2, T3] {
        bench.health(tunnel, None);
    }
    bench.health(T1, DOWN);
    assert_eq!(bench.standings(), [(2, 2), (0, 0), (1, 1)], "what is down is last");
    bench.health(T1, None);
    assert_eq!(bench.standings(), [(1, 1), (0, 0), (2, 2)], "it stands by");
    bench.pass(10);
    assert_eq!(bench.standings(), [(0, 0), (1, 1), (2, 2)]);
}

#[test]
fn all_tunnels_of_the_best_priority_are_active_side_by_side() {
    let mut bench = Bench::all_up(Mode::ActiveActive, &[(T1, 1), (T2, 1), (T3, 2)]);
    assert_eq!(bench.active(), [T1, T2]);
    bench.health(T1, DOWN);
    assert_eq!(bench.active(), [T2]);
    bench.health(T2, DOWN);
    assert_eq!(bench.active(), [T3]);
    bench.health(T1, None);
    bench.pass(10);
    assert_eq!(bench.active(), [T1]);
    bench.health(T2, None);
    bench.pass(10);
    assert_eq!((bench.active(), bench.last().1), (vec![T1, T2], Cause::Recovered { tunnel: T2 }));
}

#[test]
fn the_peers_meds_choose_among_healthy_tunnels_without_changing_what_we_prefer() {
    let mut bench = Bench::all_up(Mode::MedSteered, &[(T1, 1), (T2, 1)]);
    assert_eq!(bench.active(), [T1, T2]);
    bench.connection.handle_preference(BTreeSet::from([T2]), bench.now);
    assert_eq!((bench.active(), bench.last().1), (vec![T2], Cause::Med));
    assert_eq!(bench.standings(), [(0, 1), (0, 0)], "our own preference stays equal, or the MED could not decide");
    bench.health(T2, DOWN);
    assert_eq!(bench.active(), [T1]);
    bench.health(T2, None);
    assert_eq!(bench.active(), [T1]);
    bench.pass(10);
    assert_eq!(bench.active(), [T2]);
    bench.connection.handle_preference(BTreeSet::new(), bench.now);
    assert_eq!(bench.active(), [T1, T2]);
}

#[test]
fn the_operators_choice_holds_until_released_and_yields_to_failures() {
    let mut bench = primary_standby();
    bench.pass(60);
    assert_eq!(bench.connection.switch(None, bench.now), Ok(T2));
    assert_eq!((bench.active(), bench.last().1), (vec![T2], Cause::Operator));
    bench.pass(10_000);
    assert_eq!(bench.active(), [T2]);
    bench.health(T2, DOWN);
    assert_eq!(bench.active(), [T1], "a failed tunnel carries nothing, whoever wants it");
    bench.health(T2, None);
    bench.pass(10);
    assert_eq!(bench.active(), [T2], "the choice still stands");
    assert!(bench.connection.release(bench.now));
    assert_eq!((bench.active(), bench.last().1), (vec![T1], Cause::Released));
    assert!(!bench.connection.release(bench.now));
}

#[test]
fn traffic_is_not_moved_to_where_it_cannot_go() {
    let mut bench = primary_standby();
    bench.health(T2, Some(Obstacle::BgpDown));
    assert_eq!(bench.connection.switch(Some(T3), bench.now), Err(Refusal::NoMember));
    assert_eq!(bench.connection.switch(Some(T2), bench.now), Err(Refusal::Unhealthy(T2, Obstacle::BgpDown)));
    assert_eq!(bench.connection.switch(None, bench.now), Err(Refusal::NoOther));
    assert_eq!(bench.active(), [T1]);
}

#[test]
fn the_operator_can_end_a_hold_down() {
    let mut bench = primary_standby();
    bench.health(T1, DOWN);
    bench.health(T1, None);
    assert_eq!(bench.connection.switch(Some(T1), bench.now), Ok(T1));
    assert_eq!(bench.active(), [T1]);
    bench.connection.release(bench.now);
    assert_eq!(bench.active(), [T1]);
}

#[test]
fn targets_that_answer_through_no_tunnel_do_not_stop_all_traffic() {
    let mut bench = primary_standby();
    bench.health(T1, Some(Obstacle::Probes));
    assert_eq!(bench.active(), [T2]);
    bench.health(T2, Some(Obstacle::Probes));
    assert_eq!(bench.active(), [T2], "the last one that worked");
    bench.health(T2, DOWN);
    assert_eq!(bench.active(), [T1]);
    bench.health(T1, None);
    assert_eq!(bench.active(), [T1]);
    bench.health(T1, Some(Obstacle::BgpDown));
    assert_eq!(bench.active(), [], "where there is more against it than probes, it carries nothing");
    let probed = Some(Obstacle::Unprobed);
    bench.health(T1, probed);
    assert_eq!(bench.active(), [], "an answer may still come");
}

#[test]
fn a_drained_tunnel_is_left_and_taken_back_without_a_hold_down() {
    let mut bench = primary_standby();
    bench.health(T1, Some(Obstacle::Drained));
    assert_eq!(bench.active(), [T2]);
    bench.health(T1, None);
    assert_eq!(bench.active(), [T1], "the operator's doing is no flap");
}

#[test]
fn a_reload_keeps_what_is_known_of_tunnels_that_stay() {
    let mut bench = primary_standby();
    bench.health(T1, DOWN);
    bench.pass(1);
    bench.health(T1, None);
    bench.pass(1);
    let before = bench.connection.status(bench.now);
    bench.connection.reconfigure(config(Mode::PrimaryStandby, &[(T1, 1), (T2, 2)]), bench.now);
    assert_eq!(bench.connection.status(bench.now), before, "nothing changed");
    bench.connection.reconfigure(config(Mode::PrimaryStandby, &[(T1, 1), (T2, 2), (T3, 3)]), bench.now);
    let after = bench.connection.status(bench.now);
    assert_eq!((after.members[0], after.members[1]), (before.members[0], before.members[1]));
    assert_eq!(bench.active(), [T2]);
    bench.connection.reconfigure(config(Mode::PrimaryStandby, &[(T1, 1)]), bench.now);
    assert_eq!((bench.active(), bench.last().1), (vec![T1], Cause::Reconfigured));
}
