//! Security associations on netlink: `xfrm_usersa_info` and its attributes.
//!
//! ```text
//!  0          56                80      96    160     192    204   208    212       215      216
//!  +----------+-----------------+-------+-----+-------+------+-----+------+---------+--------+-------+
//!  | selector | daddr, SPI, ESP | saddr | lft | curlft| stats| seq | reqid| family, | window | flags |
//!  |          |                 |       |     |       |      |     |      | mode    |        |       |
//!  +----------+-----------------+-------+-----+-------+------+-----+------+---------+--------+-------+ 224
//! ```

use std::net::IpAddr;
use std::time::Duration;

use wire::ipsec::{Direction, Encapsulation, Encryption, EspSuite, Integrity, SaLifetime, SecurityAssociation, Spi};
use wire::outer::{DontFragment, Dscp, OuterHeader};

use super::fields::{ESP, Fields, TUNNEL_MODE, address, family, to_address};
use super::message::{Message, Received, attribute, word};

pub(crate) const NEW: u16 = 0x10;
pub(crate) const DELETE: u16 = 0x11;
pub(crate) const GET: u16 = 0x12;
const UPDATE: u16 = 0x1a;

const ALG_CRYPT: u16 = 2;
const ENCAP: u16 = 4;
const SA: u16 = 6;
const LTIME_VAL: u16 = 9;
const REPLAY_VAL: u16 = 10;
const ALG_AEAD: u16 = 18;
const ALG_AUTH_TRUNC: u16 = 20;
const REPLAY_ESN_VAL: u16 = 23;
const SA_EXTRA_FLAGS: u16 = 24;
pub(super) const IF_ID: u16 = 31;
const MTIMER_THRESH: u16 = 32;

const NOPMTUDISC: u8 = 4;
/// Packets of both families, whatever that of the outer header is.
const AF_UNSPEC: u8 = 32;
const ESN: u8 = 128;
const DONT_ENCAP_DSCP: u32 = 1;
/// `UDP_ENCAP_ESPINUDP`.
const ESP_IN_UDP: u16 = 2;
/// Seconds between two notices that the peer is elsewhere.
const MAPPING_PAUSE: u32 = 1;
/// The kernel wants a window with extended sequence numbers, also where nothing is received.
const OUTBOUND_WINDOW: u32 = 32;
/// The largest there is: where the check is off, extended sequence numbers still need one.
const LARGEST_WINDOW: u32 = 4096;

const STRUCTURE: usize = 224;
const SELECTOR: usize = 56;
const LIFETIME: usize = 64;
const CURRENT: usize = 32;
/// How long the kernel waits after IKE's own end of an SA: nobody ends the SAs of a process that was killed.
const GRACE: Duration = Duration::from_secs(60);
/// Octets of an algorithm's name.
const NAME: usize = 64;

/// What names a state: the receiver's address and SPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StateId {
    pub(crate) destination: IpAddr,
    pub(crate) spi: Spi,
}

impl StateId {
    pub(crate) fn of(direction: Direction, sa: &SecurityAssociation) -> Self {
        let destination = match direction {
            Direction::Inbound => sa.local.ip(),
            Direction::Outbound => sa.remote.ip(),
        };
        Self { destination, spi: sa.spi }
    }

    /// An `xfrm_usersa_id`.
    fn encode(self) -> Vec<u8> {
        let mut octets = address(self.destination).to_vec();
        octets.extend(self.spi.0.to_be_bytes());
        octets.extend(family(self.destination).to_ne_bytes());
        octets.extend([ESP, 0]);
        octets
    }
}

/// Where a state went on counting: sequence numbers, replay window and lifetime, in the kernel's own octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// `xfrm_replay_state`.
    legacy: Option<Vec<u8>>,
    /// `xfrm_replay_state_esn`.
    window: Option<Vec<u8>>,
    /// `xfrm_lifetime_cur`.
    current: Option<Vec<u8>>,
}

impl Progress {
    /// Whether there are sequence numbers in it: without them nothing may go on.
    pub(crate) fn is_known(&self) -> bool {
        self.current.is_some() && (self.legacy.is_some() || self.window.is_some())
    }
}

