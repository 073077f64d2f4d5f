//! Sealing and opening single packets, by suite and length.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use esp::{InboundSa, OutboundSa};
use wire::Secret;
use wire::ipsec::{
    Encapsulation, Encryption, EspSuite, Integrity, SaKeys, SaLifetime, SecurityAssociation, Spi, TrafficSelector,
};

const LENGTHS: [usize; 3] = [64, 512, 1400];

fn main() {
    divan::main();
}

#[divan::bench(args = LENGTHS)]
fn seal_aes128_gcm(bencher: Bencher<'_, '_>, len: usize) {
    seal(bencher, Encryption::gcm16(128), None, len);
}

#[divan::bench(args = LENGTHS)]
fn seal_aes256_cbc_sha256(bencher: Bencher<'_, '_>, len: usize) {
    seal(bencher, Encryption::AesCbc(256), Some(Integrity::HmacSha256), len);
}

#[divan::bench(args = LENGTHS)]
fn open_aes128_gcm(bencher: Bencher<'_, '_>, len: usize) {
    open(bencher, Encryption::gcm16(128), None, len);
}

#[divan::bench(args = LENGTHS)]
fn open_aes256_cbc_sha256(bencher: Bencher<'_, '_>, len: usize) {
    open(bencher, Encryption::AesCbc(256), Some(Integrity::HmacSha256), len);
}

fn seal(bencher: Bencher<'_, '_>, encryption: Encryption, integrity: Option<Integrity>, len: usize) {
    let mut sa = OutboundSa::new(&association(encryption, integrity)).expect("the keys fit");
    let mut buffer = packet(&sa, len);
    bencher.counter(BytesCount::new(len)).bench_local(|| sa.seal(black_box(&mut buffer), len));
}

fn open(bencher: Bencher<'_, '_>, encryption: Encryption, integrity: Option<Integrity>, len: usize) {
    let association = association(encryption, integrity);
    let mut sealer = OutboundSa::new(&association).expect("the keys fit");
    let mut opener = InboundSa::new(&association).expect("the keys fit");
    bencher
        .counter(BytesCount::new(len))
        .with_inputs(|| {
            let mut buffer = packet(&sealer, len);
            sealer.seal(&mut buffer, len).expect("the buffer has room");
            buffer
        })
        .bench_local_refs(|buffer| opener.open(buffer));
}

fn packet(sa: &OutboundSa, len: usize) -> Vec<u8> {
    let mut buffer = vec![0; sa.sealed_len(len)];
    let inner = &mut buffer[sa.headroom()..];
    inner[0] = 0x45;
    inner[2..4].copy_from_slice(&u16::try_from(len).expect("a packet").to_be_bytes());
    buffer
}

fn association(encryption: Encryption, integrity: Option<Integrity>) -> SecurityAssociation {
    let outside = "192.0.2.1:4500".parse().expect("an address");
    SecurityAssociation {
        spi: Spi(0x1000),
        suite: EspSuite { encryption, integrity, esn: true },
        keys: SaKeys {
            encryption: Secret::new(vec![1; encryption.key_material_len()]),
            integrity: Secret::new(vec![2; integrity.map_or(0, Integrity::key_len)]),
        },
        local: outside,
        remote: outside,
        encapsulation: Encapsulation::Udp,
        replay_window: 4096,
        lifetime: SaLifetime::default(),
        local_selectors: vec![TrafficSelector::ANY_V4],
        remote_selectors: vec![TrafficSelector::ANY_V4],
    }
}
