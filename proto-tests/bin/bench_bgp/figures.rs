//! The figures, and how they are shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::dut::System;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    /// First octet sent to the last distinct prefix at the receiver.
    LastPrefix,
    /// First octet sent until the receiver has the best path of every prefix.
    LastBest,
    /// Resident memory then.
    Resident,
    /// Processor time for it.
    Processor,
    /// Best peer lost until the receiver has another path of every prefix.
    BestLost,
    /// Order to announce with a MED until the receiver has it with every prefix.
    Policy,
    /// First octet sent until the kernel has every prefix with four next hops.
    Filled,
    /// Resident memory then.
    FilledResident,
    /// A cable pulled until no route of the kernel uses it.
    LinkLost,
    /// A session lost until no route of the kernel uses it.
    SessionLost,
    /// The far end of a tunnel told to delete it, until no route of the kernel uses it.
    TunnelDeleted,
    /// The same for a process at the far end told to stop.
    TunnelStopped,
}

impl Measure {
    const ALL: [Self; 12] = [
        Self::LastPrefix,
        Self::LastBest,
        Self::Resident,
        Self::Processor,
        Self::BestLost,
        Self::Policy,
        Self::Filled,
        Self::FilledResident,
        Self::LinkLost,
        Self::SessionLost,
        Self::TunnelDeleted,
        Self::TunnelStopped,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::LastPrefix => "last_prefix_ms",
            Self::LastBest => "last_best_ms",
            Self::Resident => "resident_mib",
            Self::Processor => "processor_s",
            Self::BestLost => "best_lost_ms",
            Self::Policy => "policy_ms",
            Self::Filled => "filled_ms",
            Self::FilledResident => "filled_resident_mib",
            Self::LinkLost => "link_lost_ms",
            Self::SessionLost => "session_lost_ms",
            Self::TunnelDeleted => "tunnel_deleted_ms",
            Self::TunnelStopped => "tunnel_stopped_ms",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::LastPrefix => "4 announce the same, the 5th has every prefix, ms",
            Self::LastBest => "  .. and every best path, ms",
            Self::Resident => "  resident memory then, MiB",
            Self::Processor => "  processor time for it, s",
            Self::BestLost => "best peer lost, all announced anew, ms",
            Self::Policy => "policy changed, all announced anew, ms",
            Self::Filled => "4-way routes into the kernel, ms",
            Self::FilledResident => "  resident memory then, MiB",
            Self::LinkLost => "one of 4 links lost, kernel right, ms",
            Self::SessionLost => "one of 3 sessions lost, kernel right, ms",
            Self::TunnelDeleted => "one of 4 tunnels deleted, kernel right, ms",
            Self::TunnelStopped => "peer of one of 3 tunnels stops, kernel right, ms",
        }
    }
}

/// What a cell of the table says.
#[derive(Clone, Debug)]
enum Cell {
    /// All rounds.
    Values(Vec<f64>),
    /// Why there is none.
    Word(&'static str),
}

/// Everything measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    cells: BTreeMap<(Measure, u32, System), Cell>,
}

const EXPLANATION: &str = "\
Medians of all rounds; behind each its ratio to BIRD's. All routers ran alone, on plain links, fed by the same programs.
-: not a part of this run, or not something that router does.";
const WIDTH: usize = 19;

impl Figures {
    /// One more value.
    pub(crate) fn add(&mut self, measure: Measure, prefixes: u32, system: System, value: f64) {
        let cell = self.cells.entry((measure, prefixes, system)).or_insert(Cell::Word("-"));
        match cell {
            Cell::Values(values) => values.push(value),
            Cell::Word(_) => *cell = Cell::Values(vec![value]),
        }
    }

    /// Says why there is no value, where there is none.
    pub(crate) fn say(&mut self, measure: Measure, prefixes: u32, system: System, word: &'static str) {
        self.cells.entry((measure, prefixes, system)).or_insert(Cell::Word(word));
    }

    /// For people.
    pub(crate) fn table(&self, systems: &[System]) -> String {
        let mut text = String::new();
        for measure in Measure::ALL {
            let mut sizes: Vec<u32> =
                self.cells.keys().filter(|(of, _, _)| *of == measure).map(|(_, size, _)| *size).collect();
            sizes.dedup();
            if sizes.is_empty() {
                continue;
            }
            let _infallible = write!(text, "{:<52}", measure.title());
            for system in systems {
                let _infallible = write!(text, "{:>WIDTH$}", system.title());
            }
            text += "\n";
            for size in sizes {
                let _infallible = write!(text, "{:>52}", grouped(size));
                for system in systems {
                    let _infallible = write!(text, "{:>WIDTH$}", self.cell(measure, size, *system));
                }
                text += "\n";
            }
        }
        text + EXPLANATION
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<Value> = self
            .cells
            .iter()
            .filter_map(|((measure, prefixes, system), cell)| match cell {
                Cell::Values(values) => Some(json!({
                    "measure": measure.name(),
                    "prefixes": prefixes,
                    "system": system.title(),
                    "median": median(values),
                    "values": values,
                    "ratio_to_bird": self.ratio(*measure, *prefixes, *system),
                })),
                Cell::Word(_) => None,
            })
            .collect();
        json!({ "rows": rows }).to_string()
    }

    fn cell(&self, measure: Measure, size: u32, system: System) -> String {
        match self.cells.get(&(measure, size, system)) {
            None => "-".to_owned(),
            Some(Cell::Word(word)) => (*word).to_owned(),
            Some(Cell::Values(values)) => {
                let value = median(values);
                let decimals = if value < 10.0 { 2 } else { usize::from(value < 1000.0) };
                let ratio = self.ratio(measure, size, system).map(|ratio| format!("{ratio:>5.2}x"));
                format!("{value:.decimals$} {:>6}", ratio.unwrap_or_default())
            }
        }
    }

    fn ratio(&self, measure: Measure, size: u32, system: System) -> Option<f64> {
        let of = |system| match self.cells.get(&(measure, size, system)) {
            Some(Cell::Values(values)) => Some(median(values)),
            Some(Cell::Word(_)) | None => None,
        };
        of(System::Bird).filter(|theirs| *theirs > 0.0).zip(of(system)).map(|(theirs, ours)| ours / theirs)
    }
}

/// Of one value or more.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}
