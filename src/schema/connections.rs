//! Connections: which tunnels lead to the same place, and how they share the work; health by probes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use steering::{Mode, Policy};

use document::field::{Field, Layer, Leaf, OneOf};
use document::scalar::{Text, WayBack, Within};

/// Tunnels to one place, such as the two that a cloud gives for one gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "connection", extend("required" = ["mode", "tunnels"]))]
pub struct ConnectionSection {
    /// `active-active` (all that are healthy, side by side), `primary-standby` (the first that is healthy) or
    /// `med-steered` (those that the peer prefers by its MEDs, as AWS does while it works on an endpoint).
    pub mode: Leaf<Mode>,
    /// Its tunnels by name. With `primary-standby` the first is the primary, the next its standby, and so on, unless
    /// priorities say otherwise.
    pub tunnels: Field<Vec<Field<OneOf<Text, MemberSection>>>>,
    /// How the peer is told which tunnel to send through: `med`, `prepend`, `both` (default) or `free` (not at all);
    /// with `med-steered` `med` is the default.
    pub way_back: Leaf<WayBack>,
    /// When traffic goes back to a tunnel that had failed.
    pub failback: Field<FailbackSection>,
    /// Health of its tunnels by probes through them; each may say otherwise, key by key.
    pub health: Field<HealthSection>,
}

/// A tunnel of a connection.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "member", extend("required" = ["tunnel"]))]
pub struct MemberSection {
    /// Its name.
    pub tunnel: Leaf<Text>,
    /// The lower is preferred; with `primary-standby` its place in the list by default, with `active-active` 1.
    pub priority: Leaf<Within<1, 65535>>,
}

/// When traffic goes back to a tunnel that had failed: `hold` after its first failure, twice that after the second, and so
/// on up to `max-hold`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "failback")]
pub struct FailbackSection {
    /// How long it has to be healthy after its first failure; 10s by default.
    pub hold: Leaf<Duration>,
    /// How long at most; 10m by default.
    pub max_hold: Leaf<Duration>,
    /// How long it has to be healthy until a failure is forgotten; 10m by default.
    pub forget: Leaf<Duration>,
}

/// Health of a tunnel by probes through it. While it is not healthy it is used like one that is down; its SAs stay.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "health", extend("required" = ["probes"]))]
pub struct HealthSection {
    /// What is asked through the tunnel, from our inside address; at most 8.
    pub probes: Field<Vec<Field<ProbeSection>>>,
    /// Which of them have to answer: `any` (default) or `all`.
    pub policy: Leaf<Policy>,
    /// From one round of probes to the next, at least 100ms; 1s by default.
    pub interval: Leaf<Duration>,
    /// How long an answer may take, at most `interval`; 500ms or `interval` by default, whichever is less.
    pub timeout: Leaf<Duration>,
    /// How many answers in a row may be missing; 3 by default.
    pub down_after: Leaf<Within<1, 100>>,
    /// How many answers in a row make it healthy again; 3 by default.
    pub up_after: Leaf<Within<1, 100>>,
}

impl Layer for HealthSection {
    fn over(self, base: Self) -> Self {
        Self {
            probes: self.probes.or(base.probes),
            policy: self.policy.or(base.policy),
            interval: self.interval.or(base.interval),
            timeout: self.timeout.or(base.timeout),
            down_after: self.down_after.or(base.down_after),
            up_after: self.up_after.or(base.up_after),
        }
    }
}

/// What is asked: one of these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "probe", extend("minProperties" = 1, "maxProperties" = 1))]
pub struct ProbeSection {
    /// An ICMP echo request to this address.
    pub icmp: Leaf<IpAddr>,
    /// A TCP connection to this address and port, closed at once.
    pub tcp: Leaf<SocketAddr>,
}
