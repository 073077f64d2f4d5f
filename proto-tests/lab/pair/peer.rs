//! The program at the other end of a pair, whichever it is.

use crate::lab::daemon::Daemon;
use crate::lab::libreswan::Libreswan;
use crate::lab::strongswan::StrongSwan;
use crate::lab::terms::{PEER_INSIDE, TUNNEL};
use crate::lab::{Result, ensure, not_yet};

/// The program at the other end.
#[derive(Debug)]
pub enum Peer {
    /// strongSwan.
    StrongSwan(StrongSwan),
    /// libreswan.
    Libreswan(Libreswan),
    /// Our own.
    Quadspan(Daemon),
}

impl Peer {
    /// Succeeds when it says that the tunnel is up.
    ///
    /// # Errors
    /// With what it says instead.
    pub fn expect_up(&self) -> Result<()> {
        match self {
            Self::StrongSwan(swan) => swan.expect_up(),
            Self::Libreswan(swan) => swan.expect_up(),
            Self::Quadspan(daemon) => {
                let tunnel = daemon.tunnel(TUNNEL)?;
                ensure(tunnel["state"] == "up", "the peer is up", || tunnel.to_string())
            }
        }
    }

    /// Begins the tunnel; our own program does so by itself when told at its start.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn initiate(&self) -> Result<()> {
        match self {
            Self::StrongSwan(swan) => swan.initiate(),
            Self::Libreswan(swan) => swan.initiate(),
            Self::Quadspan(_) => Ok(()),
        }
    }

    /// Renews the CHILD SA.
    ///
    /// # Errors
    /// When there is none.
    pub fn rekey_child(&self) -> Result<()> {
        match self {
            Self::StrongSwan(swan) => swan.rekey_child(),
            Self::Libreswan(swan) => swan.rekey_child(),
            Self::Quadspan(daemon) => daemon.order(&["rekey", TUNNEL]),
        }
    }

    /// Renews the IKE SA.
    ///
    /// # Errors
    /// When there is none.
    pub fn rekey_ike(&self) -> Result<()> {
        match self {
            Self::StrongSwan(swan) => swan.rekey_ike(),
            Self::Libreswan(swan) => swan.rekey_ike(),
            Self::Quadspan(daemon) => daemon.order(&["rekey", TUNNEL, "--ike"]),
        }
    }

    /// Succeeds when exactly one IKE SA and `children` CHILD SAs are left.
    ///
    /// # Errors
    /// With what is there instead.
    pub fn expect_counts(&self, children: usize) -> Result<()> {
        match self {
            Self::StrongSwan(swan) => {
                let counts = swan.sa_counts()?;
                ensure(counts == (1, children), "IKE and CHILD SAs at the peer", || format!("{counts:?}"))
            }
            Self::Libreswan(swan) => {
                let counts = swan.sa_counts()?;
                ensure(counts == (1, children), "IKE and CHILD SAs at the peer", || format!("{counts:?}"))
            }
            Self::Quadspan(_) => self.expect_up(),
        }
    }

    /// The program, where it is our own.
    ///
    /// # Errors
    /// When it is another.
    pub fn own(&self) -> Result<&Daemon> {
        match self {
            Self::Quadspan(daemon) => Ok(daemon),
            Self::StrongSwan(_) | Self::Libreswan(_) => not_yet("the peer is another program"),
        }
    }

    /// Packets that it dropped itself before sending them, by its own account.
    #[must_use]
    pub fn dropped_outbound(&self) -> u64 {
        match self {
            Self::StrongSwan(swan) => swan.dropped_outbound(PEER_INSIDE),
            Self::Libreswan(_) | Self::Quadspan(_) => 0,
        }
    }
}
