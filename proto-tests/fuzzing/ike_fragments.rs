//! Fragmented messages of an authentic peer (RFC 7383 2.6), in any order, number and size: what is put together is what
//! was sent, and what waits is bounded. Whatever the whole then says is taken apart.

use std::collections::BTreeMap;

use crypto::{IkeKeys, Nonces, Role, SkCiphers};
use isakmp::{Frame, MAX_FRAGMENTS, MAX_OCTETS, Opened, PayloadType, Reassembly};
use wire::Secret;
use wire::ipsec::IkeSpi;

use super::datagrams::{NONCE, authentication, suite};
use super::ike_peer::sealed;
use super::input::{Input, Script};

const STEPS: usize = 600;

/// Octets: steps of number, total, kind of the first payload, octet to spoil (0: none), piece.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let (mut ours, theirs) = ciphers();
    let mut reassembly = Reassembly::new();
    let mut model = Model::default();
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        let (number, total, first) = (input.u16(), input.u16(), PayloadType(input.u8()));
        let (spoil, piece) = (usize::from(input.u16()), input.piece());
        let numbering = [number.to_be_bytes(), total.to_be_bytes()].concat();
        let mut datagram =
            sealed(&mut ours.outbound, &header(), (PayloadType::ENCRYPTED_FRAGMENT, first), &numbering, piece);
        let at = spoil % datagram.len();
        datagram[at] ^= u8::from(spoil != 0);
        let Ok(Some(protected)) = Frame::decode(&datagram).map_or(Ok(None), |frame| frame.protected()) else {
            continue;
        };
        let opened = protected.open(&theirs.inbound);
        assert!(spoil == 0 || opened.is_err(), "a changed fragment is not authentic");
        let Ok(Opened::Fragment(fragment)) = opened else { continue };
        let complete = reassembly.insert(fragment).ok().flatten();
        assert!(reassembly.pending() <= usize::from(MAX_FRAGMENTS), "what waits is bounded");
        let expected = model.insert(number, total, first, piece);
        assert_eq!(complete.is_some(), expected.is_some(), "complete when the last piece is here, and only then");
        if let (Some(message), Some((first, whole))) = (complete, expected) {
            let again = sealed(&mut ours.outbound, &header(), (PayloadType::ENCRYPTED, first), &[], &whole);
            let frame = Frame::decode(&again).expect("a header of ours");
            let protected = frame.protected().ok().flatten().expect("an encrypted payload of ours");
            assert_eq!(protected.open(&theirs.inbound), Ok(Opened::Whole(message.clone())), "what was sent");
            let _refused = message.payloads();
        }
    }
}

/// RFC 7383 2.6 from scratch: the finest cut so far, and its pieces.
#[derive(Default)]
struct Model {
    total: u16,
    first: Option<PayloadType>,
    pieces: BTreeMap<u16, Vec<u8>>,
}

impl Model {
    fn insert(&mut self, number: u16, total: u16, first: PayloadType, piece: &[u8]) -> Option<(PayloadType, Vec<u8>)> {
        if total > MAX_FRAGMENTS || total < self.total {
            return None;
        }
        if total > self.total {
            *self = Self { total, ..Self::default() };
        }
        let octets: usize = self.pieces.values().map(Vec::len).sum();
        if self.pieces.contains_key(&number) || octets + piece.len() > MAX_OCTETS {
            return None;
        }
        if number == 1 {
            self.first = Some(first);
        }
        self.pieces.insert(number, piece.to_vec());
        let first = self.first.filter(|_| self.pieces.len() == usize::from(total))?;
        let pieces = std::mem::take(self).pieces;
        Some((first, pieces.into_values().flatten().collect()))
    }
}

/// The ciphers of both ends of an IKE SA.
fn ciphers() -> (SkCiphers, SkCiphers) {
    let nonces = Nonces { initiator: &NONCE, responder: &NONCE };
    let keys = IkeKeys::derive(&suite(), &Secret::new(vec![3; 32]), nonces, IkeSpi(1), IkeSpi(2));
    (keys.ciphers(Role::Initiator), keys.ciphers(Role::Responder))
}

fn header() -> [u8; 16] {
    let mut spis = [0; 16];
    (spis[7], spis[15]) = (1, 2);
    spis
}

/// A message in three pieces, in order and not; the same in one; a piece that was changed.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let message = authentication();
    let (first, chain) = (message[16], &message[28..]);
    let pieces: Vec<&[u8]> = chain.chunks(chain.len().div_ceil(3)).collect();
    let step = |script: Script, number: u8, total: u8, spoil: u8| {
        let first = if number == 1 { first } else { 0 };
        script.octets(&[0, number, 0, total, first, 0, spoil]).piece(pieces[usize::from(number) - 1])
    };
    let in_order = [1, 2, 3].into_iter().fold(Script::default(), |script, number| step(script, number, 3, 0));
    let disordered = [(3, 0), (1, 40), (3, 0), (1, 0), (2, 0)];
    let disordered =
        disordered.into_iter().fold(Script::default(), |script, (number, spoil)| step(script, number, 3, spoil));
    let whole = Script::default().octets(&[0, 1, 0, 1, first, 0, 0]).piece(chain);
    let finer = step(step(Script::default(), 1, 2, 0), 2, 3, 0).octets(&[0, 1, 1, 1, 0, 0, 0]);
    vec![in_order.done(), disordered.done(), whole.done(), finer.done()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_complete_messages() {
        let (mut ours, theirs) = ciphers();
        let datagram = sealed(&mut ours.outbound, &header(), (PayloadType::ENCRYPTED, PayloadType::NONE), &[], &[]);
        let protected = Frame::decode(&datagram).unwrap().protected().unwrap().unwrap();
        let Opened::Whole(whole) = protected.open(&theirs.inbound).unwrap() else { panic!("no fragment") };
        assert_eq!(whole.payloads(), Ok(Vec::new()));
        seeds().iter().for_each(|seed| body(seed));
    }
}
