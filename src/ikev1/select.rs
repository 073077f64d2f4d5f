//! Choosing what protects an SA: whole suites, taken as they are offered.
//!
//! ```text
//!              offer: ike_offer, esp_offer
//!  initiator --------------------------------> responder: select_ike, select_esp
//!            <--------------------------------
//!  accepted_ike, accepted_esp        answer: the transform as it came, lifetimes too
//! ```
//!
//! Our order of preference decides, not the peer's. Lifetimes are no reason to refuse: the shorter one is kept to.

use std::fmt;
use std::time::Duration;

use crypto::{EspProposal, Group, GroupId, IkeProposal, Pfs, Prf};
use isakmp::NoProposalChosen;
use isakmp::v1::{
    Attribute, AuthenticationMethod, EncapsulationMode, EspAttribute, EspAuthentication, EspTransform, HashAlgorithm,
    IkeAttribute, IkeCipher, LifeType, Proposal, Protocol, Transform,
};
use negotiation::ChildLifetime;
use wire::ipsec::{Encapsulation, Encryption, EspSuite, Integrity, Spi};

/// `KEY_IKE`, the only transform of phase 1 (RFC 2407 4.4.2).
const KEY_IKE: u8 = 1;
/// Suites of the peer's that are named in a failure: a stranger's list may be as long as a datagram.
const MAX_NAMED: usize = 64;
/// RFC 2407 4.5: what holds where nothing is said.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(28_800);

/// A suite both ends accept for an ISAKMP SA.
#[derive(Clone, Debug)]
pub(crate) struct ChosenIke {
    pub(crate) suite: IkeProposal,
    /// What the initiator said about it.
    pub(crate) lifetime: Lifetimes,
    /// What the responder answers.
    pub(crate) answer: Proposal,
}

/// A suite both ends accept for a pair of ESP SAs.
#[derive(Clone, Debug)]
pub(crate) struct ChosenEsp {
    pub(crate) suite: EspSuite,
    pub(crate) group: Option<Group>,
    /// The SPI under which the peer receives.
    pub(crate) spi: Spi,
    pub(crate) lifetime: Lifetimes,
    pub(crate) answer: Proposal,
}

/// How long an SA is to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    pub(crate) time: Option<Duration>,
    pub(crate) bytes: Option<u64>,
}

impl Lifetimes {
    /// The shorter of two.
    pub(crate) fn least(self, other: Self) -> Self {
        let least = |one: Option<u64>, two: Option<u64>| [one, two].into_iter().flatten().min();
        Self { time: [self.time, other.time].into_iter().flatten().min(), bytes: least(self.bytes, other.bytes) }
    }

    pub(crate) fn time_or_default(self) -> Duration {
        self.time.unwrap_or(DEFAULT_LIFETIME)
    }

    pub(crate) const fn of_child(lifetime: &ChildLifetime) -> Self {
        Self { time: Some(lifetime.time), bytes: lifetime.bytes }
    }

    /// As attributes of phase 2.
    pub(crate) fn esp_attributes(self) -> Vec<Attribute> {
        self.attributes(EspAttribute::LIFE_TYPE.0, EspAttribute::LIFE_DURATION.0)
    }

    /// Out of the attributes of phase 2.
    pub(crate) fn from_esp(attributes: &[Attribute]) -> Self {
        Self::from_attributes(attributes, EspAttribute::LIFE_TYPE.0, EspAttribute::LIFE_DURATION.0)
    }

    fn attributes(self, kind: u16, duration: u16) -> Vec<Attribute> {
        let seconds = self.time.map(|time| (LifeType::SECONDS, time.as_secs()));
        let kilobytes = self.bytes.map(|bytes| (LifeType::KILOBYTES, bytes / 1024));
        let both = seconds.into_iter().chain(kilobytes);
        let said = both.filter_map(|(unit, value)| Some((unit, u32::try_from(value).ok()?)));
        said.flat_map(|(unit, value)| [Attribute::Short(kind, unit.0), Attribute::number(duration, value)]).collect()
    }

