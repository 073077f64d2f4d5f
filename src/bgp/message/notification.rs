//! NOTIFICATION (RFC 4271 4.5, 6): error codes, subcodes and data, in octets and in words.
//!
//! Subcodes: RFC 4271 6.1 to 6.3, RFC 5492 5, RFC 6608, RFC 4486, RFC 7313 5, RFC 8538 3, RFC 9384. The text of an administrative
//! shutdown or reset is that of RFC 9003.

use std::fmt;

use wire::{Asn, code_point};

use super::capability::Capability;
use super::header::{MessageType, framed};
use crate::Family;

code_point! {
    /// What kind of error ended a session. <https://www.iana.org/assignments/bgp-parameters>
    pub struct ErrorCode(u8) {
        MESSAGE_HEADER = 1;
        OPEN = 2;
        UPDATE = 3;
        HOLD_TIMER_EXPIRED = 4;
        FINITE_STATE_MACHINE = 5;
        CEASE = 6;
        ROUTE_REFRESH = 7;
        SEND_HOLD_TIMER_EXPIRED = 8;
    }
}

code_point! {
    /// RFC 4271 6.1
    pub struct HeaderSubcode(u8) {
        CONNECTION_NOT_SYNCHRONIZED = 1;
        BAD_MESSAGE_LENGTH = 2;
        BAD_MESSAGE_TYPE = 3;
    }
}

code_point! {
    /// RFC 4271 6.2, RFC 5492 5, RFC 9234 8
    pub struct OpenSubcode(u8) {
        UNSPECIFIC = 0;
        UNSUPPORTED_VERSION = 1;
        BAD_PEER_AS = 2;
        BAD_BGP_IDENTIFIER = 3;
        UNSUPPORTED_OPTIONAL_PARAMETER = 4;
        AUTHENTICATION_FAILURE = 5;
        UNACCEPTABLE_HOLD_TIME = 6;
        UNSUPPORTED_CAPABILITY = 7;
        ROLE_MISMATCH = 11;
    }
}

code_point! {
    /// RFC 4271 6.3
    pub struct UpdateSubcode(u8) {
        MALFORMED_ATTRIBUTE_LIST = 1;
        UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 2;
        MISSING_WELL_KNOWN_ATTRIBUTE = 3;
        ATTRIBUTE_FLAGS = 4;
        ATTRIBUTE_LENGTH = 5;
        INVALID_ORIGIN = 6;
        AS_ROUTING_LOOP = 7;
        INVALID_NEXT_HOP = 8;
        OPTIONAL_ATTRIBUTE = 9;
        INVALID_NETWORK_FIELD = 10;
        MALFORMED_AS_PATH = 11;
    }
}

code_point! {
    /// RFC 6608 3
    pub struct FsmSubcode(u8) {
        UNEXPECTED_IN_OPEN_SENT = 1;
        UNEXPECTED_IN_OPEN_CONFIRM = 2;
        UNEXPECTED_IN_ESTABLISHED = 3;
    }
}

code_point! {
    /// RFC 7313 5
    pub struct RefreshSubcode(u8) {
        INVALID_MESSAGE_LENGTH = 1;
    }
}

code_point! {
    /// RFC 4486 3, RFC 8538 3, RFC 9384 3
    pub struct CeaseSubcode(u8) {
        MAXIMUM_PREFIXES = 1;
        ADMINISTRATIVE_SHUTDOWN = 2;
        PEER_DECONFIGURED = 3;
        ADMINISTRATIVE_RESET = 4;
        CONNECTION_REJECTED = 5;
        OTHER_CONFIGURATION_CHANGE = 6;
        CONNECTION_COLLISION_RESOLUTION = 7;
        OUT_OF_RESOURCES = 8;
        HARD_RESET = 9;
        BFD_DOWN = 10;
    }
}

/// The message that ends a session. Prints as words: codes, and what the data says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code.
    pub code: ErrorCode,
    /// Error subcode, of the registry the code names.
    pub subcode: u8,
    /// What is wrong, in the form the subcode prescribes; at most 4075 octets.
    pub data: Vec<u8>,
}

