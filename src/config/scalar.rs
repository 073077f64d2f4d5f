//! The one-word values of a configuration: how each is written, read and described to an editor.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bgp::{AddPath, Family, Role};
use certificate::RsaPadding;
use crypto::{EspProposal, IkeProposal, ParseSuiteError};
use identity::{Identity, ParseIdentityError};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use negotiation::{DpdAction, EncapsulationPolicy, SelectorLayout, StartAction, V1Mode};
use policy::{PrefixRule, RuleAction};
use rib::{PrivateAs, SendPaths};
use schemars::{Schema, json_schema};
use wire::Asn;

use crate::field::Scalar;
use crate::profile::{Profile, Side};
use crate::router::{DataplaneChoice, LogFormat};

/// Text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

/// A number between bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Within<const MIN: u32, const MAX: u32>(pub(crate) u32);

/// Every plain interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AllInterfaces;

/// A number of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Octets(pub(crate) u64);

/// A number of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

/// In which directions a prefix may have several paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathDirections(pub(crate) AddPath);

/// What a session does about restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartMode {
    Off,
    Helper,
    Full,
}

/// Whether broken algorithms may be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Legacy {
    /// They are an error.
    Refuse,
    /// They are a warning.
    Allow,
}

/// What decides which packets enter a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoutingMode {
    /// Their destination (S0-09).
    Destination,
    /// Source and destination (S0-10).
    Protected,
}

impl Scalar for Text {
    const EXPECTED: &'static str = "some text";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("this text is empty".to_owned()) } else { Ok(Self(text.to_owned())) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number"], "minLength": 1 })
    }
}

impl Scalar for PathBuf {
    const EXPECTED: &'static str = "a path such as `/etc/quadspan/tunnel.psk`";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') { Err("this is not a path".to_owned()) } else { Ok(text.into()) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is neither `true` nor `false`"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl<const MIN: u32, const MAX: u32> Scalar for Within<MIN, MAX> {
    const EXPECTED: &'static str = "a whole number between these bounds";

    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse::<u64>().map_err(|_| format!("`{text}` is not a whole number"))?;
        match u32::try_from(number) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            Ok(_) | Err(_) => Err(format!("{number} is not between {MIN} and {MAX}")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
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

impl Scalar for AllInterfaces {
    const EXPECTED: &'static str = "`all`, or a list of interfaces such as `[eth0, eth1]`";

    fn parse(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self) } else { Err(format!("`{text}` is neither `all` nor a list")) }
    }

    fn schema() -> Schema {
        json_schema!({ "const": "all" })
    }
}

impl Scalar for Count {
    const EXPECTED: &'static str = "a whole number above zero such as `1000000000`";

    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("zero is not a limit".to_owned()),
            Ok(count) => Ok(Self(count)),
            Err(_) => Err(format!("`{text}` is not a whole number")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 1 })
    }
}

impl Scalar for Octets {
    const EXPECTED: &'static str = "a size such as `100MB`, `4GiB` or `102400000KiB`";

    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split_number(text);
        let unit = match unit.trim() {
            "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "" => return Err(format!("`{text}` has no unit")),
            unit => return Err(format!("`{unit}` is not a unit of size")),
        };
        let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a size"))?;
        number.checked_mul(unit).map(Self).ok_or_else(|| format!("`{text}` is beyond 16 EiB"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ ?([kKMGT]i?)?B$" })
    }
}

impl Scalar for Duration {
    const EXPECTED: &'static str = "a duration such as `500ms`, `30s`, `5m`, `8h`, `1d` or `1h30m`";

