//! Scapy as an independent reader and writer: it dissects what we send, opens what we seal, and we answer what it builds.
//!
//! `scapy/oracle.py` exchanges octets in hexadecimal with this test; nothing is sent anywhere.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use esp::{InboundSa, OpenError, OutboundSa};
use ike::Endpoint;
use negotiation::Output;
use proto_tests::fuzzing::subjects::{ANSWERS, BEGINS, association, endpoint};
use proto_tests::lab::scapy::{self, hex, unhex};
use serde_json::{Value, json};

const SPI: u32 = 0x0102_0304;
/// Octets in the inner packets, headers included: whatever padding there is, occurs.
const LENGTHS: [usize; 8] = [20, 21, 28, 35, 36, 63, 64, 1400];
/// Suites of both programs.
const SUITES: [&str; 8] = [
    "aes128gcm16",
    "aes256gcm16",
    "aes256gcm16-esn",
    "aes128-sha1",
    "aes256-sha256",
    "aes256-sha256-esn",
    "aes256-sha384",
    "aes128-sha512",
];

/// Asks Scapy.
fn oracle(requests: &Value) -> Vec<Value> {
    scapy::ask("oracle.py", requests).as_array().expect("a list").clone()
}

/// An IPv4 packet of UDP with a right header checksum.
fn inner_packet(length: usize) -> Vec<u8> {
    let mut packet = vec![0x5a; length];
    packet[..20].copy_from_slice(&[0x45, 0, 0, 0, 0, 1, 0, 0, 64, 253, 0, 0, 10, 1, 0, 10, 10, 2, 0, 10]);
    packet[2..4].copy_from_slice(&u16::try_from(length).expect("short").to_be_bytes());
    let sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded");
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet
}

fn keys(suite: &str) -> Value {
    let sa = association(suite).expect("a suite");
    let key = |length: usize| hex(&vec![7; length]);
    json!({
        "suite": suite,
        "spi": SPI,
        "key": key(sa.keys.encryption.len()),
        "integrity": key(sa.keys.integrity.len()),
    })
}

fn with(mut base: Value, more: &Value) -> Value {
    let fields = base.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    base
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn scapy_opens_what_we_seal() {
    let inner: Vec<String> = LENGTHS.iter().map(|&length| hex(&inner_packet(length))).collect();
    let requests: Vec<Value> = SUITES
        .iter()
        .map(|suite| {
            let mut outbound = OutboundSa::new(&association(suite).expect("a suite")).expect("keys that fit");
            let packets: Vec<String> = LENGTHS.iter().map(|&length| hex(&seal(&mut outbound, length))).collect();
            with(keys(suite), &json!({"op": "esp-open", "packets": packets}))
        })
        .collect();
    for (suite, answer) in SUITES.iter().zip(oracle(&Value::Array(requests))) {
        assert_eq!(texts(&answer["inner"]), inner, "{suite}");
    }
}

fn seal(outbound: &mut OutboundSa, length: usize) -> Vec<u8> {
    let (inner, headroom) = (inner_packet(length), outbound.headroom());
    let mut packet = vec![0; outbound.sealed_len(length)];
    packet[headroom..headroom + length].copy_from_slice(&inner);
    let sealed = outbound.seal(&mut packet, length).expect("a fresh SA seals");
    packet.truncate(sealed.len);
    packet
}

#[test]
fn we_open_what_scapy_seals_once_and_only_unchanged() {
    let inner: Vec<String> = LENGTHS.iter().map(|&length| hex(&inner_packet(length))).collect();
    let requests: Vec<Value> = SUITES
        .iter()
        .map(|suite| with(keys(suite), &json!({"op": "esp-seal", "inner": inner, "sequence": 9})))
        .collect();
    for (suite, answer) in SUITES.iter().zip(oracle(&Value::Array(requests))) {
        let mut inbound = InboundSa::new(&association(suite).expect("a suite")).expect("keys that fit");
        for (packet, expected) in texts(&answer["packets"]).iter().zip(&inner) {
            let genuine = unhex(packet);
            for at in [4, 8, genuine.len() / 2, genuine.len() - 1] {
                let mut changed = genuine.clone();
                changed[at] ^= 0x10;
                assert_eq!(inbound.open(&mut changed).err(), Some(OpenError::Integrity), "{suite}, octet {at}");
            }
            let mut octets = genuine.clone();
            let opened = inbound.open(&mut octets).unwrap_or_else(|error| panic!("{suite}: {error}"));
            assert_eq!(hex(&octets[opened.inner.expect("a packet")]), *expected, "{suite}");
            let again = inbound.open(&mut genuine.clone()).err();
            assert!(matches!(again, Some(OpenError::Replay(_))), "{suite}: {again:?}");
        }
        assert_eq!(inbound.highest_sequence(), 8 + u64::try_from(LENGTHS.len()).expect("few"), "{suite}");
    }
}

/// What an endpoint sends now.
fn sent(endpoint: &mut Endpoint) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    while let Some(output) = endpoint.poll_output() {
        if let Output::Transmit { datagram, .. } = output {
            datagrams.push(datagram);
        }
    }
    datagrams
}

