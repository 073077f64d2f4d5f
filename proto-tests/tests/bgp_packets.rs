//! Messages that Scapy made by hand, good and broken, against the real process: whether the session lives, which NOTIFICATION
//! arrives as Scapy reads it, what we say of it; and nobody else is affected.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use proto_tests::lab::kernel::array;
use proto_tests::lab::scapy::{ask, hex, unhex};
use proto_tests::lab::sessions::{Sessions, address, asn, network, speaker};
use proto_tests::lab::speakers::Speaker;
use proto_tests::lab::{LabError, Result, ensure, patience, wait_for};
use serde_json::{Value, json};

/// How far the session has come before the message.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// TCP is there, and our OPEN.
    OpenSent,
    /// The peer has sent this OPEN.
    OpenConfirm(&'static str),
    /// And KEEPALIVE.
    Established(&'static str),
}

/// What comes of it.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// The session ends with this NOTIFICATION, whose data begins so; we say why in these words.
    Told(u8, u8, &'static str, &'static str),
    /// It ends without a word from us, who say why in these words.
    Closed(&'static str),
    /// It comes up or goes on; with so many routes accepted, of those sent and one more that follows.
    Lives(u64),
    /// Nothing happens for now.
    Waits,
}

use Fate::{Closed, Lives, Told, Waits};
use Stage::{Established, OpenConfirm, OpenSent};

const UP: Stage = Established("open");
const REFRESHES: Stage = Established("open, enhanced refresh");

/// The message's name in `scapy/bgp_packets.py`, when it is sent, what comes of it.
const CASES: &[(&str, Stage, Fate)] = &[
    // RFC 4271 6.2, RFC 5492 5, RFC 6286 2.1, RFC 7607 2
    ("open, version 3", OpenSent, Told(2, 1, "0004", "version")),
    ("open, another as", OpenSent, Told(2, 2, "", "expected AS")),
    ("open, as 0", OpenSent, Told(2, 2, "", "AS 0")),
    ("open, identifier 0", OpenSent, Told(2, 3, "", "identifier")),
    ("open, hold time 2", OpenSent, Told(2, 6, "", "hold time")),
    ("open, parameter nobody knows", OpenSent, Told(2, 4, "", "parameter")),
    ("open, no family of ours", OpenSent, Told(2, 7, "", "famil")),
    ("open, parameters overrun", OpenSent, Told(2, 0, "", "Optional Parameters")),
    ("open, a parameter overruns", OpenSent, Told(2, 0, "", "Parameter Value")),
    ("open, a capability overruns", OpenSent, Told(2, 0, "", "Capability Value")),
    ("open, four-octet as of 3 octets", OpenSent, Told(2, 0, "", "AS number")),
    ("open, family of 3 octets", OpenSent, Told(2, 0, "", "SAFI")),
    ("open, graceful restart of 1 octet", OpenSent, Told(2, 0, "", "Restart Flags")),
    ("open, add-path of 3 octets", OpenSent, Told(2, 0, "", "Send/Receive")),
    ("open, 28 octets", OpenSent, Told(1, 2, "001c", "length")),
    ("end of rib", Established("open, capability nobody knows"), Lives(1)),
    // RFC 4271 6.1, whatever the state
    ("marker", OpenSent, Told(1, 1, "", "marker")),
    ("marker", OpenConfirm("open"), Told(1, 1, "", "marker")),
    ("marker", UP, Told(1, 1, "", "marker")),
    ("length 18", OpenSent, Told(1, 2, "0012", "18")),
    ("length 18", UP, Told(1, 2, "0012", "18")),
    ("type 9", OpenSent, Told(1, 3, "09", "type 9")),
    ("type 9", UP, Told(1, 3, "09", "type 9")),
    ("keepalive of 20 octets", UP, Told(1, 2, "0014", "20")),
    ("update of 22 octets", UP, Told(1, 2, "0016", "22")),
    ("notification of 20 octets", UP, Told(1, 2, "0014", "20")),
    ("http", OpenSent, Told(1, 1, "", "marker")),
    // RFC 6608
    ("keepalive", OpenSent, Told(5, 1, "04", "OpenSent")),
    ("route", OpenSent, Told(5, 1, "02", "OpenSent")),
    ("refresh", OpenSent, Told(5, 1, "05", "OpenSent")),
    ("open", OpenConfirm("open"), Told(5, 2, "01", "OpenConfirm")),
    ("route", OpenConfirm("open"), Told(5, 2, "02", "OpenConfirm")),
    ("refresh", OpenConfirm("open"), Told(5, 2, "05", "OpenConfirm")),
    ("open", UP, Told(5, 3, "01", "Established")),
    // RFC 7606: attribute discard, treat-as-withdraw, session reset
    ("discard: aggregator of 6 octets", UP, Lives(2)),
    ("discard: atomic aggregate of 1 octet", UP, Lives(2)),
    ("discard: local preference", UP, Lives(2)),
    ("discard: med twice", UP, Lives(2)),
    ("withdraw: origin 9", UP, Lives(1)),
    ("withdraw: no origin", UP, Lives(1)),
    ("withdraw: flags", UP, Lives(1)),
    ("withdraw: communities of 3 octets", UP, Lives(1)),
    ("withdraw: a segment overruns", UP, Lives(1)),
    ("withdraw: another as first", UP, Lives(1)),
    ("withdraw: next hop 127.0.0.1", UP, Lives(1)),
    ("withdraw: the list breaks off", UP, Lives(1)),
    ("reset: a prefix of 33 bits", UP, Told(3, 10, "", "33")),
    ("reset: attributes overrun", UP, Told(3, 1, "", "Path Attributes")),
    ("reset: withdrawn overruns", UP, Told(3, 1, "", "needs 257 octets")),
    ("reset: well-known 99", UP, Told(3, 2, "406300", "well-known")),
    ("reset: reach twice", UP, Told(3, 1, "", "more than once")),
    ("reset: reach of 2 octets", UP, Told(3, 5, "800e02", "MP_REACH_NLRI")),
    // RFC 8654 4: longer than 4096 octets, unless that was agreed on.
    ("length 4097", OpenSent, Told(1, 2, "1001", "4097")),
    ("length 4097", UP, Told(1, 2, "1001", "4097")),
    ("long route", UP, Told(1, 2, "", "length")),
    ("long route", Established("open, extended messages"), Lives(2)),
    // RFC 2918 4, RFC 7313 5
    ("refresh", UP, Lives(1)),
    ("refresh, subtype 7", UP, Lives(1)),
    ("refresh, family nobody knows", UP, Lives(1)),
    ("refresh, begin", REFRESHES, Lives(1)),
    ("refresh, end", REFRESHES, Lives(1)),
    ("refresh, subtype 7", REFRESHES, Lives(1)),
    ("refresh, begin of 24 octets", REFRESHES, Told(7, 1, "ffff", "24")),
    ("refresh, begin of 24 octets", UP, Told(1, 2, "0018", "24")),
    ("refresh of 22 octets", UP, Told(1, 2, "0016", "22")),
    // RFC 4271 6.4: never answered.
    ("notification", OpenSent, Closed("Administrative Shutdown")),
    ("notification", OpenConfirm("open"), Closed("later")),
    ("notification", UP, Closed("later")),
    ("notification nobody knows", UP, Closed("77")),
    // Parts of messages, and silence.
    ("half an open", OpenSent, Waits),
    ("half a keepalive", OpenConfirm("open"), Waits),
    ("nothing", OpenSent, Waits),
    ("half a route", UP, Waits),
    ("half a route", Established("open, hold time 3"), Told(4, 0, "", "hold timer")),
    ("nothing", OpenConfirm("open, hold time 3"), Told(4, 0, "", "hold timer")),
];

/// The first stranger; those before say something of their own all the while.
const WITNESSES: usize = 2;

struct Trial {
    number: usize,
    stream: TcpStream,
    /// Everything that we sent.
    heard: Vec<u8>,
    closed: bool,
}

impl Trial {
    fn connect(lab: &Sessions, number: usize) -> Result<Self> {
        let stream = lab.stranger(number, None)?;
        stream.set_read_timeout(Some(Duration::from_millis(20))).map_err(LabError::io("set a timeout"))?;
        Ok(Self { number, stream, heard: Vec::new(), closed: false })
    }

    fn send(&mut self, octets: &[u8]) {
        // Whoever has closed the connection has said why.
        let _closed = self.stream.write_all(octets);
    }

    /// Takes what is there.
    fn listen(&mut self) {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.closed = true,
        }
    }

    /// Types of all whole messages so far.
    fn kinds(&self) -> Vec<u8> {
        let (mut kinds, mut rest) = (Vec::new(), &self.heard[..]);
        while let Some(header) = rest.get(..19) {
            let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
            kinds.push(header[18]);
            rest = rest.get(length.max(19)..).unwrap_or_default();
        }
        kinds
    }

    fn wait(&mut self, kind: u8) -> Result<()> {
        let start = Instant::now();
        while !self.kinds().contains(&kind) {
            let waited = start.elapsed();
            if self.closed || waited > patience(20) {
                let (what, seen) = (format!("a message of type {kind}"), hex(&self.heard));
                return Err(LabError::Timeout { what, waited, seen });
            }
            self.listen();
        }
        Ok(())
    }

    /// Until the connection ends; whether it did.
    fn ends(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while !self.closed && start.elapsed() < limit {
            self.listen();
        }
        self.closed
    }

    fn play(&mut self, messages: &Value, (name, stage, fate): (&str, Stage, Fate)) -> Result<()> {
        let octets = |name: &str| unhex(messages[name].as_str().unwrap_or_else(|| panic!("Scapy has no {name}")));
        self.wait(1)?;
        if let OpenConfirm(open) | Established(open) = stage {
            self.send(&octets(open));
            self.wait(4)?;
        }
        if let Established(_) = stage {
            self.send(&octets("keepalive"));
        }
        self.send(&octets(name));
        match fate {
            Told(..) | Closed(_) => ensure(self.ends(patience(20)), "the connection ends", || hex(&self.heard)),
            Lives(_) => {
                self.send(&octets("route"));
                Ok(())
            }
            Waits => ensure(!self.ends(Duration::from_millis(300)), "nothing happens", || hex(&self.heard)),
        }
    }

    /// What is to be seen of it once all have been played.
    fn check(&self, read: &Value, peer: &Value, fate: Fate) -> Result<()> {
        let told: Vec<&Value> = array(read).iter().filter(|message| message["type"] == 3).collect();
        let why = peer["last_error"]["text"].as_str().unwrap_or_default();
        let shown = || format!("{read}\n{peer}");
        match fate {
            Told(code, subcode, data, words) => {
                ensure(told.len() == 1, "one NOTIFICATION", shown)?;
                ensure(told[0]["code"] == code && told[0]["subcode"] == subcode, "its code", shown)?;
                ensure(told[0]["data"].as_str().is_some_and(|found| found.starts_with(data)), "its data", shown)?;
                ensure(self.closed && peer["state"] != "Established", "the session is over", shown)?;
                ensure(why.contains(words), "the reason we give", shown)
            }
            Closed(words) => {
                ensure(told.is_empty() && self.closed, "it ends without a word", shown)?;
                ensure(why.contains(words), "the reason we give", shown)
            }
            Lives(accepted) => {
                ensure(told.is_empty() && !self.closed, "the session lives", shown)?;
                ensure(peer["state"] == "Established" && peer["flaps"] == 0, "its state", shown)?;
                ensure(peer["prefixes"]["accepted"] == accepted, "its routes", shown)
            }
            Waits => ensure(told.is_empty() && !self.closed, "it waits", shown),
        }
    }
}

