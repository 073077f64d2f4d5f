//! What a tunnel has carried and dropped.

use std::time::Instant;

/// Packets and octets of one tunnel since its interface was made. Octets are those of inner packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelCounters {
    /// Octets received, after decryption.
    pub bytes_in: u64,
    /// Packets received.
    pub packets_in: u64,
    /// Octets sent, before encryption.
    pub bytes_out: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Inbound packets seen before, or older than the window.
    pub replay_drops: u64,
    /// Inbound packets that failed authentication.
    pub integrity_drops: u64,
    /// Inbound packets that decrypt to something else than a well-formed inner packet.
    pub malformed_drops: u64,
    /// Packets outside the traffic selectors, both ways.
    pub selector_drops: u64,
    /// Packets an SA had no right to carry any more, both ways.
    pub lifetime_drops: u64,
    /// Outbound packets that found no SA.
    pub no_sa_drops: u64,
    /// Outbound packets that were addressed to the peer's own outside address.
    pub loop_drops: u64,
    /// Outbound packets too big for the tunnel, answered with ICMP.
    pub too_big_drops: u64,
    /// Outbound packets the socket did not take.
    pub send_drops: u64,
    /// Inbound packets the interface did not take.
    pub interface_drops: u64,
    /// Inbound packets whose outer header said "congestion" while the inner did not allow it (RFC 6040 4.2).
    pub ecn_drops: u64,
    /// Traffic flow confidentiality dummies received (RFC 4303 2.6).
    pub dummies_in: u64,
    /// When the last authentic packet came.
    pub last_inbound: Option<Instant>,
}

/// What belongs to no tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineCounters {
    /// ESP packets for no SA of ours.
    pub unknown_spi: u64,
    /// Datagrams on port 4500 that are neither IKE, ESP nor a keepalive.
    pub malformed: u64,
    /// NAT keepalives received.
    pub keepalives_in: u64,
    /// NAT keepalives sent.
    pub keepalives_out: u64,
    /// IKE messages handed over.
    pub ike_in: u64,
    /// IKE messages lost because the process was too slow to take them.
    pub ike_dropped: u64,
}
