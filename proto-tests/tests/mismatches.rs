//! Every mismatch that one can configure between us and strongSwan, in both roles, has a reason of its own, the values of
//! both sides where the protocol tells them, and a remedy.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto_tests::lab::pair::{Nat, Pair, Software};
use proto_tests::lab::pki::{Credentials, KeyKind};
use proto_tests::lab::terms::{Auth, Carrier, Terms, Version};
use proto_tests::lab::{Result, ensure, patience, wait_for};
use serde_json::Value;

/// What begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    We,
    Peer,
}

/// One mismatch.
struct Case {
    /// In words.
    title: &'static str,
    begins: Begins,
    nat: Nat,
    /// What both are told.
    both: fn(&mut Terms),
    /// What the peer is told otherwise.
    peer: fn(&mut Terms),
    /// A UDP port that the peer's host drops.
    blocked: Option<u16>,
    /// The label that our process gives.
    reason: &'static str,
    /// What the text must contain: both sides' values.
    words: &'static [&'static str],
}

const fn case(
    title: &'static str,
    begins: Begins,
    peer: fn(&mut Terms),
    reason: &'static str,
    words: &'static [&'static str],
) -> Case {
    Case { title, begins, nat: Nat::None, both: nothing, peer, blocked: None, reason, words }
}

const IKE: &str = "aes256-sha256-prfsha384-modp2048";
/// The same for IKEv1, whose PRF is its hash.
const IKE_V1: &str = "aes256-sha256-modp2048";
const ESP: &str = "aes256-sha256-modp2048";

fn nothing(_: &mut Terms) {}

const CASES: &[Case] = &[
    case("another key", Begins::We, |t| t.psk = "not.the_key.of_us".into(), "auth", &["192.0.2.9", "192.0.2.1"]),
    case("another key", Begins::Peer, |t| t.psk = "not.the_key.of_us".into(), "psk", &["192.0.2.9"]),
    case(
        "another name of the peer",
        Begins::Peer,
        |t| t.peer_id = "other.example".into(),
        "identity",
        &["192.0.2.9", "other.example"],
    ),
    case("another name of ours", Begins::We, |t| t.our_id = "other.example".into(), "auth", &["192.0.2.1"]),
    case("another IKE cipher", Begins::We, |t| t.ike = IKE.replace("aes256", "aes128"), "ike_no_proposal", &[IKE]),
    case(
        "another IKE cipher",
        Begins::Peer,
        |t| t.ike = IKE.replace("aes256", "aes128"),
        "ike_no_proposal",
        &[IKE, "aes128-sha256-prfsha384-modp2048"],
    ),
    case(
        "another IKE hash",
        Begins::Peer,
        |t| t.ike = IKE.replace("-sha256", "-sha1"),
        "ike_no_proposal",
        &[IKE, "aes256-sha1-prfsha384-modp2048"],
    ),
    case(
        "another PRF",
        Begins::Peer,
        |t| t.ike = IKE.replace("prfsha384", "prfsha512"),
        "ike_no_proposal",
        &[IKE, "aes256-sha256-prfsha512-modp2048"],
    ),
    case(
        "another IKE group",
        Begins::Peer,
        |t| t.ike = IKE.replace("modp2048", "ecp384"),
        "ike_no_proposal",
        &["modp2048", "ecp384"],
    ),
    case(
        "another IKE group",
        Begins::We,
        |t| t.ike = IKE.replace("modp2048", "ecp384"),
        "ike_no_proposal",
        &["modp2048"],
    ),
    case(
        "another ESP cipher",
        Begins::We,
        |t| t.esp = ESP.replace("aes256", "aes128"),
        "child_no_proposal",
        &["aes256-sha256"],
    ),
    case(
        "another ESP cipher",
        Begins::Peer,
        |t| t.esp = ESP.replace("aes256", "aes128"),
        "child_no_proposal",
        &["aes256-sha256", "aes128-sha256"],
    ),
    case(
        "another ESP hash",
        Begins::Peer,
        |t| t.esp = ESP.replace("-sha256", "-sha1"),
        "child_no_proposal",
        &["aes256-sha256", "aes256-sha1"],
    ),
    case("other networks", Begins::We, narrow, "ts_unacceptable", &["169.254.77.2"]),
    case("other networks", Begins::Peer, narrow, "ts_unacceptable", &["169.254.77.2", "10.9.0.0"]),
    case("another version", Begins::We, |t| t.version = Version::Main, "ike_no_proposal", &["192.0.2.9"]),
    case("another version", Begins::Peer, |t| t.version = Version::Main, "version", &["IKEv1", "IKEv2"]),
    Case {
        both: |t| (t.version, t.ike) = (Version::Main, IKE_V1.into()),
        ..case("another version", Begins::Peer, |t| t.version = Version::V2, "version", &["IKEv1", "IKEv2"])
    },
    Case {
        both: |t| (t.version, t.ike) = (Version::Main, IKE_V1.into()),
        ..case("another mode", Begins::Peer, |t| t.version = Version::Aggressive, "mode", &["main", "aggressive"])
    },
    Case {
        both: |t| (t.version, t.ike) = (Version::Aggressive, IKE_V1.into()),
        ..case("another mode", Begins::We, |t| t.version = Version::Main, "auth", &["192.0.2.9"])
    },
    case(
        "another group of perfect forward secrecy",
        Begins::We,
        |t| t.esp = ESP.replace("modp2048", "ecp384"),
        "pfs_mismatch",
        &["modp2048"],
    ),
    case(
        "no perfect forward secrecy",
        Begins::Peer,
        |t| t.esp = ESP.replace("-modp2048", ""),
        "pfs_mismatch",
        &["modp2048"],
    ),
    Case { blocked: Some(500), ..case("UDP 500 blocked", Begins::We, nothing, "timeout", &["IKE_SA_INIT"]) },
    Case { blocked: Some(4500), ..case("UDP 4500 blocked", Begins::We, nothing, "timeout", &["IKE_AUTH"]) },
];

