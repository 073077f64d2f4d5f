//! What comes out: findings, ladders, and both together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::evidence::{Evidence, RouterState};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something works less well than it could, or will not work much longer.
    Warning,
    /// Something does not work.
    Failure,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Warning => "warning",
            Self::Failure => "failure",
        })
    }
}

/// Where on the way from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// The machine and the process, below everything.
    Machine,
    /// The IKE SA.
    Ike,
    /// The CHILD SAs.
    Ipsec,
    /// Packets between the inside addresses.
    Inside,
    /// The BGP session.
    Bgp,
    /// The kernel's routes.
    Fib,
    /// Packets of others, from network to network.
    Path,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Machine => "machine",
            Self::Ike => "ike",
            Self::Ipsec => "ipsec",
            Self::Inside => "inside",
            Self::Bgp => "bgp",
            Self::Fib => "fib",
            Self::Path => "path",
        })
    }
}

/// How a rung is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It carries.
    Ok,
    /// It carries, with a warning.
    Warning,
    /// It does not carry.
    Failure,
    /// Nothing tells.
    Unknown,
}

/// One rung of one ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub rung: Rung,
    /// How it is.
    pub outcome: Outcome,
    /// Why, in a few words.
    pub text: String,
}

impl Step {
    pub(crate) fn new(rung: Rung, outcome: Outcome, text: impl Into<String>) -> Self {
        Self { rung, outcome, text: text.into() }
    }
}

/// What a ladder leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LadderKind {
    /// The other end of a tunnel.
    Tunnel,
    /// A BGP peer outside the tunnels.
    Neighbor,
}

/// The way to one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// Name of the tunnel or the neighbour.
    pub name: String,
    /// Which of the two.
    pub kind: LadderKind,
    /// From the bottom up.
    pub steps: Vec<Step>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of thing, `QD0204`; stable.
    pub code: String,
    /// In a few words.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub rung: Rung,
    /// The tunnel, the neighbour or the pool; nothing for the machine.
    pub about: Option<String>,
    /// What was seen.
    pub finding: String,
    /// What is behind it.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// The rules that it applies.
    pub sources: Vec<String>,
}

/// All in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing was found.
    Ok,
    /// Nothing worse than warnings.
    Warnings,
    /// Something does not work.
    Failures,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// In one word.
    pub verdict: Verdict,
    /// The router's name, if known.
    pub router: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// One ladder for each tunnel and each neighbour.
    pub ladders: Vec<Ladder>,
    /// The worst first, then from the bottom up.
    pub findings: Vec<Finding>,
}

/// Findings while they are being made.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one.
    pub(crate) fn push(
        &mut self,
        code: Code,
        severity: Severity,
        about: Option<&str>,
        finding: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Finding {
            code: code.as_str().to_owned(),
            title: code.title().to_owned(),
            severity,
            rung: code.rung(),
            about: about.map(str::to_owned),
            finding: finding.into(),
            cause: code.cause().to_owned(),
            remedy: remedy.into(),
            sources: code.sources().iter().map(|source| (*source).to_owned()).collect(),
        });
    }

    /// Adds a failure.
    pub(crate) fn fail(
        &mut self,
        code: Code,
        about: Option<&str>,
        finding: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(code, Severity::Failure, about, finding, remedy);
    }

    /// Adds a warning.
    pub(crate) fn warn(
        &mut self,
        code: Code,
        about: Option<&str>,
        finding: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(code, Severity::Warning, about, finding, remedy);
    }

    /// The first of these about `about` or about the machine, with the worst severity of all of them.
    pub(crate) fn worst(&self, codes: &[Code], about: Option<&str>) -> Option<(Code, Severity)> {
        let relevant = |code: &Code| {
            let found = self.0.iter().filter(|finding| finding.code == code.as_str());
            found
                .filter(|found| found.about.is_none() || found.about.as_deref() == about)
                .map(|found| found.severity)
                .max()
        };
        let all = codes.iter().filter_map(|code| Some((*code, relevant(code)?)));
        all.max_by_key(|(code, severity)| (*severity, std::cmp::Reverse(*code)))
    }

    pub(crate) fn into_report(mut self, evidence: &Evidence, ladders: Vec<Ladder>) -> Report {
        self.0.sort_by(|a, b| (b.severity, a.rung, &a.code, &a.about).cmp(&(a.severity, b.rung, &b.code, &b.about)));
        let verdict = match self.0.first().map(|worst| worst.severity) {
            None => Verdict::Ok,
            Some(Severity::Warning) => Verdict::Warnings,
            Some(Severity::Failure) => Verdict::Failures,
        };
        Report {
            verdict,
            router: evidence.name.clone(),
            running: matches!(evidence.router, RouterState::Running { .. }),
            ladders,
            findings: self.0,
        }
    }
}
