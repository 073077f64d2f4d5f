//! The whole file, the router itself, and a tunnel with what tunnels have in common.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use identity::Identity;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use negotiation::{EncapsulationPolicy, StartAction};
use policy::{AsPathLine, CommunityPattern, PrefixRule};
use profile::Profile;
use schemars::JsonSchema;
use serde::Deserialize;
use settings::{DataplaneChoice, LogFormat};
use wire::Asn;
use wire::outer::{DontFragment, Dscp};

use crate::{
    AggregateSection, AuthSection, BestPathSection, BgpSection, CertificateSection, ConnectedField, ConnectionSection,
    DpdSection, EspSection, HealthSection, IkeSection, Inside6Section, InsideSection, NeighborSection, PolicySection,
    PoolSection, PpkSection, PskSection, RekeySection, RoutingField, SelectorsSection, StaticSection,
    TunnelRoutesField,
};
use document::field::{Field, Leaf, OneOf};
use document::named::Named;
use document::scalar::{Legacy, Text, Within};

/// A Quadspan router.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["router"], "anyOf" = [{"required": ["tunnels"]}, {"required": ["neighbors"]}]))]
pub struct Document {
    /// The router itself.
    pub router: Field<RouterSection>,
    /// What all tunnels have in common; each may say otherwise, key by key.
    pub defaults: Field<Defaults>,
    /// One entry per tunnel; there may be none if there are neighbours.
    pub tunnels: Field<Vec<Field<TunnelSection>>>,
    /// Tunnels that lead to the same place, by a name for all of them, and how they share the work.
    pub connections: Field<Named<ConnectionSection>>,
    /// BGP peers outside the tunnels.
    pub neighbors: Field<Vec<Field<NeighborSection>>>,
    /// Pools of remote clients beside the router: networks that are announced while their server serves.
    pub pools: Field<Vec<Field<PoolSection>>>,
    /// Lists of prefixes by name, for `match: {prefix: NAME}`; the first line that matches decides.
    pub prefix_lists: Field<Named<Vec<Leaf<PrefixRule>>>>,
    /// Lists of patterns of AS paths by name, for `match: {as-path: NAME}`; the first line that matches decides.
    pub as_path_lists: Field<Named<Vec<Leaf<AsPathLine>>>>,
    /// Lists of communities by name, for `match: {communities: NAME}`.
    pub community_lists: Field<Named<Vec<Leaf<CommunityPattern>>>>,
    /// Policies by name, for `import` and `export` of sessions.
    pub policies: Field<Named<PolicySection>>,
}

/// The router itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "router", extend("required" = ["name", "asn", "router-id"]))]
pub struct RouterSection {
    /// Its name in logs, metrics and paths: letters, digits, `-`, `_` and `.`.
    pub name: Leaf<Text>,
    /// Our AS number, asplain (4200000001) or asdot (64086.59905).
    pub asn: Leaf<Asn>,
    /// Our BGP identifier: an IPv4 address of this router that is not one inside a tunnel.
    pub router_id: Leaf<Ipv4Addr>,
    /// Prefixes behind this router, announced to every peer.
    pub networks: Field<Vec<Leaf<IpNet>>>,
    /// Static routes.
    #[serde(rename = "static")]
    pub statics: Field<Vec<Field<StaticSection>>>,
    /// Interfaces whose networks are known, `all` or a list: learned routes never replace them, and peers are told of
    /// them where `export` permits.
    pub connected: ConnectedField,
    /// What moves packets: `userspace`, the router's own process, or `kernel`, Linux's IPsec with an xfrm interface per
    /// tunnel. `auto` (default) is `userspace`: it runs everywhere and does most.
    pub dataplane: Leaf<DataplaneChoice>,
    /// Kernel routing table for learned routes; 254 (default) is `main`.
    pub table: Leaf<Within<0, { u32::MAX }>>,
    /// Priority of our routes in the kernel, lower is preferred; 142 by default.
    pub metric: Leaf<Within<0, { u32::MAX }>>,
    /// Over how many tunnels traffic to one destination is spread; 16 by default.
    pub ecmp: Leaf<Within<1, 64>>,
    /// Whether learned routes go into the kernel; `true` by default. Without, they are only passed on between sessions.
    pub install: Leaf<bool>,
    /// Prefixes announced while something more specific in them has a route.
    pub aggregates: Field<Vec<Field<AggregateSection>>>,
    /// How the best path is chosen, and which paths are used beside it.
    pub best_path: Field<BestPathSection>,
    /// The control API.
    pub api: Field<ApiSection>,
    /// Prometheus metrics.
    pub metrics: Field<MetricsSection>,
    /// Logging.
    pub log: Field<LogSection>,
}

