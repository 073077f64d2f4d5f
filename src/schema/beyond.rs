//! What lies beyond the tunnels, as written: static routes, connected networks, neighbours.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{BfdField, BgpSection};
use document::asn_range::AsnRange;
use document::field::{Field, Leaf, OneOf};
use document::scalar::{AllInterfaces, Text, Within};

/// `all`, or a list of names.
pub type ConnectedField = Field<OneOf<AllInterfaces, Vec<Leaf<Text>>>>;

/// A static route: `prefix`, and `via` or `blackhole`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "static", extend("required" = ["prefix"]))]
pub struct StaticSection {
    /// The destination.
    pub prefix: Leaf<IpNet>,
    /// Where to: one or more next hops, over all of which that are alive traffic is spread.
    pub via: Field<Vec<Field<OneOf<IpAddr, StaticHopSection>>>>,
    /// Whether packets are dropped instead; `false` by default.
    pub blackhole: Leaf<bool>,
    /// Compared with other sources of the same prefix, the lower wins: connected 0, static 1 (default), external BGP 20,
    /// internal BGP 200.
    pub distance: Leaf<Within<1, 255>>,
    /// Whether peers without an `export` list are told of it, too; `false` by default.
    pub announce: Leaf<bool>,
}

/// A next hop: `tunnel`, or `address` with or without `interface`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "next-hop")]
pub struct StaticHopSection {
    /// The peer inside this tunnel, while the tunnel is up.
    pub tunnel: Leaf<Text>,
    /// This address, while there is a way to it.
    pub address: Leaf<IpAddr>,
    /// The interface that the address is behind; found by itself by default.
    pub interface: Leaf<Text>,
    /// Its share of the traffic, 1 by default.
    pub weight: Leaf<Within<1, 256>>,
    /// Bidirectional forwarding detection with the router there, as in a session: while it is not heard, this is no way.
    pub bfd: BfdField,
}

/// A BGP peer outside the tunnels: `address`, or `range` for peers that are not known beforehand.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "neighbor", extend("required" = ["name"]))]
pub struct NeighborSection {
    /// Its name in logs, metrics and commands: letters, digits, `-`, `_` and `.`.
    pub name: Leaf<Text>,
    /// The peer's address.
    pub address: Leaf<IpAddr>,
    /// Peers may connect from any address in this prefix; sessions with them come and go.
    pub range: Leaf<IpNet>,
    /// The peer's AS number; with `range` also a list, parts such as `65010-65019`,
    /// `external` (any but ours) or `any`.
    pub asn: Field<OneOf<AsnRange, Vec<Leaf<AsnRange>>>>,
    /// Most sessions with peers of `range` at once; 64 by default.
    pub limit: Leaf<Within<1, 4096>>,
    /// The interface that the peer is behind; by default the one with a network that holds the peer's address.
    pub interface: Leaf<Text>,
    /// Our address for the session; by default ours on the peer's network.
    pub local_address: Leaf<IpAddr>,
    /// The peer is up to this many hops away, and not on a network of ours.
    pub multihop: Leaf<Within<2, 255>>,
    /// The session: the same keys as in a tunnel.
    pub bgp: Field<BgpSection>,
}
