//! The figures, and how they are shown.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Case;

/// What one system needed for some handshakes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) handshakes: u32,
    /// By the clock on the wall, first to last.
    pub(crate) elapsed: Duration,
    /// Processor time of the end that began.
    pub(crate) initiator: Duration,
    /// Processor time of the other.
    pub(crate) responder: Duration,
}

/// One case, with so many tunnels at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) tunnels: u8,
    pub(crate) handshakes: u32,
    pub(crate) quadspan: Sample,
    pub(crate) strongswan: Sample,
}

/// All rows.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) rows: Vec<Row>,
}

const EXPLANATION: &str = "\
ms: processor time per handshake, DELETE included. per core: what one core would do per second if that side had it for
itself. both: handshakes per second by the clock, both ends on this machine. ratio: Quadspan's rate over strongSwan's.";

impl Sample {
    fn per_handshake_ms(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e3 / f64::from(self.handshakes.max(1))
    }

    fn per_core(&self, time: Duration) -> f64 {
        if time.is_zero() { 0.0 } else { f64::from(self.handshakes) / time.as_secs_f64() }
    }

    fn json(&self) -> Value {
        json!({
            "handshakes_per_second": self.per_core(self.elapsed),
            "initiator": { "ms": self.per_handshake_ms(self.initiator), "per_core": self.per_core(self.initiator) },
            "responder": { "ms": self.per_handshake_ms(self.responder), "per_core": self.per_core(self.responder) },
        })
    }
}

impl Row {
    fn ratios(&self) -> [f64; 3] {
        let (ours, theirs) = (&self.quadspan, &self.strongswan);
        [
            ratio(ours.per_core(ours.initiator), theirs.per_core(theirs.initiator)),
            ratio(ours.per_core(ours.responder), theirs.per_core(theirs.responder)),
            ratio(ours.per_core(ours.elapsed), theirs.per_core(theirs.elapsed)),
        ]
    }
}

impl Comparison {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<26}{:>9}{:>9}{:>10}{:>9}{:>10}{:>9}\n",
            "", "at once", "init ms", "per core", "resp ms", "per core", "both"
        );
        for row in &self.rows {
            let _infallible = writeln!(text, "{} ({} handshakes)", row.case.title, row.handshakes);
            for (name, sample) in [("  Quadspan", &row.quadspan), ("  strongSwan", &row.strongswan)] {
                let _infallible = writeln!(
                    text,
                    "{name:<26}{:>9}{:>9.3}{:>10.0}{:>9.3}{:>10.0}{:>9.0}",
                    row.tunnels,
                    sample.per_handshake_ms(sample.initiator),
                    sample.per_core(sample.initiator),
                    sample.per_handshake_ms(sample.responder),
                    sample.per_core(sample.responder),
                    sample.per_core(sample.elapsed),
                );
            }
            let [initiator, responder, both] = row.ratios();
            let _infallible = writeln!(
                text,
                "{:<26}{:>9}{:>9}{initiator:>9.1}x{:>9}{responder:>9.1}x{both:>8.1}x",
                "  ratio", "", "", ""
            );
        }
        text + EXPLANATION
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let [initiator, responder, both] = row.ratios();
                json!({
                    "case": row.case.title,
                    "ike": row.case.ike,
                    "at_once": row.tunnels,
                    "handshakes": row.handshakes,
                    "quadspan": row.quadspan.json(),
                    "strongswan": row.strongswan.json(),
                    "ratio": { "initiator": initiator, "responder": responder, "both": both },
                })
            })
            .collect();
        json!({ "rows": rows }).to_string()
    }
}

fn ratio(ours: f64, theirs: f64) -> f64 {
    if theirs > 0.0 { ours / theirs } else { 0.0 }
}
