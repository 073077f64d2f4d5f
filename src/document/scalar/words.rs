//! Words of which each key knows a few.

use bgp::{AddPath, Family, Role};
use certificate::RsaPadding;
use negotiation::{DpdAction, EncapsulationPolicy, SelectorLayout, StartAction, V1Mode};
use rib::PrivateAs;

/// In which directions a prefix may have several paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathDirections(pub AddPath);

/// What a session does about restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartMode {
    /// Nothing.
    Off,
    /// The routes of a peer that restarts are kept.
    Helper,
    /// That, and the peer is asked to keep ours.
    Full,
}

/// Whether broken algorithms may be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legacy {
    /// They are an error.
    Refuse,
    /// They are a warning.
    Allow,
}

/// What decides which packets enter a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingMode {
    /// Their destination (S0-09).
    Destination,
    /// Source and destination (S0-10).
    Protected,
}

/// With what an end proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthKind {
    /// A pre-shared key.
    Psk,
    /// A certificate and its key.
    Certificate,
}

/// What becomes of routes that carry the community of RFC 8326.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GracefulShutdown {
    /// They come last.
    Honor,
    /// Nothing.
    Ignore,
}

/// How the peer is told which tunnel of a connection to send through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// By MEDs.
    Med,
    /// By longer AS paths.
    Prepend,
    /// By both.
    Both,
    /// Not at all.
    Free,
}

/// The version of IKE, as written; the mode of IKEv1 is a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeGeneration {
    /// RFC 7296.
    V2,
    /// RFC 2409.
    V1,
}

/// Makes scalars of types whose values are one word each.
#[macro_export]
macro_rules! keywords {
    ($($type:ty, $expected:literal, { $($word:literal => $value:expr,)* };)*) => {$(
        impl $crate::field::Scalar for $type {
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

            fn schema() -> $crate::Schema {
                $crate::json_schema!({ "enum": [$($word),*] })
            }
        }
    )*};
}

keywords! {
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
