//! What policies say of routes.

use bgp::Origin;
use policy::{
    Action, Amount, AsPathLine, AsPathPattern, Community, CommunityPattern, PatternError, Range, RuleAction, Source,
};
use schemars::{Schema, json_schema};

use crate::field::Scalar;
use crate::keywords;

impl Scalar for AsPathLine {
    const EXPECTED: &'static str =
        "a pattern such as `^64512 .* 65001$`, `_64512_` or `^$`, perhaps with `deny` before it";

    fn parse(text: &str) -> Result<Self, String> {
        let (action, rest) = match (text.strip_prefix("permit "), text.strip_prefix("deny ")) {
            (Some(rest), _) => (RuleAction::Permit, rest),
            (None, Some(rest)) => (RuleAction::Deny, rest),
            (None, None) => (RuleAction::Permit, text),
        };
        Ok(Self { action, pattern: pattern(rest)? })
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// A pattern of AS paths.
///
/// # Errors
/// What is wrong with it.
pub fn pattern(text: &str) -> Result<AsPathPattern, String> {
    text.parse().map_err(|error: PatternError| error.to_string())
}

macro_rules! parsed {
    ($($type:ty, $expected:literal, $schema:tt;)*) => {$(
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: PatternError| error.to_string())
            }

            fn schema() -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

parsed! {
    CommunityPattern, "a community such as `64512:100`, `64512:*`, `no-export`, `64512:1:2` or `rt:64512:1`",
        { "type": "string" };
    Community, "a community such as `64512:100`, `no-export`, `64512:1:2`, `rt:64512:1` or `link-bandwidth:64512:1Gbps`",
        { "type": "string" };
    Range, "a number or a range such as `100`, `100-200` or `100-`",
        { "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+(-[0-9]*)?$" };
    Amount, "a number or a change such as `200`, `+50` or `-50`",
        { "type": ["integer", "string"], "pattern": "^[+-]?[0-9]+$" };
}

keywords! {
    Action, "`accept`, `reject` or `next`", {
        "accept" => Action::Accept,
        "reject" => Action::Reject,
        "next" => Action::Next,
    };
    Origin, "`igp`, `egp` or `incomplete`", {
        "igp" => Origin::Igp,
        "egp" => Origin::Egp,
        "incomplete" => Origin::Incomplete,
    };
    Source, "`bgp`, `static`, `connected` or `originated`", {
        "bgp" => Source::Bgp,
        "static" => Source::Static,
        "connected" => Source::Connected,
        "originated" => Source::Originated,
    };
}