impl Notification {
    /// The message of these fields.
    #[must_use]
    pub const fn new(code: ErrorCode, subcode: u8, data: Vec<u8>) -> Self {
        Self { code, subcode, data }
    }

    /// A Cease without data.
    #[must_use]
    pub const fn cease(subcode: CeaseSubcode) -> Self {
        Self::new(ErrorCode::CEASE, subcode.0, Vec::new())
    }

    /// A Cease with a text for the peer's operator (RFC 9003 2), cut at 255 octets.
    #[must_use]
    pub fn cease_with_text(subcode: CeaseSubcode, text: &str) -> Self {
        let mut end = text.len().min(255);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let length = u8::try_from(end).unwrap_or(u8::MAX);
        let data = if end == 0 { Vec::new() } else { [&[length], &text.as_bytes()[..end]].concat() };
        Self::new(ErrorCode::CEASE, subcode.0, data)
    }

    /// A Hard Reset around what ends the session (RFC 8538 3.1): no routes are kept over it.
    #[must_use]
    pub fn hard_reset(self) -> Self {
        Self::new(ErrorCode::CEASE, CeaseSubcode::HARD_RESET.0, self.to_octets())
    }

    /// Whether it ends what graceful restart would keep (RFC 8538 3).
    #[must_use]
    pub const fn is_hard_reset(&self) -> bool {
        self.code.0 == ErrorCode::CEASE.0 && self.subcode == CeaseSubcode::HARD_RESET.0
    }

    /// What a Hard Reset is around, if it says so; never another Hard Reset.
    #[must_use]
    pub fn reset_reason(&self) -> Option<Self> {
        self.is_hard_reset().then(|| Self::decode(&self.data)).flatten().filter(|inner| !inner.is_hard_reset())
    }

    /// RFC 4486 4: which family has too many prefixes, and how many it may have.
    #[must_use]
    pub fn maximum_prefixes(family: Option<Family>, limit: u32) -> Self {
        let mut data = Vec::new();
        if let Some(family) = family {
            let (afi, safi) = family.codes();
            data.extend_from_slice(&afi.to_be_bytes());
            data.push(safi);
            data.extend_from_slice(&limit.to_be_bytes());
        }
        Self::new(ErrorCode::CEASE, CeaseSubcode::MAXIMUM_PREFIXES.0, data)
    }

    /// Whether the session ends only because another connection to the same peer is kept.
    #[must_use]
    pub const fn is_collision(&self) -> bool {
        self.code.0 == ErrorCode::CEASE.0 && self.subcode == CeaseSubcode::CONNECTION_COLLISION_RESOLUTION.0
    }

