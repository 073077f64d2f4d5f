//! What leads packets into a tunnel, as written: its routes, and how it is routed.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use document::field::{Field, Leaf, OneOf};
use document::scalar::{RoutingMode, Within};

/// A list of prefixes, each alone or with what there is to say about it.
pub type TunnelRoutesField = Field<Vec<Field<OneOf<IpNet, TunnelRouteSection>>>>;
/// A mode, or a section that says more.
pub type RoutingField = Field<OneOf<RoutingMode, RoutingSection>>;

/// A static route into a tunnel.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "tunnel-route", extend("required" = ["prefix"]))]
pub struct TunnelRouteSection {
    /// The destination.
    pub prefix: Leaf<IpNet>,
    /// Compared with other ways to the same prefix, the lower wins: tunnels of one distance share the traffic, those of
    /// higher ones stand by. Static 1 (default), external BGP 20, internal BGP 200.
    pub distance: Leaf<Within<1, 255>>,
    /// This tunnel's share of the traffic beside others of the same distance, 1 by default.
    pub weight: Leaf<Within<1, 256>>,
    /// Whether peers without an `export` list are told of it, too; `false` by default.
    pub announce: Leaf<bool>,
}

/// How a tunnel is routed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "routing", extend("required" = ["mode"]))]
pub struct RoutingSection {
    /// By `destination` (default): routes decide, from BGP or static ones. `protected`: what comes from a `local` network
    /// of `selectors` and goes to a `remote` one enters the tunnel, and nothing else does.
    pub mode: Leaf<RoutingMode>,
    /// With `protected`: of several tunnels for the same networks that are up those of the lowest distance are used; 1 by
    /// default.
    pub distance: Leaf<Within<1, 255>>,
    /// With `protected`: whether peers without an `export` list are told of the remote networks, while the tunnel is up;
    /// `false` by default.
    pub announce: Leaf<bool>,
}
