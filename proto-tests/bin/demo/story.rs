//! What the person who watches reads.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use proto_tests::lab::layout::TUNNELS;
use proto_tests::lab::own::OwnSides;
use proto_tests::lab::{Result, daemon};

use super::verdict::{Failover, Verdict};

const PICTURE: &str = "
   host-a            router                the Internet          four concentrators           host-b
   10.1.0.10 ------- AS 65000 ----------- 198.51.100/24 -------- AS 64512, each alone ------- 10.2.0.10
   10.1.0.0/16       198.51.100.1, .2     203.0.113/24           203.0.113.11 .. .14          10.2.0.0/16

   tunnel  router side      AWS side        inside (AWS first host, router second)";

/// Prints as things happen.
#[derive(Debug)]
pub(crate) struct Story {
    start: Instant,
    leisurely: bool,
    colour: bool,
}

impl Story {
    pub(crate) fn new(leisurely: bool) -> Self {
        Self { start: Instant::now(), leisurely, colour: std::io::stdout().is_terminal() }
    }

    /// A heading, after a moment to read what is above.
    pub(crate) fn act(&self, title: &str) {
        self.pause();
        let (on, off) = if self.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        self.line(&format!("\n{on}[{:5.1} s] {title}{off}", self.start.elapsed().as_secs_f32()));
    }

    /// One line.
    pub(crate) fn line(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _reader_is_gone = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// Several lines, indented.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            self.line(&format!("    {line}"));
        }
    }

    /// The plan.
    pub(crate) fn picture(&self) {
        self.line(PICTURE);
        for plan in &TUNNELS {
            let (ours, theirs) = (plan.router_outside.to_string(), plan.cloud_outside.to_string());
            self.line(&format!("   {:<7} {ours:<16} {theirs:<15} {}", plan.name, plan.inside()));
        }
    }

    /// What the router and its kernel say now.
    pub(crate) fn routes(&self, sides: &OwnSides, prefix: &str) -> Result<()> {
        let router = &sides.layout.router;
        self.line(&format!("    $ ip route show {prefix}; ip nexthop show"));
        self.quote(&router.ip(&["route", "show", prefix])?);
        self.quote(&router.ip(&["nexthop", "show"])?);
        Ok(())
    }

    /// `quadspan status`, as a person sees it.
    pub(crate) fn status(&self, sides: &OwnSides) -> Result<()> {
        self.line("    $ quadspan status");
        let socket = sides.router()?.socket().display().to_string();
        self.quote(&daemon::quadspan(&["status", "-s", &socket])?);
        Ok(())
    }

    /// One tunnel lost and regained.
    pub(crate) fn failover(&self, failover: &Failover) {
        let Failover { moved_ms, lost, returned_ms, lost_after, .. } = failover;
        self.line(&format!(
            "    moved after {moved_ms} ms with {lost} packets lost; back {returned_ms} ms after the repair with {lost_after} lost"
        ));
    }

    /// It did not go as it should.
    pub(crate) fn failed(&self, error: &str, logs: &str) {
        let _reader_is_gone = writeln!(std::io::stderr(), "{logs}");
        self.act("FAILED");
        self.quote(error);
    }

    /// How to look around in what is left running.
    pub(crate) fn look_around(&self, sides: &OwnSides) {
        self.act("left running");
        let run = sides.lab.run();
        let binary = daemon::binary().map(|path| path.display().to_string()).unwrap_or_default();
        if let Ok(router) = sides.router() {
            let socket = router.socket().display();
            for question in ["status", "show tunnels", "show peers", "show routes", "show fib"] {
                self.line(&format!("    sudo {binary} {question} -s {socket}"));
            }
        }
        self.line(&format!(
            "    sudo ip netns exec {run}-router ip route show proto 142     (and {run}-aws1 .. {run}-aws4)"
        ));
        self.line(&format!("    sudo ip netns exec {run}-host-a ping 10.2.0.10"));
        self.line(&format!("    configurations and logs: {}", sides.lab.path().display()));
        self.line(&format!("    to end it: sudo ./scripts/demo --stop {run}"));
    }

    /// The last word.
    pub(crate) fn end(&self, verdict: &Verdict) {
        let word = if verdict.ok { "all of it held" } else { "it did not hold" };
        self.act(&format!("verdict: {word}"));
        if let Some(stream) = &verdict.stream {
            self.line(&format!("    the stream: {stream}"));
        }
    }

    fn pause(&self) {
        if self.leisurely && self.colour {
            std::thread::sleep(Duration::from_secs(2));
        }
    }
}
