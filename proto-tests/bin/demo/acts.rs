//! What happens, in order.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::kernel::Picture;
use proto_tests::lab::layout::{CLOUD_NETWORK, HOST_A, HOST_B, TUNNELS};
use proto_tests::lab::own::OwnSides;
use proto_tests::lab::router_file::RouterFile;
use proto_tests::lab::stream::Running;
use proto_tests::lab::{LabError, Result, ensure, patience, wait_for};

use super::story::Story;
use super::verdict::{Failover, Verdict};

/// The longest a loss may stay unnoticed: liveness checks after 1 s, dead after 3 s more, and the machine's own delays.
const NOTICED_WITHIN: u64 = 10;
/// The longest a repaired tunnel may take to carry traffic again.
const BACK_WITHIN: u64 = 20;

/// A way to lose a tunnel.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// The concentrator's process is killed with SIGKILL.
    Killed,
    /// The concentrator stops and says so.
    Stopped,
    /// Packets between the two vanish.
    Cut,
    /// Its keys are deleted by the other end, which keeps running.
    Deleted,
}

/// One for each of the four tunnels.
const LOSSES: [Loss; 4] = [Loss::Stopped, Loss::Killed, Loss::Cut, Loss::Deleted];

impl Loss {
    const fn words(self) -> &'static str {
        match self {
            Self::Killed => "its concentrator is killed with SIGKILL",
            Self::Stopped => "its concentrator is stopped",
            Self::Cut => "its path is cut without a word",
            Self::Deleted => "the other end deletes its SAs",
        }
    }
}

/// Plays all of it; `sides` keeps what runs, for the end or for a look at the logs.
pub(crate) fn play(story: &Story, keep: bool, sides: &mut Option<OwnSides>, verdict: &mut Verdict) -> Result<()> {
    story.act("hosts and cables: eight network namespaces");
    story.picture();
    let sides = sides.insert(OwnSides::lay_out(quick_to_notice)?);
    if keep {
        sides.detach();
    }
    let before = sides.layout.router.picture()?;
    bring_up(story, sides, verdict)?;

    story.act(&format!("1,000 packets per second from {HOST_A} to {HOST_B} and back, in 64 flows"));
    let stream = sides.stream()?;
    std::thread::sleep(Duration::from_secs(1));
    story.line(&format!("    {}", stream.so_far()));
    for index in 0..TUNNELS.len() {
        let failover = lose_and_regain(story, sides, &stream, index)?;
        story.failover(&failover);
        verdict.failovers.push(failover);
    }
    let report = stream.finish();
    let undisturbed = verdict.failovers.iter().all(|failover| failover.lost_after <= 5);
    verdict.stream = Some(report);
    ensure(undisturbed, "nothing is lost while a tunnel returns", || "see above".to_owned())?;
    kill_and_restart(story, sides)?;
    if keep {
        return Ok(());
    }
    stop(story, sides, &before, verdict)
}

fn quick_to_notice(file: &mut RouterFile) {
    for tunnel in &mut file.tunnels {
        tunnel.dpd_interval = u32::try_from(patience(1).as_secs()).unwrap_or(u32::MAX);
        tunnel.dpd_timeout = tunnel.dpd_interval.saturating_mul(3);
    }
}

fn bring_up(story: &Story, sides: &mut OwnSides, verdict: &mut Verdict) -> Result<()> {
    story.act("four concentrators wait; the router begins four tunnels");
    for index in 0..TUNNELS.len() {
        sides.start_cloud(index)?;
    }
    let start = Instant::now();
    sides.start_router()?;
    sides.wait_all_up()?;
    verdict.all_up_ms = milliseconds(start);
    story.line(&format!("    all up after {} ms", verdict.all_up_ms));
    story.status(sides)?;
    story.act("one route over four tunnels in the kernel");
    story.routes(sides, CLOUD_NETWORK)
}

