//! What may be written in a configuration: its keys, section by section, exactly as they stand in the file.
//!
//! ```text
//!  Document -+- router       networks, static, connected, aggregates, best-path, api, metrics, log
//!            +- defaults     what tunnels have in common; `TunnelSection::over` lays a tunnel over it, key by key
//!            +- tunnels      psk, ppk, certificate, auth, ike, esp, rekey, dpd, selectors, routing, routes, health, bgp
//!            +- neighbors    place, bgp
//!            +- connections, pools
//!            +- prefix-lists, as-path-lists, community-lists, policies
//! ```
//!
//! Every key is a [`document::field::Field`], so that one may be absent or wrong without harm to the others. What is right
//! about a section alone is said by the types of its values; what the keys mean is the matter of `resolve`. The comments
//! here are what editors show: [`json()`] makes the JSON Schema from them.

macro_rules! layered {
    ($(#[$title:meta])* struct $name:ident as $text:literal { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$title])*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        #[schemars(rename = $text)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Layer for $name {
            fn over(self, base: Self) -> Self {
                Self { $($field: self.$field.or(base.$field),)* }
            }
        }
    };
}

mod beyond;
mod bfd;
mod connections;
mod credentials;
mod inside;
mod ipsec;
mod json;
mod keys;
mod policies;
mod pools;
mod routes;
mod routing;
mod session;
mod speaker;
mod word;

pub use self::bfd::{BfdAuthSection, BfdField, BfdSection};
pub use beyond::{ConnectedField, NeighborSection, StaticHopSection, StaticSection};
pub use connections::{ConnectionSection, FailbackSection, HealthSection, MemberSection, ProbeSection};
pub use credentials::{AuthSection, OriginSection, PpkSection, PskSection};
pub use inside::{Inside6Section, InsideSection};
pub use ipsec::{CertificateSection, DpdSection, EspSection, IkeSection, RekeySection, SelectorsSection};
pub use json::json;
pub use keys::{ApiSection, Defaults, Document, LogSection, MetricsSection, RouterSection, TunnelSection};
pub use policies::{ChainField, CommunitiesSection, Many, MatchSection, PolicySection, RuleSection, SetSection};
pub use pools::{OpenVpnSection, PoolSection};
pub use routes::{AggregateSection, BestPathSection};
pub use routing::{RoutingField, RoutingSection, TunnelRouteSection, TunnelRoutesField};
pub use session::BgpSection;
pub use speaker::{AddPathSection, GracefulRestartSection, LocalAsnSection, MaxPrefixSection};
pub use word::{AddressWord, AsPathWord, CommunityWord, MedWord, NextHopWord, PrefixWord, STEPS, StepWord};
