//! Limits that hold for both versions of IKE.

use std::net::IpAddr;
use std::time::Duration;

/// How long one attempt lasts.
pub const ATTEMPT: Duration = Duration::from_secs(30);
/// IKE SAs that a tunnel may have at one time. Two replace one another, more come from a peer that deletes none.
pub const MAX_IKE_SAS: usize = 8;
/// Longest IP packet we send unfragmented: what IPv6 guarantees, which tunnels on the way carry too.
const MAX_PACKET: usize = 1280;
const UDP_HEADER: usize = 8;
/// Non-ESP marker (RFC 3948 2.2).
const MARKER: usize = 4;

/// Longest UDP payload that needs no IP fragmentation.
#[must_use]
pub const fn max_datagram(remote: IpAddr) -> usize {
    let ip_header = match remote {
        IpAddr::V4(_) => 20,
        IpAddr::V6(_) => 40,
    };
    MAX_PACKET - ip_header - UDP_HEADER - MARKER
}
