//! The shape of a configuration file, exactly as written. The JSON Schema for editors is made from these types.

mod beyond;
mod bfd;
mod connections;
mod credentials;
mod inside;
mod pools;
mod routes;
mod routing;
mod speaker;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bgp::{Family, Role};
use certificate::RsaPadding;
use crypto::{EspProposal, IkeProposal};
use identity::Identity;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use negotiation::{DpdAction, EncapsulationPolicy, SelectorLayout, StartAction, V1Mode};
use policy::{AsPathLine, CommunityPattern, PrefixRule};
use rib::{PrivateAs, SendPaths};
use schemars::JsonSchema;
use serde::Deserialize;
use wire::Asn;
use wire::outer::{DontFragment, Dscp};

use crate::policies::{ChainField, PolicySection};
use crate::router::{DataplaneChoice, LogFormat};
use document::field::{Field, Layer, Leaf, OneOf};
use document::named::Named;
use document::scalar::{
    Count, GracefulShutdown, IkeGeneration, Legacy, Octets, PathDirections, RestartMode, Text, Within,
};
use profile::Profile;

pub(crate) use self::bfd::{BfdAuthSection, BfdField, BfdSection};
pub(crate) use beyond::{ConnectedField, NeighborSection, StaticHopSection, StaticSection};
pub(crate) use connections::{ConnectionSection, FailbackSection, HealthSection, MemberSection, ProbeSection};
pub(crate) use credentials::{AuthSection, OriginSection, PpkSection, PskSection};
pub(crate) use inside::{Inside6Section, InsideSection};
pub(crate) use pools::{OpenVpnSection, PoolSection};
pub(crate) use routes::{AggregateSection, BestPathSection};
pub(crate) use routing::{RoutingField, TunnelRouteSection, TunnelRoutesField};
pub(crate) use speaker::{AddPathSection, GracefulRestartSection, LocalAsnSection, MaxPrefixSection};

/// A Quadspan router.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["router"], "anyOf" = [{"required": ["tunnels"]}, {"required": ["neighbors"]}]))]
pub(crate) struct Document {
    /// The router itself.
    pub(crate) router: Field<RouterSection>,
    /// What all tunnels have in common; each may say otherwise, key by key.
    pub(crate) defaults: Field<Defaults>,
    /// One entry per tunnel; there may be none if there are neighbours.
    pub(crate) tunnels: Field<Vec<Field<TunnelSection>>>,
    /// Tunnels that lead to the same place, by a name for all of them, and how they share the work.
    pub(crate) connections: Field<Named<ConnectionSection>>,
    /// BGP peers outside the tunnels.
    pub(crate) neighbors: Field<Vec<Field<NeighborSection>>>,
    /// Pools of remote clients beside the router: networks that are announced while their server serves.
    pub(crate) pools: Field<Vec<Field<PoolSection>>>,
    /// Lists of prefixes by name, for `match: {prefix: NAME}`; the first line that matches decides.
    pub(crate) prefix_lists: Field<Named<Vec<Leaf<PrefixRule>>>>,
    /// Lists of patterns of AS paths by name, for `match: {as-path: NAME}`; the first line that matches decides.
    pub(crate) as_path_lists: Field<Named<Vec<Leaf<AsPathLine>>>>,
    /// Lists of communities by name, for `match: {communities: NAME}`.
    pub(crate) community_lists: Field<Named<Vec<Leaf<CommunityPattern>>>>,
    /// Policies by name, for `import` and `export` of sessions.
    pub(crate) policies: Field<Named<PolicySection>>,
}

