//! A datagram on its way to payloads: header first, then payloads, then what is encrypted.

use crypto::{OpenError, SkCipher};
use wire::{DecodeError, Decoder};

use super::chain::{self, PayloadError, Sealed};
use super::code_points::PayloadType;
use super::fragment::Fragment;
use super::header::Header;
use super::payload::Payload;

/// A datagram whose header is decoded, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What identifies the message.
    pub header: Header,
    first: PayloadType,
    body: Decoder<'a>,
    datagram: &'a [u8],
}

/// An encrypted payload that was found but not opened.
#[derive(Clone, Copy, Debug)]
pub struct Protected<'a> {
    datagram: &'a [u8],
    first: PayloadType,
    iv_at: usize,
    fragment: Option<Numbering>,
}

/// The place of a fragment (RFC 7383 2.5).
#[derive(Clone, Copy, Debug)]
struct Numbering {
    number: u16,
    total: u16,
}

/// An encrypted payload that was opened, hence is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// All of a message's content.
    Whole(Plaintext),
    /// A piece of it.
    Fragment(Fragment),
}

/// What was encrypted: a payload chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plaintext {
    /// Kind of the first payload.
    pub(super) first: PayloadType,
    /// The chain.
    pub(super) octets: Vec<u8>,
}

impl<'a> Frame<'a> {
    /// Decodes the header. `datagram` is a whole message without a non-ESP marker.
    ///
    /// # Errors
    /// [`DecodeError`] if it is shorter than a header or its length is not the one the header declares.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let mut body = Decoder::new(datagram);
        let (header, first) = Header::decode(&mut body)?;
        Ok(Self { header, first, body, datagram })
    }

    /// The octets it was decoded from.
    #[must_use]
    pub const fn datagram(&self) -> &'a [u8] {
        self.datagram
    }

    /// The payloads in the clear; in a protected message those are not authentic.
    ///
    /// # Errors
    /// [`PayloadError`].
    pub fn payloads(&self) -> Result<Vec<Payload>, PayloadError> {
        chain::decode(self.first, self.body).map(|(payloads, _)| payloads)
    }

    /// Where the body of the encrypted payload starts, if there is one.
    pub(super) fn sealed_at(&self) -> Option<usize> {
        chain::decode(self.first, self.body).ok().and_then(|(_, sealed)| sealed).map(|sealed| sealed.at)
    }

    /// The encrypted payload, if there is one.
    ///
    /// # Errors
    /// [`PayloadError`].
    pub fn protected(&self) -> Result<Option<Protected<'a>>, PayloadError> {
        let (_, Some(sealed)) = chain::decode(self.first, self.body)? else {
            return Ok(None);
        };
        let Sealed { kind, first, at } = sealed;
        let mut body = Decoder::new(self.datagram);
        body.take(at, "payloads")?;
        let fragment = match kind {
            PayloadType::ENCRYPTED_FRAGMENT => Some(Numbering::decode(&mut body)?),
            _ => None,
        };
        Ok(Some(Protected { datagram: self.datagram, first, iv_at: body.offset(), fragment }))
    }
}

impl Numbering {
    fn decode(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let number = body.u16("fragment number")?;
        let total = body.u16("total fragments")?;
        // RFC 7383 2.5: numbers start at 1 and do not exceed the total, which is not 0.
        if number == 0 || number > total {
            return Err(body.invalid("fragment number", number));
        }
        Ok(Self { number, total })
    }
}

impl Protected<'_> {
    /// Checks and decrypts it.
    ///
    /// # Errors
    /// [`OpenError`]: it is to be ignored.
    pub fn open(&self, cipher: &SkCipher) -> Result<Opened, OpenError> {
        let octets = cipher.open(self.datagram, self.iv_at)?;
        let plaintext = Plaintext { first: self.first, octets };
        Ok(match self.fragment {
            None => Opened::Whole(plaintext),
            Some(Numbering { number, total }) => Opened::Fragment(Fragment { number, total, plaintext }),
        })
    }
}

impl Plaintext {
    /// What was encrypted, without padding.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// What was encrypted, without padding.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// The payloads.
    ///
    /// # Errors
    /// [`PayloadError`]: the peer itself sent something that is wrong, and is told so.
    pub fn payloads(&self) -> Result<Vec<Payload>, PayloadError> {
        match chain::decode(self.first, Decoder::new(&self.octets))? {
            (payloads, None) => Ok(payloads),
            // RFC 7296 3.14: an encrypted payload is not inside of another.
            (_, Some(Sealed { kind, at, .. })) => {
                let mut decoder = Decoder::new(&self.octets);
                decoder.take(at, "payloads")?;
                Err(decoder.invalid("encrypted payload", kind.0).into())
            }
        }
    }
}