fn read(datagrams: &[Vec<u8>]) -> Vec<Value> {
    let hexadecimal: Vec<String> = datagrams.iter().map(|datagram| hex(datagram)).collect();
    let answer = oracle(&json!([{"op": "ike-read", "datagrams": hexadecimal}]));
    answer[0]["messages"].as_array().expect("a list").clone()
}

/// `[type, number, key bits]` of a proposal's transforms.
fn transforms(proposal: &Value) -> Vec<(u64, u64, u64)> {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    proposal["transforms"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|transform| (number(&transform["type"]), number(&transform["id"]), number(&transform["bits"])))
        .collect()
}

fn payload<'a>(message: &'a Value, name: &str) -> &'a Value {
    let payloads = message["payloads"].as_array().expect("a list");
    payloads.iter().find(|payload| payload["payload"] == name).unwrap_or_else(|| panic!("no {name} in {message}"))
}

/// AES-GCM-16 with 128 bits, PRF HMAC-SHA2-256, Curve25519.
const CHOSEN: [(u64, u64, u64); 3] = [(1, 20, 128), (2, 5, 0), (4, 31, 0)];

#[test]
fn scapy_reads_our_first_request_and_would_write_the_same() {
    let now = Instant::now();
    let mut begins = endpoint(true, 1, now);
    begins.handle_timeout(now + Duration::from_secs(2));
    let datagrams = sent(&mut begins);
    assert_eq!(datagrams.len(), 1, "one request");
    let message = &read(&datagrams)[0];
    assert_eq!((&message["exchange"], &message["version"], &message["id"]), (&json!(34), &json!(0x20), &json!(0)));
    assert_eq!(message["flags"], 8, "the initiator's flag alone");
    assert_eq!(message["responder"], "0000000000000000");
    assert_ne!(message["initiator"], "0000000000000000");
    assert_eq!(message["length"], message["octets"], "the length is right");
    assert_eq!((&message["rest"], &message["same"]), (&json!(0), &json!(true)), "nothing is left, nothing differs");
    let proposals = payload(message, "IKEv2 SA")["proposals"].as_array().expect("a list").clone();
    assert_eq!(proposals.len(), 1);
    assert_eq!(transforms(&proposals[0]), CHOSEN);
    let exchange = payload(message, "IKEv2 Key Exchange");
    assert_eq!(exchange["group"], 31);
    assert_eq!(exchange["data"].as_str().map(str::len), Some(64), "32 octets");
    let nonce = payload(message, "IKEv2 Nonce")["data"].as_str().map_or(0, str::len) / 2;
    assert!((16..=256).contains(&nonce), "a nonce of {nonce} octets");
}

/// A first request as Scapy builds it, to be changed.
fn request(spi: &str) -> Value {
    json!({
        "initiator": spi,
        "payloads": [
            {"payload": "SA", "proposals": [
                [{"type": 1, "id": 12, "bits": 256}, {"type": 3, "id": 12}, {"type": 2, "id": 5}, {"type": 4, "id": 14}],
                [{"type": 1, "id": 20, "bits": 128}, {"type": 2, "id": 5}, {"type": 4, "id": 31}],
            ]},
            {"payload": "KE", "group": 31, "data": "09".repeat(32)},
            {"payload": "Nonce", "data": "4e".repeat(32)},
        ],
    })
}

fn payload_mut(request: &mut Value, index: usize) -> &mut Value {
    &mut request["payloads"][index]
}

/// Has Scapy build the messages and hands each to an endpoint of its own; what that one answers, as Scapy reads it.
fn answers(messages: &[Value]) -> Vec<Option<Value>> {
    let written = oracle(&json!([{"op": "ike-write", "messages": messages}]));
    let now = Instant::now();
    texts(&written[0]["datagrams"])
        .iter()
        .map(|datagram| {
            let mut endpoint = endpoint(false, 2, now);
            endpoint.handle_datagram(
                SocketAddr::new(ANSWERS, 500),
                SocketAddr::new(BEGINS, 500),
                &unhex(datagram),
                now,
            );
            let answers = sent(&mut endpoint);
            assert!(answers.len() <= 1, "at most one answer");
            read(&answers).pop()
        })
        .collect()
}

