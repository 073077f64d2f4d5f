//! The shape of policies and lists.

use bgp::{Family, Origin};
use policy::{Action, Amount, AsPathLine, Community, CommunityPattern, PrefixRule, Range, Source};
use schemars::JsonSchema;
use serde::Deserialize;
use wire::Asn;

use super::word::{AddressWord, AsPathWord, CommunityWord, MedWord, NextHopWord, PrefixWord, StepWord};
use document::field::{Field, Leaf, OneOf};
use document::named::Named;
use document::scalar::{Text, Within};
use document::source::At;

/// One value, or a list of such.
pub(crate) type Many<T> = Field<OneOf<T, Vec<Leaf<T>>>>;

/// What a session accepts or announces.
pub(crate) type ChainField = Many<StepWord>;

/// All values that were written and could be read; `None` if nothing was written.
pub(crate) fn all<T>(many: Many<T>) -> Option<Vec<At<T>>> {
    let At { value, span } = many.at()?;
    Some(match value {
        OneOf::Short(word) => vec![At::new(word.0, span)],
        OneOf::Long(list) => list.into_iter().filter_map(Leaf::scalar).collect(),
    })
}

/// All that policies are made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoliciesSections {
    pub(crate) prefix_lists: Named<Vec<Leaf<PrefixRule>>>,
    pub(crate) as_path_lists: Named<Vec<Leaf<AsPathLine>>>,
    pub(crate) community_lists: Named<Vec<Leaf<CommunityPattern>>>,
    pub(crate) policies: Named<PolicySection>,
}

/// Rules in order; the first that says accept or reject decides.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy", extend("required" = ["default"]))]
pub(crate) struct PolicySection {
    /// The rules.
    pub(crate) rules: Field<Vec<Field<RuleSection>>>,
    /// What becomes of a route that no rule decides about: `accept`, `reject` or `next` (whatever comes behind this
    /// policy decides).
    pub(crate) default: Leaf<Action>,
}

/// One rule of a policy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy-rule")]
pub(crate) struct RuleSection {
    /// A name for messages.
    pub(crate) name: Leaf<Text>,
    /// Which routes it is about: all conditions must hold; all routes without any.
    #[serde(rename = "match")]
    pub(crate) conditions: Field<MatchSection>,
    /// What it changes.
    pub(crate) set: Field<SetSection>,
    /// What becomes of the route then: `accept`, `reject` or `next` (the next rule).
    pub(crate) action: Leaf<Action>,
    /// Instead of `action`: the policy that decides; if it says `next`, the next rule.
    pub(crate) call: Leaf<Text>,
}

/// Conditions. Each takes one value or a list, of which one must fit; names are those of lists.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy-match")]
pub(crate) struct MatchSection {
    /// Prefixes such as `10.0.0.0/8 ge 16 le 24`, or names of `prefix-lists`.
    pub(crate) prefix: Many<PrefixWord>,
    /// How long the prefix is: `24`, `16-24`.
    pub(crate) prefix_length: Leaf<Range>,
    /// `ipv4` or `ipv6`.
    pub(crate) family: Leaf<Family>,
    /// Patterns of AS paths such as `^64512 .* 65001$`, or names of `as-path-lists`.
    pub(crate) as_path: Many<AsPathWord>,
    /// How many hops the AS path has: `0-5`.
    pub(crate) as_path_length: Leaf<Range>,
    /// The AS that originated the route: `65001`, `64512-65534`.
    pub(crate) origin_as: Many<Range>,
    /// Communities such as `64512:100`, `64512:*`, `no-export`, `64512:1:*`, `rt:64512:1`, or names of `community-lists`:
    /// at least one is carried.
    pub(crate) communities: Many<CommunityWord>,
    /// The same: each is carried.
    pub(crate) communities_all: Many<CommunityWord>,
    /// The same: none is carried.
    pub(crate) communities_none: Many<CommunityWord>,
    /// Addresses or prefixes that the next hop lies in.
    pub(crate) next_hop: Many<AddressWord>,
    /// `igp`, `egp` or `incomplete`.
    pub(crate) origin: Many<Origin>,
    /// Sessions the route was learned in: `aws-1`, `aws-*`.
    pub(crate) peer: Many<Text>,
    /// MED: `0`, `100-200`; absent counts as 0.
    pub(crate) med: Leaf<Range>,
    /// Local preference: `100`, `200-`.
    pub(crate) local_preference: Leaf<Range>,
    /// Where the route comes from: `bgp`, `static`, `connected` or `originated`.
    pub(crate) source: Many<Source>,
}

/// What a rule changes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy-set")]
pub(crate) struct SetSection {
    /// Local preference: `200`, `+50`, `-50`.
    pub(crate) local_preference: Leaf<Amount>,
    /// MED: `100`, `+10`, `-10` or `none`.
    pub(crate) med: Leaf<MedWord>,
    /// How many times an AS is put in front of the AS path (on export our own, on import the peer's), or which ones.
    pub(crate) prepend: Field<OneOf<Within<1, 32>, Vec<Leaf<Asn>>>>,
    /// Communities.
    pub(crate) communities: Field<CommunitiesSection>,
    /// On import `peer`, whatever it announces; on export `self` or, toward neighbours outside tunnels, an address on the same
    /// network.
    pub(crate) next_hop: Leaf<NextHopWord>,
    /// `igp`, `egp` or `incomplete`.
    pub(crate) origin: Leaf<Origin>,
}

/// Changes of communities of all kinds, `link-bandwidth:64512:1Gbps` too.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "policy-set-communities")]
pub(crate) struct CommunitiesSection {
    /// These go, patterns such as `64512:*` too. Done first.
    pub(crate) remove: Many<CommunityPattern>,
    /// These come.
    pub(crate) add: Many<Community>,
    /// These and no others; `[]` takes all away.
    pub(crate) replace: Many<Community>,
}
