//! One tunnel: its SAs, its certificates, its traffic.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::FailureView;

/// A tunnel's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelState {
    /// A CHILD SA carries traffic.
    Up,
    /// A negotiation is under way.
    Connecting,
    /// The last attempt failed, and nobody has begun another; the next one is due in `retry_in` or, on demand, with the
    /// next packet.
    Down,
    /// Nobody has begun: configured to respond, or on demand and no packet came since it was last well.
    Waiting,
}

/// `quadspan show tunnels`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TunnelView {
    /// Configured name.
    pub name: String,
    /// Condition.
    pub state: TunnelState,
    /// Seconds in this condition.
    pub since: u64,
    /// Cloud profile.
    pub profile: String,
    /// `ikev2`, `ikev1-main` or `ikev1-aggressive`.
    #[serde(default)]
    pub version: String,
    /// Our outside address.
    pub local: IpAddr,
    /// The peer's outside address.
    pub remote: IpAddr,
    /// UDP port that the first message of IKE goes to where we begin.
    #[serde(default = "ike_port")]
    pub ike_port: u16,
    /// Its interface: TUN, or xfrm where the kernel moves packets.
    pub interface: String,
    /// The interface's MTU in octets.
    pub mtu: Option<u32>,
    /// Our inside address.
    pub inside_local: IpAddr,
    /// The peer's inside address.
    pub inside_peer: IpAddr,
    /// Nobody wrote these two: they are of our own making, and the peer does not know of them.
    #[serde(default)]
    pub inside_made_up: bool,
    /// Our IPv6 address inside.
    #[serde(default)]
    pub inside6_local: Option<std::net::Ipv6Addr>,
    /// It begins with the first packet for it.
    #[serde(default)]
    pub on_demand: bool,
    /// The IKE SA.
    pub ike: Option<IkeView>,
    /// The CHILD SA in use, or one of them.
    pub child: Option<ChildView>,
    /// All CHILD SAs in use: one for each set of selectors.
    #[serde(default)]
    pub children: Vec<ChildView>,
    /// CHILD SAs that should be there and are not.
    #[serde(default)]
    pub missing_children: Vec<MissingChildView>,
    /// IKE SAs, those included that are being replaced.
    #[serde(default)]
    pub ike_sas: usize,
    /// CHILD SAs, those included that are being replaced.
    #[serde(default)]
    pub child_sas: usize,
    /// Times that one end refused to believe who the other one is.
    #[serde(default)]
    pub auth_failures: u64,
    /// What went through.
    pub traffic: TrafficView,
    /// The certificate we show, if the tunnel has one.
    pub local_certificate: Option<CertificateView>,
    /// The certificate by which the peer was last authenticated.
    pub peer_certificate: Option<CertificateView>,
    /// Why it is, or last was, down.
    pub last_failure: Option<FailureView>,
    /// Seconds until the next attempt.
    pub retry_in: Option<u64>,
    /// The state of the BGP session inside, if one is configured.
    pub bgp: Option<String>,
}

impl TunnelView {
    /// Whether it is on demand and nobody asks for it, which is as it should be.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.on_demand && self.state == TunnelState::Waiting
    }
}

/// A certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateView {
    /// Whom it names.
    pub subject: String,
    /// Who vouches for it.
    pub issuer: String,
    /// Further names: addresses, domain names, mail addresses.
    pub names: Vec<String>,
    /// Kind of its key, `ECDSA P-256`.
    pub key: String,
    /// From when on it is valid, `2026-01-31T12:00:00Z`.
    pub not_before: String,
    /// Until when it is valid.
    pub not_after: String,
    /// The same in seconds since 1970.
    pub not_after_unix: u64,
    /// Seconds until then; 0 if it has expired.
    pub expires_in: u64,
}

/// An established IKE SA.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IkeView {
    /// `initiator` or `responder`.
    pub role: String,
    /// Negotiated suite, `aes256gcm16-prfsha384-x25519-ke1_mlkem768`.
    pub suite: String,
    /// Whether a post-quantum pre-shared key is mixed into its keys.
    #[serde(default)]
    pub ppk: bool,
    /// Seconds since establishment.
    pub age: u64,
    /// Seconds until rekeying.
    pub rekey_in: Option<u64>,
    /// Whether a NAT was found between the ends.
    pub nat: bool,
    /// Our SPI.
    pub spi_local: String,
    /// The peer's SPI.
    pub spi_peer: String,
}

/// A CHILD SA pair in use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChildView {
    /// Negotiated suite, with the key exchanges of its own if it had any: `aes256gcm16`,
    /// `aes256gcm16-x25519-ke1_mlkem768`.
    pub suite: String,
    /// `esp` or `udp`.
    pub encapsulation: String,
    /// Our SPI.
    pub spi_in: String,
    /// The peer's SPI.
    pub spi_out: String,
    /// Seconds since installation.
    pub age: u64,
    /// Seconds until rekeying.
    pub rekey_in: Option<u64>,
    /// Negotiated selectors on our side.
    pub local_selectors: Vec<String>,
    /// Negotiated selectors on the peer's side.
    pub remote_selectors: Vec<String>,
    /// Octets received on it.
    #[serde(default)]
    pub bytes_in: u64,
    /// Packets received on it.
    #[serde(default)]
    pub packets_in: u64,
    /// Octets sent on it.
    #[serde(default)]
    pub bytes_out: u64,
    /// Packets sent on it.
    #[serde(default)]
    pub packets_out: u64,
    /// Octets until rekeying, where the lifetime is limited in octets.
    pub remaining_bytes: Option<u64>,
    /// Packets until rekeying, where the lifetime is limited in packets.
    #[serde(default)]
    pub remaining_packets: Option<u64>,
    /// CHILD SAs rekeyed since the tunnel came up.
    pub rekeys: u64,
}

/// A CHILD SA that should be there and is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MissingChildView {
    /// Selectors on our side.
    pub local_selectors: Vec<String>,
    /// Selectors on the peer's side.
    pub remote_selectors: Vec<String>,
    /// Why it is not there, if it was asked for.
    pub failure: Option<FailureView>,
    /// Seconds until it is asked for again.
    pub retry_in: Option<u64>,
}

/// Packets and octets of inner packets, and drops by cause.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TrafficView {
    /// Octets received.
    pub bytes_in: u64,
    /// Packets received.
    pub packets_in: u64,
    /// Octets sent.
    pub bytes_out: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Packets refused or given up, by cause.
    pub drops: BTreeMap<String, u64>,
}

/// What every tunnel had before this was told.
const fn ike_port() -> u16 {
    500
}
