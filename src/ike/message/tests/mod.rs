//! Golden octets both ways, hostile input, round trips, selection, narrowing, fragments.

mod fragments;
mod golden;
mod hostile;
mod narrowing;
mod round_trip;
mod selection;

use super::{ExchangeType, Flags, Header, IkeSpi, Message, Payload, Version};

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
