//! The combinations, as a table to read and to extend.

use std::fmt;

use proto_tests::lab::Dataplane;
use proto_tests::lab::pair::{Nat, Software, outsides};
use proto_tests::lab::pki::KeyKind;
use proto_tests::lab::terms::{Terms, Version};

use super::Part;

/// Our name in certificates and as an identity.
pub(crate) const US_NAME: &str = "us.lab.example";
/// The peer's.
pub(crate) const PEER_NAME: &str = "peer.lab.example";

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// We do.
    Initiator,
    /// The peer does.
    Responder,
}

/// How the ends name themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identities {
    /// By their outside addresses.
    Address,
    /// By domain names.
    Fqdn,
    /// By mail addresses.
    Email,
    /// By opaque octets.
    KeyId,
    /// By the subjects of their certificates.
    Subject,
}

/// How the ends prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// With a pre-shared key.
    Psk,
    /// With a pre-shared key and a post-quantum one.
    Ppk,
    /// With certificates of an authority with an intermediate.
    Certificate(KeyKind),
}

/// What the tunnel carries, and what brings it up where we begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// Everything, from the start.
    Everything,
    /// Everything, from the first packet on.
    OnDemand,
    /// What two networks have for each other and one more, in one CHILD SA.
    Together,
    /// The same, in a CHILD SA for each pair.
    PerPair,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Combination {
    pub(crate) peer: Software,
    pub(crate) version: Version,
    /// IKE suite without its group.
    pub(crate) ike: &'static str,
    pub(crate) group: &'static str,
    /// ESP suite without its group.
    pub(crate) esp: &'static str,
    /// Group of perfect forward secrecy; none when empty.
    pub(crate) pfs: &'static str,
    pub(crate) identities: Identities,
    pub(crate) credential: Credential,
    pub(crate) nat: Nat,
    /// Both ends begin on UDP 4500, and 500 is closed.
    pub(crate) on_4500: bool,
    pub(crate) carried: Carried,
    /// With algorithms that must be allowed by name.
    pub(crate) legacy: bool,
    /// Who moves our packets.
    pub(crate) dataplane: Dataplane,
    /// Only where there is time for everything.
    pub(crate) long: bool,
}

/// IKEv2 with strongSwan by pre-shared key and addresses; the rest says what differs.
const fn v2(ike: &'static str, group: &'static str, esp: &'static str, pfs: &'static str) -> Combination {
    Combination {
        peer: Software::StrongSwan,
        version: Version::V2,
        ike,
        group,
        esp,
        pfs,
        identities: Identities::Address,
        credential: Credential::Psk,
        nat: Nat::None,
        on_4500: false,
        carried: Carried::Everything,
        legacy: false,
        dataplane: Dataplane::Userspace,
        long: false,
    }
}

/// The same by IKEv1 in main mode.
const fn main(ike: &'static str, group: &'static str, esp: &'static str, pfs: &'static str) -> Combination {
    Combination { version: Version::Main, ..v2(ike, group, esp, pfs) }
}

/// The same in aggressive mode.
const fn aggressive(ike: &'static str, group: &'static str, esp: &'static str, pfs: &'static str) -> Combination {
    Combination { version: Version::Aggressive, ..v2(ike, group, esp, pfs) }
}

impl Combination {
    const fn identities(self, identities: Identities) -> Self {
        Self { identities, ..self }
    }

    const fn legacy(self) -> Self {
        Self { legacy: true, ..self }
    }

    const fn ppk(self) -> Self {
        Self { credential: Credential::Ppk, ..self }
    }

    const fn certificate(self, kind: KeyKind) -> Self {
        Self { credential: Credential::Certificate(kind), ..self }
    }

    const fn own(self) -> Self {
        Self { peer: Software::Quadspan, ..self }
    }

    const fn kernel(self) -> Self {
        Self { peer: Software::StrongSwanKernel, ..self }
    }

    /// Our packets are the kernel's to move, too.
    const fn by_kernel(self) -> Self {
        Self { dataplane: Dataplane::Kernel, ..self }
    }

    const fn long(self) -> Self {
        Self { long: true, ..self }
    }

    const fn libreswan(self) -> Self {
        Self { peer: Software::Libreswan, ..self }
    }

    const fn nat(self, nat: Nat) -> Self {
        Self { nat, ..self }
    }

    const fn on_4500(self) -> Self {
        Self { on_4500: true, ..self }
    }

    const fn carried(self, carried: Carried) -> Self {
        Self { carried, ..self }
    }
}

