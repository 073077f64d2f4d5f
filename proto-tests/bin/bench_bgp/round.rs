//! One round of one router with so many prefixes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use proto_tests::lab::{LabError, Result};

use crate::dut::{Dut, Duty, System};
use crate::feed::updates;
use crate::figures::Measure;
use crate::kernel::{Watch, ways};
use crate::receiver::{Goal, MARK, Receiver};
use crate::site::{BEST, RECEIVER, SENDERS, Seat, Site};
use crate::talker::{Talker, speak};
use crate::tunnels::Tunnels;

/// Until what the start of the sessions brought is over: FRR holds back what it would say to a new peer for a second.
const SETTLE: Duration = Duration::from_millis(1500);
/// Nothing came for this long: the router is at rest.
const QUIET: Duration = Duration::from_millis(400);

/// What was measured in one round.
pub(crate) type Samples = Vec<(Measure, f64)>;

/// What is to be measured beside the announcement, and for how long at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// A change of policy on the full table.
    pub(crate) policy: bool,
    /// The loss of the best peer.
    pub(crate) lost: bool,
    /// Each step.
    pub(crate) limit: Duration,
}

/// Four announce, the fifth is told. What was measured before a failure stays.
pub(crate) fn reflect(system: System, prefixes: u32, extent: Extent, samples: &mut Samples) -> Result<()> {
    let site = Site::build()?;
    let mut dut = system.start(&site, Duty::Reflect)?;
    let result = reflect_with(&dut, &site, prefixes, extent, samples);
    result.map_err(|error| with_log(&error, &mut dut))
}

/// Four announce, the kernel is filled; then a cable is lost, then a session.
pub(crate) fn forward(system: System, prefixes: u32, limit: Duration, samples: &mut Samples) -> Result<()> {
    let site = Site::build()?;
    let watch = Watch::start(&site.router)?;
    let mut dut = system.start(&site, Duty::Forward)?;
    let result = forward_with(&site, &watch, prefixes, limit, samples);
    result.map_err(|error| with_log(&error, &mut dut))
}

/// Four announce through tunnels, the kernel is filled; then the far end deletes a tunnel, then another far end stops.
pub(crate) fn fail_over(prefixes: u32, limit: Duration, samples: &mut Samples) -> Result<()> {
    let mut tunnels = Tunnels::build()?;
    let watch = Watch::start(&tunnels.router)?;
    let result = fail_over_with(&mut tunnels, &watch, prefixes, limit, samples);
    result.map_err(|error| with_log(&error, &mut tunnels.dut))
}

fn reflect_with(dut: &Dut, site: &Site, prefixes: u32, extent: Extent, samples: &mut Samples) -> Result<()> {
    let feeds: Vec<Vec<u8>> = SENDERS.iter().map(|seat| updates(*seat, prefixes, Duty::Reflect)).collect();
    let talkers = sessions(site, Duty::Reflect)?;
    let receiver = Receiver::start(Talker::connect(&site.peers, RECEIVER, Duty::Reflect)?, prefixes)?;
    sleep(SETTLE);
    let before = site.processor_s()?;

    receiver.aim(Goal::All);
    let start = speak(&talkers, feeds)?;
    let all = receiver.reached(extent.limit)?;
    samples.push((Measure::LastPrefix, milliseconds(start, all)));
    receiver.aim(Goal::From(BEST));
    let best = receiver.reached(extent.limit)?;
    samples.push((Measure::LastBest, milliseconds(start, best.max(all))));
    rest(&receiver);
    samples.push((Measure::Resident, site.resident_mib()?));
    samples.push((Measure::Processor, site.processor_s()? - before));
    talkers.iter().try_for_each(Talker::expect_alive)?;

    if extent.policy {
        receiver.aim(Goal::Marked);
        let start = Instant::now();
        if dut.announce_with(site, MARK)? {
            samples.push((Measure::Policy, milliseconds(start, receiver.reached(extent.limit)?)));
            rest(&receiver);
            talkers.iter().try_for_each(Talker::expect_alive)?;
        }
    }
    if extent.lost {
        receiver.aim(Goal::Without(BEST));
        let start = Instant::now();
        talkers[0].die()?;
        samples.push((Measure::BestLost, milliseconds(start, receiver.reached(extent.limit)?)));
    }
    Ok(())
}

fn forward_with(site: &Site, watch: &Watch, prefixes: u32, limit: Duration, samples: &mut Samples) -> Result<()> {
    let feeds: Vec<Vec<u8>> = SENDERS.iter().map(|seat| updates(*seat, prefixes, Duty::Forward)).collect();
    let talkers = sessions(site, Duty::Forward)?;
    sleep(SETTLE);
    watch.aim(prefixes, ways(SENDERS));
    let start = speak(&talkers, feeds)?;
    samples.push((Measure::Filled, milliseconds(start, watch.right(&site.router, limit)?)));
    talkers.iter().try_for_each(Talker::expect_alive)?;
    sleep(SETTLE);
    samples.push((Measure::FilledResident, site.resident_mib()?));

    let plug = site.plug(SENDERS[3])?;
    watch.aim(prefixes, ways(SENDERS[..3].iter().copied()));
    let start = Instant::now();
    plug.pull()?;
    samples.push((Measure::LinkLost, milliseconds(start, watch.right(&site.router, limit)?)));
    sleep(SETTLE);

    watch.aim(prefixes, ways(SENDERS[..2].iter().copied()));
    let start = Instant::now();
    talkers[2].die()?;
    samples.push((Measure::SessionLost, milliseconds(start, watch.right(&site.router, limit)?)));
    Ok(())
}

fn fail_over_with(
    tunnels: &mut Tunnels,
    watch: &Watch,
    prefixes: u32,
    limit: Duration,
    samples: &mut Samples,
) -> Result<()> {
    let feeds: Vec<Vec<u8>> = SENDERS.iter().map(|seat| updates(*seat, prefixes, Duty::Forward)).collect();
    let talkers = tunnels.sessions()?;
    watch.aim(prefixes, ways(SENDERS));
    speak(&talkers, feeds)?;
    watch.right(&tunnels.router, limit)?;
    talkers.iter().try_for_each(Talker::expect_alive)?;
    sleep(SETTLE);

    watch.aim(prefixes, ways(SENDERS[..3].iter().copied()));
    let start = Instant::now();
    let order = tunnels.delete(SENDERS[3])?;
    samples.push((Measure::TunnelDeleted, milliseconds(start, watch.right(&tunnels.router, limit)?)));
    order.done()?;
    sleep(SETTLE);

    watch.aim(prefixes, ways(SENDERS[..2].iter().copied()));
    let start = Instant::now();
    tunnels.stop(SENDERS[2])?;
    samples.push((Measure::TunnelStopped, milliseconds(start, watch.right(&tunnels.router, limit)?)));
    Ok(())
}

fn sessions(site: &Site, duty: Duty) -> Result<Vec<Talker>> {
    let talk = |seat: &Seat| Talker::connect(&site.peers, *seat, duty);
    let talkers: Vec<Talker> = SENDERS.iter().map(talk).collect::<Result<_>>()?;
    talkers.iter().try_for_each(Talker::drain)?;
    Ok(talkers)
}

fn rest(receiver: &Receiver) {
    while receiver.quiet() < QUIET {
        sleep(QUIET / 4);
    }
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}

fn with_log(error: &LabError, dut: &mut Dut) -> LabError {
    LabError::Unexpected { what: error.to_string(), found: dut.log_tail() }
}
