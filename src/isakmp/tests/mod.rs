//! Golden octets both ways, hostile input, round trips, selection, narrowing, fragments.

mod fragments;
mod golden;
mod hostile;
mod narrowing;
mod round_trip;
mod selection;

use crypto::{IkeKeys, IkeProposal, Nonces, Role, SkCiphers};
use wire::Secret;
use wire::ipsec::{Encryption, IkeSpi, Integrity};

use super::{ExchangeType, Flags, Header, Message, Payload, Version};

const HEADER: Header = Header {
    initiator_spi: IkeSpi(0x0102_0304_0506_0708),
    responder_spi: IkeSpi(0x1112_1314_1516_1718),
    version: Version::V2,
    exchange: ExchangeType::INFORMATIONAL,
    flags: Flags { initiator: true, response: false, higher_version: false },
    message_id: 2,
};

fn message(payloads: Vec<Payload>) -> Message {
    Message { header: HEADER, payloads }
}

/// A datagram with `HEADER`'s fields around a payload chain that starts with `first`.
fn datagram(first: u8, chain: &[u8]) -> Vec<u8> {
    let mut datagram = message(Vec::new()).encode().unwrap();
    datagram[16] = first;
    datagram.extend_from_slice(chain);
    let length = u32::try_from(datagram.len()).unwrap();
    datagram[24..28].copy_from_slice(&length.to_be_bytes());
    datagram
}

/// Suites with every cipher, and with every integrity algorithm, that may protect a message.
fn suites() -> Vec<IkeProposal> {
    let texts = Encryption::ALL.into_iter().flat_map(|encryption| {
        if encryption.is_aead() {
            vec![format!("{encryption}-prfsha256-x25519")]
        } else {
            Integrity::ALL.map(|integrity| format!("{encryption}-{integrity}-prfsha256-x25519")).to_vec()
        }
    });
    texts.map(|text| text.parse().unwrap()).collect()
}

/// Of the initiator and of the responder.
fn ciphers(suite: &IkeProposal) -> (SkCiphers, SkCiphers) {
    let (initiator, responder): (Vec<u8>, Vec<u8>) = ((0x10..0x30).collect(), (0x80..0xa8).collect());
    let nonces = Nonces { initiator: &initiator, responder: &responder };
    let spis = (IkeSpi(0x0102_0304_0506_0708), IkeSpi(0x1112_1314_1516_1718));
    let keys = IkeKeys::derive(suite, &Secret::new(vec![0x5a; 32]), nonces, spis.0, spis.1);
    (keys.ciphers(Role::Initiator), keys.ciphers(Role::Responder))
}
