//! AS numbers, addresses, prefixes and rules about them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use policy::{PrefixRule, RuleAction};
use rib::SendPaths;
use schemars::{Schema, json_schema};
use wire::Asn;

use crate::field::Scalar;

/// Every plain interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllInterfaces;

impl Scalar for AllInterfaces {
    const EXPECTED: &'static str = "`all`, or a list of interfaces such as `[eth0, eth1]`";

    fn parse(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self) } else { Err(format!("`{text}` is neither `all` nor a list")) }
    }

    fn schema() -> Schema {
        json_schema!({ "const": "all" })
    }
}

impl Scalar for SendPaths {
    const EXPECTED: &'static str = "`all`, `ecmp` or a number of paths such as `2`";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "ecmp" => Ok(Self::Ecmp),
            number => match number.parse::<u8>() {
                Ok(count @ 1..) => Ok(Self::First(count)),
                Ok(_) | Err(_) => Err(format!("`{text}` is neither `all` nor `ecmp` nor between 1 and 255")),
            },
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "enum": ["all", "ecmp"] }, { "type": "integer", "minimum": 1, "maximum": 255 }] })
    }
}

impl Scalar for Asn {
    const EXPECTED: &'static str = "an AS number such as `65000`, `4200000001` or `64086.59905`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: wire::ParseAsnError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 4_294_967_294_u32 },
            { "type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]+)?$" },
        ] })
    }
}

macro_rules! addresses {
    ($($type:ty, $expected:literal, $kind:literal, $schema:tt;)*) => {$(
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!(concat!("`{}` is not ", $kind), text))
            }

            fn schema() -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

addresses! {
    IpAddr, "an address such as `203.0.113.7`", "an IP address",
        { "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] };
    Ipv4Addr, "an address such as `169.254.21.2`", "an IPv4 address", { "type": "string", "format": "ipv4" };
    Ipv6Addr, "an address such as `fd00:21::2`", "an IPv6 address", { "type": "string", "format": "ipv6" };
    SocketAddr, "an address with a port such as `127.0.0.1:9179`", "an address with a port", { "type": "string" };
}

macro_rules! prefixes {
    ($($type:ty, $expected:literal, $pattern:literal;)*) => {$(
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Result<Self, String> {
                let net: Self = text.parse().map_err(|_| format!("`{text}` is not a prefix"))?;
                if net == net.trunc() {
                    return Ok(net);
                }
                Err(format!("`{text}` has bits set behind its length; the network is `{}`", net.trunc()))
            }

            fn schema() -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    )*};
}

prefixes! {
    IpNet, "a prefix such as `10.1.0.0/16`", "^[0-9a-fA-F.:]+/[0-9]{1,3}$";
    Ipv4Net, "a prefix such as `169.254.21.0/30`", "^[0-9.]+/[0-9]{1,2}$";
    Ipv6Net, "a prefix such as `fd00:21::/126`", "^[0-9a-fA-F.:]+/[0-9]{1,3}$";
}

/// `[permit|deny] PREFIX [ge N] [le N]`; without `ge` and `le`, this prefix alone.
impl Scalar for PrefixRule {
    const EXPECTED: &'static str = "a rule such as `10.2.0.0/16`, `10.0.0.0/8 ge 16 le 24` or `deny 0.0.0.0/0`";

    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        let action = match words.peek() {
            Some(&"permit") => words.next().map(|_| RuleAction::Permit),
            Some(&"deny") => words.next().map(|_| RuleAction::Deny),
            Some(_) | None => None,
        };
        let prefix = IpNet::parse(words.next().ok_or("this rule has no prefix")?)?;
        let mut rule = Self {
            action: action.unwrap_or(RuleAction::Permit),
            prefix,
            min_len: prefix.prefix_len(),
            max_len: prefix.prefix_len(),
        };
        let (mut ge, mut le) = (None, None);
        while let Some(word) = words.next() {
            let bound = match word {
                "ge" => &mut ge,
                "le" => &mut le,
                _ => return Err(format!("`{word}` has no meaning in a rule")),
            };
            let length = words.next().ok_or_else(|| format!("no length after `{word}`"))?;
            let length = length.parse::<u8>().map_err(|_| format!("`{length}` is not a prefix length"))?;
            if bound.replace(length).is_some() {
                return Err(format!("`{word}` is given twice"));
            }
        }
        if ge.is_some() || le.is_some() {
            rule.min_len = ge.unwrap_or(rule.min_len);
            rule.max_len = le.unwrap_or(prefix.max_prefix_len());
        }
        if prefix.prefix_len() <= rule.min_len
            && rule.min_len <= rule.max_len
            && rule.max_len <= prefix.max_prefix_len()
        {
            return Ok(rule);
        }
        Err(format!(
            "`{text}` can match nothing: {} <= ge <= le <= {} does not hold",
            prefix.prefix_len(),
            prefix.max_prefix_len()
        ))
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^((permit|deny) +)?[0-9a-fA-F.:]+/[0-9]{1,3}( +(ge|le) +[0-9]{1,3}){0,2}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_rules_say_what_they_match() {
        let rule = |action, prefix: &str, min_len, max_len| {
            Ok(PrefixRule { action, prefix: prefix.parse().unwrap(), min_len, max_len })
        };
        let (permit, deny) = (RuleAction::Permit, RuleAction::Deny);
        assert_eq!(PrefixRule::parse("10.2.0.0/16"), rule(permit, "10.2.0.0/16", 16, 16));
        assert_eq!(PrefixRule::parse("permit 10.0.0.0/8 ge 16 le 24"), rule(permit, "10.0.0.0/8", 16, 24));
        assert_eq!(PrefixRule::parse("deny 10.0.0.0/8 le 24"), rule(deny, "10.0.0.0/8", 8, 24));
        assert_eq!(PrefixRule::parse("0.0.0.0/0 ge 1"), rule(permit, "0.0.0.0/0", 1, 32));
        assert_eq!(PrefixRule::parse("fd00::/8 le 64"), rule(permit, "fd00::/8", 8, 64));
    }

    #[test]
    fn prefix_rules_that_match_nothing_are_refused() {
        for text in [
            "",
            "deny",
            "10.0.0.0",
            "10.0.0.1/8",
            "10.0.0.0/8 ge",
            "10.0.0.0/8 ge 4",
            "10.0.0.0/8 ge 24 le 16",
            "10.0.0.0/8 le 33",
            "10.0.0.0/8 eq 9",
            "10.0.0.0/8 le 9 le 9",
            "allow 10.0.0.0/8",
        ] {
            assert!(PrefixRule::parse(text).is_err(), "{text}");
        }
    }
}