/// The router itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "router", extend("required" = ["name", "asn", "router-id"]))]
pub(crate) struct RouterSection {
    /// Its name in logs, metrics and paths: letters, digits, `-`, `_` and `.`.
    pub(crate) name: Leaf<Text>,
    /// Our AS number, asplain (4200000001) or asdot (64086.59905).
    pub(crate) asn: Leaf<Asn>,
    /// Our BGP identifier: an IPv4 address of this router that is not one inside a tunnel.
    pub(crate) router_id: Leaf<Ipv4Addr>,
    /// Prefixes behind this router, announced to every peer.
    pub(crate) networks: Field<Vec<Leaf<IpNet>>>,
    /// Static routes.
    #[serde(rename = "static")]
    pub(crate) statics: Field<Vec<Field<StaticSection>>>,
    /// Interfaces whose networks are known, `all` or a list: learned routes never replace them, and peers are told of
    /// them where `export` permits.
    pub(crate) connected: ConnectedField,
    /// What moves packets: `userspace`, the router's own process, or `kernel`, Linux's IPsec with an xfrm interface per
    /// tunnel. `auto` (default) is `userspace`: it runs everywhere and does most.
    pub(crate) dataplane: Leaf<DataplaneChoice>,
    /// Kernel routing table for learned routes; 254 (default) is `main`.
    pub(crate) table: Leaf<Within<0, { u32::MAX }>>,
    /// Priority of our routes in the kernel, lower is preferred; 142 by default.
    pub(crate) metric: Leaf<Within<0, { u32::MAX }>>,
    /// Over how many tunnels traffic to one destination is spread; 16 by default.
    pub(crate) ecmp: Leaf<Within<1, 64>>,
    /// Whether learned routes go into the kernel; `true` by default. Without, they are only passed on between sessions.
    pub(crate) install: Leaf<bool>,
    /// Prefixes announced while something more specific in them has a route.
    pub(crate) aggregates: Field<Vec<Field<AggregateSection>>>,
    /// How the best path is chosen, and which paths are used beside it.
    pub(crate) best_path: Field<BestPathSection>,
    /// The control API.
    pub(crate) api: Field<ApiSection>,
    /// Prometheus metrics.
    pub(crate) metrics: Field<MetricsSection>,
    /// Logging.
    pub(crate) log: Field<LogSection>,
}

/// The control API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "api")]
pub(crate) struct ApiSection {
    /// Unix socket; `/run/quadspan/NAME.sock` by default.
    pub(crate) socket: Leaf<PathBuf>,
}

/// Prometheus metrics.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "metrics")]
pub(crate) struct MetricsSection {
    /// Address and port that `/metrics` is served at, such as `127.0.0.1:9179`; nowhere by default.
    pub(crate) listen: Leaf<SocketAddr>,
}

/// Logging.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "log")]
pub(crate) struct LogSection {
    /// A level, or directives such as `info,telemetry=debug`; `info` by default.
    pub(crate) filter: Leaf<Text>,
    /// `text` (default) or `json`.
    pub(crate) format: Leaf<LogFormat>,
}

/// What tunnels have in common.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "defaults")]
pub(crate) struct Defaults {
    /// What the peer is: `aws`, `aws-tgw`, `azure`, `gcp`, `alibaba`, `oci`, `cloudflare` or `generic` (default).
    pub(crate) profile: Leaf<Profile>,
    /// Our outside address.
    pub(crate) local: Leaf<IpAddr>,
    /// The pre-shared key.
    pub(crate) psk: Field<PskSection>,
    /// A post-quantum pre-shared key beside it (RFC 8784).
    pub(crate) ppk: Field<PpkSection>,
    /// The certificate that we show and the CAs that we trust, instead of a pre-shared key.
    pub(crate) certificate: Field<CertificateSection>,
    /// Who proves itself with what, where one end has a pre-shared key and the other a certificate.
    pub(crate) auth: Field<AuthSection>,
    /// The IKE SA.
    pub(crate) ike: Field<IkeSection>,
    /// The CHILD SAs.
    pub(crate) esp: Field<EspSection>,
    /// Whether DES, MD5 and the groups 1 and 22 to 24 may be proposed, and a peer may sign with RSA and SHA-1: `refuse`
    /// (default) or `allow`.
    pub(crate) legacy: Leaf<Legacy>,
    /// When SAs are renewed.
    pub(crate) rekey: Field<RekeySection>,
    /// Who begins: `initiate` (default), `on-demand` (we, when a packet waits for the tunnel) or `respond`.
    pub(crate) start: Leaf<StartAction>,
    /// Whether ESP travels in UDP: `auto` (default: where a NAT is), `always` or `never`.
    pub(crate) encapsulation: Leaf<EncapsulationPolicy>,
    /// Liveness checks.
    pub(crate) dpd: Field<DpdSection>,
    /// MTU of the tunnel interface; computed by default.
    pub(crate) mtu: Leaf<Within<576, 9200>>,
    /// Differentiated services of outer packets: `copy` (default) from the inner packet, `clear`, or a code point.
    pub(crate) dscp: Leaf<Dscp>,
    /// "Don't fragment" of outer packets: `copy` from the inner packet, `set` or `clear` (default).
    pub(crate) df: Leaf<DontFragment>,
    /// The BGP session inside the tunnel.
    pub(crate) bgp: Field<BgpSection>,
}