fn lose_and_regain(story: &Story, sides: &mut OwnSides, stream: &Running, index: usize) -> Result<Failover> {
    let (plan, loss) = (&TUNNELS[index], LOSSES[index]);
    let others: Vec<usize> = (0..TUNNELS.len()).filter(|&other| other != index).collect();
    story.act(&format!("{} is lost: {}", plan.name, loss.words()));
    let before = stream.checkpoint();
    let start = Instant::now();
    lose(sides, index, loss)?;
    closely(patience(NOTICED_WITHIN), "the kernel no longer uses it", || sides.expect_fib(&others))?;
    let moved_ms = milliseconds(start);
    let moved = stream.checkpoint();
    story.routes(sides, CLOUD_NETWORK)?;

    let start = Instant::now();
    regain(sides, index, loss)?;
    closely(patience(BACK_WITHIN), "the kernel uses it again", || sides.expect_fib(&[0, 1, 2, 3]))?;
    let returned_ms = milliseconds(start);
    sides.wait_all_up()?;
    std::thread::sleep(Duration::from_millis(500));
    let returned = stream.checkpoint();
    std::thread::sleep(Duration::from_millis(100));
    Ok(Failover {
        tunnel: plan.name,
        how: loss.words(),
        moved_ms,
        lost: stream.lost_between(before, moved),
        returned_ms,
        lost_after: stream.lost_between(moved, returned),
    })
}

fn lose(sides: &mut OwnSides, index: usize, loss: Loss) -> Result<()> {
    let missing = || gone(index);
    match loss {
        Loss::Killed => sides.kill_cloud(index),
        Loss::Stopped => sides.clouds[index].as_mut().ok_or_else(missing)?.process().signal(Signal::SIGTERM),
        Loss::Cut => sides.layout.cut(&TUNNELS[index]),
        // The DELETE arrives; the way back is cut first, or the tunnel would return within two milliseconds.
        Loss::Deleted => {
            sides.layout.cut_toward_cloud(&TUNNELS[index])?;
            let cloud = sides.clouds[index].as_ref().ok_or_else(missing)?;
            cloud.order(&["reset", "tunnel", TUNNELS[index].name])
        }
    }
}

fn regain(sides: &mut OwnSides, index: usize, loss: Loss) -> Result<()> {
    match loss {
        Loss::Killed => sides.start_cloud(index),
        Loss::Stopped => {
            let ending = sides.clouds[index].take().ok_or_else(|| gone(index))?;
            ending.ended(patience(10))?;
            sides.start_cloud(index)
        }
        Loss::Cut => sides.layout.mend(&TUNNELS[index]),
        Loss::Deleted => {
            sides.layout.cut_from_cloud(&TUNNELS[index])?;
            sides.layout.mend(&TUNNELS[index])
        }
    }
}

fn kill_and_restart(story: &Story, sides: &mut OwnSides) -> Result<()> {
    story
        .act("the router is killed with SIGKILL and started again: the kernel comes to hold what it held, and no more");
    let held = sides.layout.router.picture()?;
    sides.router.take().map_or(Ok(()), Daemon::kill)?;
    sides.start_router()?;
    sides.wait_all_up()?;
    // Interfaces, and next hops with them, are others of the same names.
    wait_for(patience(10), "routes, next hops, rules, interfaces and IPsec are as many as before", || {
        let now = sides.layout.router.picture()?;
        let counts = |it: &Picture| [it.routes.len(), it.nexthops.len(), it.ipsec.len()];
        let same = counts(&now) == counts(&held) && now.links == held.links && now.rules == held.rules;
        ensure(same, "as many", || format!("{:?} and {:?}: {:#?}", counts(&now), counts(&held), now.added_since(&held)))
    })?;
    story.routes(sides, CLOUD_NETWORK)
}

fn stop(story: &Story, sides: &mut OwnSides, before: &Picture, verdict: &mut Verdict) -> Result<()> {
    story.act("the router stops: nothing of it may remain");
    if let Some(router) = sides.router.take() {
        let status = router.stop()?;
        ensure(status.success(), "the router ends with success", || status.to_string())?;
    }
    wait_for(patience(3), "routes, next hops, rules, interfaces and sockets are as before the start", || {
        verdict.left_behind = sides.layout.router.picture()?.added_since(before);
        ensure(verdict.left_behind.is_empty(), "nothing is left", || format!("{:?}", verdict.left_behind))
    })?;
    story.line("    routes, next hops, rules, interfaces and sockets are as before the start");
    Ok(())
}

/// As [`wait_for`], asking without growing pauses: the answer's time is shown.
fn closely<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            // 2 ms on a usual machine: each answer costs two programs.
            Err(_) if start.elapsed() < limit => std::thread::sleep(patience(1) / 500),
            Err(error) => {
                return Err(LabError::Timeout { what: what.to_owned(), waited: limit, seen: error.to_string() });
            }
        }
    }
}

fn gone(index: usize) -> LabError {
    LabError::Unexpected { what: format!("{} runs", TUNNELS[index].name), found: "it does not".to_owned() }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
