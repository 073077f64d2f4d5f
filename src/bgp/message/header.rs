//! The fixed header and framing (RFC 4271 4.1).
//!
//! ```text
//!  0               16      18     19
//!  | marker, ones  | length | type | body ...
//! ```

use wire::Encoder;

use super::notification::{ErrorCode, HeaderSubcode, Notification};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 19;
/// Octets of the longest message, unless both sides said that they take longer ones.
pub const MAX_MESSAGE_LEN: usize = 4096;
/// Octets of the longest extended message (RFC 8654 4).
pub const MAX_EXTENDED_LEN: usize = 65535;

const MARKER: [u8; 16] = [0xff; 16];

/// The message types of RFC 4271 4.1 and RFC 2918 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Introduces a speaker.
    Open,
    /// Announces and withdraws routes.
    Update,
    /// Ends the session.
    Notification,
    /// Says that the sender lives.
    Keepalive,
    /// Asks for all routes again.
    RouteRefresh,
}

impl MessageType {
    /// The type of this number, if it is known.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Open),
            2 => Some(Self::Update),
            3 => Some(Self::Notification),
            4 => Some(Self::Keepalive),
            5 => Some(Self::RouteRefresh),
            _ => None,
        }
    }

    /// The number in the header.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Update => 2,
            Self::Notification => 3,
            Self::Keepalive => 4,
            Self::RouteRefresh => 5,
        }
    }

    /// The name in the RFCs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Update => "UPDATE",
            Self::Notification => "NOTIFICATION",
            Self::Keepalive => "KEEPALIVE",
            Self::RouteRefresh => "ROUTE-REFRESH",
        }
    }

    // RFC 4271 6.1: the shortest message of each type; KEEPALIVE has no other length. RFC 8654 4: OPEN is never
    // extended. Whether a longer ROUTE-REFRESH makes sense, its subtype says (RFC 7313 5, RFC 5291).
    const fn allows(self, length: usize) -> bool {
        match self {
            Self::Open => length >= 29 && length <= MAX_MESSAGE_LEN,
            Self::Update => length >= 23,
            Self::Notification => length >= 21,
            Self::Keepalive => length == HEADER_LEN,
            Self::RouteRefresh => length >= 23,
        }
    }
}

impl std::fmt::Display for MessageType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why octets are not the header of a message (RFC 4271 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The marker is not all ones: the two sides are out of step, or this is not BGP.
    #[error("the message marker is not all ones, so this is not the start of a BGP message")]
    Marker,
    /// A length outside 19 to the longest that was agreed on, or not one the type can have.
    #[error("the message length is {length}, which no {kind} can have", kind = kind.map_or("message", MessageType::name))]
    Length {
        /// The length field.
        length: u16,
        /// The type, if that matters.
        kind: Option<MessageType>,
    },
    /// A type this speaker did not offer to understand.
    #[error("message type {0} is not known")]
    Type(u8),
}

impl HeaderError {
    /// What the peer is told.
    #[must_use]
    pub fn notification(&self) -> Notification {
        let (subcode, data) = match self {
            Self::Marker => (HeaderSubcode::CONNECTION_NOT_SYNCHRONIZED, Vec::new()),
            Self::Length { length, .. } => (HeaderSubcode::BAD_MESSAGE_LENGTH, length.to_be_bytes().to_vec()),
            Self::Type(code) => (HeaderSubcode::BAD_MESSAGE_TYPE, vec![*code]),
        };
        Notification::new(ErrorCode::MESSAGE_HEADER, subcode.0, data)
    }
}

/// The length in octets of the message that starts here, header included, which is at most `longest`; `None` while too little of it is there to
/// tell. The message itself may still be incomplete.
///
/// # Errors
/// [`HeaderError`] as soon as the octets cannot become a message, however few there are.
pub fn frame_len(octets: &[u8], longest: usize) -> Result<Option<usize>, HeaderError> {
    let marker = &octets[..octets.len().min(MARKER.len())];
    if marker != &MARKER[..marker.len()] {
        return Err(HeaderError::Marker);
    }
    let Some(field) = octets.get(16..18) else { return Ok(None) };
    let length = u16::from_be_bytes([field[0], field[1]]);
    let octets_long = usize::from(length);
    if !(HEADER_LEN..=longest).contains(&octets_long) {
        return Err(HeaderError::Length { length, kind: None });
    }
    let Some(code) = octets.get(18) else { return Ok(None) };
    let kind = MessageType::from_code(*code).ok_or(HeaderError::Type(*code))?;
    if kind.allows(octets_long) { Ok(Some(octets_long)) } else { Err(HeaderError::Length { length, kind: Some(kind) }) }
}

