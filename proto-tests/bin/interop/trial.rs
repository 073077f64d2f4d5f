//! One combination in one role: up, traffic both ways, all four rekeys under traffic, nothing lost, nothing left over.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::pair::{Pair, Software};
use proto_tests::lab::stream::{Report, Running, Stream};
use proto_tests::lab::terms::{Auth, Carrier, OUR_INSIDE, PEER_INSIDE, TUNNEL};
use proto_tests::lab::{LabError, Result, ensure, not_yet, patience, wait_for};

use super::Job;
use super::matrix::{Carried, Credential, Role};
use super::workers::Wallet;

/// Packets that must arrive and return after each step.
const PACKETS: u64 = 40;
const RATE: u32 = 100;

/// How far a trial came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Bringing the tunnel up.
    Up,
    /// Carrying packets both ways.
    Traffic,
    /// Our rekeys.
    RekeyOurs,
    /// The peer's.
    RekeyTheirs,
    /// All done; what is left over is looked at.
    End,
}

/// How a trial went.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// How far it came.
    pub(crate) stage: Stage,
    /// From the start of the initiator until both ends were up.
    pub(crate) up: Duration,
    /// Packets that reached the peer.
    pub(crate) delivered: u64,
    /// Packets that came back.
    pub(crate) returned: u64,
    /// In all.
    pub(crate) took: Duration,
    /// What went wrong.
    pub(crate) failure: Option<String>,
    /// The ends of all logs, if something did.
    pub(crate) logs: String,
}

/// Runs one.
pub(crate) fn run(job: &Job, wallet: &Wallet) -> Outcome {
    let start = Instant::now();
    let mut outcome = Outcome {
        stage: Stage::Up,
        up: Duration::ZERO,
        delivered: 0,
        returned: 0,
        took: Duration::ZERO,
        failure: None,
        logs: String::new(),
    };
    if let Err(error) = lay_out(job, wallet).and_then(|mut pair| {
        let result = play(job, &mut pair, &mut outcome);
        if result.is_err() {
            outcome.logs = pair.accounts() + &pair.logs(40);
        }
        result
    }) {
        outcome.failure = Some(error.to_string());
    }
    outcome.took = start.elapsed();
    outcome
}

fn lay_out(job: &Job, wallet: &Wallet) -> Result<Pair> {
    let combination = job.combination;
    let mut terms = combination.terms();
    if let Credential::Certificate(kind) = combination.credential {
        let credentials = wallet.get(kind);
        terms.auth = Auth::Certificate(Box::new(credentials.map_or_else(|| not_yet("no certificates"), Ok)?));
    }
    if combination.has_nat() || combination.may_be_raw() {
        terms.carrier = Carrier::Detected;
    }
    if job.software == Software::StrongSwan {
        // Its user-space back end knows nothing else.
        terms.carrier = Carrier::Udp;
    }
    let pair = Pair::new(combination.nat, terms)?;
    if combination.on_4500 {
        pair.block(500)?;
    }
    Ok(pair)
}

fn play(job: &Job, pair: &mut Pair, outcome: &mut Outcome) -> Result<()> {
    let began = bring_up(job, pair)?;
    pair.wait_up(25)?;
    outcome.up = began.elapsed();
    expect_terms(job, pair)?;
    outcome.stage = Stage::Traffic;
    let stream = Stream { flows: 4, rate: RATE, ..Stream::to(PEER_INSIDE) }.start(&pair.us, &pair.peer_host)?;
    flows(&stream)?;
    outcome.stage = Stage::RekeyOurs;
    renew(pair, &stream, "our rekey of the CHILD SA", child_spi, || pair.daemon()?.order(&["rekey", "tunnel"]))?;
    renew(pair, &stream, "our rekey of the IKE SA", ike_spi, || pair.daemon()?.order(&["rekey", "tunnel", "--ike"]))?;
    if job.combination.peer_renews() {
        outcome.stage = Stage::RekeyTheirs;
        renew(pair, &stream, "the peer's rekey of the CHILD SA", child_spi, || pair.peer()?.rekey_child())?;
        // It renews every IKE SA of the tunnel that it has: the one that ours took the place of must be gone.
        settles(job, pair)?;
        renew(pair, &stream, "the peer's rekey of the IKE SA", ike_spi, || pair.peer()?.rekey_ike())?;
    }
    outcome.stage = Stage::End;
    let report = stream.finish();
    (outcome.delivered, outcome.returned) = (report.delivered, report.echoed);
    expect_no_loss(job, pair, &report)?;
    settles(job, pair)
}

/// strongSwan keeps what an IKEv1 SA took the place of for a while.
fn settles(job: &Job, pair: &Pair) -> Result<()> {
    wait_for(patience(40), "no SA is left over", || {
        pair.expect_up()?;
        pair.peer()?.expect_counts(job.combination.children())
    })
}

