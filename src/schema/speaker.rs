//! Sections of `bgp:` that say what a session offers, beside the keys of one word.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use wire::Asn;

use document::field::Leaf;
use document::scalar::{PathDirections, RestartMode, Within};

/// Several paths per prefix, by family; a family that is left out has one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "add-path")]
pub struct AddPathSection {
    /// Of IPv4 unicast: `receive`, `send` or `both`.
    pub ipv4: Leaf<PathDirections>,
    /// Of IPv6 unicast: `receive`, `send` or `both`.
    pub ipv6: Leaf<PathDirections>,
}

/// Graceful restart (RFC 4724).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "graceful-restart")]
pub struct GracefulRestartSection {
    /// `helper` keeps the routes of a peer that restarts, `full` (default here) also asks the peer to keep ours, `off`
    /// says nothing of it. In a tunnel our own restart is never without loss: its keys go with the process, and the peer
    /// is told so.
    pub mode: Leaf<RestartMode>,
    /// How long the peer is asked to wait for us; at most 4095s, 120s by default.
    pub restart_time: Leaf<Duration>,
    /// How long a peer's routes are kept at most: until its session is back, and then until it has said them again;
    /// 6m by default.
    pub stale_time: Leaf<Duration>,
    /// Whether routes are kept over a NOTIFICATION, too (RFC 8538); `true` by default.
    pub notification: Leaf<bool>,
}

/// Another AS number of ours toward one peer (RFC 7705).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "local-asn", extend("required" = ["asn"]))]
pub struct LocalAsnSection {
    /// The number that the peer knows us by.
    pub asn: Leaf<Asn>,
    /// Leave it out of the AS path of what the peer announces; `false` by default: others see both numbers.
    pub no_prepend: Leaf<bool>,
    /// Put it in place of the router's own number in what the peer is told; `false` by default: the peer sees both.
    pub replace_as: Leaf<bool>,
}

/// Limits of prefixes in one session.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "max-prefix")]
pub struct MaxPrefixSection {
    /// Most prefixes to accept; one more ends the session.
    #[serde(rename = "in")]
    pub inbound: Leaf<Within<0, { u32::MAX }>>,
    /// From which percentage of `in` on a warning is logged; never by default.
    pub warn: Leaf<Within<1, 100>>,
    /// Most prefixes to announce; the rest is held back.
    #[serde(rename = "out")]
    pub outbound: Leaf<Within<0, { u32::MAX }>>,
}
