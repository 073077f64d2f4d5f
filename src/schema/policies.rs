//! Policies.

use bgp::{Family, Origin};
use policy::{Action, Amount, Community, CommunityPattern, Range, Source};
use schemars::JsonSchema;
use serde::Deserialize;
use wire::Asn;

use crate::word::{AddressWord, AsPathWord, CommunityWord, MedWord, NextHopWord, PrefixWord, StepWord};
use document::field::{Field, Leaf, OneOf};
use document::scalar::{Text, Within};

/// One value, or a list of such.
pub type Many<T> = Field<OneOf<T, Vec<Leaf<T>>>>;

/// What a session accepts or announces.
pub type ChainField = Many<StepWord>;

/// Rules in order; the first that says accept or reject decides.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy", extend("required" = ["default"]))]
pub struct PolicySection {
    /// The rules.
    pub rules: Field<Vec<Field<RuleSection>>>,
    /// What becomes of a route that no rule decides about: `accept`, `reject` or `next` (whatever comes behind this
    /// policy decides).
    pub default: Leaf<Action>,
}

/// One rule of a policy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy-rule")]
pub struct RuleSection {
    /// A name for messages.
    pub name: Leaf<Text>,
    /// Which routes it is about: all conditions must hold; all routes without any.
    #[serde(rename = "match")]
    pub conditions: Field<MatchSection>,
    /// What it changes.
    pub set: Field<SetSection>,
    /// What becomes of the route then: `accept`, `reject` or `next` (the next rule).
    pub action: Leaf<Action>,
    /// Instead of `action`: the policy that decides; if it says `next`, the next rule.
    pub call: Leaf<Text>,
}

/// Conditions. Each takes one value or a list, of which one must fit; names are those of lists.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy-match")]
pub struct MatchSection {
    /// Prefixes such as `10.0.0.0/8 ge 16 le 24`, or names of `prefix-lists`.
    pub prefix: Many<PrefixWord>,
    /// How long the prefix is: `24`, `16-24`.
    pub prefix_length: Leaf<Range>,
    /// `ipv4` or `ipv6`.
    pub family: Leaf<Family>,
    /// Patterns of AS paths such as `^64512 .* 65001$`, or names of `as-path-lists`.
    pub as_path: Many<AsPathWord>,
    /// How many hops the AS path has: `0-5`.
    pub as_path_length: Leaf<Range>,
    /// The AS that originated the route: `65001`, `64512-65534`.
    pub origin_as: Many<Range>,
    /// Communities such as `64512:100`, `64512:*`, `no-export`, `64512:1:*`, `rt:64512:1`, or names of `community-lists`:
    /// at least one is carried.
    pub communities: Many<CommunityWord>,
    /// The same: each is carried.
    pub communities_all: Many<CommunityWord>,
    /// The same: none is carried.
    pub communities_none: Many<CommunityWord>,
    /// Addresses or prefixes that the next hop lies in.
    pub next_hop: Many<AddressWord>,
    /// `igp`, `egp` or `incomplete`.
    pub origin: Many<Origin>,
    /// Sessions the route was learned in: `aws-1`, `aws-*`.
    pub peer: Many<Text>,
    /// MED: `0`, `100-200`; absent counts as 0.
    pub med: Leaf<Range>,
    /// Local preference: `100`, `200-`.
    pub local_preference: Leaf<Range>,
    /// Where the route comes from: `bgp`, `static`, `connected` or `originated`.
    pub source: Many<Source>,
}

/// What a rule changes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy-set")]
pub struct SetSection {
    /// Local preference: `200`, `+50`, `-50`.
    pub local_preference: Leaf<Amount>,
    /// MED: `100`, `+10`, `-10` or `none`.
    pub med: Leaf<MedWord>,
    /// How many times an AS is put in front of the AS path (on export our own, on import the peer's), or which ones.
    pub prepend: Field<OneOf<Within<1, 32>, Vec<Leaf<Asn>>>>,
    /// Communities.
    pub communities: Field<CommunitiesSection>,
    /// On import `peer`, whatever it announces; on export `self` or, toward neighbours outside tunnels, an address on the same
    /// network.
    pub next_hop: Leaf<NextHopWord>,
    /// `igp`, `egp` or `incomplete`.
    pub origin: Leaf<Origin>,
}

/// Changes of communities of all kinds, `link-bandwidth:64512:1Gbps` too.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy-set-communities")]
pub struct CommunitiesSection {
    /// These go, patterns such as `64512:*` too. Done first.
    pub remove: Many<CommunityPattern>,
    /// These come.
    pub add: Many<Community>,
    /// These and no others; `[]` takes all away.
    pub replace: Many<Community>,
}
