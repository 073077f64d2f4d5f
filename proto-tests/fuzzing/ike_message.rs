//! IKE messages in the clear (RFC 7296 3): what is decoded encodes, and decodes to the same.

use isakmp::{Frame, Message};

use super::datagrams::{authentication, first_request};

/// Octets: a datagram.
pub fn body(octets: &[u8]) {
    if let Ok(frame) = Frame::decode(octets) {
        let _refused = frame.payloads();
        let _refused = frame.protected().map(|found| found.is_some());
    }
    if let Ok(message) = Message::decode(octets) {
        // A payload may become longer than its field: an unknown one is left out, a known one is written in full.
        let Ok(encoded) = message.encode() else { return };
        let again = Message::decode(&encoded).expect("what we encode decodes");
        assert_eq!(again.payloads, message.payloads, "the same payloads");
        assert_eq!(again.encode().ok(), Some(encoded), "the same octets");
    }
}

/// An `IKE_SA_INIT` request, and an `IKE_AUTH` request in the clear.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    vec![first_request(), authentication()]
}
