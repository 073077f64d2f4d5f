//! The one-word values of policies.

use std::net::IpAddr;

use ipnet::IpNet;
use policy::{Amount, AsPathPattern, CommunityPattern, NextHop, PrefixRule};
use schemars::{Schema, json_schema};

use document::field::Scalar;

/// Prefixes, or the name of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixWord {
    /// Prefixes.
    Rule(PrefixRule),
    /// The name of a list of such.
    List(String),
}

/// AS paths, or the name of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsPathWord {
    /// AS paths.
    Pattern(AsPathPattern),
    /// The name of a list of such.
    List(String),
}

/// Communities, or the name of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommunityWord {
    /// Communities.
    Pattern(CommunityPattern),
    /// The name of a list of such.
    List(String),
}

/// One step of what a session accepts or announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepWord {
    /// A rule about prefixes.
    Rule(PrefixRule),
    /// The name of a policy.
    Policy(String),
    /// `all`.
    Everything,
    /// `networks`: what the router's own key of this name holds.
    Networks,
}

/// An address or a prefix of such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressWord(pub IpNet);

/// A change of the MED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MedWord {
    /// To this, or by so much.
    Amount(Amount),
    /// Away with it.
    None,
}

/// A next hop to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHopWord(pub NextHop);

/// Words that stand for steps and can't be names.
pub const STEPS: [&str; 2] = ["all", "networks"];

/// Whether it begins like the name of a list or policy.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && !text.contains([':', '/', ' '])
}

const RULE: &str = "^((permit|deny) +)?[0-9a-fA-F.:]+/[0-9]{1,3}( +(ge|le) +[0-9]{1,3}){0,2}$";
const NAME: &str = "^[A-Za-z][A-Za-z0-9_.-]*$";

impl Scalar for PrefixWord {
    const EXPECTED: &'static str = "a prefix such as `10.0.0.0/8 ge 16 le 24`, or the name of a list in `prefix-lists`";

    fn parse(text: &str) -> Result<Self, String> {
        if is_name(text) { Ok(Self::List(text.to_owned())) } else { PrefixRule::parse(text).map(Self::Rule) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "anyOf": [{ "pattern": RULE }, { "pattern": NAME }] })
    }
}

impl Scalar for StepWord {
    const EXPECTED: &'static str =
        "a rule such as `10.2.0.0/16 le 24` or `deny 0.0.0.0/0`, the name of a policy, `all` or `networks`";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::Everything),
            "networks" => Ok(Self::Networks),
            _ if is_name(text) && text != "permit" && text != "deny" => Ok(Self::Policy(text.to_owned())),
            _ => PrefixRule::parse(text).map(Self::Rule),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "anyOf": [{ "pattern": RULE }, { "pattern": NAME }] })
    }
}

impl Scalar for AsPathWord {
    const EXPECTED: &'static str =
        "a pattern such as `^64512 .* 65001$`, `_64512_` or `^$`, or the name of a list in `as-path-lists`";

    fn parse(text: &str) -> Result<Self, String> {
        if is_name(text) {
            return Ok(Self::List(text.to_owned()));
        }
        document::scalar::pattern(text).map(Self::Pattern)
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

impl Scalar for CommunityWord {
    const EXPECTED: &'static str = "a community such as `64512:100`, `64512:*`, `no-export`, `64512:1:2` or `rt:64512:1`, or the \
                                    name of a list in `community-lists`";

    fn parse(text: &str) -> Result<Self, String> {
        let known = policy::community::names().any(|name| name == text);
        if is_name(text) && !known && !text.starts_with("0x") {
            return Ok(Self::List(text.to_owned()));
        }
        CommunityPattern::parse(text).map(Self::Pattern)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Scalar for MedWord {
    const EXPECTED: &'static str = "a MED or a change such as `100`, `+10`, `-10` or `none`";

    fn parse(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self::None) } else { Amount::parse(text).map(Self::Amount) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["integer", "string"], "pattern": "^([+-]?[0-9]+|none)$" })
    }
}

impl Scalar for AddressWord {
    const EXPECTED: &'static str = "an address or a prefix such as `169.254.21.1` or `169.254.0.0/16`";

    fn parse(text: &str) -> Result<Self, String> {
        if text.contains('/') { IpNet::parse(text) } else { IpAddr::parse(text).map(IpNet::from) }.map(Self)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
    }
}

impl Scalar for NextHopWord {
    const EXPECTED: &'static str = "`self`, `peer` or an address of the session's link";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "self" => NextHop::Own,
            "peer" => NextHop::Peer,
            _ => NextHop::Address(IpAddr::parse(text)?),
        }))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(self|peer|[0-9a-fA-F.:]+)$" })
    }
}