    fn parse(text: &str) -> Result<Self, String> {
        let beyond = || format!("`{text}` is beyond 10 years");
        let mut rest = text;
        let mut total = Self::ZERO;
        while !rest.is_empty() || text.is_empty() {
            let (number, after) = split_number(rest);
            let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
            let milliseconds: u64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "" if !number.is_empty() => return Err(format!("`{text}` has no unit")),
                _ => return Err(format!("`{text}` is not a duration")),
            };
            let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration"))?;
            let part = number.checked_mul(milliseconds).map(Self::from_millis).ok_or_else(beyond)?;
            total = total.checked_add(part).ok_or_else(beyond)?;
            rest = after;
        }
        if total > Self::from_secs(10 * 366 * 86_400) { Err(beyond()) } else { Ok(total) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$" })
    }
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
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

impl Scalar for IkeProposal {
    const EXPECTED: &'static str = "an IKE suite such as `aes256gcm16-prfsha384-ecp384`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: ParseSuiteError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["aes256gcm16-prfsha384-ecp384", "aes256-sha256-modp2048"] })
    }
}

impl Scalar for EspProposal {
    const EXPECTED: &'static str = "an ESP suite such as `aes256gcm16-ecp384` or `aes256-sha256`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: ParseSuiteError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["aes256gcm16-ecp384", "aes256-sha256-modp2048"] })
    }
}

/// With what an end proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthKind {
    Psk,
    Certificate,
}

impl Scalar for Identity {
    const EXPECTED: &'static str =
        "an identity such as `203.0.113.7`, `gw.example.net`, `me@example.net` or `C=CH, CN=gateway`";

    fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.parse();
        if matches!(parsed, Ok(Self::Dn(_)) | Err(ParseIdentityError::Name(_))) {
            return parsed.map_err(|error: ParseIdentityError| error.to_string());
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            // S0-31: no spaces.
            return Err(format!("`{text}` holds white space"));
        }
        parsed.map_err(|error: ParseIdentityError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(\\S+|[A-Za-z0-9.]+ *=.+)$" })
    }
}

/// What becomes of routes that carry the community of RFC 8326.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GracefulShutdown {
    Honor,
    Ignore,
}

/// How the peer is told which tunnel of a connection to send through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WayBack {
    Med,
    Prepend,
    Both,
    Free,
}

/// The version of IKE, as written; the mode of IKEv1 is a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IkeGeneration {
    V2,
    V1,
}

macro_rules! keywords {
    ($($type:ty, $expected:literal, { $($word:literal => $value:expr,)* };)*) => {$(
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($value),)*
                    _ => Err(match $crate::de::nearest(text, &[$($word),*]) {
                        Some(word) => format!("`{text}` is not known here; did you mean `{word}`?"),
                        None => format!("`{text}` is not known here"),
                    }),
                }
            }

            fn schema() -> Schema {
                json_schema!({ "enum": [$($word),*] })
            }
        }
    )*};
}

pub(crate) use keywords;