/// A state to be made.
#[derive(Debug)]
pub(crate) struct NewState<'a> {
    pub(crate) direction: Direction,
    pub(crate) sa: &'a SecurityAssociation,
    pub(crate) if_id: u32,
    pub(crate) reqid: u32,
    pub(crate) outer: OuterHeader,
    /// Where one with the same keys left off.
    pub(crate) progress: Option<&'a Progress>,
}

impl NewState<'_> {
    pub(crate) fn encode(&self, flags: u16) -> Message {
        self.encode_as(NEW, flags)
    }

    /// The state is there already. The kernel takes its ports and limits, and leaves numbers and keys as they are.
    pub(crate) fn encode_update(&self, flags: u16) -> Message {
        self.encode_as(UPDATE, flags)
    }

    fn encode_as(&self, kind: u16, flags: u16) -> Message {
        let sa = self.sa;
        let message = Message::new(kind, flags, &self.structure());
        let message = with_keys(message, sa);
        let message = self.with_replay(message);
        let message = match sa.encapsulation {
            Encapsulation::Esp => message,
            Encapsulation::Udp => self.with_encapsulation(message),
        };
        let message = match self.progress.and_then(|progress| progress.current.as_ref()) {
            Some(current) => message.attribute(LTIME_VAL, &[current]),
            None => message,
        };
        let extra = match self.outer.dscp {
            Dscp::Copy => 0,
            Dscp::Clear | Dscp::Fixed(_) => DONT_ENCAP_DSCP,
        };
        message.attribute(SA_EXTRA_FLAGS, &[&extra.to_ne_bytes()]).attribute(IF_ID, &[&self.if_id.to_ne_bytes()])
    }

    fn structure(&self) -> Vec<u8> {
        let sa = self.sa;
        let (source, destination) = match self.direction {
            Direction::Inbound => (sa.remote.ip(), sa.local.ip()),
            Direction::Outbound => (sa.local.ip(), sa.remote.ip()),
        };
        let mut octets = vec![0; SELECTOR];
        octets.extend(address(destination));
        octets.extend(sa.spi.0.to_be_bytes());
        octets.extend([ESP, 0, 0, 0]);
        octets.extend(address(source));
        octets.extend(self.limits());
        // Current lifetime, statistics and sequence: the kernel's own.
        octets.extend([0; CURRENT + 12 + 4]);
        octets.extend(self.reqid.to_ne_bytes());
        octets.extend(family(destination).to_ne_bytes());
        // The window is an attribute: this field knows 32 packets at most.
        octets.extend([TUNNEL_MODE, 0]);
        let mut flags = AF_UNSPEC;
        if sa.suite.esn {
            flags |= ESN;
        }
        match self.outer.dont_fragment {
            DontFragment::Clear => flags |= NOPMTUDISC,
            DontFragment::Copy | DontFragment::Set => {}
        }
        octets.push(flags);
        octets.resize(STRUCTURE, 0);
        octets
    }

    /// `xfrm_lifetime_cfg`. Time is kept by IKE, as long as it lives.
    fn limits(&self) -> Vec<u8> {
        let limits = limits(self.direction, self.sa);
        let mut octets: Vec<u8> = [limits.soft_bytes, limits.hard_bytes, limits.soft_packets, limits.hard_packets]
            .into_iter()
            .flat_map(|limit| limit.unwrap_or(u64::MAX).to_ne_bytes())
            .collect();
        let hard_time = limits.hard_time.map_or(0, |hard| (hard + GRACE).as_secs());
        octets.extend([0, hard_time].into_iter().flat_map(u64::to_ne_bytes));
        octets.resize(LIFETIME, 0);
        octets
    }

    fn with_replay(&self, message: Message) -> Message {
        if let Some(window) = self.progress.and_then(|progress| progress.window.as_ref()) {
            return message.attribute(REPLAY_ESN_VAL, &[window]);
        }
        if let Some(legacy) = self.progress.and_then(|progress| progress.legacy.as_ref()) {
            return message.attribute(REPLAY_VAL, &[legacy]);
        }
        let window = match (self.direction, self.sa.suite.esn, self.sa.replay_window) {
            (Direction::Outbound, true, _) => OUTBOUND_WINDOW,
            (Direction::Inbound, true, 0) => LARGEST_WINDOW,
            (Direction::Outbound, false, _) | (Direction::Inbound, false, 0) => return message,
            (Direction::Inbound, _, window) => window,
        };
        let words = window.div_ceil(32);
        // bmp_len, oseq, seq, oseq_hi, seq_hi, replay_window, then the bits.
        let head: Vec<u8> = [words, 0, 0, 0, 0, window].into_iter().flat_map(u32::to_ne_bytes).collect();
        message.attribute(REPLAY_ESN_VAL, &[&head, &vec![0; words as usize * 4]])
    }

    /// `xfrm_encap_tmpl`: the ports as packets of this state have them.
    fn with_encapsulation(&self, message: Message) -> Message {
        let (source, destination) = match self.direction {
            Direction::Inbound => (self.sa.remote, self.sa.local),
            Direction::Outbound => (self.sa.local, self.sa.remote),
        };
        let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
        let message = message.attribute(ENCAP, &[&ESP_IN_UDP.to_ne_bytes(), &ports, &[0; 18]]);
        match self.direction {
            Direction::Inbound => message.attribute(MTIMER_THRESH, &[&MAPPING_PAUSE.to_ne_bytes()]),
            Direction::Outbound => message,
        }
    }
}

