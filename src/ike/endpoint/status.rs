//! A tunnel as an operator sees it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use wire::ipsec::{Encapsulation, EspSuite, Spi, TrafficSelector};

use crate::certificate::CertificateSummary;
use crate::config::{IkeProposal, IkeVersion};
use crate::crypto::{AdditionalKeyExchanges, Group};
use crate::failure::Failure;
use crate::sa::child::{ChildPhase, ChildSa};
use crate::sa::init::Stage;
use crate::sa::{IkeSa, Phase};

use super::tunnel::Tunnel;
use super::will::Will;

/// A snapshot of one tunnel.
#[derive(Clone, Debug)]
pub struct TunnelStatus {
    /// The name the user gave it.
    pub name: String,
    /// Which IKE it speaks.
    pub version: IkeVersion,
    /// Where it stands.
    pub state: TunnelState,
    /// Our outside address, with the port in use.
    pub local: SocketAddr,
    /// The peer's outside address, with the port in use.
    pub remote: SocketAddr,
    /// Established IKE SAs: one, or two for a moment while one replaces the other.
    pub ike: Vec<IkeStatus>,
    /// CHILD SAs: one for each set of selectors, or more for a moment while one replaces another.
    pub children: Vec<ChildStatus>,
    /// Wanted CHILD SAs that are not there.
    pub missing: Vec<MissingChild>,
    /// Since when traffic flows.
    pub up_since: Option<Instant>,
    /// Since when traffic flows or, if it does not, since when it does not.
    pub since: Instant,
    /// What happened so far.
    pub counters: TunnelCounters,
    /// The certificate we show, if any.
    pub local_certificate: Option<CertificateSummary>,
    /// The certificate by which the peer was last authenticated.
    pub peer_certificate: Option<CertificateSummary>,
    /// The last failure and when it was.
    pub last_failure: Option<(Failure, Instant)>,
    /// When we try again.
    pub retry_at: Option<Instant>,
}

/// Where a tunnel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelState {
    /// It is the peer's turn to begin.
    Listening,
    /// We begin when a packet waits.
    Idle,
    /// We are waiting to try again.
    Waiting,
    /// We sent `IKE_SA_INIT`.
    Connecting,
    /// We sent `IKE_INTERMEDIATE` or `IKE_AUTH`.
    Authenticating,
    /// There is an IKE SA and no usable CHILD SA.
    IkeOnly,
    /// Traffic flows.
    Up,
    /// Put down by an operator or by shutdown.
    Stopped,
}

impl TunnelState {
    /// A short stable label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Authenticating => "authenticating",
            Self::IkeOnly => "ike-only",
            Self::Up => "up",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for TunnelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// One IKE SA.
#[derive(Clone, Debug)]
pub struct IkeStatus {
    /// Our SPI.
    pub our_spi: u64,
    /// The peer's SPI.
    pub peer_spi: u64,
    /// Whether we began it.
    pub initiator: bool,
    /// Algorithms.
    pub suite: IkeProposal,
    /// Whether a post-quantum pre-shared key is mixed into its keys.
    pub ppk: bool,
    /// Whether we are behind a NAT.
    pub nat_local: bool,
    /// Whether the peer is behind a NAT.
    pub nat_remote: bool,
    /// Since when.
    pub established_at: Instant,
    /// When we rekey it, if the peer does not before.
    pub rekey_at: Option<Instant>,
    /// When it ends.
    pub expires_at: Option<Instant>,
}

/// One CHILD SA.
#[derive(Clone, Debug)]
pub struct ChildStatus {
    /// SPI of what we receive.
    pub inbound: Spi,
    /// SPI of what we send.
    pub outbound: Spi,
    /// Algorithms.
    pub suite: EspSuite,
    /// Group of the additional Diffie-Hellman exchange, if there was one.
    pub group: Option<Group>,
    /// Key exchanges after that one.
    pub additional: AdditionalKeyExchanges,
    /// On which carrier.
    pub encapsulation: Encapsulation,
    /// Inner addresses on our side.
    pub local_selectors: Vec<TrafficSelector>,
    /// Inner addresses on the peer's side.
    pub remote_selectors: Vec<TrafficSelector>,
    /// Whether our traffic leaves through it.
    pub carries_outbound: bool,
    /// Since when.
    pub established_at: Instant,
    /// When we rekey it, if the peer does not before.
    pub rekey_at: Option<Instant>,
    /// When it ends.
    pub expires_at: Option<Instant>,
}

/// A wanted CHILD SA that is not there.
#[derive(Clone, Debug)]
pub struct MissingChild {
    /// Inner addresses on our side.
    pub local_selectors: Vec<TrafficSelector>,
    /// Inner addresses on the peer's side.
    pub remote_selectors: Vec<TrafficSelector>,
    /// Why it is not there, if it was asked for, and when that was.
    pub failure: Option<(Failure, Instant)>,
    /// When it is asked for again.
    pub retry_at: Option<Instant>,
}

/// Counts since the tunnel was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelCounters {
    /// Attempts of ours to connect.
    pub attempts: u64,
    /// IKE SAs established.
    pub ike_established: u64,
    /// IKE SAs rekeyed.
    pub ike_rekeys: u64,
    /// CHILD SAs rekeyed.
    pub child_rekeys: u64,
    /// Rekeys of ours that failed.
    pub rekey_failures: u64,
    /// Failures of any kind.
    pub failures: u64,
    /// Times that one end refused to believe who the other one is.
    pub auth_failures: u64,
    /// Times the peer was found dead.
    pub dpd_timeouts: u64,
    /// Datagrams sent again for want of an answer.
    pub retransmissions: u64,
    /// Messages that failed authentication or could not be decoded.
    pub invalid_messages: u64,
}

