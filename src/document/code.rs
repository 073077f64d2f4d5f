//! The names of the rules. Stable: people search for them, and `quadspan explain` has a page for each.
//!
//! ```text
//!   QS0048   the rule of row S0-48 of the documents that the clouds' users have; QS0117 that of S1-17
//!   QS1001   all others, by subject: 10 shape, 11 router, 12 beyond, 13 networks, 14 addresses, 15 authentication,
//!            16 suites, 17 timing, 18 BGP, 19 policies, 20 connections
//! ```
//!
//! What a rule is about stands here, why it is one and what to do in `rules/`; `rule` reads that.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal $text:literal,)*) => {
        /// Which rule a finding is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])* $name,)*
        }

        impl Code {
            /// Every rule there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code, such as `QS0048`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The rule in a few words, such as `inside-reserved`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What the rule is about, in one sentence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim(),)*
                }
            }
        }
    };
}

impl Code {
    /// The rule of this code or name: `QS0048`, `qs48`, `inside-reserved`.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let code = lower.strip_prefix("qs").and_then(|digits| digits.parse::<u16>().ok());
        let code = code.map(|number| format!("QS{number:04}"));
        Self::ALL.iter().copied().find(|rule| Some(rule.as_str()) == code.as_deref() || rule.name() == lower)
    }
}

