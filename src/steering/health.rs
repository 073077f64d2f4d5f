//! Why a tunnel is not healthy, and why traffic moved.

use std::fmt;
use std::time::Instant;

use wire::ipsec::TunnelId;

/// What speaks against a tunnel. Of several the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// No CHILD SA carries packets.
    TunnelDown,
    /// Its BGP session is not established, and no routes are held for the peer.
    BgpDown,
    /// BFD has lost the peer.
    Bfd,
    /// No probe was answered yet.
    Unprobed,
    /// Its probes are not answered.
    Probes,
    /// The operator wants no traffic on its session (RFC 8326).
    Drained,
}

impl Obstacle {
    /// Whether it is a failure, which makes the tunnel wait before it carries traffic again.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::TunnelDown | Self::BgpDown | Self::Bfd | Self::Probes => true,
            Self::Unprobed | Self::Drained => false,
        }
    }

    /// A stable word for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TunnelDown => "tunnel-down",
            Self::BgpDown => "bgp-down",
            Self::Bfd => "bfd",
            Self::Unprobed => "unprobed",
            Self::Probes => "probes",
            Self::Drained => "drained",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::TunnelDown => "see `quadspan show tunnels` for why",
            Self::BgpDown => "see `quadspan show neighbors` for why",
            Self::Bfd => "see `quadspan show bfd`, and what lies between the two ends",
            Self::Unprobed => "wait for an answer; see that the target answers through this tunnel",
            Self::Probes => "see that the target is up and that its answers come back through this tunnel",
            Self::Drained => "run `quadspan bgp undrain NAME` when the maintenance is over",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TunnelDown => "the tunnel is down",
            Self::BgpDown => "its BGP session is down",
            Self::Bfd => "BFD does not hear the peer",
            Self::Unprobed => "no probe was answered yet",
            Self::Probes => "its probes are not answered",
            Self::Drained => "its session is drained",
        })
    }
}

/// Traffic of a connection moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Which tunnels carried it, in order of number.
    pub from: Vec<TunnelId>,
    /// Which do.
    pub to: Vec<TunnelId>,
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Instant,
}

/// Why traffic moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There was none that carried it.
    Began,
    /// One that carried it cannot any more.
    Failed {
        /// Which.
        tunnel: TunnelId,
        /// What speaks against it.
        obstacle: Obstacle,
    },
    /// A better one, or one as good, has been healthy for long enough.
    Recovered {
        /// Which.
        tunnel: TunnelId,
    },
    /// None is healthy; what is left is that probes of this one are not answered.
    LastResort {
        /// Which.
        tunnel: TunnelId,
    },
    /// The operator said so.
    Operator,
    /// The operator left it to the rules again.
    Released,
    /// The peer's MEDs.
    Med,
    /// Another configuration.
    Reconfigured,
}

impl Cause {
    /// A stable word for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Failed { .. } => "failed",
            Self::Recovered { .. } => "recovered",
            Self::LastResort { .. } => "last-resort",
            Self::Operator => "operator",
            Self::Released => "released",
            Self::Med => "med",
            Self::Reconfigured => "reconfigured",
        }
    }

    /// The tunnel it is about.
    #[must_use]
    pub const fn tunnel(self) -> Option<TunnelId> {
        match self {
            Self::Failed { tunnel, .. } | Self::Recovered { tunnel } | Self::LastResort { tunnel } => Some(tunnel),
            Self::Began | Self::Operator | Self::Released | Self::Med | Self::Reconfigured => None,
        }
    }
}