fn extended(number: usize) -> String {
    let wants = number
        .checked_sub(WITNESSES)
        .and_then(|case| CASES.get(case))
        .is_some_and(|(_, stage, _)| matches!(stage, Established("open, extended messages")));
    if wants { "      extended-messages: true\n".to_owned() } else { String::new() }
}

fn witnesses() -> Vec<Speaker> {
    let net = |number: usize| format!("10.{}.0.0/16", 70 + number).parse().expect("a prefix");
    (0..WITNESSES).map(|number| Speaker { says: vec![network(number, net(number))], ..speaker(number) }).collect()
}

fn run(lab: &Sessions) -> Result<()> {
    wait_for(patience(20), "the witnesses are up", || lab.speakers.expect_established(0..WITNESSES))?;
    let wanted = |case: usize| {
        let (name, stage, _) = CASES[case];
        let open = match stage {
            OpenSent => "open",
            OpenConfirm(open) | Established(open) => open,
        };
        json!([asn(WITNESSES + case).0, address(WITNESSES + case), [name, open, "keepalive", "route"]])
    };
    let peers: Vec<Value> = (0..CASES.len()).map(wanted).collect();
    let messages = ask("bgp_packets.py", &json!({"op": "write", "peers": peers}));
    // Most of the time each waits for an answer, so that they are played side by side.
    let played: Vec<Result<Trial>> = std::thread::scope(|scope| {
        let messages = &messages;
        let play = |case: usize| {
            let (name, stage, fate) = CASES[case];
            let mut trial = Trial::connect(lab, WITNESSES + case)?;
            trial.play(&messages[case], (name, stage, fate)).map_err(|error| LabError::Unexpected {
                what: format!("{name} in {stage:?}"),
                found: error.to_string(),
            })?;
            Ok(trial)
        };
        let threads: Vec<_> = (0..CASES.len()).map(|case| scope.spawn(move || play(case))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a trial does not panic")).collect()
    });
    let trials: Vec<Trial> = played.into_iter().collect::<Result<_>>()?;
    let octets: Vec<String> = trials.iter().map(|trial| hex(&trial.heard)).collect();
    let read = ask("bgp_packets.py", &json!({"op": "read", "octets": octets}));
    let mut wrong = String::new();
    wait_for(patience(10), "we show what came of all", || {
        wrong.clear();
        let shown = lab.daemon.show("neighbors")?;
        for ((case, &(name, stage, fate)), trial) in CASES.iter().enumerate().zip(&trials) {
            let named = |peer: &&Value| {
                peer["name"] == format!("speaker-{}", trial.number)
                    || peer["tunnel"] == format!("speaker-{}", trial.number)
            };
            let peer = array(&shown).iter().find(named).cloned().unwrap_or_default();
            if let Err(error) = trial.check(&read[case], &peer, fate) {
                wrong += &format!("{name} in {stage:?}, {fate:?}: {error}\n");
            }
        }
        ensure(wrong.is_empty(), "what came of it", || wrong.clone())
    })?;
    for number in 0..WITNESSES {
        let heard = lab.speakers.heard();
        ensure(heard[number].sessions == 1 && heard[number].established, "a witness", || {
            format!("{:?}", heard[number])
        })?;
        lab.router.expect_route(&format!("10.{}.0.0/16", 70 + number), &["lan"])?;
    }
    Ok(())
}

#[test]
fn what_scapy_makes_ends_its_own_session_at_most_and_with_the_right_words() -> Result<()> {
    let mut lab = Sessions::start(witnesses(), CASES.len(), "", extended)?;
    if let Err(error) = run(&lab) {
        panic!("{}", lab.explain(&error));
    }
    Ok(())
}