/// One tunnel.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "tunnel", extend("required" = ["name", "remote"]))]
pub(crate) struct TunnelSection {
    /// Its name in logs, metrics and commands: letters, digits, `-`, `_` and `.`.
    pub(crate) name: Leaf<Text>,
    /// What the peer is: `aws`, `aws-tgw`, `azure`, `gcp`, `alibaba`, `oci`, `cloudflare` or `generic` (default).
    pub(crate) profile: Leaf<Profile>,
    /// Name of the network interface, at most 15 characters; made from the tunnel's name by default.
    pub(crate) interface: Leaf<Text>,
    /// Our outside address.
    pub(crate) local: Leaf<IpAddr>,
    /// The peer's outside address.
    pub(crate) remote: Leaf<IpAddr>,
    /// How we identify ourselves to the peer; our outside address by default.
    pub(crate) local_id: Leaf<Identity>,
    /// How the peer must identify itself; its outside address by default.
    pub(crate) remote_id: Leaf<Identity>,
    /// The pre-shared key.
    pub(crate) psk: Field<PskSection>,
    /// A post-quantum pre-shared key beside it (RFC 8784).
    pub(crate) ppk: Field<PpkSection>,
    /// The certificate that we show and the CAs that we trust, instead of a pre-shared key.
    pub(crate) certificate: Field<CertificateSection>,
    /// Who proves itself with what, where one end has a pre-shared key and the other a certificate.
    pub(crate) auth: Field<AuthSection>,
    /// The link inside the tunnel: a /30, our end of which follows from the profile, or a section that says more. A tunnel
    /// without BGP needs none.
    pub(crate) inside: Field<OneOf<Ipv4Net, InsideSection>>,
    /// An IPv6 link beside it, a /126.
    pub(crate) inside6: Field<OneOf<Ipv6Net, Inside6Section>>,
    /// The IKE SA.
    pub(crate) ike: Field<IkeSection>,
    /// The CHILD SAs.
    pub(crate) esp: Field<EspSection>,
    /// Whether DES, MD5 and the groups 1 and 22 to 24 may be proposed, and a peer may sign with RSA and SHA-1: `refuse`
    /// (default) or `allow`.
    pub(crate) legacy: Leaf<Legacy>,
    /// When SAs are renewed.
    pub(crate) rekey: Field<RekeySection>,
    /// What the tunnel may carry; everything by default.
    pub(crate) selectors: Field<SelectorsSection>,
    /// How packets get into the tunnel: by `destination` (default), `protected` (by source and destination, as
    /// `selectors` say), or a section that says more.
    pub(crate) routing: RoutingField,
    /// Static routes into the tunnel, there while it is up: prefixes, or sections that say more.
    pub(crate) routes: TunnelRoutesField,
    /// Who begins: `initiate` (default), `on-demand` (we, when a packet waits for the tunnel) or `respond`.
    pub(crate) start: Leaf<StartAction>,
    /// Whether ESP travels in UDP: `auto` (default: where a NAT is), `always` or `never`.
    pub(crate) encapsulation: Leaf<EncapsulationPolicy>,
    /// Liveness checks.
    pub(crate) dpd: Field<DpdSection>,
    /// Health by probes through the tunnel.
    pub(crate) health: Field<HealthSection>,
    /// MTU of the tunnel interface; computed by default.
    pub(crate) mtu: Leaf<Within<576, 9200>>,
    /// Differentiated services of outer packets: `copy` (default) from the inner packet, `clear`, or a code point.
    pub(crate) dscp: Leaf<Dscp>,
    /// "Don't fragment" of outer packets: `copy` from the inner packet, `set` or `clear` (default).
    pub(crate) df: Leaf<DontFragment>,
    /// The BGP session inside the tunnel.
    pub(crate) bgp: Field<BgpSection>,
}

