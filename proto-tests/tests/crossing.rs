//! Two hundred renewals that both ends are told to begin at the same moment, under traffic: no packet lost, no SA left
//! over. How many of them crossed is counted on the wire.

use std::time::{Duration, Instant};

use proto_tests::lab::crossings::Crossings;
use proto_tests::lab::pair::{Nat, Pair, Software};
use proto_tests::lab::stream::{Running, Stream};
use proto_tests::lab::terms::{PEER_INSIDE, TUNNEL, Terms};
use proto_tests::lab::{LabError, Result, ensure, patience, tell, wait_for};

/// Tunnels at the same time.
const TUNNELS: usize = 8;
/// Renewals of each: four of the CHILD SA, then one of the IKE SA.
const ROUNDS: usize = 25;
/// From one renewal to the next. Peers keep what they replaced for some seconds, and there is a limit to how much.
const PACE: Duration = Duration::from_millis(1200);
/// So many of all must have crossed, or nothing was shown.
const CROSSED: usize = 20;

fn crossing(software: Software) -> Result<()> {
    let crossed = std::thread::scope(|scope| {
        let tunnels: Vec<_> = (0..TUNNELS).map(|_| scope.spawn(|| one_tunnel(software))).collect();
        tunnels.into_iter().map(|tunnel| tunnel.join().expect("a tunnel's thread returns")).sum::<Result<usize>>()
    })?;
    ensure(crossed >= CROSSED, "renewals that crossed on the wire", || format!("{crossed}, not {CROSSED}"))
}

/// Returns how many requests crossed.
fn one_tunnel(software: Software) -> Result<usize> {
    let terms = Terms::new("aes128gcm16-prfsha256-x25519", "aes128gcm16-x25519", "192.0.2.1", "192.0.2.9");
    let mut pair = Pair::new(Nat::None, terms)?;
    pair.start_peer(software, false)?;
    pair.start_daemon(true)?;
    pair.wait_up(20)?;
    let stream = Stream { flows: 4, rate: 250, ..Stream::to(PEER_INSIDE) }.start(&pair.us, &pair.peer_host)?;
    stream.flows_again(200, Duration::from_secs(10))?;
    let crossings = Crossings::watch(&pair.us)?;
    for round in 0..ROUNDS {
        let start = Instant::now();
        both_at_once(&pair, round % 5 == 4, &stream).map_err(|error| LabError::Unexpected {
            what: format!("{error} in round {round}"),
            found: pair.logs(30),
        })?;
        std::thread::sleep(PACE.saturating_sub(start.elapsed()));
    }
    wait_for(patience(30), "one SA of each kind is left at both ends", || {
        pair.expect_up()?;
        pair.peer()?.expect_counts(1)
    })?;
    let report = stream.finish();
    let dropped = pair.peer()?.dropped_outbound();
    let crossed = crossings.so_far();
    tell(&format!(
        "{ROUNDS} renewals at once from both ends, {software:?} at the other: {crossed} crossed; {report}; the peer dropped \
         {dropped} before sending"
    ));
    ensure(report.lost == 0, "every packet reaches the peer", || format!("{report}\n{}", pair.logs(30)))?;
    ensure(report.lost_round_trip <= dropped, "every packet that the peer sent comes back", || {
        format!("{report}, of which the peer dropped {dropped}\n{}", pair.logs(30))
    })?;
    Ok(crossed)
}

/// Orders both ends to renew in the same moment, and waits until the SA in use is another one.
fn both_at_once(pair: &Pair, ike: bool, stream: &Running) -> Result<()> {
    let spi = |pair: &Pair| -> Result<String> {
        let tunnel = pair.tunnel()?;
        Ok(if ike { tunnel["ike"]["spi_local"].to_string() } else { tunnel["child"]["spi_in"].to_string() })
    };
    let (before, peer) = (spi(pair)?, pair.peer()?);
    std::thread::scope(|scope| {
        let theirs = scope.spawn(|| if ike { peer.rekey_ike() } else { peer.rekey_child() });
        let daemon = pair.daemon()?;
        daemon.order(if ike { &["rekey", TUNNEL, "--ike"] } else { &["rekey", TUNNEL] })?;
        // The other end may have been told while it was answering ours: then it has nothing to renew.
        let _either = theirs.join();
        Ok(())
    })?;
    let delivered = stream.so_far().delivered;
    wait_for(patience(15), "the SA is another one and carries packets", || {
        let now = spi(pair)?;
        ensure(now != before, "another SPI", || now.clone())?;
        ensure(stream.so_far().delivered > delivered, "packets", || stream.so_far().to_string())
    })
}

#[test]
fn two_hundred_crossing_renewals_with_strongswan_lose_nothing() -> Result<()> {
    crossing(Software::StrongSwan)
}

#[test]
fn two_hundred_crossing_renewals_with_our_own_program_lose_nothing() -> Result<()> {
    crossing(Software::Quadspan)
}