    fn from_attributes(attributes: &[Attribute], kind: u16, duration: u16) -> Self {
        let mut lifetimes = Self::default();
        let mut unit = None;
        for attribute in attributes {
            match (attribute.kind(), attribute.value()) {
                // RFC 2407 4.5: a type, then its duration.
                (found, Some(value)) if found == kind => unit = u16::try_from(value).ok().map(LifeType),
                // Zero would be no SA at all; as good as nothing said.
                (found, Some(value)) if found == duration && value > 0 => match unit.take() {
                    Some(LifeType::SECONDS) => {
                        lifetimes.time = Some(Duration::from_secs(value.min(u64::from(u32::MAX))));
                    }
                    Some(LifeType::KILOBYTES) => lifetimes.bytes = Some(value.saturating_mul(1024)),
                    Some(_) | None => {}
                },
                _ => {}
            }
        }
        lifetimes
    }
}

/// Our offer for phase 1. With `group`, only suites of that group: the public value goes with the offer.
pub(crate) fn ike_offer(ours: &[IkeProposal], group: Option<Group>, lifetime: Duration) -> Vec<Proposal> {
    let lifetime = Lifetimes { time: Some(lifetime), bytes: None };
    let suites = ours.iter().filter(|suite| group.is_none_or(|group| suite.group == group));
    let transforms = suites.filter_map(ike_attributes).zip(1..=u8::MAX).map(|(mut attributes, number)| {
        attributes.extend(lifetime.attributes(IkeAttribute::LIFE_TYPE.0, IkeAttribute::LIFE_DURATION.0));
        Transform { number, id: KEY_IKE, attributes }
    });
    vec![Proposal { number: 1, protocol: Protocol::ISAKMP, spi: Vec::new(), transforms: transforms.collect() }]
}

/// The first of our suites that the initiator offers.
pub(crate) fn select_ike(ours: &[IkeProposal], theirs: &[Proposal]) -> Result<ChosenIke, NoProposalChosen> {
    let offered = || theirs.iter().filter(|proposal| proposal.protocol == Protocol::ISAKMP);
    ours.iter()
        .find_map(|suite| offered().find_map(|proposal| choose_ike(suite, proposal)))
        .ok_or_else(|| NoProposalChosen { ours: join(ours), theirs: name_all(theirs, name_ike) })
}

/// Checks that a responder's answer is one of our suites.
pub(crate) fn accepted_ike(ours: &[IkeProposal], answer: &[Proposal]) -> Result<ChosenIke, NoProposalChosen> {
    let refused = || NoProposalChosen { ours: join(ours), theirs: name_all(answer, name_ike) };
    // RFC 2408 4.2: the answer is one proposal with one transform.
    match answer {
        [proposal] if proposal.transforms.len() == 1 => select_ike(ours, answer).map_err(|_| refused()),
        _ => Err(refused()),
    }
}

fn choose_ike(suite: &IkeProposal, proposal: &Proposal) -> Option<ChosenIke> {
    let wanted = ike_attributes(suite)?;
    let agrees = |transform: &&Transform| {
        transform.id == KEY_IKE
            && wanted.iter().all(|wanted| value_or_default(transform, wanted.kind()) == wanted.value())
            && transform.value(IkeAttribute::PRF.0).is_none()
    };
    let transform = proposal.transforms.iter().find(agrees)?;
    let (life_type, duration) = (IkeAttribute::LIFE_TYPE.0, IkeAttribute::LIFE_DURATION.0);
    let lifetime = Lifetimes::from_attributes(&transform.attributes, life_type, duration);
    let transforms = vec![transform.clone()];
    let answer = Proposal { number: proposal.number, protocol: Protocol::ISAKMP, spi: Vec::new(), transforms };
    Some(ChosenIke { suite: *suite, lifetime, answer })
}

/// A key length that is left out is that of AES with 128 bits, the only cipher here whose length varies.
fn value_or_default(transform: &Transform, kind: u16) -> Option<u64> {
    let value = transform.value(kind);
    if kind == IkeAttribute::KEY_LENGTH.0 { value.or(Some(128)) } else { value }
}

