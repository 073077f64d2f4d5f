//! Peers that read slowly, or not at all, while much is to be told (RFC 9687): the one that has stopped loses its session to
//! our send hold timer, though it never says that anything is wrong; the one that reads on, however slowly, keeps it; others
//! notice neither.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bgp::message::{Capability, Open};
use bgp::{AsPath, Attributes, Family, Update};
use ipnet::{IpNet, Ipv4Net};
use proto_tests::lab::kernel::array;
use proto_tests::lab::sessions::{Sessions, address, announcement, asn, speaker};
use proto_tests::lab::speakers::Speaker;
use proto_tests::lab::{LabError, Result, ensure, not_yet, patience, wait_for};
use serde_json::Value;
use wire::RouterId;

/// Who says it all, who stops reading, who reads slowly.
const TALKER: usize = 0;
const STUCK: usize = 1;
const SLOW: usize = 2;
/// How long a peer may read nothing.
const SEND_HOLD: Duration = Duration::from_secs(5);
/// What there is to tell: about a thousand octets each, and far more than TCP and the slow peer take while this lasts.
const ROUTES: u32 = 3000;
const COMMUNITIES: u32 = 250;
/// What the slow peer reads, and how often: less in a send hold time than we write at once.
const SIP: usize = 2048;
const PAUSE: Duration = Duration::from_millis(100);

fn talk() -> Vec<Update> {
    let route = |number: u32| {
        let prefix = IpNet::V4(Ipv4Net::new_assert((0x1400_0000 + (number << 8)).into(), 24));
        let communities = (0..COMMUNITIES).map(|low| (number << 16) | low).collect();
        let attributes = Attributes { as_path: AsPath::default(), communities, ..Attributes::default() };
        announcement(TALKER, &attributes, vec![prefix.into()])
    };
    (0..ROUTES).map(route).collect()
}

/// An OPEN without a hold time, so that only what is sent counts; and what confirms ours.
fn greeting(number: usize) -> Vec<u8> {
    let capabilities = vec![Capability::family(Family::Ipv4Unicast), Capability::FourOctetAs(asn(number))];
    let open = Open { my_as: 23456, hold_time: 0, router_id: RouterId(address(number)), capabilities };
    let keepalive = [&[0xff; 16][..], &[0, 19, 4]].concat();
    [open.encode(), keepalive].concat()
}

/// Reads in sips until it is over.
fn sip(stream: &mut TcpStream, taken: &AtomicUsize, over: &AtomicBool) {
    let mut buffer = [0; SIP];
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => drop(taken.fetch_add(count, Ordering::Relaxed)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
        std::thread::sleep(PAUSE);
    }
}

fn peer(lab: &Sessions, number: usize) -> Result<Value> {
    let shown = lab.daemon.show("neighbors")?;
    let name = format!("speaker-{number}");
    let found = array(&shown).iter().find(|peer| peer["name"] == name || peer["tunnel"] == name).cloned();
    found.ok_or_else(|| LabError::Unexpected { what: name, found: shown.to_string() })
}

fn connect(lab: &Sessions, number: usize) -> Result<TcpStream> {
    let mut stream = lab.stranger(number, Some(SIP))?;
    stream.write_all(&greeting(number)).map_err(LabError::io("greet"))?;
    stream.set_read_timeout(Some(Duration::from_millis(20))).map_err(LabError::io("set a timeout"))?;
    Ok(stream)
}

fn watch(lab: &Sessions, begun: Instant, taken: &AtomicUsize) -> Result<()> {
    let stuck = wait_for(patience(30), "the session of who reads nothing ends", || {
        let stuck = peer(lab, STUCK)?;
        if stuck["state"] == "Established" { not_yet(stuck.to_string()) } else { Ok(stuck) }
    })?;
    ensure(begun.elapsed() >= SEND_HOLD, "not before its time", || format!("{:?}", begun.elapsed()))?;
    let why = stuck["last_error"]["text"].as_str().unwrap_or_default();
    ensure(why.contains("send hold"), "why it ended", || stuck.to_string())?;
    let before = taken.load(Ordering::Relaxed);
    // Twice over it would have been too slow, if what was taken only counted when all of it was.
    wait_for(patience(30), "two send hold times pass", || {
        let slow = peer(lab, SLOW)?;
        ensure(slow["state"] == "Established" && slow["flaps"] == 0, "who reads slowly stays", || slow.to_string())?;
        if begun.elapsed() < SEND_HOLD * 5 / 2 { not_yet(slow.to_string()) } else { Ok(()) }
    })?;
    let after = taken.load(Ordering::Relaxed);
    let all = usize::try_from(ROUTES * COMMUNITIES * 4).unwrap_or(usize::MAX);
    ensure(before < after && after < all / 2, "it was slow all the while", || format!("{before}, {after} of {all}"))?;
    let heard = lab.speakers.heard()[TALKER].clone();
    ensure(heard.sessions == 1 && heard.established, "the third", || format!("{heard:?}"))
}

#[test]
fn who_stops_reading_loses_the_session_and_who_reads_slowly_keeps_it() -> Result<()> {
    let each = |number: usize| match number {
        TALKER => format!("      max-prefix: {{in: {}}}\n", ROUTES * 2),
        _ => format!(
            "      export: [0.0.0.0/0 le 32]\n      max-prefix: {{out: {}}}\n      send-hold-time: {}s\n",
            ROUTES * 2,
            SEND_HOLD.as_secs()
        ),
    };
    let talker = Speaker { says: talk(), ..speaker(TALKER) };
    let mut lab = Sessions::start(vec![talker], 2, "", each)?;
    wait_for(patience(30), "all is there to be told", || {
        let routes = peer(&lab, TALKER)?["prefixes"]["accepted"].clone();
        if routes == ROUTES { Ok(()) } else { not_yet(routes.to_string()) }
    })?;
    let begun = Instant::now();
    let (stuck, mut slow) = (connect(&lab, STUCK)?, connect(&lab, SLOW)?);
    let (taken, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| sip(&mut slow, &taken, &over));
        let outcome = wait_for(patience(20), "both sessions are there", || lab.expect_all(3))
            .and_then(|()| watch(&lab, begun, &taken));
        over.store(true, Ordering::Relaxed);
        outcome
    });
    drop(stuck);
    if let Err(error) = outcome {
        panic!("{}", lab.explain(&error));
    }
    Ok(())
}