impl Tunnel {
    /// A snapshot.
    pub(crate) fn status(&self) -> TunnelStatus {
        let carrying = self.children.iter().find(|child| child.carries()).map(|child| child.parent);
        let alive = || self.sas.iter().filter(|sa| matches!(sa.phase, Phase::Current | Phase::Replaced { .. }));
        let main = alive().find(|sa| Some(sa.spi) == carrying).or_else(|| alive().next_back());
        let path = main.map_or_else(|| self.first_path(), |sa| sa.path);
        let children = self.children.iter().filter(|child| !matches!(child.phase, ChildPhase::Lingering { .. }));
        TunnelStatus {
            name: self.config.name.clone(),
            version: self.config.version,
            state: self.state(),
            local: path.local,
            remote: path.remote,
            ike: alive().map(IkeSa::status).collect(),
            children: children.map(ChildSa::status).collect(),
            missing: self.missing(),
            up_since: self.up_since,
            since: self.since,
            counters: self.counters,
            local_certificate: self.local_certificate(),
            peer_certificate: self.peer_certificate.clone().filter(|_| main.is_some()),
            last_failure: self.last_failure.clone(),
            retry_at: self.retry_at.filter(|_| self.connects() && !self.is_up()),
        }
    }

    fn missing(&self) -> Vec<MissingChild> {
        let missing = self.flows.iter().filter(|flow| flow.wanted && self.carrier(flow.id).is_none());
        missing
            .map(|flow| MissingChild {
                local_selectors: flow.selectors.local.clone(),
                remote_selectors: flow.selectors.remote.clone(),
                failure: flow.failure.clone(),
                retry_at: flow.retry_at,
            })
            .collect()
    }

    fn state(&self) -> TunnelState {
        let stage = self.attempt.as_ref().map(|attempt| &attempt.stage);
        match (self.will, self.is_up(), stage) {
            (_, true, _) => TunnelState::Up,
            (_, false, Some(Stage::SaInit(_))) => TunnelState::Connecting,
            (_, false, Some(Stage::Intermediate(_) | Stage::Auth(_))) => TunnelState::Authenticating,
            (_, false, None) if self.sas.iter().any(IkeSa::is_current) => TunnelState::IkeOnly,
            (Will::Connect, false, None) => TunnelState::Waiting,
            (Will::Demand, false, None) if self.demanded => TunnelState::Waiting,
            (Will::Demand, false, None) => TunnelState::Idle,
            (Will::Listen, false, None) => TunnelState::Listening,
            (Will::Stop, false, None) => TunnelState::Stopped,
        }
    }
}

impl IkeSa {
    fn status(&self) -> IkeStatus {
        IkeStatus {
            our_spi: self.spi.0,
            peer_spi: self.peer_spi.0,
            initiator: self.origin.ours,
            suite: self.suite,
            ppk: self.ppk,
            nat_local: self.nat.local,
            nat_remote: self.nat.remote,
            established_at: self.established_at,
            rekey_at: self.rekey_at,
            expires_at: self.expires_at,
        }
    }
}

impl ChildSa {
    fn status(&self) -> ChildStatus {
        ChildStatus {
            inbound: self.spi,
            outbound: self.peer_spi,
            suite: self.suite,
            group: self.group,
            additional: self.additional,
            encapsulation: self.encapsulation,
            local_selectors: self.local_selectors.clone(),
            remote_selectors: self.remote_selectors.clone(),
            carries_outbound: self.carries(),
            established_at: self.established_at,
            rekey_at: self.rekey_at,
            expires_at: self.expires_at,
        }
    }
}