/// Writes a header and `body` behind it.
pub(super) fn framed(kind: MessageType, body: impl FnOnce(&mut Encoder)) -> Result<Vec<u8>, wire::TooLong> {
    let mut encoder = Encoder::new();
    encoder.bytes(&MARKER);
    {
        let mut counted = encoder.length(2, MARKER.len() + 2);
        counted.u8(kind.code());
        body(&mut counted);
    }
    encoder.finish()
}

/// Starts a message in `out` with an open length; returns where it starts.
pub(super) fn begin(out: &mut Vec<u8>, kind: MessageType) -> usize {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[0, 0, kind.code()]);
    start
}

/// Writes the length of the message that starts at `start` and ends here.
pub(super) fn end(out: &mut [u8], start: usize) {
    let length = out.len() - start;
    let length = u16::try_from(length).expect("messages are packed to at most 65535 octets");
    out[start + 16..start + 18].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_len(octets: &[u8]) -> Result<Option<usize>, HeaderError> {
        super::frame_len(octets, MAX_MESSAGE_LEN)
    }

    fn header(length: u16, code: u8) -> Vec<u8> {
        let mut octets = MARKER.to_vec();
        octets.extend_from_slice(&length.to_be_bytes());
        octets.push(code);
        octets
    }

    #[test]
    fn a_short_header_is_not_an_error_but_a_wrong_one_is_at_once() {
        let whole = header(19, 4);
        for short in 0..18 {
            assert_eq!(frame_len(&whole[..short]), Ok(None), "{short} octets");
        }
        assert_eq!(frame_len(&whole[..18]), Ok(None));
        assert_eq!(frame_len(&whole), Ok(Some(19)));
        assert_eq!(frame_len(&[0xff, 0xfe]), Err(HeaderError::Marker));
        assert_eq!(frame_len(b"GET / HTTP/1.1"), Err(HeaderError::Marker));
        assert_eq!(frame_len(&header(18, 4)[..18]), Err(HeaderError::Length { length: 18, kind: None }));
    }

    #[test]
    fn every_type_has_its_lengths() {
        let cases: [(u8, &[u16], &[u16]); 5] = [
            (1, &[29, 4096], &[19, 28, 4097]),
            (2, &[23, 4096], &[19, 22, 4097]),
            (3, &[21, 4096], &[19, 20, 65535]),
            (4, &[19], &[18, 20, 4096]),
            (5, &[23, 24], &[19, 22, 4097]),
        ];
        for (code, good, bad) in cases {
            for length in good {
                assert_eq!(frame_len(&header(*length, code)), Ok(Some(usize::from(*length))), "{code}");
            }
            for length in bad {
                let error = frame_len(&header(*length, code)).unwrap_err();
                assert_eq!(error.notification().to_octets()[..2], [1, 2], "{code} {length}");
                assert_eq!(error.notification().data, length.to_be_bytes());
            }
        }
    }

    #[test]
    fn extended_messages_are_long_but_never_an_open_or_a_keepalive() {
        let extended = |length, code| super::frame_len(&header(length, code), MAX_EXTENDED_LEN);
        for code in [2, 3, 5] {
            assert_eq!(extended(4097, code), Ok(Some(4097)));
            assert_eq!(extended(65535, code), Ok(Some(65535)));
        }
        for code in [1, 4] {
            assert!(matches!(extended(4097, code), Err(HeaderError::Length { length: 4097, kind: Some(_) })));
        }
    }

    #[test]
    fn an_unknown_type_is_reported_with_its_number() {
        for code in [0, 6, 255] {
            let error = frame_len(&header(23, code)).unwrap_err();
            assert_eq!(error, HeaderError::Type(code));
            assert_eq!(error.notification().to_octets(), [1, 3, code]);
        }
    }
}
