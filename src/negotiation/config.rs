//! What a tunnel's key exchange is configured with. Checked by the `config` room before it gets here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use certificate::{LocalCertificate, TrustedCas};
use crypto::{EspProposal, IkeProposal};
use identity::Identity;
use wire::Secret;
use wire::ipsec::TrafficSelector;

use crate::Path;

/// One tunnel: a peer, an IKE SA with it, and CHILD SAs under that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// The name the user gave it; for messages only.
    pub name: String,
    /// Our outside address.
    pub local: IpAddr,
    /// The peer's outside address.
    pub remote: IpAddr,
    /// Which IKE is spoken.
    pub version: IkeVersion,
    /// The UDP port of both ends that our first message names: `PORT_IKE`, or `PORT_NAT` at once (RFC 3947 4, RFC 7296
    /// 2.23).
    pub ike_port: u16,
    /// How we identify ourselves (RFC 7296 3.5).
    pub local_id: Identity,
    /// How the peer must identify itself.
    pub remote_id: Identity,
    /// How we prove who we are, and how the peer has to.
    pub auth: Authentication,
    /// A post-quantum pre-shared key beside whatever authenticates (RFC 8784).
    pub ppk: Option<Ppk>,
    /// IKE proposals in order of preference; never empty.
    pub ike_proposals: Vec<IkeProposal>,
    /// ESP proposals in order of preference; never empty.
    pub esp_proposals: Vec<EspProposal>,
    /// When the IKE SA is rekeyed.
    pub ike_lifetime: Duration,
    /// When the CHILD SA is rekeyed.
    pub child_lifetime: ChildLifetime,
    /// How long before an SA's end its rekey starts.
    pub rekey_margin: Duration,
    /// By up to how many percent the margin is enlarged at random, so that ends and tunnels do not act in step.
    pub rekey_fuzz: u8,
    /// What we offer to carry on our side.
    pub local_selectors: Vec<TrafficSelector>,
    /// What we offer to carry on the peer's side.
    pub remote_selectors: Vec<TrafficSelector>,
    /// How many CHILD SAs these selectors are spread over.
    pub layout: SelectorLayout,
    /// Who begins.
    pub start: StartAction,
    /// Whether ESP travels in UDP.
    pub encapsulation: EncapsulationPolicy,
    /// Liveness checks.
    pub dpd: Dpd,
    /// Anti-replay window in packets, 64 to 4096; 0 turns the check off.
    pub replay_window: u32,
    /// Rekey the CHILD SA soon after we brought the tunnel up: the first one has its keys from the IKE SA, so that a
    /// mismatch of PFS groups shows at the first rekey only.
    pub early_rekey: bool,
}

impl TunnelConfig {
    /// Where IKE begins.
    #[must_use]
    pub const fn first_path(&self) -> Path {
        Path { local: SocketAddr::new(self.local, self.ike_port), remote: SocketAddr::new(self.remote, self.ike_port) }
    }

    /// What each CHILD SA should carry. Never empty; pairs are of one family.
    #[must_use]
    pub fn wanted_children(&self) -> Vec<ChildSelectors> {
        let together = || ChildSelectors { local: self.local_selectors.clone(), remote: self.remote_selectors.clone() };
        let pairs: Vec<_> = match self.layout {
            SelectorLayout::Together => Vec::new(),
            SelectorLayout::PerPair => self
                .local_selectors
                .iter()
                .flat_map(|local| self.remote_selectors.iter().map(move |remote| (*local, *remote)))
                .filter(|(local, remote)| local.start.is_ipv4() == remote.start.is_ipv4())
                .map(|(local, remote)| ChildSelectors { local: vec![local], remote: vec![remote] })
                .collect(),
        };
        if pairs.is_empty() { vec![together()] } else { pairs }
    }
}

/// What one CHILD SA carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildSelectors {
    /// Inner addresses on our side.
    pub local: Vec<TrafficSelector>,
    /// Inner addresses on the peer's side.
    pub remote: Vec<TrafficSelector>,
}

/// How many CHILD SAs the selectors are spread over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorLayout {
    /// One CHILD SA carries all of them.
    Together,
    /// One CHILD SA for each pair of a local and a remote one (peers that take one pair each, such as Cisco ASA or
    /// policy-based Azure gateways).
    PerPair,
}

/// Which IKE is spoken with a peer. An end never falls back from one to the other by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IkeVersion {
    /// IKEv2 (RFC 7296).
    V2,
    /// IKEv1 (RFC 2409), its first phase in this mode.
    V1(V1Mode),
}