/// The responder first, then the initiator; returns when that one began.
fn bring_up(job: &Job, pair: &mut Pair) -> Result<Instant> {
    match job.role {
        Role::Initiator => {
            pair.start_peer(job.software, false)?;
            let began = Instant::now();
            pair.start_daemon(true)?;
            if job.combination.carried == Carried::OnDemand {
                demand(pair.daemon()?, &pair.us, PEER_INSIDE)?;
            }
            Ok(began)
        }
        Role::Responder => {
            pair.start_daemon(false)?;
            if job.software == Software::Quadspan {
                let began = Instant::now();
                pair.start_peer(job.software, true)?;
                if job.combination.carried == Carried::OnDemand {
                    demand(pair.peer()?.own()?, &pair.peer_host, OUR_INSIDE)?;
                }
                return Ok(began);
            }
            pair.start_peer(job.software, false)?;
            let began = Instant::now();
            pair.peer()?.initiate()?;
            Ok(began)
        }
    }
}

/// Nothing happens until a packet waits at the end that begins.
fn demand(begins: &Daemon, host: &Namespace, to: Ipv4Addr) -> Result<()> {
    std::thread::sleep(Duration::from_secs(1));
    let tunnel = begins.tunnel(TUNNEL)?;
    let idle = tunnel["state"] == "waiting" && tunnel["last_failure"].is_null();
    ensure(idle, "a tunnel that waits for a packet", || tunnel["state"].to_string())?;
    let socket = host.enter(|| UdpSocket::bind("0.0.0.0:0"))?.map_err(LabError::io("open a socket"))?;
    socket.send_to(b"a packet", (to, 9)).map_err(LabError::io("send a packet"))?;
    Ok(())
}

/// What is up is what was asked for.
fn expect_terms(job: &Job, pair: &Pair) -> Result<()> {
    let tunnel = pair.tunnel()?;
    let combination = job.combination;
    let ike = &tunnel["ike"];
    ensure(ike["role"] == job.role.to_string().as_str(), "our role", || ike.to_string())?;
    let suite = ike["suite"].as_str().unwrap_or_default();
    ensure(suite == combination.ike_suite(), "the IKE suite", || format!("{suite}, not {}", combination.ike_suite()))?;
    let found = tunnel["child"]["suite"].as_str().unwrap_or_default();
    // IKEv2 makes the first CHILD SA without a group of its own.
    let expected = [combination.esp.to_owned(), combination.esp_suite()];
    ensure(expected.iter().any(|suite| suite == found), "the ESP suite", || format!("{found}, not {expected:?}"))?;
    let carrier = tunnel["child"]["encapsulation"].as_str().unwrap_or_default();
    let expected = if combination.may_be_raw() && !combination.has_nat() { "esp" } else { "udp" };
    ensure(carrier == expected, "the carrier of ESP", || format!("{carrier}, not {expected}"))
}

fn flows(stream: &Running) -> Result<()> {
    let start = stream.so_far();
    wait_for(patience(10), "packets arrive and return", || {
        let now = stream.so_far();
        let (there, back) = (now.delivered - start.delivered, now.echoed - start.echoed);
        ensure(there >= PACKETS && back >= PACKETS, "packets both ways", || {
            format!("{there} arrived, {back} returned of {}", now.sent - start.sent)
        })
    })
}

/// Orders a renewal, waits until the SPIs are others, and has packets flow through what is new.
fn renew(
    pair: &Pair,
    stream: &Running,
    what: &str,
    spi: impl Fn(&Pair) -> Result<String>,
    order: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let before = spi(pair)?;
    order()?;
    wait_for(patience(15), what, || {
        pair.expect_up()?;
        let now = spi(pair)?;
        ensure(now != before, "another SPI", || format!("{now}; {}", failure_text(pair)))
    })?;
    flows(stream)
}

fn failure_text(pair: &Pair) -> String {
    pair.tunnel().map(|tunnel| tunnel["last_failure"]["text"].to_string()).unwrap_or_default()
}

fn child_spi(pair: &Pair) -> Result<String> {
    Ok(format!("{} {}", pair.tunnel()?["child"]["spi_in"], pair.tunnel()?["child"]["spi_out"]))
}

fn ike_spi(pair: &Pair) -> Result<String> {
    let tunnel = pair.tunnel()?;
    let spi = tunnel["ike"]["spi_local"].as_str();
    spi.map_or_else(|| not_yet("no IKE SA"), |spi| Ok(spi.to_owned()))
}

/// The peer drops packets of its own while it replaces a policy, and says so: those are taken off. So are those that it
/// sent before our kernel could have their SA, which nobody keeps for it.
fn expect_no_loss(job: &Job, pair: &Pair, report: &Report) -> Result<()> {
    ensure(report.lost == 0, "every packet reaches the peer", || report.to_string())?;
    let dropped = pair.peer_drops();
    let early = if job.combination.dataplane.is_kernel() { pair.early() } else { 0 };
    ensure(report.lost_round_trip <= dropped + early, "every packet that the peer sent comes back", || {
        format!("{report}, of which the peer dropped {dropped}, and {early} were before their SA")
    })
}
