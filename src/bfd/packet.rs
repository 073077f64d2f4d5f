//! The BFD Control packet (RFC 5880 4.1).
//!
//! ```text
//!    0                   1                   2                   3
//!    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!   |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//!   |                       My Discriminator                        |
//!   |                      Your Discriminator                       |
//!   |                    Desired Min TX Interval (us)               |
//!   |                   Required Min RX Interval (us)               |
//!   |                 Required Min Echo RX Interval (us)            |
//!   |   Auth Type   |   Auth Len    |    Authentication Data...     |
//! ```

use std::fmt;

use wire::{Decoder, Encoder, code_point};

use crate::discard::Discard;

/// Octets of a packet without authentication.
const HEADER_LEN: u8 = 24;
/// Octets of the shortest packet with authentication.
const LEAST_WITH_AUTH: u8 = 26;
/// Octets of the longest packet we send: with SHA1.
pub const MAX_PACKET_LEN: usize = 52;
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// A session's state as one side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Held down by its operator.
    AdminDown,
    /// Nothing is heard, or it was lost.
    Down,
    /// The peer is heard; whether it hears us is not known yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    /// In the order of their numbers.
    pub const ALL: [Self; 4] = [Self::AdminDown, Self::Down, Self::Init, Self::Up];

    const fn code(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }

    fn from_bits(bits: u8) -> Self {
        Self::ALL[usize::from(bits & 3)]
    }

    /// As people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

code_point! {
    /// Why a session left Up the last time.
    /// <https://www.iana.org/assignments/bfd-parameters/bfd-parameters.xhtml#bfd-parameters-1>
    pub struct Diagnostic(u8) {
        NONE = 0;
        CONTROL_DETECTION_TIME_EXPIRED = 1;
        ECHO_FUNCTION_FAILED = 2;
        NEIGHBOR_SIGNALED_SESSION_DOWN = 3;
        FORWARDING_PLANE_RESET = 4;
        PATH_DOWN = 5;
        CONCATENATED_PATH_DOWN = 6;
        ADMINISTRATIVELY_DOWN = 7;
        REVERSE_CONCATENATED_PATH_DOWN = 8;
        /// RFC 6428
        MISCONNECTIVITY_DEFECT = 9;
    }
}

impl Diagnostic {
    /// What it means, to follow "because".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NONE => "no reason was given",
            Self::CONTROL_DETECTION_TIME_EXPIRED => "no packet came within the detection time",
            Self::ECHO_FUNCTION_FAILED => "its Echo packets did not come back",
            Self::NEIGHBOR_SIGNALED_SESSION_DOWN => "the other end said that the session is down",
            Self::FORWARDING_PLANE_RESET => "its forwarding plane was reset",
            Self::PATH_DOWN => "the path below is down",
            Self::CONCATENATED_PATH_DOWN => "a path behind it is down",
            Self::ADMINISTRATIVELY_DOWN => "its operator took the session down",
            Self::REVERSE_CONCATENATED_PATH_DOWN => "the way back behind it is down",
            Self::MISCONNECTIVITY_DEFECT => "it is connected to the wrong place",
            Self(_) => "of a reason that has no name here",
        }
    }
}

code_point! {
    /// <https://www.iana.org/assignments/bfd-parameters/bfd-parameters.xhtml#bfd-parameters-2>
    pub struct AuthType(u8) {
        SIMPLE_PASSWORD = 1;
        KEYED_MD5 = 2;
        METICULOUS_KEYED_MD5 = 3;
        KEYED_SHA1 = 4;
        METICULOUS_KEYED_SHA1 = 5;
    }
}

/// The authentication section: its type and what follows its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthSection<'a> {
    /// How it proves anything.
    pub kind: AuthType,
    /// At most 229 octets.
    pub data: &'a [u8],
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPacket<'a> {
    /// Why the sender's session left Up the last time; five bits.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// The sender wants an answer with `last` set.
    pub poll: bool,
    /// Answers a poll (F).
    pub last: bool,
    /// The sender's BFD does not share the fate of its control plane.
    pub control_plane_independent: bool,
    /// The sender wants no periodic packets once both are Up.
    pub demand: bool,
    /// So many packets may be missing before the sender is taken for dead; not 0.
    pub detect_multiplier: u8,
    /// The sender's number of the session; not 0.
    pub my_discriminator: u32,
    /// The receiver's number of it; 0 while unknown.
    pub your_discriminator: u32,
    /// The sender would like to send this often, in microseconds.
    pub desired_min_tx: u32,
    /// The sender can hear this often, in microseconds; 0: it wants none.
    pub required_min_rx: u32,
    /// The sender returns Echo packets this often, in microseconds; 0: never.
    pub required_min_echo_rx: u32,
    /// Proof of origin.
    pub authentication: Option<AuthSection<'a>>,
}