/// How an IKEv1 SA is begun (RFC 2409 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum V1Mode {
    /// Six messages; the identities are encrypted, and the pre-shared key is found by the peer's address.
    Main,
    /// Three messages; identities and a hash that depends on the pre-shared key travel in the clear.
    Aggressive,
}

impl IkeVersion {
    /// A short stable label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::V2 => "ikev2",
            Self::V1(V1Mode::Main) => "ikev1-main",
            Self::V1(V1Mode::Aggressive) => "ikev1-aggressive",
        }
    }
}

impl fmt::Display for IkeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V2 => f.write_str("IKEv2"),
            Self::V1(mode) => write!(f, "IKEv1 {mode} mode"),
        }
    }
}

impl fmt::Display for V1Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main",
            Self::Aggressive => "aggressive",
        })
    }
}

/// A post-quantum pre-shared key (RFC 8784): it makes the keys of ESP secure against whoever breaks the key exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ppk {
    /// Its name at both ends, of any octets.
    pub id: Vec<u8>,
    /// The key.
    pub secret: Secret,
    /// Whether a peer that does not use it is refused.
    pub required: bool,
}

impl Ppk {
    /// [`Self::id`] for messages.
    #[must_use]
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.id).escape_debug().to_string()
    }
}

/// How the two ends prove who they are. They may do so in different ways (RFC 7296 2.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// Our proof.
    pub local: LocalAuth,
    /// The proof that the peer has to give.
    pub remote: RemoteAuth,
}

/// With what we prove who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAuth {
    /// A key that the peer has too.
    Psk(Secret),
    /// A certificate and its key.
    Certificate(Arc<LocalCertificate>),
}

/// What the peer has to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteAuth {
    /// That it has our key.
    Psk(Secret),
    /// That it has the key of a certificate that one of these vouches for.
    Certificate(Arc<TrustedCas>),
}

impl Authentication {
    /// One key for both ends.
    #[must_use]
    pub fn psk(key: Secret) -> Self {
        Self { local: LocalAuth::Psk(key.clone()), remote: RemoteAuth::Psk(key) }
    }

    /// The pre-shared key, if both ends prove that they have it: all that IKEv1 can do here.
    #[must_use]
    pub fn shared_key(&self) -> Option<&Secret> {
        match (&self.local, &self.remote) {
            (LocalAuth::Psk(ours), RemoteAuth::Psk(theirs)) => (ours == theirs).then_some(ours),
            (LocalAuth::Psk(_) | LocalAuth::Certificate(_), RemoteAuth::Psk(_) | RemoteAuth::Certificate(_)) => None,
        }
    }

    /// Whether either end shows a certificate.
    #[must_use]
    pub const fn uses_certificates(&self) -> bool {
        matches!(self.local, LocalAuth::Certificate(_)) || matches!(self.remote, RemoteAuth::Certificate(_))
    }

    /// Whether a peer that was authenticated by `former` still is: our own proof may be another, and more authorities may
    /// be trusted than before.
    #[must_use]
    pub fn trusts_all_of(&self, former: &Self) -> bool {
        match (&self.remote, &former.remote) {
            (RemoteAuth::Certificate(now), RemoteAuth::Certificate(then)) => now.trusts_all_of(then),
            (now, then) => now == then,
        }
    }
}

/// When a CHILD SA ends, whichever comes first. Its rekey starts a margin before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildLifetime {
    /// Age.
    pub time: Duration,
    /// Octets carried in one direction.
    pub bytes: Option<u64>,
    /// Packets carried in one direction.
    pub packets: Option<u64>,
}

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAction {
    /// We do, at once, and again with back-off for ever. The peer may begin too.
    Initiate,
    /// We do, when a packet waits for the tunnel; it is tried again as long as packets come. The peer may begin too.
    OnDemand,
    /// The peer does.
    Respond,
}

/// Whether ESP travels in UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncapsulationPolicy {
    /// Where a NAT is between the ends.
    Auto,
    /// Always: we tell the peer that there is a NAT.
    Always,
    /// Never; a NAT between the ends is then a failure.
    Never,
}

/// Liveness checks (RFC 7296 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dpd {
    /// Silence after which we ask. Inbound ESP counts as a sign of life.
    pub interval: Duration,
    /// Time without an answer after which the peer is dead.
    pub timeout: Duration,
    /// What becomes of the tunnel then.
    pub action: DpdAction,
}

/// What becomes of a tunnel whose peer is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpdAction {
    /// It is down, and stays so until the peer begins, a packet waits for a tunnel that begins on demand, or an
    /// operator wants it.
    Clear,
    /// We begin anew at once, and again with back-off for ever, whoever began before.
    Restart,
    /// We do not ask for signs of life. A request of ours that stays unanswered ends the IKE SA all the same.
    None,
}
