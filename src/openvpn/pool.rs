//! How many clients a pool has room for.
//!
//! ```text
//!   net30    10.8.0.0/24:  .0/30 server | .4/30 client | .8/30 client | ...  | .252/30 kept back     62 clients
//!   subnet   10.8.0.0/24:  .1 server | .2 client | .3 client | ...  | .254 client                    253 clients
//! ```
//!
//! S2-09: a /30 for each client, one address of which is the client's.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::{ServerConfig, Topology};

/// How many clients OpenVPN takes at once unless told otherwise.
const DEFAULT_CLIENTS: u32 = 1024;
/// The widest network that OpenVPN hands out.
const WIDEST: u8 = 16;
/// The narrowest.
const NARROWEST: u8 = 29;
/// The narrowest on a TAP device.
const NARROWEST_TAP: u8 = 30;
/// The widest IPv6 network of clients.
const WIDEST6: u8 = 64;
/// The narrowest.
const NARROWEST6: u8 = 124;

/// The addresses of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The clients' network.
    pub network: Ipv4Net,
    /// Their IPv6 network, if they have one.
    pub network6: Option<Ipv6Net>,
    /// How many clients have room.
    pub capacity: u32,
    /// How many are let in at once, as far as the file says.
    pub max_clients: Option<u32>,
    /// Addresses that each client uses up.
    pub each: u32,
}

/// Why a configuration has no pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It is no server's.
    #[error("this is not the configuration of a server that hands out addresses")]
    NoServer,
    /// OpenVPN refuses such a network.
    #[error("OpenVPN hands out no /{length} as {network}: from /{WIDEST} to /{narrowest} it does")]
    Length {
        /// The network.
        network: Ipv4Net,
        /// Its length.
        length: u8,
        /// The narrowest on this device.
        narrowest: u8,
    },
    /// OpenVPN refuses such an IPv6 network.
    #[error("OpenVPN hands out no /{length} as {network}: from /{WIDEST6} to /{NARROWEST6} it does")]
    Length6 {
        /// The network.
        network: Ipv6Net,
        /// Its length.
        length: u8,
    },
    /// `ifconfig-pool` names addresses of another network.
    #[error("`ifconfig-pool` from {first} to {last} is not in {network}")]
    Range {
        /// The network of `server`.
        network: Ipv4Net,
        /// The first address.
        first: Ipv4Addr,
        /// The last.
        last: Ipv4Addr,
    },
}

impl PoolError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoServer | Self::Length { .. } => "it needs a line `server NETWORK NETMASK`, from a /16 to a /29",
            Self::Length6 { .. } => "write `server-ipv6` with a network from a /64 to a /124",
            Self::Range { .. } => "write an `ifconfig-pool` of addresses of the `server` network, or leave it out",
        }
    }
}

impl Pool {
    /// The pool of a server.
    ///
    /// # Errors
    /// [`PoolError`] if it has none.
    pub fn of(config: &ServerConfig) -> Result<Self, PoolError> {
        let network = config.network.ok_or(PoolError::NoServer)?;
        let length = network.prefix_len();
        let narrowest = if config.is_tap() { NARROWEST_TAP } else { NARROWEST };
        if !(WIDEST..=narrowest).contains(&length) {
            return Err(PoolError::Length { network, length, narrowest });
        }
        let wrong = config.network6.filter(|network| !(WIDEST6..=NARROWEST6).contains(&network.prefix_len()));
        if let Some(network) = wrong {
            return Err(PoolError::Length6 { network, length: network.prefix_len() });
        }
        let (first, last) = config.range.unwrap_or_else(|| default_range(network, config.topology));
        if !(network.contains(&first) && network.contains(&last)) {
            return Err(PoolError::Range { network, first, last });
        }
        let (first, last) = (u32::from(first), u32::from(last));
        let (capacity, each) = match config.topology {
            // Whole blocks of four: those that the range begins and ends in count.
            Topology::Net30 => ((last / 4).saturating_sub(first / 4).saturating_add(1), 4),
            Topology::PointToPoint | Topology::Subnet => (last.saturating_sub(first).saturating_add(1), 1),
        };
        Ok(Self { network, network6: config.network6, capacity, max_clients: config.max_clients, each })
    }

    /// S2-08: whether the network has the addresses that so many clients take, four for each of them with a /30 each. A file
    /// that does not say how many asks for no more than fit.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.max_clients.is_none_or(|most| self.capacity >= most)
    }

    /// How many clients can be connected at once.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.capacity.min(self.max_clients.unwrap_or(DEFAULT_CLIENTS))
    }

    /// What is announced while the server serves.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> + use<> {
        [Some(IpNet::V4(self.network)), self.network6.map(IpNet::V6)].into_iter().flatten()
    }
}

/// What `server` makes of its network, of /29 at least, on a TAP device of /30.
fn default_range(network: Ipv4Net, topology: Topology) -> (Ipv4Addr, Ipv4Addr) {
    let (base, end) = (u32::from(network.network()), u32::from(network.broadcast()));
    let (first, last) = match topology {
        // Of a /29 nothing is kept back: one client is left.
        Topology::Net30 | Topology::PointToPoint if network.prefix_len() == NARROWEST => (base | 4, end),
        Topology::Net30 | Topology::PointToPoint => (base | 4, end & !7 | 3),
        Topology::Subnet => (base | 2, end & !1),
    };
    (first.into(), last.into())
}