/// RFC 4303 3.3.3: without extended numbers an SA ends with the last of 2^32; it is time to rekey well before.
pub(crate) fn limits(direction: Direction, sa: &SecurityAssociation) -> SaLifetime {
    let mut limits = sa.lifetime;
    if direction == Direction::Outbound {
        let (soft, hard) = numbers(sa.suite);
        let least = |limit: Option<u64>, end: u64| Some(limit.map_or(end, |limit| limit.min(end)));
        limits.soft_packets = least(limits.soft_packets, soft);
        limits.hard_packets = least(limits.hard_packets, hard);
    }
    limits
}

/// The sequence numbers with which it is time to rekey, and with which an SA ends.
pub(crate) const fn numbers(suite: EspSuite) -> (u64, u64) {
    let end = if suite.esn { u64::MAX } else { u32::MAX as u64 };
    (end / 4 * 3, end)
}

/// The algorithms with their keys. RFC 4106 8.1, RFC 7634 2: the salt is the end of an AEAD's key.
fn with_keys(message: Message, sa: &SecurityAssociation) -> Message {
    let key = sa.keys.encryption.expose();
    let bits = |octets: usize| u32::try_from(octets * 8).unwrap_or(u32::MAX).to_ne_bytes();
    match sa.suite.encryption {
        Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 => {
            let name = name(cipher(sa.suite.encryption));
            message.attribute(ALG_AEAD, &[&name, &bits(key.len()), &bits(sa.suite.encryption.tag_len()), key])
        }
        Encryption::AesCbc(_) | Encryption::TripleDesCbc | Encryption::DesCbc => {
            let message = message.attribute(ALG_CRYPT, &[&name(cipher(sa.suite.encryption)), &bits(key.len()), key]);
            let Some(integrity) = sa.suite.integrity else { return message };
            let key = sa.keys.integrity.expose();
            let name = name(hash(integrity));
            message.attribute(ALG_AUTH_TRUNC, &[&name, &bits(key.len()), &bits(integrity.icv_len()), key])
        }
    }
}

const fn cipher(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::AesCbc(_) => "cbc(aes)",
        Encryption::AesGcm { .. } => "rfc4106(gcm(aes))",
        Encryption::ChaCha20Poly1305 => "rfc7539esp(chacha20,poly1305)",
        Encryption::TripleDesCbc => "cbc(des3_ede)",
        Encryption::DesCbc => "cbc(des)",
    }
}

const fn hash(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::HmacMd5 => "hmac(md5)",
        Integrity::HmacSha1 => "hmac(sha1)",
        Integrity::HmacSha256 => "hmac(sha256)",
        Integrity::HmacSha384 => "hmac(sha384)",
        Integrity::HmacSha512 => "hmac(sha512)",
    }
}

