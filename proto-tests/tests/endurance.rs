//! Under traffic and constant renewal of keys nothing grows: not memory, not descriptors, not threads, not SAs.
//!
//! `QUADSPAN_LAB_SECONDS` sets for how long (60 by default, 600 before a release).

use std::time::{Duration, Instant};

use proto_tests::lab::layout::HOST_B;
use proto_tests::lab::scenario::{FourTunnel, Initiator};
use proto_tests::lab::{Result, ensure, tell, wait_for};

/// Growth that the allocator's own caches explain.
const SLACK_KIB: u64 = 4096;
/// What happens until every buffer and cache has been used once.
const WARM_UP: Duration = Duration::from_secs(25);

#[test]
fn nothing_grows_under_traffic_and_rekeys_every_ten_seconds() {
    let seconds = std::env::var("QUADSPAN_LAB_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let often = |lab: &mut FourTunnel| {
        for tunnel in &mut lab.file.tunnels {
            (tunnel.esp_lifetime, tunnel.ike_lifetime, tunnel.rekey_margin) = (20, 33, 10);
        }
    };
    FourTunnel::run_with(Initiator::Router, often, |lab| endures(lab, Duration::from_secs(seconds)));
}

fn endures(lab: &mut FourTunnel, duration: Duration) -> Result<()> {
    lab.wait_all_up()?;
    let stream = lab.stream()?;
    std::thread::sleep(WARM_UP);
    let first = lab.daemon()?.usage()?;
    let start = Instant::now();
    while start.elapsed() < duration {
        std::thread::sleep(Duration::from_secs(5));
        let now = lab.daemon()?.usage()?;
        ensure(now.descriptors <= first.descriptors + 2, "descriptors do not grow", || {
            format!("{first:?} then {now:?}")
        })?;
    }
    let last = lab.daemon()?.usage()?;
    let report = stream.finish();
    tell(&format!("{} s with rekeys every 10 s: {first:?} then {last:?}; {report}", duration.as_secs()));
    ensure(last.resident_kib <= first.resident_kib + SLACK_KIB, "memory does not grow", || {
        format!("{first:?} then {last:?}")
    })?;
    ensure(last.threads == first.threads, "threads do not grow", || format!("{first:?} then {last:?}"))?;
    lab.ensure_lost("no packet is lost", report.lost, 0, &report)?;
    let dropped: u64 =
        lab.clouds.iter().map(|cloud| cloud.swan().map(|swan| swan.dropped_outbound(HOST_B))).sum::<Result<u64>>()?;
    lab.ensure_lost("none is lost on the way back but by the peers", report.lost_round_trip, dropped, &report)?;
    wait_for(Duration::from_secs(10), "one SA of each kind is left at each peer", || {
        let counts: Vec<_> = lab.clouds.iter().map(|cloud| cloud.swan()?.sa_counts()).collect::<Result<_>>()?;
        ensure(counts.iter().all(|&count| count == (1, 1)), "IKE and CHILD SAs", || format!("{counts:?}"))
    })
}