/// What a suite is in attributes; `None` if IKEv1 has no numbers for it.
fn ike_attributes(suite: &IkeProposal) -> Option<Vec<Attribute>> {
    let (cipher, bits) = match suite.encryption {
        Encryption::AesCbc(bits) => (IkeCipher::AES_CBC, Some(bits)),
        Encryption::TripleDesCbc => (IkeCipher::TRIPLE_DES_CBC, None),
        Encryption::DesCbc => (IkeCipher::DES_CBC, None),
        Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 => return None,
    };
    if suite.integrity.map(Prf::from) != Some(suite.prf) {
        return None;
    }
    let hash = match suite.prf {
        Prf::HmacMd5 => HashAlgorithm::MD5,
        Prf::HmacSha1 => HashAlgorithm::SHA,
        Prf::HmacSha256 => HashAlgorithm::SHA2_256,
        Prf::HmacSha384 => HashAlgorithm::SHA2_384,
        Prf::HmacSha512 => HashAlgorithm::SHA2_512,
    };
    let mut attributes = vec![Attribute::Short(IkeAttribute::ENCRYPTION.0, cipher.0)];
    attributes.extend(bits.map(|bits| Attribute::Short(IkeAttribute::KEY_LENGTH.0, bits)));
    attributes.extend([
        Attribute::Short(IkeAttribute::HASH.0, hash.0),
        Attribute::Short(IkeAttribute::GROUP.0, suite.group.id().0),
        Attribute::Short(IkeAttribute::AUTHENTICATION.0, AuthenticationMethod::PRE_SHARED_KEY.0),
    ]);
    Some(attributes)
}

/// One of the suites that we would take for ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EspOffer {
    pub(crate) suite: EspSuite,
    pub(crate) group: Option<Group>,
}

/// What we would take, best first.
pub(crate) fn esp_offers(ours: &[EspProposal]) -> Vec<EspOffer> {
    let mut offers = Vec::new();
    for proposal in ours {
        let groups: &[Option<Group>] = match proposal.pfs {
            Pfs::Off => &[None],
            Pfs::Required(group) => &[Some(group)],
            Pfs::Preferred(group) => &[Some(group), None],
        };
        let suites =
            [Some(proposal.suite), proposal.or_without_esn.then_some(EspSuite { esn: false, ..proposal.suite })];
        for group in groups {
            for suite in suites.into_iter().flatten() {
                let offer = EspOffer { suite, group: *group };
                if !offers.contains(&offer) {
                    offers.push(offer);
                }
            }
        }
    }
    offers
}

/// Our offer for ESP; we receive on `spi`. All of `offers` have one group: the public value goes with the offer.
pub(crate) fn esp_offer(
    offers: &[EspOffer],
    spi: Spi,
    encapsulation: Encapsulation,
    lifetime: Lifetimes,
) -> Vec<Proposal> {
    let transforms = offers.iter().filter_map(|offer| esp_transform(offer, encapsulation)).zip(1..=u8::MAX);
    let transforms = transforms.map(|(mut transform, number)| {
        transform.number = number;
        transform.attributes.extend(lifetime.esp_attributes());
        transform
    });
    let spi = spi.0.to_be_bytes().to_vec();
    vec![Proposal { number: 1, protocol: Protocol::ESP, spi, transforms: transforms.collect() }]
}

/// The first of our suites that the initiator offers.
pub(crate) fn select_esp(
    offers: &[EspOffer],
    theirs: &[Proposal],
    encapsulation: Encapsulation,
) -> Result<ChosenEsp, NoProposalChosen> {
    // Proposals of one number are one: AH with ESP, which is not spoken here.
    let alone = |proposal: &&Proposal| theirs.iter().filter(|other| other.number == proposal.number).count() == 1;
    offers
        .iter()
        .find_map(|offer| theirs.iter().filter(alone).find_map(|proposal| choose_esp(offer, proposal, encapsulation)))
        .ok_or_else(|| NoProposalChosen { ours: join(offers), theirs: name_all(theirs, name_esp) })
}

/// Checks that a responder's answer is one of the suites that we offered.
pub(crate) fn accepted_esp(
    offers: &[EspOffer],
    answer: &[Proposal],
    encapsulation: Encapsulation,
) -> Result<ChosenEsp, NoProposalChosen> {
    let refused = || NoProposalChosen { ours: join(offers), theirs: name_all(answer, name_esp) };
    match answer {
        [proposal] if proposal.transforms.len() == 1 => {
            select_esp(offers, answer, encapsulation).map_err(|_| refused())
        }
        _ => Err(refused()),
    }
}