/// What runs on any kernel.
const USER_SPACE: &[Combination] = &[
    v2("aes128gcm16-prfsha256", "x25519", "aes128gcm16", ""),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16", "ecp384"),
    v2("aes256gcm16-prfsha512", "ecp521", "aes256gcm16", "ecp521"),
    v2("aes256gcm16-prfsha256", "ecp256", "aes256gcm16", "x25519"),
    v2("aes256-sha256", "modp2048", "aes256-sha256", "modp2048"),
    v2("aes128-sha1", "modp1024", "aes128-sha1", "modp1024"),
    v2("aes128-sha256", "modp3072", "aes128-sha256", ""),
    v2("aes256-sha384", "modp4096", "aes256-sha384", ""),
    v2("aes256-sha512", "ecp384", "aes256-sha512", "ecp256"),
    v2("aes128-sha1", "ecp256", "aes128gcm16", "modp2048"),
    v2("aes256-sha256-prfsha384", "modp2048", "aes256gcm16", ""),
    v2("aes128gcm16-prfsha256", "x25519", "aes128gcm16", "x25519").identities(Identities::Fqdn),
    v2("aes256-sha256", "ecp256", "aes256gcm16", "ecp256").identities(Identities::Email),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256-sha256", "").identities(Identities::KeyId),
    v2("aes128gcm16-prfsha256", "x25519", "aes128gcm16", "x25519").nat(Nat::Ours),
    v2("aes256-sha256", "modp2048", "aes256-sha256", "modp2048").nat(Nat::Ours).identities(Identities::Fqdn),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16", "").nat(Nat::Theirs),
    v2("aes128-sha1", "modp2048", "aes128-sha1", "").nat(Nat::Theirs).identities(Identities::Fqdn),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16", "ecp384").nat(Nat::Ours).on_4500(),
    v2("chacha20poly1305-prfsha256", "x25519", "chacha20poly1305", "x25519"),
    v2("aes192-sha256", "modp1536", "aes192-sha256", "modp1536"),
    v2("aes192gcm16-prfsha384", "modp6144", "aes192gcm16", ""),
    v2("aes256-sha512", "modp8192", "aes256-sha512", ""),
    v2("aes256gcm12-prfsha256", "ecp256", "aes256gcm12", "ecp256"),
    v2("aes128gcm8-prfsha256", "modp2048", "aes128gcm8", ""),
    v2("3des-sha1", "modp1024", "3des-sha1", "modp1024"),
    v2("des-md5", "modp768", "des-md5", "modp768").legacy(),
    v2("3des-md5", "modp1024s160", "aes128-md5", "modp1024s160").legacy(),
    v2("aes128-sha1", "modp2048s224", "aes128-sha1", "modp2048s224").legacy(),
    v2("aes256-sha256", "modp2048s256", "aes256-sha256", "modp2048s256").legacy().nat(Nat::Ours),
    v2("aes256-sha256", "modp2048", "chacha20poly1305", "modp3072").identities(Identities::Fqdn),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16", "ecp384").certificate(KeyKind::Rsa2048),
    v2("aes256-sha256", "modp2048", "aes256-sha256", "modp2048")
        .certificate(KeyKind::Rsa3072)
        .identities(Identities::Subject),
    v2("aes128gcm16-prfsha256", "x25519", "aes128gcm16", "x25519")
        .certificate(KeyKind::EcdsaP256)
        .identities(Identities::Fqdn),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16", "")
        .certificate(KeyKind::EcdsaP384)
        .identities(Identities::Subject),
    v2("aes256gcm16-prfsha512", "ecp521", "aes256gcm16", "ecp521")
        .certificate(KeyKind::EcdsaP521)
        .identities(Identities::Email),
    v2("aes256gcm16-prfsha256", "ecp256", "aes256gcm16", "")
        .certificate(KeyKind::EcdsaP256)
        .identities(Identities::Fqdn)
        .nat(Nat::Ours),
    v2("aes256gcm16-prfsha256", "ecp256", "aes256gcm16", "ecp256").carried(Carried::Together),
    v2("aes256-sha256", "modp2048", "aes256-sha256", "modp2048").carried(Carried::PerPair),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16", "").carried(Carried::OnDemand),
    main("aes128-sha256", "modp2048", "aes128-sha256", "modp2048").carried(Carried::OnDemand),
    main("aes256-sha256", "modp2048", "aes256-sha256", "modp2048"),
    main("aes128-sha1", "modp1024", "aes128-sha1", ""),
    main("3des-sha1", "modp1024", "3des-sha1", "modp1024"),
    main("aes256-sha384", "ecp384", "aes256gcm16", "ecp384"),
    main("aes128-sha512", "modp3072", "aes128-sha512", ""),
    main("aes128-sha256", "modp2048", "aes128-sha256", "modp2048").nat(Nat::Ours),
    main("aes256-sha256", "ecp256", "aes256-sha256", "ecp256").nat(Nat::Ours).on_4500(),
    main("aes256-sha256", "modp1536", "aes256-sha1", "").nat(Nat::Theirs),
    aggressive("aes256-sha256", "modp2048", "aes256-sha256", "modp2048").identities(Identities::Fqdn),
    aggressive("aes128-sha1", "modp1024", "aes128-sha1", "").identities(Identities::Fqdn).nat(Nat::Ours),
    aggressive("aes256-sha256", "ecp256", "aes128gcm16", "ecp256"),
    main("aes256-sha256", "modp2048", "aes256-sha256", "modp2048").own(),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16", "ecp384").ppk(),
    v2("aes256-sha256", "modp2048", "aes256-sha256", "").identities(Identities::Fqdn).ppk().nat(Nat::Ours),
    v2("aes256gcm16-prfsha384", "x25519-ke1_mlkem768", "aes256gcm16", "x25519-ke1_mlkem768").own(),
    v2("aes256gcm16-prfsha384", "ecp384-ke1_mlkem1024", "aes256gcm16", "").own().ppk(),
    v2("aes256gcm16-prfsha384", "x25519-ke1_mlkem768", "aes256gcm16", "")
        .own()
        .certificate(KeyKind::EcdsaP384)
        .identities(Identities::Fqdn),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16-esn", "ecp384").own(),
    v2("chacha20poly1305-prfsha512", "x25519", "chacha20poly1305-esn", "x25519").own().nat(Nat::Ours),
];