/// The control API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "api")]
pub struct ApiSection {
    /// Unix socket; `/run/quadspan/NAME.sock` by default.
    pub socket: Leaf<PathBuf>,
}

/// Prometheus metrics.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "metrics")]
pub struct MetricsSection {
    /// Address and port that `/metrics` is served at, such as `127.0.0.1:9179`; nowhere by default.
    pub listen: Leaf<SocketAddr>,
}

/// Logging.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "log")]
pub struct LogSection {
    /// A level, or directives such as `info,telemetry=debug`; `info` by default.
    pub filter: Leaf<Text>,
    /// `text` (default) or `json`.
    pub format: Leaf<LogFormat>,
}

/// What tunnels have in common.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "defaults")]
pub struct Defaults {
    /// What the peer is: `aws`, `aws-tgw`, `azure`, `gcp`, `alibaba`, `oci`, `cloudflare` or `generic` (default).
    pub profile: Leaf<Profile>,
    /// Our outside address.
    pub local: Leaf<IpAddr>,
    /// The pre-shared key.
    pub psk: Field<PskSection>,
    /// A post-quantum pre-shared key beside it (RFC 8784).
    pub ppk: Field<PpkSection>,
    /// The certificate that we show and the CAs that we trust, instead of a pre-shared key.
    pub certificate: Field<CertificateSection>,
    /// Who proves itself with what, where one end has a pre-shared key and the other a certificate.
    pub auth: Field<AuthSection>,
    /// The IKE SA.
    pub ike: Field<IkeSection>,
    /// The CHILD SAs.
    pub esp: Field<EspSection>,
    /// Whether DES, MD5 and the groups 1 and 22 to 24 may be proposed, and a peer may sign with RSA and SHA-1: `refuse`
    /// (default) or `allow`.
    pub legacy: Leaf<Legacy>,
    /// When SAs are renewed.
    pub rekey: Field<RekeySection>,
    /// Who begins: `initiate` (default), `on-demand` (we, when a packet waits for the tunnel) or `respond`.
    pub start: Leaf<StartAction>,
    /// Whether ESP travels in UDP: `auto` (default: where a NAT is), `always` or `never`.
    pub encapsulation: Leaf<EncapsulationPolicy>,
    /// Liveness checks.
    pub dpd: Field<DpdSection>,
    /// MTU of the tunnel interface; computed by default.
    pub mtu: Leaf<Within<576, 9200>>,
    /// Differentiated services of outer packets: `copy` (default) from the inner packet, `clear`, or a code point.
    pub dscp: Leaf<Dscp>,
    /// "Don't fragment" of outer packets: `copy` from the inner packet, `set` or `clear` (default).
    pub df: Leaf<DontFragment>,
    /// The BGP session inside the tunnel.
    pub bgp: Field<BgpSection>,
}

