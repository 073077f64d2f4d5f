//! The figures, and how they are shown.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::feed::Feed;

/// Of one round.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// From the start of the router to the last route; tunnels, where there are any, and BGP's own delays included.
    pub(crate) complete_ms: f64,
    /// From the last session, by its peer's account, to the last route.
    pub(crate) routes_ms: f64,
    /// Processor time of the router until it came to rest.
    pub(crate) processor_ms: f64,
    /// Resident memory of the router at rest.
    pub(crate) resident_mib: f64,
    /// From the death of a peer's BGP speaker until no route used it.
    pub(crate) session_lost_ms: f64,
    /// From the loss of a tunnel or cable until no route used it.
    pub(crate) way_lost_ms: f64,
}

/// All rounds of both systems.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) feed: Feed,
    pub(crate) quadspan: Vec<Sample>,
    pub(crate) bird: Vec<Sample>,
}

const EXPLANATION: &str = "\
Medians, the best round beside them, and the ratio of the medians. Quadspan runs over IPsec tunnels that it makes first,
BIRD over cables that are there.";

type Figure = (&'static str, &'static str, fn(&Sample) -> f64);

const FIGURES: [Figure; 6] = [
    ("complete_ms", "start to complete FIB, ms", |sample| sample.complete_ms),
    ("routes_ms", "last session to complete FIB, ms", |sample| sample.routes_ms),
    ("processor_ms", "processor time until then, ms", |sample| sample.processor_ms),
    ("resident_mib", "resident memory, MiB", |sample| sample.resident_mib),
    ("session_lost_ms", "session lost to FIB right, ms", |sample| sample.session_lost_ms),
    ("way_lost_ms", "tunnel or cable lost to FIB right, ms", |sample| sample.way_lost_ms),
];

impl Comparison {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let kind = if self.feed.distinct { "distinct" } else { "equal" };
        let mut text = format!(
            "4 sessions, {} {kind} prefixes each; {} rounds\n{:<38}{:>10}{:>9}{:>10}{:>9}{:>8}\n",
            self.feed.prefixes,
            self.quadspan.len(),
            "",
            "Quadspan",
            "best",
            "BIRD",
            "best",
            "ratio"
        );
        for (_, title, figure) in FIGURES {
            let (ours, theirs) = (Spread::of(&self.quadspan, figure), Spread::of(&self.bird, figure));
            let _infallible = writeln!(
                text,
                "{title:<38}{:>10.1}{:>9.1}{:>10.1}{:>9.1}{:>8}",
                ours.median,
                ours.best,
                theirs.median,
                theirs.best,
                ratio(ours.median, theirs.median)
            );
        }
        text + EXPLANATION
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let spread = |samples: &[Sample]| -> Map<String, Value> {
            let of = |figure| serde_json::to_value(Spread::of(samples, figure)).unwrap_or_default();
            FIGURES.iter().map(|(name, _, figure)| ((*name).to_owned(), of(*figure))).collect()
        };
        let comparison = json!({
            "sessions": 4,
            "prefixes": self.feed.prefixes,
            "distinct": self.feed.distinct,
            "quadspan": { "summary": spread(&self.quadspan), "rounds": self.quadspan },
            "bird": { "summary": spread(&self.bird), "rounds": self.bird },
        });
        comparison.to_string()
    }
}

/// One figure over all rounds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Spread {
    best: f64,
    median: f64,
    worst: f64,
}

impl Spread {
    fn of(samples: &[Sample], figure: fn(&Sample) -> f64) -> Self {
        let mut values: Vec<f64> = samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        match values.as_slice() {
            [] => Self::default(),
            [only] => Self { best: *only, median: *only, worst: *only },
            [best, .., worst] => Self { best: *best, median: values[values.len() / 2], worst: *worst },
        }
    }
}

fn ratio(ours: f64, theirs: f64) -> String {
    if theirs > 0.0 { format!("{:.2}", ours / theirs) } else { "-".to_owned() }
}
