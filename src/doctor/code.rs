//! The kinds of findings. Codes are stable: people search for them and scripts compare them.

use std::fmt;

use crate::finding::Rung;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $rung:ident, $title:literal, [$($source:literal),*], $cause:literal;)*) => {
        /// What kind of finding it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every kind there is, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// `QD0204`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Where it belongs.
            #[must_use]
            pub const fn rung(self) -> Rung {
                match self { $(Self::$name => Rung::$rung,)* }
            }

            /// In a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Rules and documents that it comes from.
            #[must_use]
            pub const fn sources(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($source),*],)* }
            }

            /// What is behind it, as a rule.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause,)* }
            }
        }
    };
}

impl Code {
    /// The kind with this number.
    #[must_use]
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(id))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

codes! {
    /// Nobody answers on the control socket.
    NotRunning = "QD0101", Machine, "the router does not run", [],
        "no process answers on the control socket: it was not started, it ended, or it listens elsewhere";
    /// The router could not set what it needs.
    Complaint = "QD0102", Machine, "the router complains about the machine", [],
        "the process may not change a kernel setting, as in a container or under ProtectKernelTunables";
    /// Forwarding is off.
    ForwardingOff = "QD0103", Machine, "this machine does not forward packets", ["S0-58"],
        "a host is no router until it is told so; whatever arrives for others is dropped, while pings of the machine itself pass";
    /// Strict reverse path filter.
    StrictReversePath = "QD0104", Machine, "packets that return by another tunnel are dropped", ["S2-16"],
        "with rp_filter=1 the kernel drops a packet that arrives by another interface than the one it would answer by; \
         clouds send answers through whichever tunnel they like";
    /// The clock is not kept.
    ClockLoose = "QD0105", Machine, "no time service keeps the clock", ["S2-14"],
        "no NTP client has set the clock since the machine started; certificates and keys are judged by it, and peers refuse \
         what is more than minutes off";
    /// The clock is wrong.
    ClockWrong = "QD0106", Machine, "the clock is wrong", ["S2-03", "S2-14"],
        "certificates are valid from a day to a day; a clock outside makes good ones bad";
    /// Somebody else has UDP 500 or 4500.
    PortTaken = "QD0107", Machine, "another program has the IKE ports", [],
        "only one IKE daemon can have UDP 500 and 4500 of an address: strongSwan, libreswan, racoon or another router was \
         started too";
    /// Datagrams dropped for want of buffer.
    BuffersShort = "QD0108", Machine, "packets arrive faster than they are read", ["S2-23"],
        "the kernel drops datagrams when a socket's buffer is full; a buffer is as large as net.core.rmem_max lets it be";
    /// The table of connections is full.
    ConntrackFull = "QD0109", Machine, "the table of connections is full", [],
        "the kernel drops the first packet of every new connection while the table is full";
    /// Others can read a key.
    KeyExposed = "QD0110", Machine, "others can read a key", ["S1-19"],
        "whoever has the pre-shared key can be the other end";
    /// The file on disk cannot be used.
    FileUnusable = "QD0111", Machine, "the configuration on disk has errors", [],
        "the next start or reload will refuse it";
    /// Filters cannot be read.
    FilterUnknown = "QD0112", Machine, "packet filters cannot be read", [],
        "neither `nft` nor `iptables-save` answered; what they drop cannot be told";
    /// A pool's server does not serve.
    PoolAway = "QD0113", Machine, "the server of a pool does not serve", ["S2-26"],
        "the OpenVPN server does not run, runs by another file, does not answer, or somebody else has its management \
         interface; its clients' network is not announced meanwhile";

    /// Our outside address is not here.
    LocalAbsent = "QD0201", Ike, "the tunnel's own outside address is not on this machine", ["S3-07"],
        "`local` must be an address of an interface; behind a NAT it is the private one";
    /// No way to the peer.
    PeerUnroutable = "QD0202", Ike, "there is no route to the peer", ["S0-57"],
        "the kernel has no route to the peer's outside address, often since a default route went with a lease or a link";
    /// The way to the peer leads into a tunnel.
    PeerInside = "QD0203", Ike, "the way to the peer leads into a tunnel", [],
        "a route that is not the router's captures the peer's outside address; IKE would have to travel through what it builds";
    /// A filter of this machine drops IKE.
    IkeFiltered = "QD0204", Ike, "a packet filter of this machine drops IKE", ["S0-57", "S3-03"],
        "IKE needs UDP 500, and UDP 4500 with NAT traversal, in both directions";
    /// The peer's side says that it cannot be reached.
    IkeUnreachable = "QD0205", Ike, "the peer's side rejects IKE", ["S0-57"],
        "an ICMP error says that somebody is there and nobody takes IKE: the address is wrong, the peer's IKE daemon does not \
         run, or a firewall rejects it";
    /// Nobody answers at all.
    IkeSilent = "QD0206", Ike, "the peer answers nothing", ["S0-57", "S3-03"],
        "nothing comes back at all: a firewall or security group drops UDP 500, the address is wrong, the peer is down, or it \
         ignores us because it has no connection to our address";
    /// The first exchange passes, the next does not.
    AuthSilent = "QD0207", Ike, "the peer answers the first message and nothing more", ["S0-44", "S0-57"],
        "UDP 500 passes; UDP 4500 or large fragments are dropped on the way, or the peer refuses us without a word";
    /// The ends do not believe each other.
    Authentication = "QD0208", Ike, "the two ends do not accept each other's proof", ["S0-22", "S0-57", "S1-19"],
        "the pre-shared keys differ, often in case, a special character, a blank or a line ending; or the identity that a key \
         is looked up by does";
    /// No common suite.
    IkeProposals = "QD0209", Ike, "the two ends have no IKE proposal in common", ["S0-28", "S0-57"],
        "encryption, integrity, PRF and group must all be the same at both ends; where a peer has a PRF of its own to set, it \
         is that of the authentication algorithm";
    /// The peer has another name.
    Identity = "QD0210", Ike, "the peer is not who it should be", ["S0-31", "S0-32", "S0-33"],
        "each end's local identity must be the other's remote identity; clouds use the outside address unless told otherwise";
    /// Another version or mode.
    Version = "QD0211", Ike, "the two ends speak different versions or modes of IKE", ["S0-23", "S0-24", "S0-57"],
        "IKEv1 and IKEv2, and main and aggressive mode, do not mix";
    /// A certificate does not do.
    CertificateRefused = "QD0212", Ike, "a certificate is not accepted", ["S2-03"],
        "it expired, names somebody else, comes from another CA, or was revoked";
    /// Nobody begins.
    NobodyBegins = "QD0213", Ike, "nobody has begun", ["S0-15", "S1-16", "S3-19", "S4-16"],
        "an end that waits for the other does not begin; AWS, by default, never does";
    /// A NAT touches outer packets.
    OuterNat = "QD0214", Ike, "this machine's NAT rewrites IKE", ["S0-44"],
        "a rule that rewrites everything that leaves also changes the address or the ports of IKE, and peers see a NAT that need \
         not be, or somebody else";
    /// Encapsulation is forbidden, and there is a NAT.
    NatForbidden = "QD0215", Ike, "there is a NAT, and encapsulation is forbidden", ["S0-44"],
        "ESP does not pass a NAT; in UDP it does";
    /// Another failure of IKE.
    IkeOther = "QD0216", Ike, "the IKE SA does not come up", ["S0-57"],
        "see what the router says of it";

    /// No common ESP suite.
    ChildProposals = "QD0301", Ipsec, "the two ends have no ESP proposal in common", ["S0-37", "S0-38"],
        "encryption, integrity, PFS group and ESN must all be the same at both ends; a PFS group shows only when keys are \
         renewed";
    /// No common selectors.
    Selectors = "QD0302", Ipsec, "the two ends want different networks protected", ["S0-13", "S0-14", "S1-15"],
        "selectors must be mirrored; route-based tunnels have 0.0.0.0/0 on both sides";
    /// The SA came to its end.
    Expired = "QD0303", Ipsec, "the keys came to their end before they were renewed", ["S0-38", "S3-13"],
        "renewing failed, often because the PFS groups differ, or the lifetimes leave no time for it";
    /// Some CHILD SAs are missing.
    ChildMissing = "QD0304", Ipsec, "some networks have no CHILD SA", ["S0-14", "S1-15"],
        "each pair of networks has a CHILD SA of its own, and not all came up";
    /// A filter of this machine drops ESP.
    EspFiltered = "QD0305", Ipsec, "a packet filter of this machine drops ESP", ["S3-03"],
        "without a NAT, ESP travels as IP protocol 50, beside UDP 500";
    /// Packets go and none comes.
    OneWay = "QD0306", Ipsec, "packets go into the tunnel and none comes out", ["S0-58", "S3-03"],
        "ESP is dropped on the way back, or the peer has no route for what it should send here";
    /// Many packets are refused.
    Refusals = "QD0307", Ipsec, "packets from the tunnel are refused", [],
        "replayed or reordered beyond the window, damaged on the way, or outside the selectors";

    /// The interface is missing or down.
    InterfaceAbsent = "QD0401", Inside, "the tunnel's interface is missing", [],
        "the interface could not be made, or somebody deleted it";
    /// The inside link is on another interface, too.
    InsideTwice = "QD0402", Inside, "the inside link is also somewhere else on this machine", ["S0-46", "S4-08"],
        "two interfaces with one network: packets for the peer take either";
    /// The peer's inside address does not answer.
    InsideSilent = "QD0403", Inside, "the peer's inside address does not answer a ping", ["S0-58", "S2-15", "S3-20"],
        "its firewall or security group drops ICMP, or the peer has another inside address, or no route for ours";
    /// Large packets vanish.
    BlackHole = "QD0404", Inside, "large packets vanish in the tunnel", ["S2-23"],
        "somewhere between the ends packets of full size are dropped and nobody says so: path MTU discovery does not work \
         across most cloud gateways";

    /// The peer's port is closed.
    BgpRefused = "QD0501", Bgp, "the peer refuses TCP 179", [],
        "the peer's host is there and no BGP speaker listens on its inside address";
    /// The peer's port is silent.
    BgpSilent = "QD0502", Bgp, "the peer does not answer on TCP 179", ["S0-58"],
        "a firewall at the peer drops TCP 179, or the peer has no way back to our inside address, or wants TCP MD5";
    /// A filter of this machine drops BGP.
    BgpFiltered = "QD0503", Bgp, "a packet filter of this machine drops BGP", [],
        "BGP needs TCP 179 in both directions on the tunnel's interface";
    /// The AS numbers do not fit.
    BgpAsn = "QD0504", Bgp, "the two ends expect other AS numbers", ["S0-19", "S1-10", "S4-11"],
        "each end's own AS number must be the one that the other has for its neighbor";
    /// The peer and we do not agree about the session.
    BgpOpen = "QD0505", Bgp, "the two ends do not agree about the session", [],
        "router id, hold time, address families, capabilities or role do not fit";
    /// The session is closed on purpose.
    BgpClosed = "QD0506", Bgp, "the session is closed on purpose", [],
        "an operator shut it down, at this end or the other";
    /// Nothing was heard.
    BgpHold = "QD0507", Bgp, "the session dies of silence", ["S2-23"],
        "packets are lost on the way, often large ones only: the session comes up and ends with its first full update";
    /// Too many prefixes.
    BgpLimit = "QD0508", Bgp, "too many prefixes", [],
        "a limit on prefixes was reached, at this end or the other";
    /// Another failure of BGP.
    BgpOther = "QD0509", Bgp, "the session is not established", ["S0-52", "S0-59"],
        "see what the router says of it; on Alibaba Cloud BGP can be enabled only if the customer gateway has an AS number";
    /// Nothing learnt.
    NothingLearnt = "QD0510", Bgp, "the peer announces nothing that is accepted", ["S0-58", "S1-21", "S4-14"],
        "the peer has nothing to announce, or does not propagate its networks into BGP, or our import policy refuses it";
    /// Nothing told.
    NothingTold = "QD0511", Bgp, "the peer is told nothing", ["S0-58"],
        "without a route back the other side cannot answer: `networks` is empty, or our export policy refuses all of it";
    /// Prefixes held back.
    HeldBack = "QD0512", Bgp, "some prefixes are held back", [],
        "the limit of what is announced was reached, so that the peer does not close the session";

    /// A foreign route wins.
    ForeignRoute = "QD0601", Fib, "somebody else's route wins over ours", ["S0-58"],
        "of two routes to one prefix the kernel takes that with the lower metric, whoever made it";
    /// A narrower foreign route.
    ForeignNarrower = "QD0602", Fib, "somebody else's narrower route takes a part of ours", ["S0-58"],
        "the longest prefix wins, whatever its metric";
    /// The kernel refuses a route.
    RouteRefused = "QD0603", Fib, "the kernel does not take a route", [],
        "another route with the same prefix and metric is there, or an interface is down";
    /// The kernel has something else.
    FibDiffers = "QD0604", Fib, "the kernel's routes are not those that they should be", [],
        "another program deletes or changes routes; they are being repaired";

    /// A filter of this machine drops what is forwarded.
    ForwardFiltered = "QD0701", Path, "a packet filter of this machine drops what it should forward", ["S0-58"],
        "the policy of the forward chain is to drop, as Docker and many firewalls set it, and nothing permits the tunnel";
    /// A NAT touches inner packets.
    InnerNat = "QD0702", Path, "this machine's NAT rewrites what goes into the tunnel", [],
        "a masquerading rule for everything that leaves gives packets for the tunnel this machine's address; the other side \
         answers that, or drops it as outside its networks";
    /// The target is not behind a tunnel.
    TargetElsewhere = "QD0703", Path, "the way to the target leads through no tunnel", ["S0-58"],
        "no peer announced a route to it, or another route wins";
    /// The target does not answer.
    TargetSilent = "QD0704", Path, "the target does not answer a ping", ["S0-58", "S2-15", "S2-21", "S3-20"],
        "the other side's route tables, security groups, network ACLs or host firewall; on AWS also the source/destination \
         check of a forwarding instance";
}
