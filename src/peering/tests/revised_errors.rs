//! RFC 7606, attribute by attribute and class of error by class of error, from external and internal peers: the verdict,
//! and what becomes of the session.
//!
//! ```text
//!   attribute x class ──► octets of an UPDATE ──► Peer ──► '.' 'D' 'W' 'R' ──► the table, written by hand
//! ```
//!
//! The table is complete by construction: an attribute has a row, and a row has a sign for each class.

mod attributes;
mod values;

use bgp::Update;
use bgp::message::{KEEPALIVE, MessageType, Verdict};

use super::support::{Rig, config};
use crate::continuity::Flags;
use crate::negotiate;
use crate::{ConnectionId, Event, Offers, Output, PeerConfig, State};
use attributes::{ATTRIBUTES, Attribute, CLASSES, Class};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// A peer of another AS.
    Outside,
    /// A peer of our own.
    Inside,
}

impl From {
    const BOTH: [Self; 2] = [Self::Outside, Self::Inside];

    const fn asn(self) -> u32 {
        match self {
            Self::Outside => 64512,
            Self::Inside => 65000,
        }
    }

    /// AS_PATH as such a peer sends it.
    fn path(self) -> Vec<u8> {
        let first: u32 = match self {
            Self::Outside => 64512,
            Self::Inside => 64999,
        };
        [&[2, 1][..], &first.to_be_bytes()].concat()
    }
}

/// What came of an UPDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing is wrong.
    Fine(Update),
    /// Something is left out.
    Discarded(Update),
    /// What was announced counts as withdrawn.
    Withdrawn(Update),
    /// The session is over, with this NOTIFICATION.
    Reset([u8; 2]),
}

impl Fate {
    const fn sign(&self) -> char {
        match self {
            Self::Fine(_) => '.',
            Self::Discarded(_) => 'D',
            Self::Withdrawn(_) => 'W',
            Self::Reset(_) => 'R',
        }
    }
}

/// An established session.
fn established(from: From, offers: &Offers) -> (Rig, ConnectionId) {
    let ours = PeerConfig { offers: offers.clone(), ..config("us", 65000, from.asn(), 2) };
    let theirs = PeerConfig { offers: offers.clone(), ..config("peer", from.asn(), 65000, 1) };
    let mut rig = Rig::new(ours);
    let id = rig.bring_to(State::OpenSent);
    rig.receive(id, &negotiate::open(&theirs, Flags::default()).encode());
    rig.receive(id, &KEEPALIVE);
    assert_eq!(rig.peer.state(), State::Established);
    rig.quiet();
    (rig, id)
}

fn message(body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    message.push(MessageType::Update.code());
    message.extend(body);
    message
}

/// Lets the session have an UPDATE with this body.
fn fate(rig: &mut Rig, id: ConnectionId, body: &[u8]) -> Fate {
    rig.receive(id, &message(body));
    let (mut update, mut verdict, mut ended) = (Update::default(), None, None);
    for output in rig.drain() {
        match output {
            Output::Event(Event::Update(received)) => update = received,
            Output::Event(Event::UpdateFaulty { faults, .. }) => verdict = Some(faults.verdict()),
            Output::Send { bytes, .. } if bytes[18] == 3 => ended = Some([bytes[19], bytes[20]]),
            Output::Event(_) | Output::Send { .. } | Output::Connect { .. } | Output::Close { .. } => {}
        }
    }
    assert_eq!(ended.is_some(), rig.peer.state() == State::Idle, "whoever is told goes");
    match (ended, verdict) {
        (Some(code), _) => Fate::Reset(code),
        (None, None) => Fate::Fine(update),
        (None, Some(Verdict::Discard)) => Fate::Discarded(update),
        (None, Some(Verdict::TreatAsWithdraw)) => Fate::Withdrawn(update),
        (None, Some(Verdict::Reset)) => panic!("a reset that the session survived"),
    }
}

/// A session after an UPDATE that it survived takes the next one as if nothing had been.
fn goes_on(rig: &mut Rig, id: ConnectionId, from: From) {
    // The next fault is told of again.
    rig.advance(std::time::Duration::from_secs(10));
    rig.quiet();
    rig.receive(id, &KEEPALIVE);
    let good = attributes::good(from);
    assert!(matches!(fate(rig, id, &good), Fate::Fine(update) if !update.announced.is_empty()));
}

fn check_reset(code: [u8; 2], attribute: Attribute, class: Class) {
    let subcode = match (class, attribute) {
        (Class::Duplicate | Class::Cut, Attribute::MpReach | Attribute::MpUnreach) => 1,
        // Of the other attributes only the unknown well-known ones end a session.
        (_, Attribute::MpReach | Attribute::MpUnreach) => {
            assert!(matches!(code, [3, 5 | 9]), "{attribute:?} {class:?}: {code:?}");
            return;
        }
        (_, _) => 2,
    };
    assert_eq!(code, [3, subcode], "{attribute:?} {class:?}");
}

#[test]
fn every_class_of_error_in_every_attribute_has_its_verdict_and_the_session_its_fate() {
    let mut wrong = Vec::new();
    for (attribute, outside, inside) in ATTRIBUTES {
        for (from, row) in From::BOTH.into_iter().zip([outside, inside]) {
            let mut found = String::new();
            for class in CLASSES {
                let Some(body) = attribute.broken(class, from) else {
                    found.push('-');
                    continue;
                };
                let (mut rig, id) = established(from, &Offers::default());
                let fate = fate(&mut rig, id, &body);
                found.push(fate.sign());
                match fate {
                    Fate::Reset(code) => check_reset(code, *attribute, class),
                    Fate::Withdrawn(update) => {
                        assert!(update.announced.is_empty(), "{attribute:?} {class:?}");
                        let withdrawn = attribute.prefixes(class);
                        assert!(withdrawn.iter().all(|net| update.withdrawn.contains(net)), "{attribute:?} {class:?}");
                        goes_on(&mut rig, id, from);
                    }
                    Fate::Fine(update) | Fate::Discarded(update) => {
                        assert!(!update.announced.is_empty(), "{attribute:?} {class:?}: {update:?}");
                        attribute.check_left_out(&update, class, from);
                        goes_on(&mut rig, id, from);
                    }
                }
            }
            if found != *row {
                wrong.push(format!("{attribute:?} from {from:?}: expected {row}, found {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{CLASSES:?}\n{}", wrong.join("\n"));
}

#[test]
fn every_attribute_has_one_row() {
    let rows: Vec<Attribute> = ATTRIBUTES.iter().map(|(attribute, ..)| *attribute).collect();
    assert_eq!(rows, Attribute::ALL);
    for (attribute, outside, inside) in ATTRIBUTES {
        assert_eq!((outside.len(), inside.len()), (CLASSES.len(), CLASSES.len()), "{attribute:?}");
    }
}