impl<'a> ControlPacket<'a> {
    /// Reads a datagram, with the checks of RFC 5880 6.8.6 that need no session.
    ///
    /// # Errors
    /// [`Discard`]: the packet counts for nothing.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Discard> {
        let mut header = Decoder::new(datagram);
        let first = header.u8("version")?;
        let flags = header.u8("flags")?;
        let detect_multiplier = header.u8("detect multiplier")?;
        let length = header.u8("length")?;
        check_frame(first >> 5, flags, length, datagram.len())?;
        // RFC 5881 says nothing of octets after the packet; they are not part of it.
        let mut fields = header.sub(usize::from(length) - 4, "packet")?;
        let packet = Self {
            diagnostic: Diagnostic(first & 0x1f),
            state: State::from_bits(flags >> 6),
            poll: flags & POLL != 0,
            last: flags & FINAL != 0,
            control_plane_independent: flags & CONTROL_PLANE_INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            detect_multiplier,
            my_discriminator: fields.u32("my discriminator")?,
            your_discriminator: fields.u32("your discriminator")?,
            desired_min_tx: fields.u32("desired min tx interval")?,
            required_min_rx: fields.u32("required min rx interval")?,
            required_min_echo_rx: fields.u32("required min echo rx interval")?,
            authentication: if flags & AUTHENTICATED == 0 { None } else { Some(auth_section(&mut fields)?) },
        };
        packet.check_fields(flags)?;
        Ok(packet)
    }

    fn check_fields(&self, flags: u8) -> Result<(), Discard> {
        if self.detect_multiplier == 0 {
            return Err(Discard::NoMultiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Discard::Multipoint);
        }
        if self.my_discriminator == 0 {
            return Err(Discard::NoDiscriminator);
        }
        match (self.your_discriminator, self.state) {
            (0, State::Init | State::Up) => Err(Discard::StateWithoutDiscriminator { state: self.state }),
            (0, State::AdminDown | State::Down) | (1.., _) => Ok(()),
        }
    }

    /// The octets. The authentication section's data must be what it should be already.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let auth_length = self.authentication.map_or(0, |section| 2 + section.data.len());
        let mut out = Encoder::reuse(Vec::with_capacity(usize::from(HEADER_LEN) + auth_length));
        out.u8(VERSION << 5 | self.diagnostic.0 & 0x1f);
        out.u8(self.state.code() << 6
            | flag(self.poll, POLL)
            | flag(self.last, FINAL)
            | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.authentication.is_some(), AUTHENTICATED)
            | flag(self.demand, DEMAND));
        out.u8(self.detect_multiplier);
        out.count_u8(usize::from(HEADER_LEN) + auth_length);
        out.u32(self.my_discriminator);
        out.u32(self.your_discriminator);
        out.u32(self.desired_min_tx);
        out.u32(self.required_min_rx);
        out.u32(self.required_min_echo_rx);
        if let Some(section) = self.authentication {
            out.u8(section.kind.0);
            out.count_u8(auth_length);
            out.bytes(section.data);
        }
        out.finish().expect("an authentication section is at most 229 octets long")
    }
}

/// The first four octets against each other and the datagram.
fn check_frame(version: u8, flags: u8, length: u8, available: usize) -> Result<(), Discard> {
    if version != VERSION {
        return Err(Discard::Version { found: version });
    }
    let least = if flags & AUTHENTICATED == 0 { HEADER_LEN } else { LEAST_WITH_AUTH };
    if length < least {
        return Err(Discard::Short { length, least });
    }
    if usize::from(length) > available {
        return Err(Discard::Overlong { length, available });
    }
    Ok(())
}

fn auth_section<'a>(fields: &mut Decoder<'a>) -> Result<AuthSection<'a>, Discard> {
    let kind = AuthType(fields.u8("authentication type")?);
    let length = fields.u8("authentication length")?;
    let Some(rest) = usize::from(length).checked_sub(2).filter(|rest| *rest == fields.remaining()) else {
        return Err(Discard::AuthLength { length, available: fields.remaining() + 2 });
    };
    Ok(AuthSection { kind, data: fields.take(rest, "authentication data")? })
}