    /// Reads the body of a message. A NOTIFICATION is never answered (RFC 4271 6.4), so that what makes no sense is
    /// kept as it is; `None` if not even the codes are there.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let [code, subcode, data @ ..] = body else { return None };
        Some(Self::new(ErrorCode(*code), *subcode, data.to_vec()))
    }

    /// Codes and data.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let mut octets = vec![self.code.0, self.subcode];
        octets.extend_from_slice(&self.data[..self.data.len().min(MAX_DATA_LEN)]);
        octets
    }

    /// The whole message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        framed(MessageType::Notification, |body| body.bytes(&self.to_octets())).unwrap_or_default()
    }

    /// Name of the subcode, if it has one.
    #[must_use]
    pub const fn subcode_name(&self) -> Option<&'static str> {
        match self.code {
            ErrorCode::MESSAGE_HEADER => HeaderSubcode(self.subcode).name(),
            ErrorCode::OPEN => OpenSubcode(self.subcode).name(),
            ErrorCode::UPDATE => UpdateSubcode(self.subcode).name(),
            ErrorCode::FINITE_STATE_MACHINE => FsmSubcode(self.subcode).name(),
            ErrorCode::CEASE => CeaseSubcode(self.subcode).name(),
            ErrorCode::ROUTE_REFRESH => RefreshSubcode(self.subcode).name(),
            _ => None,
        }
    }

    /// The text of the peer's operator (RFC 9003 2): an administrative shutdown or reset may carry one. Control
    /// characters are escaped.
    #[must_use]
    pub fn shutdown_text(&self) -> Option<String> {
        if let Some(inner) = self.reset_reason() {
            return inner.shutdown_text();
        }
        let told = self.code == ErrorCode::CEASE
            && matches!(
                CeaseSubcode(self.subcode),
                CeaseSubcode::ADMINISTRATIVE_SHUTDOWN | CeaseSubcode::ADMINISTRATIVE_RESET
            );
        let (length, rest) = self.data.split_first()?;
        let text = rest.get(..usize::from(*length))?;
        (told && !text.is_empty()).then(|| String::from_utf8_lossy(text).escape_debug().to_string())
    }

    /// What the data says, in words.
    fn details(&self) -> Option<String> {
        let data = self.data.as_slice();
        match (self.code, self.subcode) {
            (ErrorCode::MESSAGE_HEADER, 2) => Some(format!("length {}", number(data)?)),
            (ErrorCode::MESSAGE_HEADER, 3) => Some(format!("type {}", number(data)?)),
            (ErrorCode::OPEN, 1) => Some(format!("highest version supported is {}", number(data)?)),
            (ErrorCode::OPEN, 2) => Some(format!("expected AS {}", Asn(number(data)?))),
            (ErrorCode::OPEN, 7) => Capability::list_in_words(data),
            (ErrorCode::UPDATE, 3) => Some(format!("attribute type {}", data.first()?)),
            (ErrorCode::UPDATE, 2 | 4..=6 | 8 | 9) => Some(format!("attribute type {}", data.get(1)?)),
            (ErrorCode::CEASE, 1) => prefix_limit(data),
            (ErrorCode::CEASE, 9) => self.reset_reason().map(|inner| inner.to_string()),
            (ErrorCode::CEASE, 2 | 4) => self.shutdown_text().map(|text| format!("\"{text}\"")),
            (_, _) => None,
        }
    }
}

/// `Cease: Administrative Shutdown (6/2): "maintenance until noon"`.
impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.name() {
            Some(name) => title(f, name)?,
            None => f.write_str("error")?,
        }
        if let Some(name) = self.subcode_name() {
            f.write_str(": ")?;
            title(f, name)?;
        }
        write!(f, " ({}/{})", self.code.0, self.subcode)?;
        match self.details() {
            Some(details) => write!(f, ": {details}"),
            None if self.data.is_empty() => Ok(()),
            None => write!(f, ": {} octets of data", self.data.len()),
        }
    }
}

/// `PEER_DECONFIGURED` as `Peer Deconfigured`.
fn title(f: &mut fmt::Formatter<'_>, constant: &str) -> fmt::Result {
    for (position, word) in constant.split('_').enumerate() {
        let space = if position == 0 { "" } else { " " };
        match word {
            "AS" | "BGP" | "OPEN" | "UPDATE" | "BFD" => write!(f, "{space}{word}")?,
            _ => {
                let (first, rest) = word.split_at(1);
                write!(f, "{space}{first}{}", rest.to_ascii_lowercase())?;
            }
        }
    }
    Ok(())
}

