//! Sections of a tunnel about IKE and ESP: certificates, suites and lifetimes, liveness, selectors.

use std::path::PathBuf;
use std::time::Duration;

use certificate::RsaPadding;
use crypto::{EspProposal, IkeProposal};
use ipnet::IpNet;
use negotiation::{DpdAction, SelectorLayout, V1Mode};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::credentials::OriginSection;
use document::field::{Field, Layer, Leaf, OneOf};
use document::scalar::{Count, IkeGeneration, IkePort, Octets, Within};

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
        /// UDP port that our first message leaves and goes to: `500` (default), or `4500` at once, for peers that take
        /// nothing else behind a NAT and for networks that drop UDP 500.
        port: Leaf<IkePort>,
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
pub struct SelectorsSection {
    /// Prefixes on our side.
    pub local: Field<Vec<Leaf<IpNet>>>,
    /// Prefixes on the peer's side.
    pub remote: Field<Vec<Leaf<IpNet>>>,
    /// `together` (default: one CHILD SA for all) or `per-pair` (one for each pair of a local and a remote prefix).
    pub layout: Leaf<SelectorLayout>,
}
