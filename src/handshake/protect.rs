//! Sealing and opening the messages of one IKE SA, from the first protected one on, fragmented where both ends can (RFC 7383).

use std::net::SocketAddr;

use crypto::SkCiphers;
use isakmp::{
    ExchangeType, Flags, Frame, Header, MAX_OCTETS, Message, Notify, NotifyType, Opened, Payload, PayloadError,
    Reassembly, Version,
};
use negotiation::max_datagram;
use wire::Entropy;
use wire::ipsec::IkeSpi;

use crate::Contents;

/// Octets of a fragmented message held for a peer that has not authenticated: several certificates fit.
const MAX_HALF_OPEN: usize = 24 * 1024;

/// The ciphers of an IKE SA and the fragments of messages not yet complete.
#[derive(Debug)]
pub struct Protection {
    ciphers: SkCiphers,
    fragmentation: bool,
    /// Octets of a fragmented message that are held.
    most: usize,
    requests: Partial,
    responses: Partial,
}

#[derive(Debug, Default)]
struct Partial {
    message_id: u32,
    reassembly: Reassembly,
    first: Vec<u8>,
}

/// A datagram, opened.
#[derive(Debug)]
pub enum Incoming {
    /// A whole message.
    Message {
        /// What it says.
        contents: Result<Contents, Rejected>,
        /// The octets by which its retransmission is known, of it or its first fragment.
        key: Vec<u8>,
        /// What was encrypted.
        inner: Vec<u8>,
    },
    /// Authentic, and more fragments are to come.
    Partial,
    /// Nothing in it is protected.
    InTheClear,
    /// Not authentic, or not decodable.
    Invalid,
}

/// Authentic, and still not acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// What is wrong with it.
    pub detail: String,
    /// What to tell the peer.
    pub notify: Notify,
}

impl From<PayloadError> for Rejected {
    fn from(error: PayloadError) -> Self {
        Self { detail: error.to_string(), notify: error.notify() }
    }
}

impl Rejected {
    /// RFC 7296 2.21.3: only a syntax error condemns the SA.
    #[must_use]
    pub fn is_syntax(&self) -> bool {
        self.notify.kind == NotifyType::INVALID_SYNTAX
    }
}

impl Protection {
    /// Under `ciphers`; our messages come in fragments where both ends can.
    #[must_use]
    pub fn new(ciphers: SkCiphers, fragmentation: bool) -> Self {
        let (requests, responses) = (Partial::default(), Partial::default());
        Self { ciphers, fragmentation, most: MAX_OCTETS, requests, responses }
    }

    /// For a peer that has not authenticated yet: less is held for it.
    pub(crate) fn half_open(ciphers: SkCiphers, fragmentation: bool) -> Self {
        Self { most: MAX_HALF_OPEN, ..Self::new(ciphers, fragmentation) }
    }

    /// Whether both ends can put messages together from fragments.
    #[must_use]
    pub const fn fragmentation(&self) -> bool {
        self.fragmentation
    }

    /// Encrypts a message for a peer at `remote`. What cannot be encoded yields nothing to send.
    pub fn seal(
        &mut self,
        header: Header,
        payloads: Vec<Payload>,
        remote: SocketAddr,
        entropy: &mut dyn Entropy,
    ) -> Vec<Vec<u8>> {
        let limit = self.fragmentation.then(|| max_datagram(remote.ip()));
        // Only a configuration with absurdly many proposals or selectors outgrows a length field; nothing is
        // sent then, and the exchange fails as unanswered.
        Message { header, payloads }.seal(&mut self.ciphers.outbound, entropy, limit).unwrap_or_default()
    }

    /// Opens a datagram. Fragments are kept until the message is complete.
    pub fn open(&mut self, frame: &Frame<'_>) -> Incoming {
        let protected = match frame.protected() {
            Ok(Some(protected)) => protected,
            Ok(None) => return Incoming::InTheClear,
            Err(_) => return Incoming::Invalid,
        };
        let Ok(opened) = protected.open(&self.ciphers.inbound) else { return Incoming::Invalid };
        let fragment = match opened {
            Opened::Whole(plaintext) => {
                let contents = collect(plaintext.payloads());
                return Incoming::Message { contents, key: frame.datagram().to_vec(), inner: plaintext.into_octets() };
            }
            Opened::Fragment(fragment) => fragment,
        };
        let partial = if frame.header.flags.response { &mut self.responses } else { &mut self.requests };
        if partial.message_id != frame.header.message_id {
            *partial = Partial { message_id: frame.header.message_id, ..Partial::default() };
        }
        // RFC 7383 2.6.1: of a retransmission, only the first fragment calls for the answer again.
        if fragment.number == 1 {
            partial.first = frame.datagram().to_vec();
        }
        if partial.reassembly.octets() + fragment.plaintext.octets().len() > self.most {
            return Incoming::Partial;
        }
        match partial.reassembly.insert(fragment) {
            Ok(Some(plaintext)) => {
                let (contents, key) = (collect(plaintext.payloads()), std::mem::take(&mut partial.first));
                Incoming::Message { contents, key, inner: plaintext.into_octets() }
            }
            Ok(None) | Err(_) => Incoming::Partial,
        }
    }
}

impl Protection {
    /// What an authentic message says that came in one piece. Nothing is kept of it.
    #[must_use]
    pub fn open_whole(&self, frame: &Frame<'_>) -> Option<Contents> {
        let protected = frame.protected().ok().flatten()?;
        match protected.open(&self.ciphers.inbound).ok()? {
            Opened::Whole(plaintext) => collect(plaintext.payloads()).ok(),
            Opened::Fragment(_) => None,
        }
    }

    /// Whether a datagram is an authentic first fragment. Nothing is kept of it.
    #[must_use]
    pub fn is_first_fragment(&self, frame: &Frame<'_>) -> bool {
        let protected = frame.protected().ok().flatten();
        let opened = protected.and_then(|protected| protected.open(&self.ciphers.inbound).ok());
        matches!(opened, Some(Opened::Fragment(fragment)) if fragment.number == 1)
    }
}

fn collect(payloads: Result<Vec<Payload>, PayloadError>) -> Result<Contents, Rejected> {
    Contents::collect(payloads?).map_err(|duplicate| Rejected {
        detail: duplicate.to_string(),
        notify: Notify::new(NotifyType::INVALID_SYNTAX),
    })
}

/// The header of one of our messages; `initiator` if we began the IKE SA.
#[must_use]
pub const fn header(
    spis: (IkeSpi, IkeSpi),
    exchange: ExchangeType,
    initiator: bool,
    response: bool,
    message_id: u32,
) -> Header {
    Header {
        initiator_spi: spis.0,
        responder_spi: spis.1,
        version: Version::V2,
        exchange,
        flags: Flags { initiator, response, higher_version: false },
        message_id,
    }
}
