//! ESP packets to a valid SA: only what its peer sealed is accepted, unchanged and once (RFC 4303 3.4).

use esp::{InboundSa, OutboundSa};
use wire::Secret;

use super::association::{SUITES, association};
use super::input::{Input, Script};

const STEPS: usize = 64;

/// Octets: the suite, then steps (an octet each, with what it needs): foreign, genuine, changed, cut, repeated.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let association = association(SUITES[input.index(SUITES.len())]);
    let mut unused = association.clone();
    unused.keys.encryption = Secret::new(vec![9; association.keys.encryption.len()]);
    let mut link = Link {
        outbound: OutboundSa::new(&association).expect("the keys fit the suite"),
        inbound: InboundSa::new(&association).expect("the keys fit the suite"),
        unused: InboundSa::new(&unused).expect("the keys fit the suite"),
        sealed: Vec::new(),
    };
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        match input.u8() % 5 {
            0 => {
                let refused = link.unused.open(&mut input.piece().to_vec());
                assert!(refused.is_err() && link.unused.highest_sequence() == 0, "nobody can seal without the key");
            }
            1 => link.accepts(usize::from(input.u16() % 1500)),
            2 => link.changed(input),
            3 => link.cut(usize::from(input.u16())),
            _ => link.repeated(usize::from(input.u8())),
        }
        input.u8();
    }
}

struct Link {
    outbound: OutboundSa,
    inbound: InboundSa,
    /// With a key that sealed nothing: the fuzzer watches comparisons and learns what was sealed.
    unused: InboundSa,
    /// Accepted already.
    sealed: Vec<Vec<u8>>,
}

impl Link {
    /// A sealed IPv4 packet with `more` octets behind its header.
    fn seal(&mut self, more: usize) -> Vec<u8> {
        let inner = inner_packet(more);
        let headroom = self.outbound.headroom();
        let mut packet = vec![0; self.outbound.sealed_len(inner.len())];
        packet[headroom..headroom + inner.len()].copy_from_slice(&inner);
        self.outbound.seal(&mut packet, inner.len()).expect("a fresh SA seals a packet that fits its buffer");
        packet
    }

    fn refuses(&mut self, mut packet: Vec<u8>) {
        let highest = self.inbound.highest_sequence();
        assert!(self.inbound.open(&mut packet).is_err(), "a changed or repeated packet is refused");
        assert_eq!(self.inbound.highest_sequence(), highest, "an unauthentic packet moves no replay state");
    }

    fn accepts(&mut self, more: usize) {
        let mut packet = self.seal(more);
        self.sealed.push(packet.clone());
        let opened = self.inbound.open(&mut packet).expect("what was sealed opens");
        let inner = opened.inner.expect("it is no dummy");
        assert_eq!(packet[inner], inner_packet(more), "what comes out is what went in");
    }

    /// Any change is noticed, and the packet itself is still good afterwards.
    fn changed(&mut self, mut input: Input<'_>) {
        let genuine = self.seal(usize::from(input.u8()));
        let mut packet = genuine.clone();
        for _ in 0..1 + input.u8() % 4 {
            let at = usize::from(input.u16()) % packet.len();
            packet[at] ^= input.u8();
        }
        if packet != genuine {
            self.refuses(packet);
        }
        self.inbound.open(&mut genuine.clone()).expect("forgeries do not spoil the genuine packet");
        self.sealed.push(genuine);
    }

    fn cut(&mut self, length: usize) {
        let mut packet = self.seal(40);
        packet.truncate(length % packet.len());
        self.refuses(packet);
    }

    fn repeated(&mut self, which: usize) {
        if let Some(packet) = self.sealed.get(which % self.sealed.len().max(1)) {
            self.refuses(packet.clone());
        }
    }
}

fn inner_packet(more: usize) -> Vec<u8> {
    let length = 20 + more;
    let mut packet = vec![0x5a; length];
    packet[..4].copy_from_slice(&[0x45, 0, 0, 0]);
    packet[2..4].copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    packet
}

/// Every step once for every suite.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    (0..8)
        .map(|suite| {
            Script::default()
                .octets(&[suite, 1, 0, 64, 0, 2, 0, 0, 10, 1, 3, 0, 30, 0])
                .octets(&[0])
                .piece(&[&[1, 2, 3, 4, 0, 0, 0, 9][..], &[0x5a; 88]].concat())
                .octets(&[0, 4, 0, 0, 1, 5, 0, 0])
                .done()
        })
        .collect()
}
