//! ESP security associations with known keys.

use std::net::SocketAddr;

use wire::Secret;
use wire::ipsec::{
    Encapsulation, Encryption, EspSuite, Integrity, SaKeys, SaLifetime, SecurityAssociation, Spi, TrafficSelector,
};

/// One of each kind of cipher, with and without extended sequence numbers.
pub(super) const SUITES: [EspSuite; 8] = [
    EspSuite { encryption: Encryption::gcm16(128), integrity: None, esn: false },
    EspSuite { encryption: Encryption::gcm16(256), integrity: None, esn: true },
    EspSuite { encryption: Encryption::AesCbc(128), integrity: Some(Integrity::HmacSha1), esn: false },
    EspSuite { encryption: Encryption::AesCbc(256), integrity: Some(Integrity::HmacSha256), esn: true },
    EspSuite { encryption: Encryption::AesGcm { bits: 192, tag: 8 }, integrity: None, esn: true },
    EspSuite { encryption: Encryption::AesGcm { bits: 128, tag: 12 }, integrity: None, esn: false },
    EspSuite { encryption: Encryption::ChaCha20Poly1305, integrity: None, esn: true },
    EspSuite { encryption: Encryption::TripleDesCbc, integrity: Some(Integrity::HmacMd5), esn: false },
];

/// An SA that carries anything of either family.
pub(super) fn association(suite: EspSuite) -> SecurityAssociation {
    let key = |length| Secret::new(vec![7; length]);
    SecurityAssociation {
        spi: Spi(0x0102_0304),
        suite,
        keys: SaKeys {
            encryption: key(suite.encryption.key_material_len()),
            integrity: key(suite.integrity.map_or(0, Integrity::key_len)),
        },
        local: SocketAddr::from(([198, 51, 100, 1], 4500)),
        remote: SocketAddr::from(([203, 0, 113, 11], 4500)),
        encapsulation: Encapsulation::Udp,
        replay_window: 64,
        lifetime: SaLifetime::default(),
        local_selectors: vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
        remote_selectors: vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
    }
}