impl ChosenEsp {
    /// The responder's answer; we receive on `spi`.
    pub(crate) fn answer(&self, spi: Spi) -> Proposal {
        Proposal { spi: spi.0.to_be_bytes().to_vec(), ..self.answer.clone() }
    }
}

fn choose_esp(offer: &EspOffer, proposal: &Proposal, encapsulation: Encapsulation) -> Option<ChosenEsp> {
    if proposal.protocol != Protocol::ESP {
        return None;
    }
    // RFC 4303 2.1: SPIs below 256 are reserved.
    let spi = proposal.esp_spi().filter(|spi| spi.0 > 255)?;
    let wanted = esp_transform(offer, encapsulation)?;
    let agrees = |transform: &&Transform| {
        let equal = |kind: EspAttribute| transform.value(kind.0) == wanted.value(kind.0);
        let key_length = transform.value(EspAttribute::KEY_LENGTH.0);
        let wanted_length = wanted.value(EspAttribute::KEY_LENGTH.0);
        transform.id == wanted.id
            && (key_length == wanted_length || key_length.is_none() && wanted_length == Some(128))
            && equal(EspAttribute::GROUP)
            && equal(EspAttribute::AUTHENTICATION)
            && equal(EspAttribute::ENCAPSULATION)
            && equal(EspAttribute::EXTENDED_SEQUENCE_NUMBERS)
    };
    let transform = proposal.transforms.iter().find(agrees)?;
    let lifetime = Lifetimes::from_esp(&transform.attributes);
    let answer = Proposal { transforms: vec![transform.clone()], ..proposal.clone() };
    Some(ChosenEsp { suite: offer.suite, group: offer.group, spi, lifetime, answer })
}

/// What a suite is in attributes; `None` if IKEv1 has no numbers for it.
fn esp_transform(offer: &EspOffer, encapsulation: Encapsulation) -> Option<Transform> {
    let (id, bits) = match offer.suite.encryption {
        Encryption::AesCbc(bits) => (EspTransform::AES_CBC, Some(bits)),
        Encryption::AesGcm { bits, tag: 8 } => (EspTransform::AES_GCM_8, Some(bits)),
        Encryption::AesGcm { bits, tag: 12 } => (EspTransform::AES_GCM_12, Some(bits)),
        Encryption::AesGcm { bits, .. } => (EspTransform::AES_GCM_16, Some(bits)),
        Encryption::TripleDesCbc => (EspTransform::TRIPLE_DES, None),
        Encryption::DesCbc => (EspTransform::DES, None),
        Encryption::ChaCha20Poly1305 => return None,
    };
    let authentication = offer.suite.integrity.map(|integrity| match integrity {
        Integrity::HmacMd5 => EspAuthentication::HMAC_MD5,
        Integrity::HmacSha1 => EspAuthentication::HMAC_SHA1,
        Integrity::HmacSha256 => EspAuthentication::HMAC_SHA2_256,
        Integrity::HmacSha384 => EspAuthentication::HMAC_SHA2_384,
        Integrity::HmacSha512 => EspAuthentication::HMAC_SHA2_512,
    });
    let mode = match encapsulation {
        Encapsulation::Esp => EncapsulationMode::TUNNEL,
        Encapsulation::Udp => EncapsulationMode::UDP_TUNNEL,
    };
    let mut attributes = vec![Attribute::Short(EspAttribute::ENCAPSULATION.0, mode.0)];
    attributes.extend(bits.map(|bits| Attribute::Short(EspAttribute::KEY_LENGTH.0, bits)));
    attributes.extend(authentication.map(|value| Attribute::Short(EspAttribute::AUTHENTICATION.0, value.0)));
    attributes.extend(offer.group.map(|group| Attribute::Short(EspAttribute::GROUP.0, group.id().0)));
    // RFC 4304 2: 1 asks for 64-bit sequence numbers; left out, they have 32.
    attributes.extend(offer.suite.esn.then_some(Attribute::Short(EspAttribute::EXTENDED_SEQUENCE_NUMBERS.0, 1)));
    Some(Transform { number: 1, id: id.0, attributes })
}

