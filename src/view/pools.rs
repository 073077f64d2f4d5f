//! Pools of remote clients beside the router.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::FailureView;

/// `quadspan show pools`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolView {
    /// Configured name.
    pub name: String,
    /// The clients' networks: IPv4, and IPv6 if there is one.
    pub networks: Vec<IpNet>,
    /// The server serves.
    pub serving: bool,
    /// Seconds since it does, or does not.
    pub since: u64,
    /// They are announced to peers now.
    pub announced: bool,
    /// Where the server is asked.
    pub management: String,
    /// `udp` or `tcp`.
    pub protocol: String,
    /// The server's version.
    pub version: Option<String>,
    /// How many clients have room in the network.
    pub capacity: u32,
    /// How many can be connected at once: they have room and are let in.
    pub limit: u32,
    /// How many are connected.
    pub connected: usize,
    /// Connected clients; at most ten thousand are listed.
    pub clients: Vec<PoolClientView>,
    /// When the first certificate of the server and its CA ends, in seconds since 1970, if they could be read.
    pub certificate_expires_unix: Option<u64>,
    /// Why it does not serve.
    pub trouble: Option<FailureView>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// A connected client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolClientView {
    /// Its certificate's common name.
    pub name: String,
    /// Its outside address and port.
    pub from: String,
    /// Its address of the pool.
    pub address: String,
    /// The negotiated cipher of its packets.
    pub cipher: String,
    /// Octets received from it.
    pub bytes_in: u64,
    /// Octets sent to it.
    pub bytes_out: u64,
    /// Seconds since it connected.
    pub connected_for: u64,
}
