//! What answers, and their absence, come to.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::{HealthCheck, Policy, Target, Verdict, Watch, WatchOutput};

struct Bench {
    watch: Watch,
    now: Instant,
    /// Which targets answer.
    alive: Vec<bool>,
    verdicts: Vec<Verdict>,
}

impl Bench {
    fn new(policy: Policy, alive: &[bool]) -> Self {
        Self {
            watch: Watch::new(check(policy, alive.len())),
            now: Instant::now(),
            alive: alive.to_vec(),
            verdicts: vec![],
        }
    }

    fn started(policy: Policy, alive: &[bool]) -> Self {
        let mut bench = Self::new(policy, alive);
        bench.watch.start(bench.now);
        bench.drain();
        bench
    }

    fn drain(&mut self) {
        while let Some(output) = self.watch.poll_output() {
            match output {
                WatchOutput::Ask { index, round, .. } => {
                    if self.alive[index] {
                        self.watch.handle_answer(index, round, true, self.now);
                    }
                }
                WatchOutput::Verdict(verdict) => self.verdicts.push(verdict),
            }
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        let until = self.now + Duration::from_millis(milliseconds);
        while let Some(due) = self.watch.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.watch.handle_timeout(due);
            self.drain();
        }
        self.now = until;
    }

    fn taken(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }
}

fn check(policy: Policy, targets: usize) -> HealthCheck {
    let target = |number: usize| Target::Icmp(IpAddr::from([10, 2, 0, u8::try_from(number).unwrap()]));
    HealthCheck {
        probes: (0..targets).map(target).collect(),
        policy,
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(500),
        down_after: 3,
        up_after: 2,
    }
}

#[test]
fn the_first_answer_makes_a_tunnel_good() {
    let mut bench = Bench::started(Policy::Any, &[true]);
    assert_eq!(bench.taken(), [Verdict::Good]);
    bench.pass(60_000);
    assert_eq!(bench.taken(), []);
}

#[test]
fn so_many_missing_answers_in_a_row_make_it_bad_and_so_many_given_good_again() {
    let mut bench = Bench::started(Policy::Any, &[true]);
    bench.taken();
    bench.alive = vec![false];
    bench.pass(1);
    bench.pass(3_490);
    assert_eq!(bench.taken(), [], "the third round's limit is not over");
    bench.pass(10);
    assert_eq!(bench.taken(), [Verdict::Bad]);
    bench.alive = vec![true];
    bench.pass(1_000);
    assert_eq!(bench.taken(), [], "one answer is not enough");
    bench.pass(1_000);
    assert_eq!(bench.taken(), [Verdict::Good]);
}

#[test]
fn a_single_lost_answer_changes_nothing() {
    let mut bench = Bench::started(Policy::All, &[true, true]);
    bench.taken();
    for round in 0..20 {
        bench.alive = vec![round % 3 == 0, true];
        bench.pass(1_000);
    }
    assert_eq!(bench.taken(), []);
}

#[test]
fn the_policy_says_how_many_have_to_answer() {
    let cases = [
        (Policy::Any, [true, false], Verdict::Good),
        (Policy::Any, [false, false], Verdict::Bad),
        (Policy::All, [true, true], Verdict::Good),
        (Policy::All, [true, false], Verdict::Bad),
    ];
    for (policy, alive, expected) in cases {
        let mut bench = Bench::started(policy, &alive);
        bench.pass(5_000);
        assert_eq!(bench.watch.verdict(), expected, "{policy} of {alive:?}");
    }
}

#[test]
fn nothing_is_said_before_there_was_time_for_an_answer() {
    let mut bench = Bench::started(Policy::Any, &[false]);
    bench.pass(2_400);
    assert_eq!(bench.taken(), []);
    assert_eq!(bench.watch.verdict(), Verdict::Unknown);
    bench.pass(200);
    assert_eq!(bench.taken(), [Verdict::Bad]);
}

#[test]
fn a_late_answer_and_one_of_another_round_count_for_nothing() {
    let mut bench = Bench::new(Policy::Any, &[false]);
    bench.watch.start(bench.now);
    let Some(WatchOutput::Ask { index, round, .. }) = bench.watch.poll_output() else { panic!("nobody was asked") };
    bench.watch.handle_answer(index, round + 1, true, bench.now);
    bench.watch.handle_answer(index + 1, round, true, bench.now);
    bench.watch.handle_answer(index, round, true, bench.now + Duration::from_millis(501));
    assert_eq!(bench.watch.verdict(), Verdict::Unknown);
    bench.watch.handle_answer(index, round, true, bench.now + Duration::from_millis(500));
    assert_eq!(bench.watch.verdict(), Verdict::Good);
    bench.watch.handle_answer(index, round, false, bench.now + Duration::from_millis(500));
    assert_eq!(bench.watch.verdict(), Verdict::Good, "it has answered already");
}

#[test]
fn a_tunnel_does_not_become_good_by_coming_up_again() {
    let mut bench = Bench::started(Policy::Any, &[true]);
    bench.watch.stop();
    assert_eq!(bench.watch.verdict(), Verdict::Unknown, "what was good is asked anew");
    assert_eq!(bench.watch.poll_timeout(), None, "nobody is asked while it is down");
    bench.alive = vec![false];
    bench.watch.start(bench.now);
    bench.pass(5_000);
    bench.watch.stop();
    assert_eq!(bench.watch.verdict(), Verdict::Bad);
    bench.alive = vec![true];
    bench.watch.start(bench.now);
    bench.drain();
    assert_eq!(bench.watch.verdict(), Verdict::Bad, "it has to answer twice in a row");
    bench.pass(1_000);
    assert_eq!(bench.watch.verdict(), Verdict::Good);
}

#[test]
fn a_reload_keeps_what_is_known_of_targets_that_stay() {
    let mut bench = Bench::started(Policy::Any, &[true, false]);
    bench.pass(5_000);
    bench.taken();
    bench.watch.reconfigure(check(Policy::Any, 1), bench.now);
    assert_eq!(bench.watch.verdict(), Verdict::Good);
    bench.watch.reconfigure(check(Policy::All, 3), bench.now);
    assert_eq!(bench.watch.verdict(), Verdict::Unknown, "two that nobody has asked");
}