impl fmt::Display for EspOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", EspSuite { esn: false, ..self.suite })?;
        if let Some(group) = self.group {
            write!(f, "-{group}")?;
        }
        f.write_str(if self.suite.esn { "-esn" } else { "" })
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What the peer's proposals are called, as far as they can be named.
fn name_all(proposals: &[Proposal], name: fn(&Proposal, &Transform) -> String) -> String {
    let names = proposals
        .iter()
        .flat_map(|proposal| proposal.transforms.iter().map(move |transform| name(proposal, transform)));
    let mut names: Vec<_> = names.take(MAX_NAMED + 1).collect();
    if names.len() > MAX_NAMED {
        names[MAX_NAMED] = "...".to_owned();
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn name_ike(_: &Proposal, transform: &Transform) -> String {
    let value = |kind: IkeAttribute| transform.value(kind.0).and_then(|value| u16::try_from(value).ok());
    let bits = value(IkeAttribute::KEY_LENGTH);
    let mut words = Vec::new();
    words.extend(value(IkeAttribute::ENCRYPTION).map(|cipher| match (IkeCipher(cipher), bits) {
        (IkeCipher::AES_CBC, bits) => format!("aes{}", bits.unwrap_or(128)),
        (IkeCipher::TRIPLE_DES_CBC, _) => "3des".to_owned(),
        (IkeCipher::DES_CBC, _) => "des".to_owned(),
        (other, _) => other.to_string(),
    }));
    words.extend(value(IkeAttribute::HASH).map(|hash| match HashAlgorithm(hash) {
        HashAlgorithm::MD5 => "md5".to_owned(),
        HashAlgorithm::SHA => "sha1".to_owned(),
        HashAlgorithm::SHA2_256 => "sha256".to_owned(),
        HashAlgorithm::SHA2_384 => "sha384".to_owned(),
        HashAlgorithm::SHA2_512 => "sha512".to_owned(),
        other => other.to_string(),
    }));
    words.extend(value(IkeAttribute::GROUP).map(name_group));
    // Said only where it is the obstacle.
    let method = value(IkeAttribute::AUTHENTICATION).map(AuthenticationMethod);
    words.extend(
        method.filter(|method| *method != AuthenticationMethod::PRE_SHARED_KEY).map(|method| method.to_string()),
    );
    words.join("-")
}

fn name_esp(proposal: &Proposal, transform: &Transform) -> String {
    if proposal.protocol != Protocol::ESP {
        return proposal.protocol.to_string();
    }
    let value = |kind: EspAttribute| transform.value(kind.0).and_then(|value| u16::try_from(value).ok());
    let bits = value(EspAttribute::KEY_LENGTH).unwrap_or(128);
    let mut words = vec![match EspTransform(transform.id) {
        EspTransform::AES_CBC => format!("aes{bits}"),
        EspTransform::AES_GCM_8 => format!("aes{bits}gcm8"),
        EspTransform::AES_GCM_12 => format!("aes{bits}gcm12"),
        EspTransform::AES_GCM_16 => format!("aes{bits}gcm16"),
        EspTransform::TRIPLE_DES => "3des".to_owned(),
        EspTransform::DES => "des".to_owned(),
        other => other.to_string(),
    }];
    words.extend(value(EspAttribute::AUTHENTICATION).map(|integrity| match EspAuthentication(integrity) {
        EspAuthentication::HMAC_MD5 => "md5".to_owned(),
        EspAuthentication::HMAC_SHA1 => "sha1".to_owned(),
        EspAuthentication::HMAC_SHA2_256 => "sha256".to_owned(),
        EspAuthentication::HMAC_SHA2_384 => "sha384".to_owned(),
        EspAuthentication::HMAC_SHA2_512 => "sha512".to_owned(),
        other => other.to_string(),
    }));
    words.extend(value(EspAttribute::GROUP).map(name_group));
    words.extend(value(EspAttribute::EXTENDED_SEQUENCE_NUMBERS).filter(|value| *value == 1).map(|_| "esn".to_owned()));
    let mode = value(EspAttribute::ENCAPSULATION).map(EncapsulationMode);
    let unusual =
        |mode: &EncapsulationMode| !matches!(*mode, EncapsulationMode::TUNNEL | EncapsulationMode::UDP_TUNNEL);
    words.extend(mode.filter(unusual).map(|mode| mode.to_string()));
    words.join("-")
}

fn name_group(id: u16) -> String {
    let known = Group::ALL.into_iter().find(|group| group.id().0 == id);
    known.map_or_else(|| GroupId(id).to_string(), |group| group.to_string())
}