impl TunnelSection {
    /// With what `defaults` says where the tunnel itself says nothing.
    pub(crate) fn over(self, defaults: &Defaults) -> Self {
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

macro_rules! layered {
    ($(#[$title:meta])* struct $name:ident as $text:literal { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$title])*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        #[schemars(rename = $text)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl Layer for $name {
            fn over(self, base: Self) -> Self {
                Self { $($field: self.$field.or(base.$field),)* }
            }
        }
    };
}

layered! {
    /// The certificate that we show and the CAs that we trust. Each is a path to a PEM file, `{file: PATH}` or
    /// `{credential: NAME}`; files are read again at a reload.
    struct CertificateSection as "certificate" {
        /// Our certificate, followed by the intermediate ones up to what the peer knows.
        chain: Field<OneOf<PathBuf, OriginSection>>,
        /// The private key of our certificate, not encrypted: PKCS#8, PKCS#1 or SEC1.
        key: Field<OneOf<PathBuf, OriginSection>>,
        /// The CAs, one or more, that the peer's certificate must come from.
        ca: Field<OneOf<PathBuf, OriginSection>>,
        /// Lists of revoked certificates of these CAs, PEM or DER.
        crl: Field<OneOf<PathBuf, OriginSection>>,
        /// How an RSA key signs: `pss` (default), or `pkcs1` for peers that know nothing else.
        rsa: Leaf<RsaPadding>,
    }
}

layered! {
    /// The IKE SA.
    struct IkeSection as "ike" {
        /// Which IKE is spoken: `ikev2` (default) or `ikev1`.
        version: Leaf<IkeGeneration>,
        /// How an IKEv1 SA is begun: `main` (default) or `aggressive`. Only with `version: ikev1`.
        mode: Leaf<V1Mode>,
        /// Suites in order of preference, such as `aes256gcm16-prfsha384-ecp384`.
        proposals: Field<Vec<Leaf<IkeProposal>>>,
        /// Age at which the IKE SA ends; it is renewed before.
        lifetime: Leaf<Duration>,
    }
}

layered! {
    /// The CHILD SAs.
    struct EspSection as "esp" {
        /// Suites in order of preference, such as `aes256gcm16-ecp384`. The group is that of PFS; `-modpnone` behind it
        /// lets a peer do without. `-esn` asks for extended sequence numbers, `-esn-noesn` lets a peer do without them.
        proposals: Field<Vec<Leaf<EspProposal>>>,
        /// Age at which a CHILD SA ends; it is renewed before.
        lifetime: Leaf<Duration>,
        /// Octets after which a CHILD SA ends, such as `100GB`.
        bytes: Leaf<Octets>,
        /// Packets after which a CHILD SA ends.
        packets: Leaf<Count>,
        /// Anti-replay window in packets, 64 to 4096, 1024 by default; 0 turns the check off.
        replay_window: Leaf<Within<0, { u32::MAX }>>,
        /// Rekey a few seconds after we brought the tunnel up, so that a mismatch of PFS groups shows at once and not
        /// hours later; `true` by default where a suite has a group.
        early_rekey: Leaf<bool>,
    }
}

layered! {
    /// When SAs are renewed.
    struct RekeySection as "rekey" {
        /// How long before the end of an SA its renewal starts, at the latest; a tenth of its life and at most 270s by
        /// default. Limits in octets and packets have the same part of them as margin.
        margin: Leaf<Duration>,
        /// By up to how many percent the margin is enlarged at random, that is, the renewal starts earlier; 100 by default.
        fuzz: Leaf<Within<0, 100>>,
    }
}

layered! {
    /// Liveness checks.
    struct DpdSection as "dpd" {
        /// Silence after which the peer is asked.
        interval: Leaf<Duration>,
        /// Time without an answer after which the peer is dead.
        timeout: Leaf<Duration>,
        /// What becomes of the tunnel then: `restart` (begin anew at once, default with `start: initiate`), `clear` (down
        /// until the peer begins or a packet waits, default otherwise) or `none` (never ask).
        action: Leaf<DpdAction>,
    }
}

/// What a tunnel may carry.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "selectors")]
pub(crate) struct SelectorsSection {
    /// Prefixes on our side.
    pub(crate) local: Field<Vec<Leaf<IpNet>>>,
    /// Prefixes on the peer's side.
    pub(crate) remote: Field<Vec<Leaf<IpNet>>>,
    /// `together` (default: one CHILD SA for all) or `per-pair` (one for each pair of a local and a remote prefix).
    pub(crate) layout: Leaf<SelectorLayout>,
}

layered! {
    /// The BGP session inside the tunnel.
    struct BgpSection as "bgp" {
        /// The peer's AS number.
        asn: Leaf<Asn>,
        /// Proposed hold time: 0 or at least 3s.
        hold_time: Leaf<Duration>,
        /// Time between keepalives; a third of the hold time by default.
        keepalive: Leaf<Duration>,
        /// Pause between attempts to connect; 5s by default.
        connect_retry: Leaf<Duration>,
        /// Wait for the peer to connect; `false` by default: connect and listen.
        passive: Leaf<bool>,
        /// Address families: `ipv4`, `ipv6`; by default those the tunnel has inside links of, or the one of the
        /// neighbour's address; with `extended-next-hop` and an IPv6 address, both.
        families: Field<Vec<Leaf<Family>>>,
        /// What to accept: a policy, `all`, or a list of policies and prefix rules, of which the first that decides
        /// does. By default all from clouds and on internal sessions, and nothing from others (RFC 8212).
        import: ChainField,
        /// What to announce: a policy, `all`, `networks` (what the router's `networks` name, the default), or a list of
        /// these and prefix rules, of which the first that decides does.
        export: ChainField,
        /// What becomes of routes that the peer is about to take away (RFC 8326): `honor` (default on external sessions)
        /// uses them only if there is nothing else, `ignore` does nothing.
        graceful_shutdown: Leaf<GracefulShutdown>,
        /// Whether traffic is to leave this session, for maintenance: what is announced says so (RFC 8326), what is
        /// received is used only if there is nothing else; `false` by default. See `quadspan bgp drain`.
        drain: Leaf<bool>,
        /// Limits.
        max_prefix: Field<MaxPrefixSection>,
        /// LOCAL_PREF of accepted routes, higher is preferred; 100 by default.
        local_preference: Leaf<Within<0, { u32::MAX }>>,
        /// MED announced, lower is preferred; none by default.
        med: Leaf<Within<0, { u32::MAX }>>,
        /// How often our AS number is put in front once more.
        prepend: Leaf<Within<0, 16>>,
        /// Bidirectional forwarding detection: `true` (300ms, three times), `false` (default) or a section.
        bfd: BfdField,
        /// The shortest hold time a peer may propose; 3s by default.
        min_hold_time: Leaf<Duration>,
        /// How long the peer may read nothing of what we send (RFC 9687); 8m by default, at least twice the hold time,
        /// 0s turns it off.
        send_hold_time: Leaf<Duration>,
        /// The longest pause after failures in a row; 60s by default.
        idle_hold_max: Leaf<Duration>,
        /// When a session that ended for too many prefixes opens again; without it, an operator has to reset it.
        max_prefix_restart: Leaf<Duration>,
        /// Keeps the session down, with this text for the peer's operator (RFC 9003).
        shutdown: Leaf<Text>,
        /// Marks around routes announced again (RFC 7313); `true` by default.
        enhanced_refresh: Leaf<bool>,
        /// Messages of up to 65535 octets (RFC 8654); `false` by default.
        extended_messages: Leaf<bool>,
        /// IPv4 routes with IPv6 next hops (RFC 8950); `false` by default.
        extended_next_hop: Leaf<bool>,
        /// Several paths per prefix (RFC 7911): `receive`, `send` or `both`, or one of them by family; none by default.
        add_path: Field<OneOf<PathDirections, AddPathSection>>,
        /// Graceful restart (RFC 4724): `helper`, `full` or `off` (default, which does not even mention it), or a section.
        graceful_restart: Field<OneOf<RestartMode, GracefulRestartSection>>,
        /// What we are to the peer (RFC 9234): `provider`, `customer`, `peer`, `rs-server` or `rs-client`. Routes that
        /// would leak are then refused and withheld.
        role: Leaf<Role>,
        /// Whether a peer that says nothing of its role is refused; `false` by default.
        role_strict: Leaf<bool>,
        /// A key for TCP MD5 (RFC 2385), and one way to it.
        md5: Field<PskSection>,
        /// Takes packets of the session only if they come from at most this many hops away (RFC 5082); 1 is a neighbour.
        ttl_security: Leaf<Within<1, 254>>,
        /// Largest TCP segment of the session; what fits the tunnel by default.
        tcp_mss: Leaf<Within<536, 65535>>,
        /// How often our own AS number may be in the AS path of a route that we take; never by default.
        allowas_in: Leaf<Within<1, 10>>,
        /// Another AS number that we have toward this peer, as after a merger (RFC 7705), or a section; the router's own
        /// by default.
        local_asn: Field<OneOf<Asn, LocalAsnSection>>,
        /// Put our AS number in place of the peer's in what we announce, so that another site of its AS takes it;
        /// `false` by default.
        as_override: Leaf<bool>,
        /// Private AS numbers in what we announce to another AS: `all` takes them out, `replace` puts ours in their
        /// place; they stay by default.
        remove_private_as: Leaf<PrivateAs>,
        /// Announce our own address as next hop inside our AS; `true` by default. Otherwise the one that a route came
        /// with, where it is not of link scope.
        next_hop_self: Leaf<bool>,
        /// Announce a default route, whatever is in the tables and in `export`; `false` by default.
        default_originate: Leaf<bool>,
        /// Which paths a peer gets that takes several: `all` (default), `ecmp` (those that are used side by side) or how
        /// many.
        send_paths: Leaf<SendPaths>,
    }
}
