//! The links inside a tunnel.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use profile::Side;
use schemars::JsonSchema;
use serde::Deserialize;

use document::field::Leaf;

/// The link inside the tunnel: `prefix` (and `side`), or both addresses.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "inside")]
pub struct InsideSection {
    /// The link's network; the /30 around our address by default.
    pub prefix: Leaf<Ipv4Net>,
    /// Which host of the prefix is ours: `first` or `second`.
    pub side: Leaf<Side>,
    /// Our address.
    pub local: Leaf<Ipv4Addr>,
    /// The peer's address.
    pub peer: Leaf<Ipv4Addr>,
}

/// The IPv6 link inside the tunnel: `prefix` (and `side`), or both addresses.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "inside6")]
pub struct Inside6Section {
    /// The link's network; the /126 around our address by default.
    pub prefix: Leaf<Ipv6Net>,
    /// Which host of the prefix is ours: `first` or `second`.
    pub side: Leaf<Side>,
    /// Our address.
    pub local: Leaf<Ipv6Addr>,
    /// The peer's address.
    pub peer: Leaf<Ipv6Addr>,
}