/// What both ends say in every case, but for what the case changes.
fn terms(case: &Case) -> Terms {
    let mut terms = Terms::new(IKE, ESP, "192.0.2.1", "192.0.2.9");
    (case.both)(&mut terms);
    if case.title == "other networks" {
        (terms.our_networks, terms.peer_networks) = (vec!["169.254.77.2/32".into()], vec!["169.254.77.1/32".into()]);
    }
    if case.nat != Nat::None {
        terms.carrier = Carrier::Detected;
    }
    terms
}

fn narrow(terms: &mut Terms) {
    (terms.our_networks, terms.peer_networks) = (vec!["10.9.0.0/16".into()], vec!["10.8.0.0/16".into()]);
}

/// Plays one and returns what our process says of it.
fn play(case: &Case) -> Result<Value> {
    let mut pair = Pair::new(case.nat, terms(case))?;
    if let Some(port) = case.blocked {
        pair.block(port)?;
    }
    let ours = pair.terms.clone();
    (case.peer)(&mut pair.terms);
    pair.start_peer(Software::StrongSwan, false)?;
    pair.terms = ours;
    pair.start_daemon(case.begins == Begins::We)?;
    if case.begins == Begins::Peer {
        let _it_must_fail = pair.peer()?.initiate();
    }
    if case.title.ends_with("perfect forward secrecy") && case.begins == Begins::Peer {
        // The first CHILD SA has no group of its own: it is seen when that is renewed.
        pair.wait_up(20)?;
        let _it_must_fail = pair.peer()?.rekey_child();
    }
    let outcome = wait_for(patience(40), case.title, || {
        let tunnel = pair.tunnel()?;
        ensure(tunnel["last_failure"].is_object(), "a failure", || tunnel.to_string())?;
        Ok(tunnel["last_failure"].clone())
    });
    outcome.map_err(|error| proto_tests::lab::LabError::Unexpected { what: error.to_string(), found: pair.logs(20) })
}

/// What is wrong with what our process said; nothing when all is as it should be.
fn complaint(case: &Case, said: &Result<Value>) -> Option<String> {
    let title = format!("{} when {:?} begins", case.title, case.begins);
    let said = match said {
        Ok(said) => said,
        Err(error) => return Some(format!("{title}: {error}")),
    };
    let text = said["text"].as_str().unwrap_or_default();
    let missing: Vec<&&str> = case.words.iter().filter(|word| !text.contains(**word)).collect();
    let no_remedy = said["remedy"].as_str().is_none_or(str::is_empty);
    (said["reason"] != case.reason || !missing.is_empty() || no_remedy)
        .then(|| format!("{title}: expected {} with {missing:?} too, found {said}", case.reason))
}

#[test]
fn every_mismatch_has_its_reason_and_both_sides_values() {
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = complaint(case, &play(case));
                    complaints.lock().expect("no case panics").extend(wrong);
                }
            });
        }
    });
    let complaints = complaints.into_inner().expect("no case panics");
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), CASES.len(), complaints.join("\n"));
}

#[test]
fn a_nat_where_encapsulation_is_forbidden_is_named() -> Result<()> {
    let mut pair = Pair::new(Nat::None, terms(&CASES[0]))?;
    pair.terms.carrier = Carrier::Udp;
    pair.start_peer(Software::StrongSwan, false)?;
    // The peer pretends that there is a NAT: it can do nothing else.
    pair.terms.carrier = Carrier::Never;
    pair.start_daemon(true)?;
    wait_for(patience(20), "the NAT is named", || {
        let failure = pair.tunnel()?["last_failure"].clone();
        ensure(failure["reason"] == "nat_forbidden", "the reason", || failure.to_string())
    })
}

/// One authority for both ends, and another one's certificate for the peer.
fn certificates(pair: &Pair) -> Result<[Credentials; 2]> {
    let make = |name: &str| {
        let directory = pair.directory().join(name);
        Credentials::make(&directory, KeyKind::EcdsaP256, "IP:192.0.2.1", "IP:192.0.2.9")
    };
    let (ours, foreign) = (make("pki")?, make("foreign")?);
    let theirs = Credentials { peer_leaf: foreign.peer_leaf, peer_key: foreign.peer_key, ..ours.clone() };
    Ok([ours, theirs])
}

#[test]
fn a_certificate_of_an_authority_that_we_do_not_trust_is_named() -> Result<()> {
    for begins in [Begins::We, Begins::Peer] {
        let mut pair = Pair::new(Nat::None, terms(&CASES[0]))?;
        let [ours, theirs] = certificates(&pair)?;
        pair.terms.auth = Auth::Certificate(Box::new(theirs));
        pair.start_peer(Software::StrongSwan, false)?;
        pair.terms.auth = Auth::Certificate(Box::new(ours));
        pair.start_daemon(begins == Begins::We)?;
        if begins == Begins::Peer {
            let _it_must_fail = pair.peer()?.initiate();
        }
        wait_for(patience(30), "the certificate is named", || {
            let failure = pair.tunnel()?["last_failure"].clone();
            let named =
                failure["reason"].as_str().is_some_and(|reason| reason == "cert_untrusted" || reason == "cert_missing");
            let said = |key: &str| failure[key].as_str().is_some_and(|text| !text.is_empty());
            ensure(named && said("text") && said("remedy"), "the reason", || failure.to_string())
        })?;
    }
    Ok(())
}
