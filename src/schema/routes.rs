//! What is done to routes, as written: best paths, aggregates.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use document::field::Leaf;

/// A prefix announced while something more specific in it has a route.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "aggregate", extend("required" = ["prefix"]))]
pub struct AggregateSection {
    /// What is announced; addresses in it that nothing more specific covers are dropped here.
    pub prefix: Leaf<IpNet>,
    /// Announce nothing more specific beside it; `false` by default.
    pub summary_only: Leaf<bool>,
    /// Put the AS numbers of all that is in it into its AS path, as a set; `false` by default.
    pub as_set: Leaf<bool>,
}

/// How the best path is chosen, and which paths are used beside it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "best-path")]
pub struct BestPathSection {
    /// Compare MEDs of different neighbouring ASes, too; `false` by default.
    pub always_compare_med: Leaf<bool>,
    /// Use paths side by side that came through different neighbouring ASes, if their AS paths are of one length and
    /// their MEDs equal; `false` by default.
    pub multipath_relax: Leaf<bool>,
    /// Give next hops shares of the traffic in proportion to their link bandwidth communities, where all have one;
    /// `false` by default: equal shares.
    pub link_bandwidth: Leaf<bool>,
}
