//! One round: a laboratory, a router started cold, a full FIB, two losses.

use std::thread::sleep;
use std::time::Duration;

use proto_tests::lab::layout::{Layout, TUNNELS};
use proto_tests::lab::process::tail;
use proto_tests::lab::vigil::Vigil;
use proto_tests::lab::{Lab, LabError, Result, ensure, wait_for};

use crate::device::{Router, System, Way};
use crate::feed::{Feed, Feeder};
use crate::figures::Sample;
use crate::forwarding::{expect, wanted};
use crate::watch::{Watch, now};

/// For each step.
const PATIENCE: Duration = Duration::from_secs(60);
/// Until memory and the last notifications have settled.
const SETTLE: Duration = Duration::from_secs(1);
/// Without a change of any route.
const QUIET: Duration = Duration::from_millis(500);
/// Whose BGP speaker is killed.
const SESSION_LOST: usize = 3;
/// Whose way to the router is taken.
const WAY_LOST: usize = 2;

/// Plays it. On failure the end of the router's log is in the error.
pub(crate) fn play(system: System, feed: Feed) -> Result<Sample> {
    let lab = Lab::new()?;
    let directory = lab.subdirectory("under-test")?;
    let mut bed = Bed::build(&lab, system, feed)?;
    bed.measure(&directory).map_err(|error| with_logs(error, &directory))
}

struct Bed {
    system: System,
    feed: Feed,
    feeders: Vec<Feeder>,
    ways: Vec<Way>,
    layout: Layout,
}

impl Bed {
    fn build(lab: &Lab, system: System, feed: Feed) -> Result<Self> {
        let layout = Layout::build(lab)?;
        let mut bed = Self { system, feed, feeders: Vec::new(), ways: Vec::new(), layout };
        for (plan, host) in TUNNELS.iter().zip(&bed.layout.clouds) {
            let directory = lab.subdirectory(plan.name)?;
            bed.ways.push(system.join(&bed.layout.router, host, plan, &directory)?);
            bed.feeders.push(Feeder::start(host, &directory, plan, &system.interface(plan), feed)?);
        }
        Ok(bed)
    }

    fn measure(&mut self, directory: &std::path::Path) -> Result<Sample> {
        let watch = Watch::start(&self.layout.router)?;
        let vigil = Vigil::over(self.feeders.iter().map(|feeder| feeder.socket.clone()).collect());
        let start = now();
        let mut router = self.system.start(&self.layout.router, directory)?;
        self.wait_right(&watch, "the FIB is complete", &[0, 1, 2, 3])?;
        drop(vigil);
        sleep(SETTLE);
        let complete = watch.last_route();
        let up = self.feeders.iter().map(Feeder::established).try_fold(start, |last, at| at.map(|at| last.max(at)))?;
        let filled = self.filled(&mut router, [start, up, complete])?;

        let killed = now();
        self.feeders[SESSION_LOST].kill()?;
        self.wait_right(&watch, "the FIB is right after a session was lost", &[0, 1, 2])?;
        sleep(SETTLE);
        let session_lost = watch.left(TUNNELS[SESSION_LOST].cloud_inside) - killed;

        let taken = now();
        let interface = self.system.interface(&TUNNELS[WAY_LOST]);
        self.ways[WAY_LOST].lose(&self.layout.clouds[WAY_LOST], &interface)?;
        self.wait_right(&watch, "the FIB is right after a way was lost", &[0, 1])?;
        sleep(SETTLE);
        let way_lost = watch.left(TUNNELS[WAY_LOST].cloud_inside) - taken;
        Ok(Sample { session_lost_ms: session_lost * 1e3, way_lost_ms: way_lost * 1e3, ..filled })
    }

    fn filled(&self, router: &mut Router, [start, up, complete]: [f64; 3]) -> Result<Sample> {
        let kibibytes = u32::try_from(router.process().usage()?.resident_kib).unwrap_or(u32::MAX);
        Ok(Sample {
            complete_ms: (complete - start) * 1e3,
            routes_ms: (complete - up) * 1e3,
            processor_ms: router.processor_time()? * 1e3,
            resident_mib: f64::from(kibibytes) / 1024.0,
            ..Sample::default()
        })
    }

    /// Waits without disturbing: a large table is listed only while it does not change.
    fn wait_right(&self, watch: &Watch, what: &str, peers: &[usize]) -> Result<()> {
        let wanted = wanted(self.feed, peers);
        sleep(QUIET);
        wait_for(PATIENCE, what, || {
            ensure(now() - watch.last_route() > QUIET.as_secs_f64(), "the table", || "still changes".to_owned())?;
            expect(&self.layout.router, &wanted)
        })
    }
}

fn with_logs(error: LabError, directory: &std::path::Path) -> LabError {
    let logs: String = ["router.log", "bird.log"].iter().map(|name| tail(&directory.join(name), 20)).collect();
    LabError::Unexpected { what: error.to_string(), found: logs }
}
