//! What connections and probes are told to be. Checked by the `config` room before it gets here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wire::ipsec::TunnelId;

/// Most probes of one tunnel.
pub const MAX_PROBES: usize = 8;

/// How a connection uses its tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All that are healthy and of the best priority, side by side.
    ActiveActive,
    /// The healthy one of the best priority, alone.
    PrimaryStandby,
    /// Those that the peer prefers by its MEDs.
    MedSteered,
}

impl Mode {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ActiveActive => "active-active",
            Self::PrimaryStandby => "primary-standby",
            Self::MedSteered => "med-steered",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How it uses its tunnels.
    pub mode: Mode,
    /// Its tunnels, each once, in the order of the file.
    pub members: Vec<Member>,
    /// When traffic goes back to a tunnel.
    pub failback: Failback,
}

/// A tunnel of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub tunnel: TunnelId,
    /// The lower is preferred.
    pub priority: u16,
}

/// When traffic goes back to a tunnel that had failed.
///
/// After its n-th failure it has to stay healthy for `hold` times 2 to the power of n - 1, and `max_hold` at most. One
/// failure is forgotten for each `forget` that it is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failback {
    /// After the first failure.
    pub hold: Duration,
    /// However often it failed.
    pub max_hold: Duration,
    /// Until a failure is forgotten; not zero.
    pub forget: Duration,
}

impl Default for Failback {
    /// 10 s, up to 10 min, forgotten after 10 min.
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self { hold: Duration::from_secs(10), max_hold: minutes(10), forget: minutes(10) }
    }
}

impl Failback {
    /// How long a tunnel has to be healthy that failed so often.
    #[must_use]
    pub fn after(&self, flaps: u32) -> Duration {
        match flaps.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
                self.hold.saturating_mul(factor).min(self.max_hold)
            }
        }
    }
}

/// Health of one tunnel by probes through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked, at least one and at most [`MAX_PROBES`].
    pub probes: Vec<Target>,
    /// Which have to answer.
    pub policy: Policy,
    /// From one round of probes to the next.
    pub interval: Duration,
    /// How long an answer may take; at most `interval`.
    pub timeout: Duration,
    /// How many answers of a target in a row may be missing before it counts as gone; at least 1.
    pub down_after: u32,
    /// How many it has to give in a row to count as back; at least 1.
    pub up_after: u32,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An ICMP echo request.
    Icmp(IpAddr),
    /// A TCP connection, closed at once.
    Tcp(SocketAddr),
}

impl Target {
    /// Of whom.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        match self {
            Self::Icmp(address) => *address,
            Self::Tcp(target) => target.ip(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp(address) => write!(f, "icmp {address}"),
            Self::Tcp(target) => write!(f, "tcp {target}"),
        }
    }
}

/// Which targets have to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// One of them.
    #[default]
    Any,
    /// Each.
    All,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::All => "all",
        })
    }
}
