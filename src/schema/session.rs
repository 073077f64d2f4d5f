//! A BGP session, inside a tunnel or outside.

use std::time::Duration;

use bgp::{Family, Role};
use rib::{PrivateAs, SendPaths};
use schemars::JsonSchema;
use serde::Deserialize;
use wire::Asn;

use crate::{
    AddPathSection, BfdField, ChainField, GracefulRestartSection, LocalAsnSection, MaxPrefixSection, PskSection,
};
use document::field::{Field, Layer, Leaf, OneOf};
use document::scalar::{GracefulShutdown, PathDirections, RestartMode, Text, Within};

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