/// One tunnel.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "tunnel", extend("required" = ["name", "remote"]))]
pub struct TunnelSection {
    /// Its name in logs, metrics and commands: letters, digits, `-`, `_` and `.`.
    pub name: Leaf<Text>,
    /// What the peer is: `aws`, `aws-tgw`, `azure`, `gcp`, `alibaba`, `oci`, `cloudflare` or `generic` (default).
    pub profile: Leaf<Profile>,
    /// Name of the network interface, at most 15 characters; made from the tunnel's name by default.
    pub interface: Leaf<Text>,
    /// Our outside address.
    pub local: Leaf<IpAddr>,
    /// The peer's outside address.
    pub remote: Leaf<IpAddr>,
    /// How we identify ourselves to the peer; our outside address by default.
    pub local_id: Leaf<Identity>,
    /// How the peer must identify itself; its outside address by default.
    pub remote_id: Leaf<Identity>,
    /// The pre-shared key.
    pub psk: Field<PskSection>,
    /// A post-quantum pre-shared key beside it (RFC 8784).
    pub ppk: Field<PpkSection>,
    /// The certificate that we show and the CAs that we trust, instead of a pre-shared key.
    pub certificate: Field<CertificateSection>,
    /// Who proves itself with what, where one end has a pre-shared key and the other a certificate.
    pub auth: Field<AuthSection>,
    /// The link inside the tunnel: a /30, our end of which follows from the profile, or a section that says more. A tunnel
    /// without BGP needs none.
    pub inside: Field<OneOf<Ipv4Net, InsideSection>>,
    /// An IPv6 link beside it, a /126.
    pub inside6: Field<OneOf<Ipv6Net, Inside6Section>>,
    /// The IKE SA.
    pub ike: Field<IkeSection>,
    /// The CHILD SAs.
    pub esp: Field<EspSection>,
    /// Whether DES, MD5 and the groups 1 and 22 to 24 may be proposed, and a peer may sign with RSA and SHA-1: `refuse`
    /// (default) or `allow`.
    pub legacy: Leaf<Legacy>,
    /// When SAs are renewed.
    pub rekey: Field<RekeySection>,
    /// What the tunnel may carry; everything by default.
    pub selectors: Field<SelectorsSection>,
    /// How packets get into the tunnel: by `destination` (default), `protected` (by source and destination, as
    /// `selectors` say), or a section that says more.
    pub routing: RoutingField,
    /// Static routes into the tunnel, there while it is up: prefixes, or sections that say more.
    pub routes: TunnelRoutesField,
    /// Who begins: `initiate` (default), `on-demand` (we, when a packet waits for the tunnel) or `respond`.
    pub start: Leaf<StartAction>,
    /// Whether ESP travels in UDP: `auto` (default: where a NAT is), `always` or `never`.
    pub encapsulation: Leaf<EncapsulationPolicy>,
    /// Liveness checks.
    pub dpd: Field<DpdSection>,
    /// Health by probes through the tunnel.
    pub health: Field<HealthSection>,
    /// MTU of the tunnel interface; computed by default.
    pub mtu: Leaf<Within<576, 9200>>,
    /// Differentiated services of outer packets: `copy` (default) from the inner packet, `clear`, or a code point.
    pub dscp: Leaf<Dscp>,
    /// "Don't fragment" of outer packets: `copy` from the inner packet, `set` or `clear` (default).
    pub df: Leaf<DontFragment>,
    /// The BGP session inside the tunnel.
    pub bgp: Field<BgpSection>,
}

impl TunnelSection {
    /// With what `defaults` says where the tunnel itself says nothing.
    pub fn over(self, defaults: &Defaults) -> Self {
        let mut defaults = defaults.clone();
        // A tunnel's own key replaces the certificate of the others, and the reverse. Where `auth` says who proves
        // itself with what, here or for all, nothing else decides that.
        if self.auth.span().is_none() && defaults.auth.span().is_none() {
            match (self.psk.span(), self.certificate.span()) {
                (Some(_), None) => defaults.certificate = Field::default(),
                (None, Some(_)) => defaults.psk = Field::default(),
                (None, None) | (Some(_), Some(_)) => {}
            }
        }
        Self {
            profile: self.profile.or(defaults.profile),
            local: self.local.or(defaults.local),
            psk: self.psk.or(defaults.psk),
            ppk: self.ppk.or(defaults.ppk),
            certificate: self.certificate.over(defaults.certificate),
            auth: self.auth.or(defaults.auth),
            ike: self.ike.over(defaults.ike),
            esp: self.esp.over(defaults.esp),
            legacy: self.legacy.or(defaults.legacy),
            rekey: self.rekey.over(defaults.rekey),
            start: self.start.or(defaults.start),
            encapsulation: self.encapsulation.or(defaults.encapsulation),
            dpd: self.dpd.over(defaults.dpd),
            mtu: self.mtu.or(defaults.mtu),
            dscp: self.dscp.or(defaults.dscp),
            df: self.df.or(defaults.df),
            bgp: self.bgp.over(defaults.bgp),
            ..self
        }
    }
}
