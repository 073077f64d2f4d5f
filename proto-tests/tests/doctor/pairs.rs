//! Two ends whose terms do not fit, or between which not everything passes.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto_tests::lab::pair::{Nat, Pair, Software};
use proto_tests::lab::terms::{Carrier, Terms, Version};
use proto_tests::lab::{LabError, Result, patience, wait_for};

use crate::asking::{ask, finds};
use crate::certificates;
use crate::ward::Rules;

/// Suites that both versions of IKE can name.
const SUITE: &str = "aes256-sha256-ecp256";
/// Pairs at once.
const WORKERS: usize = 3;

/// What happens between two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    We,
    Peer,
    Nobody,
}

struct Case {
    code: &'static str,
    severity: &'static str,
    begins: Begins,
    /// What the peer is.
    software: Software,
    /// What both are told.
    both: fn(&mut Terms),
    /// What the peer is told otherwise.
    peer: fn(&mut Terms),
    /// What is done before anything begins.
    before: fn(&mut Pair) -> Result<()>,
    /// What is done once the tunnel is up; not awaited where there is nothing to be done.
    after: Option<fn(&mut Pair) -> Result<()>>,
}

const FAILURE: Case = Case {
    code: "",
    severity: "failure",
    begins: Begins::We,
    software: Software::Quadspan,
    both: |_| {},
    peer: |_| {},
    before: |_| Ok(()),
    after: None,
};

const CASES: &[Case] = &[
    Case { code: "QD0206", before: |pair| pair.block(500), ..FAILURE },
    Case { code: "QD0207", before: |pair| pair.block(4500), ..FAILURE },
    // What cannot be renewed ends, and nobody begins it anew. It is tried once, and long before the end: a refusal that came
    // after it would be the last that is known.
    Case {
        code: "QD0303",
        begins: Begins::Peer,
        both: |terms| {
            (terms.lifetimes, terms.margin, terms.esp) = ((28800, 10), Some(4), "aes256-sha256-modp2048".into());
        },
        peer: |terms| terms.esp = "aes256-sha256-ecp384".into(),
        software: Software::StrongSwan,
        ..FAILURE
    },
    Case { code: "QD0210", begins: Begins::Peer, peer: |terms| terms.peer_id = "other.example".into(), ..FAILURE },
    Case { code: "QD0211", begins: Begins::Peer, peer: |terms| terms.version = Version::Main, ..FAILURE },
    Case { code: "QD0212", before: certificates::of_another_authority, ..FAILURE },
    Case { code: "QD0212", before: certificates::expired, ..FAILURE },
    Case { code: "QD0106", before: certificates::not_yet_valid, ..FAILURE },
    Case { code: "QD0213", severity: "warning", begins: Begins::Nobody, ..FAILURE },
    Case {
        code: "QD0215",
        both: |terms| terms.carrier = Carrier::Never,
        peer: |t| t.carrier = Carrier::Udp,
        ..FAILURE
    },
    Case { code: "QD0301", peer: |terms| terms.esp = "aes128-sha256".into(), ..FAILURE },
    // Our own program would not be told of networks that hold no inside address.
    Case { code: "QD0302", both: narrow, peer: elsewhere, software: Software::StrongSwan, ..FAILURE },
    Case { code: "QD0304", both: two_networks, peer: narrow, ..FAILURE },
    Case { code: "QD0305", both: |terms| terms.carrier = Carrier::Detected, after: Some(drop_esp), ..FAILURE },
    Case { code: "QD0306", before: keep_esp, after: Some(send), ..FAILURE },
    // Both ends wait for the other to open the session.
    Case { code: "QD0509", after: Some(|_| Ok(())), ..FAILURE },
];

/// One host inside at each end.
fn narrow(terms: &mut Terms) {
    terms.our_networks = vec!["169.254.77.2/32".into()];
    terms.peer_networks = vec!["169.254.77.1/32".into()];
}

fn elsewhere(terms: &mut Terms) {
    terms.our_networks = vec!["10.9.0.0/16".into()];
    terms.peer_networks = vec!["10.8.0.0/16".into()];
}

fn two_networks(terms: &mut Terms) {
    narrow(terms);
    terms.our_networks.push("10.91.0.0/16".into());
    terms.per_pair = true;
}

fn drop_esp(pair: &mut Pair) -> Result<()> {
    Rules::add(&pair.us, "chain i { type filter hook input priority 0; meta l4proto esp drop; }").map(Rules::stay)
}

/// The peer's ESP does not leave its host; its IKE, behind four octets of zeros (RFC 3948 2.2), does.
fn keep_esp(pair: &mut Pair) -> Result<()> {
    let chain = "chain o { type filter hook output priority 0; udp sport 4500 @th,64,32 != 0 drop; }";
    Rules::add(&pair.peer_host, chain).map(Rules::stay)
}

fn send(pair: &mut Pair) -> Result<()> {
    let sent = pair.us.enter(|| -> std::io::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::new(169, 254, 77, 2), 0))?;
        (0..20).try_for_each(|_| socket.send_to(b"is anybody there", ("169.254.77.1", 9)).map(drop))
    })?;
    sent.map_err(LabError::io("send into the tunnel"))
}

fn play_one(case: &Case) -> Result<()> {
    let mut terms = Terms::new(SUITE, "aes256-sha256", "192.0.2.1", "192.0.2.9");
    terms.dpd = 2;
    (case.both)(&mut terms);
    let mut pair = Pair::new(Nat::None, terms)?;
    (case.before)(&mut pair)?;
    let ours = pair.terms.clone();
    (case.peer)(&mut pair.terms);
    pair.start_peer(case.software, case.begins == Begins::Peer)?;
    pair.terms = ours;
    pair.start_daemon(case.begins == Begins::We)?;
    if case.begins == Begins::Peer {
        pair.peer()?.initiate()?;
    }
    if let Some(after) = case.after {
        wait_for(patience(25), "the tunnel is up", || pair.expect_up())?;
        after(&mut pair)?;
    }
    let socket = pair.daemon()?.socket().to_owned();
    let outcome = finds(case.code, case.severity, || ask(&pair.us, &socket, &[]));
    outcome.map(drop).map_err(|error| LabError::Unexpected { what: error.to_string(), found: pair.logs(12) })
}

/// Plays all of them and returns what is wrong.
pub(crate) fn play() -> Vec<String> {
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = play_one(case).err().map(|error| format!("{}: {error}", case.code));
                    complaints.lock().expect("no case panics").extend(wrong);
                }
            });
        }
    });
    complaints.into_inner().expect("no case panics")
}
