//! The figures, and how they are shown.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

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
            "4 sessions, {} {kind} prefixes each; median of {} rounds\n{:<40}{:>12}{:>12}{:>9}\n",
            self.feed.prefixes,
            self.quadspan.len(),
            "",
            "Quadspan",
            "BIRD",
            "ratio"
        );
        for (_, title, figure) in FIGURES {
            let (ours, theirs) = (median(&self.quadspan, figure), median(&self.bird, figure));
            let _infallible = writeln!(text, "{title:<40}{ours:>12.1}{theirs:>12.1}{:>9}", ratio(ours, theirs));
        }
        text + "Quadspan runs over IPsec tunnels that it makes first, BIRD over cables that are there."
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let medians = |samples: &[Sample]| -> serde_json::Map<String, serde_json::Value> {
            FIGURES.iter().map(|(name, _, figure)| ((*name).to_owned(), median(samples, *figure).into())).collect()
        };
        let comparison = json!({
            "sessions": 4,
            "prefixes": self.feed.prefixes,
            "distinct": self.feed.distinct,
            "quadspan": { "median": medians(&self.quadspan), "rounds": self.quadspan },
            "bird": { "median": medians(&self.bird), "rounds": self.bird },
        });
        comparison.to_string()
    }
}

fn median(samples: &[Sample], figure: fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ratio(ours: f64, theirs: f64) -> String {
    if theirs > 0.0 { format!("{:.2}", ours / theirs) } else { "-".to_owned() }
}
