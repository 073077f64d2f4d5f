//! The checklist of what must not go wrong between two ends: a row for each scenario, with a name, what happens, and what
//! must be seen of it. Each row is played over every line, with the parts given out either way.
//!
//! | table | what is in it |
//! |---|---|
//! | [`child_rekey`] | CHILD SAs rekeyed: regular, another group, lost, late, lost SAs, collisions with all else |
//! | [`ike_rekey`] | the same of IKE SAs |
//! | [`deletion`] | CHILD SAs and IKE SAs deleted, alone and against all else |
//! | [`creation`] | CHILD SAs asked for beside others, IKE SAs that begin without (RFC 6023) |
//! | [`synchronisation`] | message IDs after a failover (RFC 6311) |
//! | [`crossing`] | both ends begin, in every order of their messages; ten thousand crossing rekeys |
//!
//! Invariants: those of [`super::network`] after every step (no sequence begins twice under one key, what one end sends
//! with the other receives with); once it is quiet both ends agree on one IKE SA and its CHILD SAs, and nothing is left
//! of anything else; where a row says so, traffic had a usable SA all the time.

mod act;
mod child_rekey;
mod creation;
mod crossing;
mod deletion;
mod ike_rekey;
mod setting;
mod synchronisation;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use isakmp::{ExchangeType, NotifyType};

use self::act::{Act, Fates, Kind};
use self::setting::Setting;
use super::network::*;

/// `CREATE_CHILD_SA` and what follows it, requests and answers of either end.
const A_ASKS: Kind = Kind { from: A, exchange: ExchangeType::CREATE_CHILD_SA, response: false };
const B_ASKS: Kind = Kind { from: B, ..A_ASKS };
const B_ANSWERS: Kind = Kind { response: true, ..B_ASKS };
const A_ANSWERS: Kind = Kind { response: true, ..A_ASKS };
const A_FOLLOWS: Kind = Kind { exchange: ExchangeType::IKE_FOLLOWUP_KE, ..A_ASKS };
const B_FOLLOWS: Kind = Kind { exchange: ExchangeType::IKE_FOLLOWUP_KE, ..B_ASKS };
const B_ANSWERS_FOLLOWING: Kind = Kind { response: true, ..B_FOLLOWS };
const A_DELETES: Kind = Kind { exchange: ExchangeType::INFORMATIONAL, ..A_ASKS };
const B_DELETES: Kind = Kind { exchange: ExchangeType::INFORMATIONAL, ..B_ASKS };
const B_ANSWERS_DELETION: Kind = Kind { response: true, ..B_DELETES };

const BUSY: NotifyType = NotifyType::TEMPORARY_FAILURE;
const OTHER_GROUP: NotifyType = NotifyType::INVALID_KE_PAYLOAD;
const UNKNOWN: NotifyType = NotifyType::CHILD_SA_NOT_FOUND;

/// One row.
struct Scenario {
    name: &'static str,
    setting: Setting,
    script: &'static [Act],
    traffic: Traffic,
    /// What must have been said over a good line, and by whom, or the scenario is not what its name says.
    shows: &'static [(usize, NotifyType)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Traffic {
    /// Has a usable SA all the time.
    Flows,
    /// Is cut, and comes back.
    Returns,
}
use Traffic::{Flows, Returns};

const fn row(
    name: &'static str,
    setting: Setting,
    script: &'static [Act],
    traffic: Traffic,
    shows: &'static [(usize, NotifyType)],
) -> Scenario {
    Scenario { name, setting, script, traffic, shows }
}

/// What the line does to all that the script does not mention.
struct Line {
    name: &'static str,
    /// Milliseconds that everything takes.
    takes: u64,
    /// Percent lost and repeated, and random extra delay in milliseconds: it reorders.
    loss: u64,
    repeat: u64,
    jitter: u64,
}

const GOOD: Line = Line { name: "a good line", takes: 10, loss: 0, repeat: 0, jitter: 0 };

const LINES: [Line; 6] = [
    GOOD,
    Line { name: "loss", loss: 25, ..GOOD },
    Line { name: "delay", takes: 700, ..GOOD },
    Line { name: "duplication", repeat: 60, jitter: 40, ..GOOD },
    Line { name: "reordering", jitter: 1_200, ..GOOD },
    Line { name: "all of it", takes: 30, loss: 20, repeat: 30, jitter: 500 },
];

impl Line {
    fn spoil(&self, network: &mut Network, fates: Fates) {
        (network.loss, network.repeat, network.jitter) = (self.loss, self.repeat, self.jitter);
        let takes = self.takes;
        network.fate = Box::new(move |packet| fates.borrow_mut().of(packet, takes));
    }
}

/// How long the line stays as it is, and how long it is good afterwards.
const SPOILT: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(130);

/// Plays every row over every line, with either end in either part.
fn play_all(rows: &[Scenario]) {
    let mut names: Vec<_> = rows.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rows.len(), "a name for each");
    for row in rows {
        for line in &LINES {
            for swapped in [false, true] {
                for seed in 0..3 {
                    let _case = Case(format!("{} over {}, swapped {swapped}, seed {seed}", row.name, line.name));
                    play(row, line, swapped, seed);
                }
            }
        }
    }
}

fn play(row: &Scenario, line: &Line, swapped: bool, seed: u64) {
    let (mut network, children) = row.setting.build(seed, swapped);
    let fates = Rc::new(RefCell::new(act::Script::default()));
    line.spoil(&mut network, Rc::clone(&fates));
    network.reads = true;
    if row.traffic == Returns {
        // What one end has deleted, or lost, the other one may use until it hears of it.
        network.lenient_until = network.now + SPOILT + Duration::from_secs(30);
    }
    for act in row.script {
        act.take(&mut network, &fates, swapped);
    }
    network.run(SPOILT);
    GOOD.spoil(&mut network, Fates::default());
    network.run(QUIET);
    network.assert_settled_with(children);
    network.assert_nothing_half_open();
    if row.traffic == Flows {
        network.assert_no_flap();
    }
    if line.name == GOOD.name {
        for (end, notify) in row.shows {
            let said = (act::part(*end, swapped), *notify);
            assert!(network.said.contains(&said), "{notify:?} was not said: {:?}", network.said);
        }
    }
}
