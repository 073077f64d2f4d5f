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
pub(crate) struct InsideSection {
    /// The link's network; the /30 around our address by default.
    pub(crate) prefix: Leaf<Ipv4Net>,
    /// Which host of the prefix is ours: `first` or `second`.
    pub(crate) side: Leaf<Side>,
    /// Our address.
    pub(crate) local: Leaf<Ipv4Addr>,
    /// The peer's address.
    pub(crate) peer: Leaf<Ipv4Addr>,
}

/// The IPv6 link inside the tunnel: `prefix` (and `side`), or both addresses.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "inside6")]
pub(crate) struct Inside6Section {
    /// The link's network; the /126 around our address by default.
    pub(crate) prefix: Leaf<Ipv6Net>,
    /// Which host of the prefix is ours: `first` or `second`.
    pub(crate) side: Leaf<Side>,
    /// Our address.
    pub(crate) local: Leaf<Ipv6Addr>,
    /// The peer's address.
    pub(crate) peer: Leaf<Ipv6Addr>,
}