#[test]
fn we_answer_what_scapy_asks_and_scapy_reads_the_answer() {
    let asked = request("0102030405060708");
    let mut unknown = asked.clone();
    let more = json!({"payload": "other", "number": 200, "data": "00ff"});
    unknown["payloads"].as_array_mut().expect("a list").push(more);
    for answer in answers(&[asked, unknown]) {
        let answer = answer.expect("an answer");
        assert_eq!(answer["initiator"], "0102030405060708");
        assert_ne!(answer["responder"], "0000000000000000");
        assert_eq!((&answer["exchange"], &answer["flags"]), (&json!(34), &json!(0x20)), "the responder's answer");
        assert_eq!((&answer["rest"], &answer["same"]), (&json!(0), &json!(true)));
        let proposals = payload(&answer, "IKEv2 SA")["proposals"].as_array().expect("a list").clone();
        assert_eq!(proposals.len(), 1, "one is chosen");
        assert_eq!(proposals[0]["number"], 2, "the one that fits");
        assert_eq!(transforms(&proposals[0]), CHOSEN);
        assert_eq!(payload(&answer, "IKEv2 Key Exchange")["group"], 31);
    }
}

#[test]
fn we_refuse_what_scapy_asks_in_vain_with_the_right_notification() {
    let base = || request("1112131415161718");
    let notified = |kind: u64, data: &str| Some((kind, data.to_owned()));
    let mut cases = Vec::new();
    let mut none_fits = base();
    payload_mut(&mut none_fits, 0)["proposals"].as_array_mut().expect("a list").truncate(1);
    cases.push(("no proposal that fits", none_fits, notified(14, "")));
    let mut other_group = base();
    *payload_mut(&mut other_group, 1) = json!({"payload": "KE", "group": 19, "data": "09".repeat(64)});
    cases.push(("a key of a group that is not chosen", other_group, notified(17, "001f")));
    let mut critical = base();
    let more = json!({"payload": "other", "number": 200, "critical": true, "data": "00ff"});
    critical["payloads"].as_array_mut().expect("a list").push(more);
    cases.push(("a critical payload that nobody knows", critical, notified(1, "c8")));
    let mut version = base();
    version["version"] = json!(0x30);
    cases.push(("another major version", version, notified(5, "")));
    let messages: Vec<Value> = cases.iter().map(|(_, message, _)| message.clone()).collect();
    for ((title, _, expected), answer) in cases.iter().zip(answers(&messages)) {
        let found = answer.as_ref().map(|answer| {
            let notify = payload(answer, "IKEv2 Notify");
            (notify["kind"].as_u64().unwrap_or_default(), notify["data"].as_str().unwrap_or_default().to_owned())
        });
        assert_eq!(&found, expected, "{title}: {answer:?}");
    }
}

#[test]
fn what_scapy_builds_broken_begins_nothing() {
    let base = || request("2122232425262728");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut message = base();
        change(&mut message);
        message
    };
    let broken = [
        ("cut within the header", changed(&|message| message["cut"] = json!(20))),
        ("cut within the proposals", changed(&|message| message["cut"] = json!(60))),
        ("a length that is too long", changed(&|message| message["patch"] = json!([[26, 0x7f]]))),
        ("a payload of length 0", changed(&|message| message["patch"] = json!([[30, 0], [31, 0]]))),
        ("a response nobody waits for", changed(&|message| message["flags"] = json!(0x20))),
        ("no SPI of the initiator", changed(&|message| message["initiator"] = json!("0000000000000000"))),
        ("a nonce that is too short", changed(&|message| payload_mut(message, 2)["data"] = json!("4e".repeat(15)))),
        ("no nonce", changed(&|message| drop(message["payloads"].as_array_mut().expect("a list").pop()))),
    ];
    let messages: Vec<Value> = broken.iter().map(|(_, message)| message.clone()).collect();
    for ((title, _), answer) in broken.iter().zip(answers(&messages)) {
        // RFC 7296 2.21.1: nothing, or INVALID_SYNTAX; never a key exchange.
        if let Some(answer) = answer {
            assert_eq!(payload(&answer, "IKEv2 Notify")["kind"], 7, "{title}: {answer}");
        }
    }
}