/// What a kernel that has ESP adds: raw ESP, and itself as our data plane.
const KERNEL: &[Combination] = &[
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16-esn", "ecp384").kernel(),
    v2("aes256-sha256", "modp2048", "aes256-sha256-esn", "modp2048").kernel(),
    v2("aes256-sha256", "modp2048", "aes256-sha256", "modp2048").libreswan(),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16-esn", "").libreswan().identities(Identities::Fqdn),
    v2("aes256gcm16-prfsha512", "ecp256", "aes256gcm16", "ecp256").libreswan().identities(Identities::Fqdn).ppk(),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16-esn", "ecp384").kernel().by_kernel(),
    v2("aes256-sha256", "ecp256", "aes256-sha256", "ecp256").kernel().by_kernel().nat(Nat::Ours),
    v2("aes256gcm16-prfsha256", "x25519", "aes256gcm16-esn", "x25519").kernel().by_kernel().nat(Nat::NoneV6).long(),
    main("aes256-sha256", "ecp256", "aes256-sha256", "ecp256").kernel().by_kernel().long(),
    v2("chacha20poly1305-prfsha256", "x25519", "chacha20poly1305", "x25519").kernel().by_kernel().long(),
    v2("aes256-sha512", "ecp384", "aes256-sha512-esn", "").kernel().by_kernel().nat(Nat::Theirs).long(),
    v2("aes128-sha1", "modp2048", "aes128-sha1", "").kernel().by_kernel().carried(Carried::PerPair).long(),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16", "").kernel().by_kernel().carried(Carried::OnDemand).long(),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16-esn", "")
        .libreswan()
        .by_kernel()
        .identities(Identities::Fqdn)
        .long(),
    main("aes256-sha256", "modp2048", "aes256-sha256", "modp2048").libreswan().by_kernel().long(),
    v2("aes256gcm16-prfsha384", "ecp384", "aes256gcm16-esn", "ecp384").own().by_kernel().carried(Carried::Together),
    main("aes128-sha256", "ecp256", "aes128gcm16", "ecp256").own().by_kernel().nat(Nat::Ours).long(),
    v2("chacha20poly1305-prfsha512", "x25519", "chacha20poly1305-esn", "x25519")
        .own()
        .by_kernel()
        .nat(Nat::Theirs)
        .carried(Carried::OnDemand)
        .long(),
];

/// The rows of a part.
pub(crate) const fn part(part: Part) -> &'static [Combination] {
    match part {
        Part::UserSpace => USER_SPACE,
        Part::Kernel => KERNEL,
    }
}

impl Role {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Initiator, Self::Responder];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
        })
    }
}

impl Combination {
    /// What both ends are told.
    pub(crate) fn terms(&self) -> Terms {
        let (us, peer) = self.names();
        let esp = self.esp_suite();
        Terms {
            version: self.version,
            ike_port: if self.on_4500 { 4500 } else { 500 },
            ppk: self.credential == Credential::Ppk,
            legacy: self.legacy,
            on_demand: self.carried == Carried::OnDemand,
            per_pair: self.carried == Carried::PerPair,
            our_networks: networks(self.carried, &OURS),
            peer_networks: networks(self.carried, &THEIRS),
            // Our own program at the other end is the data plane that works everywhere.
            dataplanes: [self.dataplane, Dataplane::Userspace],
            ..Terms::new(&self.ike_suite(), &esp, &us, &peer)
        }
    }

