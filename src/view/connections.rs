//! Connections, and what probes tell of tunnels.

use serde::{Deserialize, Serialize};

use crate::TunnelView;

/// `quadspan show connections`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ConnectionsView {
    /// The connections by name.
    pub connections: Vec<ConnectionView>,
    /// Tunnels with probes, in connections or not.
    pub health: Vec<HealthView>,
}

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionState {
    /// The tunnels of the best priority carry traffic; with `med-steered` those that the peer prefers.
    Normal,
    /// Others do, for want of better ones.
    FailedOver,
    /// The operator chose.
    Switched,
    /// None does.
    Down,
}

/// A connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectionView {
    /// Configured name.
    pub name: String,
    /// `active-active`, `primary-standby` or `med-steered`.
    pub mode: String,
    /// In one word.
    pub state: ConnectionState,
    /// Tunnels that carry traffic.
    pub active: Vec<String>,
    /// Why these, in one sentence.
    pub reason: String,
    /// The tunnel that the operator chose.
    pub forced: Option<String>,
    /// How the peer is told which tunnel to send through: `med`, `prepend`, `both` or `free`.
    pub way_back: String,
    /// How often traffic moved since the connection was configured.
    pub switches: u64,
    /// The last time.
    pub last_switch: Option<SwitchView>,
    /// Its tunnels, the first by priority first.
    pub tunnels: Vec<ConnectionTunnelView>,
}

impl ConnectionView {
    /// Whether others than the tunnels of the best priority carry its traffic, or none does; not for want of those that
    /// are on demand and that nobody asks for.
    #[must_use]
    pub fn is_away(&self, tunnels: &[TunnelView]) -> bool {
        let rests = |name: &str| tunnels.iter().any(|tunnel| tunnel.name == name && tunnel.is_at_rest());
        let mut first = self.tunnels.iter().filter(|member| member.role != "standby");
        self.state != ConnectionState::Normal && (self.forced.is_some() || !first.all(|member| rests(&member.tunnel)))
    }
}

/// Traffic moved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SwitchView {
    /// Tunnels that carried traffic.
    pub from: Vec<String>,
    /// Tunnels that did from then on.
    pub to: Vec<String>,
    /// A stable word: `began`, `failed`, `recovered`, `last-resort`, `operator`, `released`, `med`, `reconfigured`.
    pub cause: String,
    /// In one sentence.
    pub text: String,
    /// Seconds since.
    pub ago: u64,
}

/// A tunnel of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectionTunnelView {
    /// Configured name.
    pub tunnel: String,
    /// `primary` or `standby`; `equal` where there is no order.
    pub role: String,
    /// The lower is preferred.
    pub priority: u16,
    /// Whether it carries traffic.
    pub active: bool,
    /// Whether nothing speaks against it.
    pub healthy: bool,
    /// What does, as a stable word.
    pub obstacle: Option<String>,
    /// What does, in words.
    pub reason: Option<String>,
    /// Seconds since it became healthy, or stopped being.
    pub since: u64,
    /// Failures that are not forgotten.
    pub flaps: u32,
    /// Seconds until it may carry traffic again.
    pub held_for: Option<u64>,
    /// What is taken off the LOCAL_PREF of its routes.
    pub local_preference_less: u32,
    /// What is added to the MED of what is announced.
    pub med_more: u32,
    /// How often our AS is put in front once more.
    pub prepend_more: u8,
}

/// What probes tell of a tunnel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthView {
    /// Configured name.
    pub tunnel: String,
    /// `good`, `bad` or `unknown`.
    pub verdict: String,
    /// Which targets have to answer: `any` or `all`.
    pub policy: String,
    /// The targets.
    pub probes: Vec<ProbeTargetView>,
}

/// A target of probes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProbeTargetView {
    /// `icmp ADDRESS` or `tcp ADDRESS:PORT`.
    pub target: String,
    /// `good`, `bad` or `unknown`.
    pub verdict: String,
    /// Seconds since its last answer.
    pub answered: Option<u64>,
    /// Answers missing in a row.
    pub missing: u32,
}
