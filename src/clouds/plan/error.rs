//! Why there is no plan.

use profile::Profile;

use super::Remark;
use crate::ExportError;

/// Why there is no plan. Nothing is written then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("this is not a plan: {0}")]
    Syntax(String),
    /// A value that is not of its kind.
    #[error("{key} is `{value}`, expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// A plan has two sides.
    #[error("a plan has two sides, and these are {count}")]
    Sides {
        /// How many there are.
        count: usize,
    },
    /// Too many or too few outside addresses.
    #[error("{side} has {count} outside addresses; a plan of four tunnels takes {takes}")]
    Outside {
        /// The side.
        side: String,
        /// How many it has.
        count: usize,
        /// How many there should be.
        takes: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Both ends take the same host of a link.
    #[error("{} and {} both take the {host} host of an inside link", .clouds[0].title(), .clouds[1].title())]
    Hosts {
        /// The clouds.
        clouds: [Profile; 2],
        /// Which host.
        host: &'static str,
    },
    /// No link that both clouds take is left.
    #[error("there is no inside link left that both {} and {} take", .clouds[0].title(), .clouds[1].title())]
    Links {
        /// The clouds.
        clouds: [Profile; 2],
    },
    /// No suite that both clouds have.
    #[error("{} and {} have no strong suite in common", .sides[0], .sides[1])]
    Suites {
        /// The clouds.
        sides: [String; 2],
    },
    /// A rule of one of the clouds is broken by the facts themselves.
    #[error("{} {}", .0.code, .0.message)]
    Rule(Remark),
    /// There are not four keys.
    #[error("there are {keys} keys for {tunnels} tunnels")]
    Keys {
        /// How many keys.
        keys: usize,
        /// How many tunnels.
        tunnels: usize,
    },
    /// A cloud's input cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl PlanError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Syntax(_) => "begin with `sides:` and two entries with cloud, asn, outside, networks".to_owned(),
            Self::Value { .. } => "correct the value".to_owned(),
            Self::Sides { .. } => "give `--side` twice, or two entries below `sides:`".to_owned(),
            Self::Outside { remedy, .. } => (*remedy).to_owned(),
            Self::Hosts { .. } => "put a router of your own between the two, and plan each half".to_owned(),
            Self::Links { .. } => {
                "give links free that are avoided, or put a router of your own between the two".to_owned()
            }
            Self::Suites { .. } => "put a router of your own between the two".to_owned(),
            Self::Rule(remark) => remark.remedy.clone(),
            Self::Keys { .. } => "give one key per tunnel".to_owned(),
            Self::Export(error) => error.remedy(),
        }
    }
}
