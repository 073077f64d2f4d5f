//! What a request comes to where no view is asked for: that it was done, or why it was not.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::explain::ProbeError;

/// The answer to an action.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// What was done.
    pub message: String,
}

/// The answer to a request that could not be met.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub remedy: String,
}

/// Why a request could not be met.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    /// No tunnel of this name.
    #[error("there is no tunnel `{name}`; there are {known}")]
    NoTunnel {
        /// The name asked for.
        name: String,
        /// Configured names.
        known: String,
    },
    /// The tunnel has no BGP session.
    #[error("tunnel `{name}` has no BGP session")]
    NoSession {
        /// The tunnel.
        name: String,
    },
    /// No route to this prefix.
    #[error("no path to {prefix} is known")]
    NoRoute {
        /// The prefix asked for.
        prefix: IpNet,
    },
    /// No session of this name.
    #[error("there is no BGP session `{name}`; there are {known}")]
    NoSuchSession {
        /// The name asked for.
        name: String,
        /// Configured names.
        known: String,
    },
    /// No connection of this name.
    #[error("there is no connection `{name}`; there are {known}")]
    NoConnection {
        /// The name asked for.
        name: String,
        /// Configured names.
        known: String,
    },
    /// A connection's traffic cannot be moved.
    #[error("connection `{name}` is not switched: {reason}")]
    NotSwitched {
        /// The connection.
        name: String,
        /// What speaks against it.
        reason: String,
        /// What to do about that.
        remedy: &'static str,
    },
    /// A made-up route cannot be judged.
    #[error(transparent)]
    Probe(ProbeError),
    /// The router is on its way out.
    #[error("the router is stopping")]
    Stopping,
    /// The configuration has errors; nothing was changed.
    #[error("the configuration has errors, nothing was changed\n{report}")]
    Configuration {
        /// All errors, rendered.
        report: String,
    },
    /// The configuration is in force, but for some tunnels.
    #[error("applied ({summary}), but these tunnels cannot be made: {failed}")]
    PartlyApplied {
        /// What changed.
        summary: String,
        /// Tunnels and why.
        failed: String,
    },
    /// There is nothing to renew or reset.
    #[error("tunnel `{name}` is not up")]
    NotUp {
        /// The tunnel.
        name: String,
    },
    /// The configuration is right but can't be applied.
    #[error("not applied: {reason}")]
    Apply {
        /// What stands in the way.
        reason: String,
    },
}

impl ControlError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NoTunnel { .. } => "use a name from `quadspan show tunnels`",
            Self::NoConnection { .. } => "use a name from `quadspan show connections`",
            Self::NotSwitched { remedy, .. } => remedy,
            Self::NoSuchSession { .. } => "use a name from `quadspan show peers`",
            Self::Probe(error) => error.remedy(),
            Self::NoSession { .. } => "give the tunnel a `bgp:` section and reload",
            Self::NoRoute { .. } => "see `quadspan show routes` for what is known; a prefix must match exactly",
            Self::Stopping => "start it again with `quadspan run FILE`",
            Self::Configuration { .. } => "correct the file; `quadspan check FILE` shows the same errors",
            Self::PartlyApplied { .. } => "free what stands in the way; they are tried again every few seconds",
            Self::NotUp { .. } => "see `quadspan show tunnels` for why",
            Self::Apply { .. } => "restart the router to apply the file",
        }
        .to_owned()
    }
}