codes! {
    /// The file cannot be read.
    Unreadable = "QS1001" "unreadable",
    /// The text is not YAML.
    YamlSyntax = "QS1002" "yaml-syntax",
    /// The document says nothing.
    Empty = "QS1003" "empty",
    /// The document is nested too deeply.
    TooDeep = "QS1004" "too-deep",
    /// The document is too large.
    TooLarge = "QS1005" "too-large",
    /// A key is given twice.
    DuplicateKey = "QS1006" "duplicate-key",
    /// A key that nothing reads.
    UnknownKey = "QS1007" "unknown-key",
    /// A key that must be given is not.
    MissingKey = "QS1008" "missing-key",
    /// A value that is not of its kind.
    Value = "QS1009" "value",

    /// A name that cannot be used as one.
    Name = "QS1101" "name",
    /// Two tunnels have one name.
    DuplicateName = "QS1102" "duplicate-name",
    /// An interface name that the kernel refuses.
    Interface = "QS1103" "interface",
    /// Two tunnels have one interface.
    DuplicateInterface = "QS1104" "duplicate-interface",
    /// There is neither a tunnel nor a neighbour.
    NoTunnels = "QS1105" "no-tunnels",
    /// Another AS number of ours that cannot be ours toward this peer (RFC 7705).
    LocalAsn = "QS1113" "local-asn",
    /// There is only one tunnel (S0-16).
    SingleTunnel = "QS0016" "single-tunnel",
    /// A kernel table that is not ours to use.
    KernelTable = "QS1106" "kernel-table",
    /// A socket path that cannot be used.
    SocketPath = "QS1107" "socket-path",
    /// Metrics are readable from anywhere.
    MetricsExposed = "QS1108" "metrics-exposed",
    /// An outer header that the kernel's data plane cannot write.
    KernelHeader = "QS1114" "kernel-header",

    /// A reserved AS number.
    AsnReserved = "QS1109" "asn-reserved",
    /// An AS number meant for documentation.
    AsnDocumentation = "QS1110" "asn-documentation",
    /// An AS number that the peer's cloud takes from no customer (S1-10).
    AsnCloud = "QS0110" "asn-cloud",
    /// Our AS number is a public one (S0-20).
    AsnPublic = "QS0020" "asn-public",
    /// Both ends have one AS number (S4-11).
    AsnEqual = "QS0411" "asn-equal",
    /// A router id that cannot be one.
    RouterId = "QS1112" "router-id",

    /// A static route that leads nowhere, or both somewhere and nowhere.
    StaticTarget = "QS1201" "static-target",
    /// A next hop that is none.
    StaticHop = "QS1202" "static-hop",
    /// BFD where a static route's next hop cannot be watched by itself.
    StaticBfd = "QS1211" "static-bfd",
    /// A static route to what is not routed.
    StaticPrefix = "QS1203" "static-prefix",
    /// Two static routes to one prefix that are worth the same.
    StaticDuplicate = "QS1204" "static-duplicate",
    /// A static route that leads a tunnel's own packets astray.
    StaticCapture = "QS1205" "static-capture",

    /// A neighbour that no peer can be.
    NeighborAddress = "QS1206" "neighbor-address",
    /// AS numbers that a neighbour cannot have.
    NeighborAsn = "QS1207" "neighbor-asn",
    /// A neighbour whose place in the network is not clear.
    NeighborPlace = "QS1208" "neighbor-place",
    /// Two neighbours that are one.
    NeighborDuplicate = "QS1209" "neighbor-duplicate",
    /// A neighbour that is the peer of a tunnel.
    NeighborInside = "QS1210" "neighbor-inside",
    /// A neighbour without a key, from whose address the kernel takes nothing unsigned.
    NeighborKey = "QS1212" "neighbor-key",

    /// The configuration of a pool's server cannot be used.
    PoolConfig = "QS1220" "pool-config",
    /// Nobody can ask a pool's server whether it serves, or it waits for answers.
    PoolManagement = "QS1221" "pool-management",
    /// A pool has fewer addresses than its clients take (S2-08).
    PoolRoom = "QS0208" "pool-room",
    /// Clients that are gone keep their place in a pool (S2-06).
    PoolKeepalive = "QS0206" "pool-keepalive",
    /// A pool's server takes a cipher that nobody should use (S2-24).
    PoolCipher = "QS0224" "pool-cipher",
    /// The clients' network of a pool overlaps another (S2-19).
    PoolOverlap = "QS0219" "pool-overlap",

    /// An originated prefix given twice.
    NetworkDuplicate = "QS1301" "network-duplicate",
    /// An originated prefix that must not be announced.
    NetworkMartian = "QS1302" "network-martian",
    /// An originated prefix that holds an inside link.
    NetworkInside = "QS1303" "network-inside",
    /// An originated prefix that holds a peer's outside address.
    NetworkOutside = "QS1304" "network-outside",
    /// A default route is originated.
    NetworkDefault = "QS1305" "network-default",
    /// A prefix that the peer's cloud refuses.
    NetworkCloud = "QS1306" "network-cloud",
    /// One network is on both sides of a tunnel (S1-01).
    NetworkOverlap = "QS0101" "network-overlap",
    /// A network of public addresses (S1-02).
    NetworkPublic = "QS0102" "network-public",
    /// A network in 100.64.0.0/10 (S1-23).
    NetworkShared = "QS0123" "network-shared",
    /// A default route is accepted into the table that our own packets to the peers are routed by.
    ImportDefault = "QS1307" "import-default",
    /// An originated prefix of a family that no session carries.
    NetworkFamily = "QS1308" "network-family",

    /// An outside address that no tunnel can use (S1-09).
    OutsideForbidden = "QS0109" "outside-forbidden",
    /// An outside address of ours that the peer's cloud refuses (S1-09).
    OutsideCloud = "QS1401" "outside-cloud",
    /// Our own address is behind a carrier's NAT.
    OutsideShared = "QS1402" "outside-shared",
    /// The two outside addresses are of different families.
    OutsideFamily = "QS1403" "outside-family",
    /// The two outside addresses are one.
    OutsideEqual = "QS1404" "outside-equal",
    /// Two tunnels that IKE cannot tell apart.
    OutsideSamePair = "QS1405" "outside-same-pair",

    /// The inside link is not a /30 in 169.254.0.0/16 (S0-47).
    InsideRange = "QS0047" "inside-range",
    /// The inside link is one that the clouds keep for themselves (S0-48).
    InsideReserved = "QS0048" "inside-reserved",
    /// The inside link is outside the ranges of the peer's cloud (S4-06).
    InsideCloudRange = "QS0406" "inside-cloud-range",
    /// An inside address that is not a host of the link.
    InsideAddress = "QS0049" "inside-address",
    /// Nothing says which end of the link is ours.
    InsideSide = "QS1406" "inside-side",
    /// The end of the link is not the one that the cloud leaves to us (S4-07).
    InsideCloudSide = "QS0407" "inside-cloud-side",
    /// Two inside links overlap (S0-46).
    InsideOverlap = "QS0046" "inside-overlap",
    /// Several tunnels end at one address of Azure (S4-03).
    AzureOneAddress = "QS0403" "azure-one-address",
    /// Azure's connections have to name their BGP addresses (S4-09).
    AzureCustomAddress = "QS0409" "azure-custom-address",

    /// More or less than one way to the pre-shared key.
    PskChoice = "QS1501" "psk-choice",
    /// The pre-shared key cannot be fetched.
    PskUnavailable = "QS1502" "psk-unavailable",
    /// The pre-shared key is empty.
    PskEmpty = "QS1503" "psk-empty",
    /// The pre-shared key is written into the configuration.
    PskInline = "QS1504" "psk-inline",
    /// The pre-shared key's file is readable by others.
    PskFileMode = "QS1505" "psk-file-mode",
    /// The pre-shared key is easy to guess.
    PskShort = "QS1506" "psk-short",
    /// The pre-shared key begins or ends with white space.
    PskWhiteSpace = "QS1507" "psk-white-space",
    /// The peer's cloud accepts no such key (S1-17).
    PskCloud = "QS0117" "psk-cloud",
    /// More or less than one way to the post-quantum pre-shared key.
    PpkChoice = "QS1510" "ppk-choice",
    /// The post-quantum pre-shared key cannot be fetched.
    PpkUnavailable = "QS1511" "ppk-unavailable",
    /// The post-quantum pre-shared key is empty.
    PpkEmpty = "QS1512" "ppk-empty",
    /// The post-quantum pre-shared key's file is readable by others.
    PpkFileMode = "QS1513" "ppk-file-mode",
    /// The post-quantum pre-shared key is too short to be what its name says.
    PpkShort = "QS1514" "ppk-short",
    /// The post-quantum pre-shared key's name is too long.
    PpkName = "QS1515" "ppk-name",
    /// A post-quantum pre-shared key where IKEv1 is spoken.
    PpkVersion = "QS1516" "ppk-version",
    /// A pre-shared key and a certificate, and nothing says who uses which.
    AuthChoice = "QS1520" "auth-choice",
    /// More or less than one place to find a part of a certificate.
    CertificateChoice = "QS1521" "certificate-choice",
    /// A certificate or its key cannot be fetched.
    CertificateUnavailable = "QS1522" "certificate-unavailable",
    /// A certificate, its key or a CRL is of no use.
    CertificateUnusable = "QS1523" "certificate-unusable",
    /// The private key's file is readable by others.
    CertificateKeyMode = "QS1524" "certificate-key-mode",
    /// A certificate is, or soon will be, out of its time.
    CertificateTime = "QS1525" "certificate-time",
    /// A certificate that is not, or cannot be, for an identity.
    CertificateIdentity = "QS1526" "certificate-identity",
    /// A certificate where IKEv1 takes none.
    Ikev1Certificate = "QS1527" "ikev1-certificate",
    /// An IKE identity equals the peer's.
    IdentityEqual = "QS1528" "identity-equal",

    /// A list of proposals without any.
    SuiteNone = "QS1601" "suite-none",
    /// A suite with a weak algorithm, or with a broken one that is allowed.
    SuiteLegacy = "QS0026" "suite-legacy",
    /// A suite with a broken algorithm.
    SuiteBroken = "QS1602" "suite-broken",
    /// The cloud uses the weakest of several proposals.
    SuiteWeakest = "QS1603" "suite-weakest",
    /// A suite that the peer's cloud has not (S0-25).
    SuiteCloud = "QS0025" "suite-cloud",
    /// The first key exchange does not fit a packet.
    SuiteTooLarge = "QS1604" "suite-too-large",
    /// PFS is demanded of a cloud whose default policy offers none.
    PfsCloud = "QS0038" "pfs-cloud",

    /// A mode without the version of IKE that has it.
    Ikev1Mode = "QS1610" "ikev1-mode",
    /// An algorithm that IKEv1 has no number for.
    Ikev1Suite = "QS1611" "ikev1-suite",
    /// An identity that main mode cannot use with a pre-shared key (S0-33).
    Ikev1Identity = "QS0033" "ikev1-identity",
    /// A pre-shared key that aggressive mode exposes to guessing.
    Ikev1Aggressive = "QS0024" "ikev1-aggressive",
    /// The cloud does not speak this mode of IKEv1.
    Ikev1Cloud = "QS1612" "ikev1-cloud",
    /// Two tunnels of main mode have one pair of addresses.
    Ikev1SamePair = "QS1613" "ikev1-same-pair",
    /// Several prefixes in one SA of IKEv1 (S0-14).
    Ikev1Selectors = "QS0014" "ikev1-selectors",
    /// IKEv1 where IKEv2 could be spoken (S0-23).
    Ikev1Old = "QS0023" "ikev1-old",

    /// A lifetime of nothing (S0-30).
    LifetimeZero = "QS0030" "lifetime-zero",
    /// A lifetime outside what the peer's cloud takes.
    LifetimeCloud = "QS0039" "lifetime-cloud",
    /// The CHILD SA outlives the IKE SA.
    LifetimeOrder = "QS1701" "lifetime-order",
    /// The rekey would start before the SA exists.
    RekeyMargin = "QS1702" "rekey-margin",
    /// A limit in octets or packets that leaves no room to rekey.
    LifetimeVolume = "QS0313" "lifetime-volume",
    /// An anti-replay window that cannot be.
    ReplayWindow = "QS1703" "replay-window",
    /// Liveness checks that cannot work.
    Dpd = "QS1704" "dpd",
    /// What is to become of a tunnel with a dead peer fits badly with the rest.
    DpdAction = "QS0040" "dpd-action",
    /// A tunnel that begins on demand begins at once.
    OnDemand = "QS0116" "on-demand",
    /// BGP would not fit through the traffic selectors.
    SelectorsInside = "QS1705" "selectors-inside",
    /// A CHILD SA for each pair of selectors is not possible.
    SelectorPairs = "QS1706" "selector-pairs",
    /// An MTU beyond what the peer's cloud carries.
    MtuCloud = "QS1707" "mtu-cloud",
    /// Networks that cannot be protected flows (S0-10).
    FlowNetworks = "QS0010" "flow-networks",
    /// Too many protected flows.
    FlowCount = "QS1708" "flow-count",
    /// Protected flows of two tunnels that overlap.
    FlowOverlap = "QS1709" "flow-overlap",
    /// Protected flows without a forwarding table to put them in.
    FlowIdle = "QS1710" "flow-idle",
    /// A key about routing without effect.
    RoutingIdle = "QS1711" "routing-idle",

    /// BFD with a peer that is not known beforehand.
    BfdRange = "QS1801" "bfd-range",
    /// BFD with a gateway that does not speak it.
    BfdCloud = "QS1802" "bfd-cloud",
    /// An interval that BFD cannot keep to.
    BfdInterval = "QS1803" "bfd-interval",
    /// BFD that takes a moment of loss for a dead peer.
    BfdHasty = "QS1804" "bfd-hasty",
    /// BFD that is slower than BGP itself.
    BfdSlow = "QS1805" "bfd-slow",
    /// A key for BFD that is not there or cannot be one.
    BfdKey = "QS1806" "bfd-key",
    /// A key for BFD that others can read.
    BfdKeyMode = "QS1807" "bfd-key-mode",

    /// A connection of tunnels that there are not, or not enough of (S0-16).
    ConnectionTunnels = "QS2001" "connection-tunnels",
    /// Priorities that do not go with the mode of a connection (S0-04).
    ConnectionPriority = "QS2002" "connection-priority",
    /// A tunnel that is not ready to take over (S0-03).
    ConnectionReady = "QS0003" "connection-ready",
    /// Sessions that contradict the roles of their tunnels.
    ConnectionContradiction = "QS2003" "connection-contradiction",
    /// Tunnels of one connection that lead to different places.
    ConnectionMixed = "QS2004" "connection-mixed",
    /// A mode that the tunnels of a connection cannot have.
    ConnectionMode = "QS2005" "connection-mode",
    /// Hold-downs that cannot be, or do not damp anything.
    Failback = "QS2006" "failback",
    /// A probe that tells nothing about its tunnel.
    HealthProbe = "QS2007" "health-probe",
    /// A pace of probes that cannot be.
    HealthTiming = "QS2008" "health-timing",

    /// A hold time that RFC 4271 forbids.
    HoldTime = "QS1810" "hold-time",
    /// A hold time of zero: nobody notices a dead session.
    HoldTimeOff = "QS1811" "hold-time-off",
    /// Keepalives too rare for the hold time.
    Keepalive = "QS1812" "keepalive",
    /// Timers below those that the peer's cloud keeps to.
    TimersCloud = "QS1813" "timers-cloud",
    /// We wait for a session that the peer's cloud never opens.
    PassiveCloud = "QS1814" "passive-cloud",
    /// We wait for a tunnel that the peer's cloud never begins.
    StartCloud = "QS0015" "start-cloud",
    /// A tunnel without a session: no route will ever lead into it.
    NoSession = "QS1815" "no-session",
    /// There are sessions, and nothing to announce in them.
    NothingAnnounced = "QS1816" "nothing-announced",
    /// A prefix limit of nothing.
    PrefixLimitZero = "QS1817" "prefix-limit-zero",
    /// We originate more than the limit lets out.
    PrefixLimitOut = "QS1818" "prefix-limit-out",
    /// More prefixes than the peer's cloud takes.
    PrefixLimitCloud = "QS1819" "prefix-limit-cloud",
    /// A name that no list or policy can have.
    PolicyName = "QS1901" "policy-name",
    /// A list or policy that there is not.
    PolicyUnknown = "QS1902" "policy-unknown",
    /// Policies that call each other in a circle, or too deeply.
    PolicyLoop = "QS1903" "policy-loop",
    /// A rule that says too little or too much.
    PolicyRule = "QS1904" "policy-rule",
    /// Changes that contradict each other or have no effect.
    PolicySet = "QS1905" "policy-set",
    /// A rule that no route comes to.
    PolicyUnreachable = "QS1906" "policy-unreachable",
    /// A line that an earlier one leaves nothing to.
    PolicyShadowed = "QS1907" "policy-shadowed",
    /// A list or policy that nothing refers to.
    PolicyUnused = "QS1908" "policy-unused",
    /// A session that accepts nothing, for want of a policy (RFC 8212).
    PolicyMissing = "QS1909" "policy-missing",
    /// Too many prefixes again at once.
    PrefixRestart = "QS1820" "prefix-restart",
    /// Several paths of a family that the session does not carry.
    AddPath = "QS1821" "add-path",
    /// A time of graceful restart that cannot be.
    GracefulRestart = "QS1822" "graceful-restart",
    /// A role that cannot be.
    Role = "QS1823" "role",
    /// A TCP MD5 key that cannot be.
    Md5Key = "QS1824" "md5-key",
    /// Two aggregates of one prefix.
    AggregateDuplicate = "QS1310" "aggregate-duplicate",
    /// A prefix that cannot be an aggregate.
    AggregatePrefix = "QS1311" "aggregate-prefix",
    /// An aggregate that would swallow a tunnel's own packets.
    AggregateCapture = "QS1312" "aggregate-capture",
    /// An aggregate with a set of AS numbers (RFC 9774).
    AggregateAsSet = "QS1313" "aggregate-as-set",
    /// An aggregate of what is announced anyway.
    AggregateNetwork = "QS1314" "aggregate-network",
    /// A key about routes without effect in its session.
    TreatmentIdle = "QS1825" "treatment-idle",
    /// IPv6 routes without an IPv6 link.
    FamilyWithoutLink = "QS1826" "family-without-link",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
