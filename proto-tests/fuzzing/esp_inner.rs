//! Inner packets that an authentic peer seals, whatever they are: what comes out is what went in, or nothing.

use esp::{InboundSa, OutboundSa};

use super::association::{SUITES, association};

/// Octets: the suite, then the inner packet.
pub fn body(octets: &[u8]) {
    let Some((suite, inner)) = octets.split_first() else { return };
    let inner = &inner[..inner.len().min(2000)];
    if inner.is_empty() {
        return;
    }
    let association = association(SUITES[usize::from(*suite) % SUITES.len()]);
    let mut outbound = OutboundSa::new(&association).expect("the keys fit the suite");
    let mut inbound = InboundSa::new(&association).expect("the keys fit the suite");
    let _any = outbound.permits(inner);
    let headroom = outbound.headroom();
    let mut packet = vec![0; outbound.sealed_len(inner.len())];
    packet[headroom..headroom + inner.len()].copy_from_slice(inner);
    outbound.seal(&mut packet, inner.len()).expect("a fresh SA seals a packet that fits its buffer");
    if let Ok(opened) = inbound.open(&mut packet)
        && let Some(range) = opened.inner
    {
        // RFC 4303 2.7: what lies behind the length the inner packet declares is padding against traffic analysis.
        assert!(inner.starts_with(&packet[range]), "what comes out is what went in, less trailing padding");
    }
    assert_eq!(inbound.highest_sequence(), 1, "an authentic packet counts, whatever is in it");
}

/// A packet of each family, and one for each suite.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut v4 = vec![0; 61];
    v4[1..5].copy_from_slice(&[0x45, 0, 0, 60]);
    v4[10] = 6;
    let mut v6 = vec![1; 61];
    v6[1..9].copy_from_slice(&[0x60, 0, 0, 0, 0, 20, 17, 64]);
    let others = (4..8).map(|suite| [&[suite], &v4[1..]].concat());
    [v4.clone(), v6].into_iter().chain(others).collect()
}