    /// Whether ESP can go without UDP between the ends.
    pub(crate) const fn may_be_raw(&self) -> bool {
        self.peer.uses_kernel() || matches!(self.dataplane, Dataplane::Kernel)
    }

    /// Whether one of the ends is behind a NAT.
    pub(crate) const fn has_nat(&self) -> bool {
        match self.nat {
            Nat::None | Nat::NoneV6 => false,
            Nat::Ours | Nat::Theirs => true,
        }
    }

    /// Whether the peer can be told to renew its SAs: libreswan's orders do nothing to those of IKEv1.
    pub(crate) fn peer_renews(&self) -> bool {
        self.peer != Software::Libreswan || self.version == Version::V2
    }

    /// CHILD SAs in quiet times.
    pub(crate) const fn children(&self) -> usize {
        match self.carried {
            Carried::Everything | Carried::OnDemand | Carried::Together => 1,
            Carried::PerPair => OURS.len() * THEIRS.len(),
        }
    }

    /// The IKE suite with its group.
    pub(crate) fn ike_suite(&self) -> String {
        format!("{}-{}", self.ike, self.group)
    }

    /// The ESP suite with its group, where it has one.
    pub(crate) fn esp_suite(&self) -> String {
        if self.pfs.is_empty() { self.esp.to_owned() } else { with_group(self.esp, self.pfs) }
    }

    /// The row's cells.
    pub(crate) fn columns(&self) -> Vec<String> {
        let peer = match self.peer {
            Software::StrongSwan => "strongSwan",
            Software::StrongSwanKernel => "strongSwan, kernel",
            Software::Libreswan => "libreswan",
            Software::Quadspan => "Quadspan",
        };
        let version = match self.version {
            Version::V2 => "IKEv2",
            Version::Main => "IKEv1 main",
            Version::Aggressive => "IKEv1 aggressive",
        };
        let identities = match self.identities {
            Identities::Address => "address",
            Identities::Fqdn => "fqdn",
            Identities::Email => "email",
            Identities::KeyId => "key id",
            Identities::Subject => "subject",
        };
        let credential = match self.credential {
            Credential::Psk => "psk".to_owned(),
            Credential::Ppk => "psk and ppk".to_owned(),
            Credential::Certificate(kind) => kind.label().to_owned(),
        };
        let nat = match self.nat {
            Nat::None => "-",
            Nat::NoneV6 => "-, IPv6",
            Nat::Ours => "ours",
            Nat::Theirs => "theirs",
        };
        let pfs = if self.pfs.is_empty() { "-" } else { self.pfs };
        let carried = match self.carried {
            Carried::Everything => "-",
            Carried::OnDemand => "on demand",
            Carried::Together => "networks, together",
            Carried::PerPair => "networks, per pair",
        };
        let us = self.dataplane.to_string();
        let nat = if self.on_4500 { format!("{nat}, from 4500") } else { nat.to_owned() };
        let cells = [&us, peer, version, self.ike, self.group, self.esp, pfs, identities, &credential, &nat, carried];
        cells.map(str::to_owned).into()
    }

    fn names(&self) -> (String, String) {
        match self.identities {
            Identities::Address => {
                let (ours, theirs) = outsides(self.nat);
                (ours.local.to_string(), theirs.local.to_string())
            }
            Identities::Fqdn => (US_NAME.to_owned(), PEER_NAME.to_owned()),
            Identities::Email => ("us@lab.example".to_owned(), "peer@lab.example".to_owned()),
            Identities::KeyId => ("keyid:branch-7".to_owned(), "keyid:hub-1".to_owned()),
            Identities::Subject => ("O=Lab, CN=us".to_owned(), "O=Lab, CN=peer".to_owned()),
        }
    }
}

/// Inside networks of the rows that name some.
const OURS: [&str; 2] = ["169.254.77.2/32", "10.200.0.0/16"];
const THEIRS: [&str; 1] = ["169.254.77.1/32"];

fn networks(carried: Carried, named: &[&str]) -> Vec<String> {
    match carried {
        Carried::Everything | Carried::OnDemand => Vec::new(),
        Carried::Together | Carried::PerPair => named.iter().map(|network| (*network).to_owned()).collect(),
    }
}

/// The group stands before what is said of sequence numbers.
fn with_group(esp: &str, group: &str) -> String {
    match esp.split_once("-esn") {
        Some((suite, rest)) => format!("{suite}-{group}-esn{rest}"),
        None => format!("{esp}-{group}"),
    }
}