keywords! {
    Profile, "`aws`, `aws-tgw`, `azure`, `gcp`, `alibaba`, `oci`, `cloudflare` or `generic`", {
        "aws" => Profile::Aws,
        "aws-tgw" => Profile::AwsTgw,
        "azure" => Profile::Azure,
        "gcp" => Profile::Gcp,
        "alibaba" => Profile::Alibaba,
        "oci" => Profile::Oci,
        "cloudflare" => Profile::Cloudflare,
        "generic" => Profile::Generic,
    };
    Side, "`first` or `second`: which host of the inside prefix is ours", {
        "first" => Side::First,
        "second" => Side::Second,
    };
    DataplaneChoice, "`auto` or `userspace`", {
        "auto" => DataplaneChoice::Auto,
        "userspace" => DataplaneChoice::Userspace,
    };
    DpdAction, "`clear`, `restart` or `none`", {
        "clear" => DpdAction::Clear,
        "restart" => DpdAction::Restart,
        "none" => DpdAction::None,
    };
    SelectorLayout, "`together` or `per-pair`", {
        "together" => SelectorLayout::Together,
        "per-pair" => SelectorLayout::PerPair,
    };
    RoutingMode, "`destination` or `protected`", {
        "destination" => RoutingMode::Destination,
        "protected" => RoutingMode::Protected,
    };
    StartAction, "`initiate`, `on-demand` or `respond`", {
        "initiate" => StartAction::Initiate,
        "on-demand" => StartAction::OnDemand,
        "respond" => StartAction::Respond,
    };
    IkeGeneration, "`ikev2` or `ikev1`", {
        "ikev2" => IkeGeneration::V2,
        "ikev1" => IkeGeneration::V1,
    };
    V1Mode, "`main` or `aggressive`", {
        "main" => V1Mode::Main,
        "aggressive" => V1Mode::Aggressive,
    };
    EncapsulationPolicy, "`auto`, `always` or `never`", {
        "auto" => EncapsulationPolicy::Auto,
        "always" => EncapsulationPolicy::Always,
        "never" => EncapsulationPolicy::Never,
    };
    Legacy, "`refuse` or `allow`", {
        "refuse" => Legacy::Refuse,
        "allow" => Legacy::Allow,
    };
    GracefulShutdown, "`honor` or `ignore`", {
        "honor" => GracefulShutdown::Honor,
        "ignore" => GracefulShutdown::Ignore,
    };
    AuthKind, "`psk` or `certificate`", {
        "psk" => AuthKind::Psk,
        "certificate" => AuthKind::Certificate,
    };
    bfd::AuthKind, "`meticulous-sha1` or `sha1`: others prove nothing", {
        "meticulous-sha1" => bfd::AuthKind::MeticulousKeyedSha1,
        "sha1" => bfd::AuthKind::KeyedSha1,
    };
    RsaPadding, "`pss` or `pkcs1`", {
        "pss" => RsaPadding::Pss,
        "pkcs1" => RsaPadding::Pkcs1,
    };
    PrivateAs, "`all` or `replace`", {
        "all" => PrivateAs::Remove,
        "replace" => PrivateAs::Replace,
    };
    LogFormat, "`text` or `json`", {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
    };
    PathDirections, "`receive`, `send` or `both`", {
        "receive" => PathDirections(AddPath { receive: true, send: false }),
        "send" => PathDirections(AddPath { receive: false, send: true }),
        "both" => PathDirections(AddPath { receive: true, send: true }),
    };
    RestartMode, "`helper`, `full` or `off`", {
        "helper" => RestartMode::Helper,
        "full" => RestartMode::Full,
        "off" => RestartMode::Off,
    };
    Role, "`provider`, `customer`, `peer`, `rs-server` or `rs-client`: what we are to the peer", {
        "provider" => Role::Provider,
        "customer" => Role::Customer,
        "peer" => Role::Peer,
        "rs-server" => Role::RsServer,
        "rs-client" => Role::RsClient,
    };
    steering::Mode, "`active-active`, `primary-standby` or `med-steered`", {
        "active-active" => steering::Mode::ActiveActive,
        "primary-standby" => steering::Mode::PrimaryStandby,
        "med-steered" => steering::Mode::MedSteered,
    };
    steering::Policy, "`any` or `all`", {
        "any" => steering::Policy::Any,
        "all" => steering::Policy::All,
    };
    WayBack, "`med`, `prepend`, `both` or `free`", {
        "med" => WayBack::Med,
        "prepend" => WayBack::Prepend,
        "both" => WayBack::Both,
        "free" => WayBack::Free,
    };
    Family, "`ipv4` or `ipv6`", {
        "ipv4" => Family::Ipv4Unicast,
        "ipv6" => Family::Ipv6Unicast,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_their_parts() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("0s", 0),
            ("27000s", 27_000_000),
        ] {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in
            ["", "30", "s", "1x", "1 s", "-1s", "1h30", "3661d", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(Octets::parse("102400000KiB"), Ok(Octets(104_857_600_000)));
        assert_eq!(Octets::parse("100 MB"), Ok(Octets(100_000_000)));
        for text in ["", "5", "KB", "5 parsec", "-1B", "99999999999TiB"] {
            assert!(Octets::parse(text).is_err(), "{text}");
        }
    }

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