fn name(text: &str) -> [u8; NAME] {
    std::array::from_fn(|index| text.as_bytes().get(index).copied().unwrap_or(0))
}

/// Asks for one state.
pub(crate) fn get(flags: u16, id: StateId) -> Message {
    Message::new(GET, flags, &id.encode())
}

/// Removes one state.
pub(crate) fn delete(flags: u16, id: StateId) -> Message {
    Message::new(DELETE, flags, &id.encode())
}

/// Lists all states.
pub(crate) fn list(flags: u16) -> Message {
    Message::new(GET, flags, &[])
}

/// What a state has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Octets of inner packets.
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    /// The last sequence number given out. More than `packets` where packets are cut into segments after they are counted.
    pub(crate) sequence: u64,
    /// Packets seen before, or too old to tell.
    pub(crate) replays: u64,
    /// Packets that were not authentic.
    pub(crate) forgeries: u64,
}

/// A state as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) id: StateId,
    /// 0 for those that belong to no interface.
    pub(crate) if_id: u32,
    pub(crate) usage: Usage,
    pub(crate) progress: Progress,
}

impl State {
    /// Of a listing, also what is but the place of a state to come.
    pub(crate) fn decode_any(message: Received<'_>) -> Option<Self> {
        let attributes = (message.kind == NEW).then(|| message.payload.get(STRUCTURE..)).flatten()?;
        Self::read(message.payload, attributes)
    }

    /// Of an answer, a listing, or a notice that it was removed.
    pub(crate) fn decode(message: Received<'_>) -> Option<Self> {
        match message.kind {
            NEW => Self::real(message.payload, message.payload.get(STRUCTURE..)?),
            DELETE => {
                let attributes = message.payload.get(24..)?;
                Self::real(attribute(attributes, SA)?, attributes)
            }
            _ => None,
        }
    }

    /// Without algorithms it is but the place of one to come, whose numbers say nothing.
    fn real(structure: &[u8], attributes: &[u8]) -> Option<Self> {
        attribute(attributes, ALG_AEAD).or_else(|| attribute(attributes, ALG_CRYPT))?;
        Self::read(structure, attributes)
    }

    /// From an `xfrm_usersa_info` and attributes that come with it.
    pub(super) fn read(structure: &[u8], attributes: &[u8]) -> Option<Self> {
        let mut fields = Fields(structure.get(..STRUCTURE)?);
        fields.take(SELECTOR)?;
        let destination = fields.array()?;
        let spi = fields.spi()?;
        fields.take(4 + 16 + LIFETIME)?;
        let current = fields.take(CURRENT)?;
        let (too_old, seen, forgeries) = (fields.word()?, fields.word()?, fields.word()?);
        fields.take(8)?;
        let destination = to_address(destination, fields.short()?)?;
        let mut carried = Fields(current);
        let usage = Usage {
            bytes: carried.long()?,
            packets: carried.long()?,
            sequence: sequence(attributes).unwrap_or(0),
            replays: u64::from(too_old) + u64::from(seen),
            forgeries: forgeries.into(),
        };
        let progress = Progress {
            legacy: attribute(attributes, REPLAY_VAL).map(<[u8]>::to_vec),
            window: attribute(attributes, REPLAY_ESN_VAL).map(<[u8]>::to_vec),
            current: Some(current.to_vec()),
        };
        let if_id = word(attributes, IF_ID).unwrap_or(0);
        Some(Self { id: StateId { destination, spi }, if_id, usage, progress })
    }
}

/// The outbound number, of `xfrm_replay_state_esn` or `xfrm_replay_state`.
fn sequence(attributes: &[u8]) -> Option<u64> {
    let Some(window) = attribute(attributes, REPLAY_ESN_VAL) else {
        return Fields(attribute(attributes, REPLAY_VAL)?).word().map(u64::from);
    };
    let mut fields = Fields(window.get(4..)?);
    let (low, _inbound, high) = (fields.word()?, fields.word()?, fields.word()?);
    Some(u64::from(high) << 32 | u64::from(low))
}
