//! Sections of `bgp:` that say what a session offers, beside the keys of one word.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::field::Leaf;
use crate::scalar::{PathDirections, RestartMode};

/// Several paths per prefix, by family; a family that is left out has one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "add-path")]
pub(crate) struct AddPathSection {
    /// Of IPv4 unicast: `receive`, `send` or `both`.
    pub(crate) ipv4: Leaf<PathDirections>,
    /// Of IPv6 unicast: `receive`, `send` or `both`.
    pub(crate) ipv6: Leaf<PathDirections>,
}

/// Graceful restart (RFC 4724).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "graceful-restart")]
pub(crate) struct GracefulRestartSection {
    /// `helper` keeps the routes of a peer that restarts, `full` (default here) also asks the peer to keep ours, `off`
    /// says nothing of it.
    pub(crate) mode: Leaf<RestartMode>,
    /// How long the peer is asked to wait for us; at most 4095s, 120s by default.
    pub(crate) restart_time: Leaf<Duration>,
    /// How long a peer's routes are kept at most: until its session is back, and then until it has said them again;
    /// 6m by default.
    pub(crate) stale_time: Leaf<Duration>,
    /// Whether routes are kept over a NOTIFICATION, too (RFC 8538); `true` by default.
    pub(crate) notification: Leaf<bool>,
}