fn number(data: &[u8]) -> Option<u32> {
    match *data {
        [a] => Some(a.into()),
        [a, b] => Some(u16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

fn prefix_limit(data: &[u8]) -> Option<String> {
    let [afi_high, afi_low, safi, limit @ ..] = data else { return None };
    let afi = u16::from_be_bytes([*afi_high, *afi_low]);
    let family = Family::from_codes(afi, *safi).map_or_else(|| format!("AFI {afi} SAFI {safi}"), |f| f.to_string());
    Some(format!("at most {} prefixes of {family}", number(limit)?))
}

/// What a message of 4096 octets has room for.
const MAX_DATA_LEN: usize = super::header::MAX_MESSAGE_LEN - super::header::HEADER_LEN - 2;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn words(octets: &[u8]) -> String {
        Notification::decode(octets).unwrap().to_string()
    }

    #[test]
    fn codes_are_told_in_words() {
        let cases: [(&[u8], &str); 18] = [
            (&hex!("0102 1001"), "Message Header: Bad Message Length (1/2): length 4097"),
            (&hex!("0103 09"), "Message Header: Bad Message Type (1/3): type 9"),
            (&hex!("0201 0004"), "OPEN: Unsupported Version (2/1): highest version supported is 4"),
            (&hex!("0202"), "OPEN: Bad Peer AS (2/2)"),
            (&hex!("0207 0104 00020001"), "OPEN: Unsupported Capability (2/7): multiprotocol ipv6-unicast"),
            (&hex!("0303 02"), "UPDATE: Missing Well Known Attribute (3/3): attribute type 2"),
            (&hex!("0306 40010109"), "UPDATE: Invalid Origin (3/6): attribute type 1"),
            (&hex!("0400"), "Hold Timer Expired (4/0)"),
            (&hex!("0502"), "Finite State Machine: Unexpected In OPEN Confirm (5/2)"),
            (&hex!("0601 0001 01 00000064"), "Cease: Maximum Prefixes (6/1): at most 100 prefixes of ipv4-unicast"),
            (&hex!("0602 0362 7965"), "Cease: Administrative Shutdown (6/2): \"bye\""),
            (&hex!("020b"), "OPEN: Role Mismatch (2/11)"),
            (&hex!("0701 00"), "Route Refresh: Invalid Message Length (7/1): 1 octets of data"),
            (&hex!("0800"), "Send Hold Timer Expired (8/0)"),
            (&hex!("0609 0602 0362 7965"), "Cease: Hard Reset (6/9): Cease: Administrative Shutdown (6/2): \"bye\""),
            (&hex!("0609 0609 0602"), "Cease: Hard Reset (6/9): 4 octets of data"),
            (&hex!("06ff 01"), "Cease (6/255): 1 octets of data"),
            (&hex!("6301"), "error (99/1)"),
        ];
        for (octets, text) in cases {
            assert_eq!(words(octets), text);
        }
    }

    #[test]
    fn a_shutdown_text_is_cut_between_characters_and_escaped_when_read() {
        let long = "\u{e9}".repeat(200);
        let message = Notification::cease_with_text(CeaseSubcode::ADMINISTRATIVE_SHUTDOWN, &long);
        assert_eq!(message.data.len(), 255);
        assert_eq!(message.shutdown_text().unwrap(), "\u{e9}".repeat(127));
        let hostile = Notification::cease_with_text(CeaseSubcode::ADMINISTRATIVE_RESET, "a\n\x1b[2J");
        assert_eq!(hostile.shutdown_text().unwrap(), "a\\n\\u{1b}[2J");
        assert_eq!(Notification::decode(&hex!("0602 ff 61")).unwrap().shutdown_text(), None);
        assert_eq!(words(&hex!("0602 02 fffe")), "Cease: Administrative Shutdown (6/2): \"\u{fffd}\u{fffd}\"");
    }

    #[test]
    fn a_hard_reset_is_around_the_reason() {
        let inner = Notification::cease_with_text(CeaseSubcode::ADMINISTRATIVE_SHUTDOWN, "bye");
        let hard = inner.clone().hard_reset();
        assert_eq!(hard.to_octets(), hex!("0609 0602 03 627965"));
        assert!(hard.is_hard_reset() && !inner.is_hard_reset());
        assert_eq!((hard.shutdown_text().as_deref(), hard.reset_reason()), (Some("bye"), Some(inner)));
        assert_eq!(Notification::cease(CeaseSubcode::HARD_RESET).reset_reason(), None);
        assert_eq!(hard.hard_reset().reset_reason(), None, "never one around another");
    }

    #[test]
    fn a_message_is_the_same_both_ways_and_its_data_is_bounded() {
        let golden = hex!("ffffffffffffffffffffffffffffffff 0015 03 0400");
        let message = Notification::new(ErrorCode::HOLD_TIMER_EXPIRED, 0, Vec::new());
        assert_eq!(message.encode(), golden);
        assert_eq!(Notification::decode(&golden[19..]), Some(message));
        assert_eq!(Notification::new(ErrorCode::UPDATE, 1, vec![0; 9000]).encode().len(), 4096);
        assert_eq!(Notification::decode(&[6]), None);
    }
}
