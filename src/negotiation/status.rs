//! A tunnel as an operator sees it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use certificate::CertificateSummary;
use crypto::{AdditionalKeyExchanges, EspProposal, Group, IkeProposal, Pfs};
use wire::ipsec::{Encapsulation, EspSuite, Spi, TrafficSelector};

use crate::{Failure, IkeVersion};

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

impl ChildStatus {
    /// What was agreed on, which reads as it is configured.
    #[must_use]
    pub fn agreed(&self) -> EspProposal {
        let pfs = self.group.map_or(Pfs::Off, Pfs::Required);
        EspProposal { suite: self.suite, or_without_esn: false, pfs, additional: self.additional }
    }
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
