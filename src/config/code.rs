//! The names of the rules. Stable: people search for them and suppress them by name.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Which rule a finding is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every rule there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name of the rule.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("qs::", $text),)*
                }
            }
        }
    };
}

codes! {
    /// The file cannot be read.
    Unreadable = "unreadable",
    /// The text is not YAML.
    YamlSyntax = "yaml-syntax",
    /// The document says nothing.
    Empty = "empty",
    /// The document is nested too deeply.
    TooDeep = "too-deep",
    /// The document is too large.
    TooLarge = "too-large",
    /// A key is given twice.
    DuplicateKey = "duplicate-key",
    /// A key that nothing reads.
    UnknownKey = "unknown-key",
    /// A key that must be given is not.
    MissingKey = "missing-key",
    /// A value that is not of its kind.
    Value = "value",

    /// A name that cannot be used as one.
    Name = "name",
    /// Two tunnels have one name.
    DuplicateName = "duplicate-name",
    /// An interface name that the kernel refuses.
    Interface = "interface",
    /// Two tunnels have one interface.
    DuplicateInterface = "duplicate-interface",
    /// There is no tunnel.
    NoTunnels = "no-tunnels",
    /// There is only one tunnel (S0-16).
    SingleTunnel = "single-tunnel",
    /// A kernel table that is not ours to use.
    KernelTable = "kernel-table",
    /// A socket path that cannot be used.
    SocketPath = "socket-path",
    /// Metrics are readable from anywhere.
    MetricsExposed = "metrics-exposed",

    /// A reserved AS number.
    AsnReserved = "asn-reserved",
    /// An AS number meant for documentation.
    AsnDocumentation = "asn-documentation",
    /// An AS number that Azure keeps for itself.
    AsnAzure = "asn-azure",
    /// An AS number beyond what AWS takes from a customer gateway.
    AsnAws = "asn-aws",
    /// Both ends have one AS number (S4-11).
    AsnEqual = "asn-equal",
    /// A router id that cannot be one.
    RouterId = "router-id",

    /// A static route that leads nowhere, or both somewhere and nowhere.
    StaticTarget = "static-target",
    /// A next hop that is none.
    StaticHop = "static-hop",
    /// A static route to what is not routed.
    StaticPrefix = "static-prefix",
    /// Two static routes to one prefix that are worth the same.
    StaticDuplicate = "static-duplicate",
    /// A static route that leads a tunnel's own packets astray.
    StaticCapture = "static-capture",

    /// A neighbour that no peer can be.
    NeighborAddress = "neighbor-address",
    /// AS numbers that a neighbour cannot have.
    NeighborAsn = "neighbor-asn",
    /// A neighbour whose place in the network is not clear.
    NeighborPlace = "neighbor-place",
    /// Two neighbours that are one.
    NeighborDuplicate = "neighbor-duplicate",
    /// A neighbour that is the peer of a tunnel.
    NeighborInside = "neighbor-inside",

    /// An originated prefix given twice.
    NetworkDuplicate = "network-duplicate",
    /// An originated prefix that must not be announced.
    NetworkMartian = "network-martian",
    /// An originated prefix that holds an inside link.
    NetworkInside = "network-inside",
    /// An originated prefix that holds a peer's outside address.
    NetworkOutside = "network-outside",
    /// A default route is originated.
    NetworkDefault = "network-default",
    /// A default route is accepted into the table that our own packets to the peers are routed by.
    ImportDefault = "import-default",
    /// An originated prefix of a family that no session carries.
    NetworkFamily = "network-family",

    /// An outside address that no tunnel can use (S1-09).
    OutsideForbidden = "outside-forbidden",
    /// Our own address is behind a carrier's NAT.
    OutsideShared = "outside-shared",
    /// The two outside addresses are of different families.
    OutsideFamily = "outside-family",
    /// The two outside addresses are one.
    OutsideEqual = "outside-equal",
    /// Two tunnels that IKE cannot tell apart.
    OutsideSamePair = "outside-same-pair",

    /// The inside link is not a /30 in 169.254.0.0/16 (S0-47).
    InsideRange = "inside-range",
    /// The inside link is one that the clouds keep for themselves (S0-48).
    InsideReserved = "inside-reserved",
    /// The inside link is outside Azure's range (S4-06).
    InsideAzureRange = "inside-azure-range",
    /// An inside address that is not a host of the link.
    InsideAddress = "inside-address",
    /// Nothing says which end of the link is ours.
    InsideSide = "inside-side",
    /// The end of the link is not the one that the cloud leaves to us (S4-07).
    InsideCloudSide = "inside-cloud-side",
    /// Two inside links overlap (S0-46).
    InsideOverlap = "inside-overlap",

    /// More or less than one way to the pre-shared key.
    PskChoice = "psk-choice",
    /// The pre-shared key cannot be fetched.
    PskUnavailable = "psk-unavailable",
    /// The pre-shared key is empty.
    PskEmpty = "psk-empty",
    /// The pre-shared key is written into the configuration.
    PskInline = "psk-inline",
    /// The pre-shared key's file is readable by others.
    PskFileMode = "psk-file-mode",
    /// The pre-shared key is easy to guess.
    PskShort = "psk-short",
    /// The pre-shared key begins or ends with white space.
    PskWhiteSpace = "psk-white-space",
    /// The peer's cloud accepts no such key (S1-17).
    PskCloud = "psk-cloud",
    /// More or less than one way to the post-quantum pre-shared key.
    PpkChoice = "ppk-choice",
    /// The post-quantum pre-shared key cannot be fetched.
    PpkUnavailable = "ppk-unavailable",
    /// The post-quantum pre-shared key is empty.
    PpkEmpty = "ppk-empty",
    /// The post-quantum pre-shared key's file is readable by others.
    PpkFileMode = "ppk-file-mode",
    /// The post-quantum pre-shared key is too short to be what its name says.
    PpkShort = "ppk-short",
    /// The post-quantum pre-shared key's name is too long.
    PpkName = "ppk-name",
    /// A post-quantum pre-shared key where IKEv1 is spoken.
    PpkVersion = "ppk-version",
    /// A pre-shared key and a certificate, and nothing says who uses which.
    AuthChoice = "auth-choice",
    /// More or less than one place to find a part of a certificate.
    CertificateChoice = "certificate-choice",
    /// A certificate or its key cannot be fetched.
    CertificateUnavailable = "certificate-unavailable",
    /// A certificate, its key or a CRL is of no use.
    CertificateUnusable = "certificate-unusable",
    /// The private key's file is readable by others.
    CertificateKeyMode = "certificate-key-mode",
    /// A certificate is, or soon will be, out of its time.
    CertificateTime = "certificate-time",
    /// A certificate that is not, or cannot be, for an identity.
    CertificateIdentity = "certificate-identity",
    /// A certificate where IKEv1 takes none.
    Ikev1Certificate = "ikev1-certificate",
    /// An IKE identity equals the peer's.
    IdentityEqual = "identity-equal",

    /// A list of proposals without any.
    SuiteNone = "suite-none",
    /// A suite with a weak algorithm, or with a broken one that is allowed.
    SuiteLegacy = "suite-legacy",
    /// A suite with a broken algorithm.
    SuiteBroken = "suite-broken",
    /// AWS takes the weakest of several proposals.
    SuiteAwsWeakest = "suite-aws-weakest",
    /// The first key exchange does not fit a packet.
    SuiteTooLarge = "suite-too-large",
    /// PFS is demanded of a cloud whose default policy offers none.
    PfsAzure = "pfs-azure",

    /// A mode without the version of IKE that has it.
    Ikev1Mode = "ikev1-mode",
    /// An algorithm that IKEv1 has no number for.
    Ikev1Suite = "ikev1-suite",
    /// An identity that main mode cannot use with a pre-shared key (S0-33).
    Ikev1Identity = "ikev1-identity",
    /// A pre-shared key that aggressive mode exposes to guessing.
    Ikev1Aggressive = "ikev1-aggressive",
    /// The cloud does not speak this mode of IKEv1.
    Ikev1Cloud = "ikev1-cloud",
    /// Two tunnels of main mode have one pair of addresses.
    Ikev1SamePair = "ikev1-same-pair",

    /// A lifetime of nothing (S0-30).
    LifetimeZero = "lifetime-zero",
    /// A lifetime outside what the peer's cloud takes.
    LifetimeCloud = "lifetime-cloud",
    /// The CHILD SA outlives the IKE SA.
    LifetimeOrder = "lifetime-order",
    /// The rekey would start before the SA exists.
    RekeyMargin = "rekey-margin",
    /// A limit in octets or packets that leaves no room to rekey.
    LifetimeVolume = "lifetime-volume",
    /// An anti-replay window that cannot be.
    ReplayWindow = "replay-window",
    /// Liveness checks that cannot work.
    Dpd = "dpd",
    /// What is to become of a tunnel with a dead peer fits badly with the rest.
    DpdAction = "dpd-action",
    /// A tunnel that begins on demand begins at once.
    OnDemand = "on-demand",
    /// BGP would not fit through the traffic selectors.
    SelectorsInside = "selectors-inside",
    /// A CHILD SA for each pair of selectors is not possible.
    SelectorPairs = "selector-pairs",

    /// BFD with a peer that is not known beforehand.
    BfdRange = "bfd-range",
    /// BFD with a gateway that does not speak it.
    BfdCloud = "bfd-cloud",
    /// An interval that BFD cannot keep to.
    BfdInterval = "bfd-interval",
    /// BFD that takes a moment of loss for a dead peer.
    BfdHasty = "bfd-hasty",
    /// BFD that is slower than BGP itself.
    BfdSlow = "bfd-slow",
    /// A key for BFD that is not there or cannot be one.
    BfdKey = "bfd-key",
    /// A key for BFD that others can read.
    BfdKeyMode = "bfd-key-mode",

    /// A hold time that RFC 4271 forbids.
    HoldTime = "hold-time",
    /// A hold time of zero: nobody notices a dead session.
    HoldTimeOff = "hold-time-off",
    /// Keepalives too rare for the hold time.
    Keepalive = "keepalive",
    /// Timers below those that Azure keeps to.
    TimersAzure = "timers-azure",
    /// We wait for a peer that never begins.
    PassiveAzure = "passive-azure",
    /// A tunnel without a session: no route will ever lead into it.
    NoSession = "no-session",
    /// There are sessions, and nothing to announce in them.
    NothingAnnounced = "nothing-announced",
    /// A prefix limit of nothing.
    PrefixLimitZero = "prefix-limit-zero",
    /// We originate more than the limit lets out.
    PrefixLimitOut = "prefix-limit-out",
    /// More prefixes than the peer's cloud takes.
    PrefixLimitCloud = "prefix-limit-cloud",
    /// A name that no list or policy can have.
    PolicyName = "policy-name",
    /// A list or policy that there is not.
    PolicyUnknown = "policy-unknown",
    /// Policies that call each other in a circle, or too deeply.
    PolicyLoop = "policy-loop",
    /// A rule that says too little or too much.
    PolicyRule = "policy-rule",
    /// Changes that contradict each other or have no effect.
    PolicySet = "policy-set",
    /// A rule that no route comes to.
    PolicyUnreachable = "policy-unreachable",
    /// A line that an earlier one leaves nothing to.
    PolicyShadowed = "policy-shadowed",
    /// A list or policy that nothing refers to.
    PolicyUnused = "policy-unused",
    /// A session that accepts nothing, for want of a policy (RFC 8212).
    PolicyMissing = "policy-missing",
    /// Too many prefixes again at once.
    PrefixRestart = "prefix-restart",
    /// Several paths of a family that the session does not carry.
    AddPath = "add-path",
    /// A time of graceful restart that cannot be.
    GracefulRestart = "graceful-restart",
    /// A role that cannot be.
    Role = "role",
    /// A TCP MD5 key that cannot be.
    Md5Key = "md5-key",
    /// Two aggregates of one prefix.
    AggregateDuplicate = "aggregate-duplicate",
    /// A prefix that cannot be an aggregate.
    AggregatePrefix = "aggregate-prefix",
    /// An aggregate that would swallow a tunnel's own packets.
    AggregateCapture = "aggregate-capture",
    /// An aggregate with a set of AS numbers (RFC 9774).
    AggregateAsSet = "aggregate-as-set",
    /// An aggregate of what is announced anyway.
    AggregateNetwork = "aggregate-network",
    /// A key about routes without effect in its session.
    TreatmentIdle = "treatment-idle",
    /// IPv6 routes without an IPv6 link.
    FamilyWithoutLink = "family-without-link",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
