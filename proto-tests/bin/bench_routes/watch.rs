//! When the kernel changed what: `ip monitor`, each line with the time at which it came.

use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::Ipv4Net;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{LabError, Result};

use crate::feed::Feed;

/// Seconds since 1970, the time BIRD's log is in.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A listener in one namespace.
#[derive(Debug)]
pub(crate) struct Watch {
    monitor: Child,
    reader: Option<JoinHandle<()>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The last change of a route to an announced prefix.
    route: f64,
    /// Deleted nexthop objects.
    deleted: Vec<(f64, Ipv4Addr)>,
}

impl Watch {
    /// Begins to listen.
    pub(crate) fn start(router: &Namespace) -> Result<Self> {
        let mut command = router.command("ip");
        command.args(["-o", "monitor", "nexthop", "route"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let io = |source| LabError::Io { what: "start ip monitor".to_owned(), source };
        let mut monitor = command.spawn().map_err(io)?;
        let seen = Arc::<Mutex<Seen>>::default();
        let reader = monitor.stdout.take().map(|lines| {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || read(lines, &seen))
        });
        Ok(Self { monitor, reader, seen })
    }

    /// When the kernel last changed a route.
    pub(crate) fn last_route(&self) -> f64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).route
    }

    /// When the last route was gone from `gateway`. The kernel takes a deleted object out of every route at once; who
    /// has none has to change the routes.
    pub(crate) fn left(&self, gateway: Ipv4Addr) -> f64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let deleted = seen.deleted.iter().rfind(|(_, of)| *of == gateway).map(|(at, _)| *at);
        deleted.unwrap_or(seen.route)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _already_gone = self.monitor.kill();
        let _already_gone = self.monitor.wait();
        if let Some(reader) = self.reader.take() {
            let _already_gone = reader.join();
        }
    }
}

fn read(lines: ChildStdout, seen: &Mutex<Seen>) {
    for line in BufReader::new(lines).lines().map_while(std::io::Result::ok) {
        let at = now();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gateway) = deleted_object(&line) {
            seen.deleted.push((at, gateway));
        } else if is_fed(&line) {
            seen.route = at;
        }
    }
}

/// `Deleted id 7 via 169.254.21.1 dev ...`
fn deleted_object(line: &str) -> Option<Ipv4Addr> {
    let mut words = line.strip_prefix("Deleted id ")?.split_whitespace().skip_while(|word| *word != "via");
    words.nth(1)?.parse().ok()
}

/// `20.0.0.0/24 nhid 8 proto ...`
fn is_fed(line: &str) -> bool {
    let mut words = line.split_whitespace().filter(|word| *word != "Deleted");
    words.next().and_then(|word| word.parse::<Ipv4Net>().ok()).is_some_and(|prefix| Feed::may_hold(&prefix))
}
