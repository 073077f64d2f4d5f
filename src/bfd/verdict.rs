//! What the routing protocol above makes of a session (RFC 5882).
//!
//! ```text
//!   begin ── not strict ──► usable ◄──────── Up ─────────┐
//!     │                       │                          │
//!     └─ strict ─► failed     └─ was Up, went Down ──► failed ── the peer's operator took BFD down (3.2), or,
//!                    │                                   ▲       where not strict, its BFD says nothing for a minute
//!                    └───────────────────────────────────┘          └──► usable: it is as if there was no BFD
//! ```

use std::fmt;
use std::time::Duration;

/// After so long without a packet the peer is taken for one without BFD.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// Whether routes may lead over the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Usable,
    /// Something does.
    Failed(Obstacle),
}

/// What speaks against a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// `strict`, and the session was not up yet.
    NotUpYet,
    /// Nothing came from the peer within the detection time.
    Silent,
    /// The peer says that it does not hear us, or it began anew.
    PeerDown,
}

impl Verdict {
    /// Whether nothing speaks against it.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        match self {
            Self::Usable => true,
            Self::Failed(_) => false,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUpYet => "BFD is not up yet",
            Self::Silent => "no BFD packet came within the detection time",
            Self::PeerDown => "the peer says that BFD is down",
        })
    }
}
