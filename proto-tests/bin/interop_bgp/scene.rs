//! One peer and us, on two hosts joined by cables.
//!
//! ```text
//!   us  10.9.1.1, fd00:9:1::1 ------- link1 ------- 10.9.1.2, fd00:9:1::2  peer
//!       10.9.2.1, fd00:9:2::1 ------- link2 ------- 10.9.2.2, fd00:9:2::2
//!       192.0.2.1 on loopback                       192.0.2.2 on loopback
//! ```
//!
//! A link is an IPsec tunnel, whose other end is a process of ours without BGP; or the bare cable.

use std::fmt::Write as _;
use std::path::PathBuf;

use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{DATAPLANE, Lab, LabError, Result, ensure, not_yet, patience, wait_for, write_file};
use serde_json::Value;

use crate::peer::{Ends, Peer, Software, Told, shorten};
use crate::rows::Links;

/// Ours.
pub(crate) const OUR_ASN: u32 = 65000;
/// The peer's, unless a row says otherwise.
pub(crate) const PEER_ASN: u32 = 65009;
/// What we announce.
pub(crate) const OUR_NETWORKS: [&str; 2] = ["10.1.0.0/16", "fd00:1::/48"];
/// For most things to become true, in seconds.
const PATIENCE: u64 = 25;

/// What we are told beyond the ordinary. Each is lines of YAML, not indented.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ours {
    /// At the top.
    pub(crate) top: &'static str,
    /// Below `router`.
    pub(crate) router: &'static str,
    /// Below the neighbour, where links are cables.
    pub(crate) neighbor: &'static str,
    /// Below `bgp` of the tunnel or neighbour.
    pub(crate) bgp: &'static str,
    /// More neighbours, where links are cables; indented.
    pub(crate) more: &'static str,
}

impl Ours {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self { top: "", router: "", neighbor: "", bgp: "", more: "" };
}

/// The laboratory of one trial.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) software: Software,
    pub(crate) us: Namespace,
    pub(crate) host: Namespace,
    pub(crate) ends: Ends,
    links: Links,
    /// The other ends of the tunnels.
    far: [Option<Daemon>; 2],
    daemon: Option<Daemon>,
    peer: Option<Peer>,
    pub(crate) directory: PathBuf,
    _lab: Lab,
}

impl Scene {
    /// Lays both cables.
    pub(crate) fn build(software: Software, links: Links) -> Result<Self> {
        let lab = Lab::new()?;
        let (us, host) = (lab.namespace("us")?, lab.namespace("peer")?);
        us.make_router()?;
        host.make_router()?;
        for link in [1, 2] {
            let name = if links == Links::Cables { format!("link{link}") } else { format!("outer{link}") };
            us.cable(&name, &host, &name)?;
            for (end, number) in [(&us, 1), (&host, 2)] {
                match links {
                    Links::Tunnels => end.address(&name, &format!("10.8.{link}.{number}/30"))?,
                    Links::Cables => {
                        end.address(&name, &format!("10.9.{link}.{number}/30"))?;
                        end.address(&name, &format!("fd00:9:{link}::{number}/126"))?;
                    }
                }
            }
        }
        us.address("lo", "192.0.2.1/32")?;
        host.address("lo", "192.0.2.2/32")?;
        if links == Links::Cables {
            host.ip(&["route", "add", "192.0.2.1/32", "via", "10.9.1.1"])?;
        }
        let directory = lab.subdirectory("files")?;
        let (ends, far) = (Ends::default(), [None, None]);
        Ok(Self { software, us, host, ends, links, far, daemon: None, peer: None, directory, _lab: lab })
    }

    /// Brings the far end of a tunnel up, with the addresses inside.
    pub(crate) fn start_far(&mut self, link: usize) -> Result<()> {
        let name = format!("far{link}");
        let (config, socket) =
            (self.directory.join(format!("{name}.yaml")), self.directory.join(format!("{name}.sock")));
        let text = format!(
            "router:\n  name: {name}\n  asn: 64999\n  router-id: 10.8.{link}.2\n  install: false\n  dataplane: {DATAPLANE}\n  \
             api: {{socket: {}}}\ntunnels:\n{}",
            socket.display(),
            tunnel(link, false)
        );
        write_file(&config, &text)?;
        self.far[link - 1] = Some(Daemon::launch(&self.host, &self.directory, &name, &config, socket, false)?);
        Ok(())
    }

    /// Takes the far end of a tunnel down; it says so to us.
    pub(crate) fn stop_far(&mut self, link: usize) -> Result<()> {
        self.far[link - 1].take().map_or(Ok(()), |far| far.stop().map(drop))
    }

    /// Starts the peer.
    pub(crate) fn start_peer(&mut self, told: &Told) -> Result<()> {
        self.start_peer_with(told, false)
    }

    /// Starts the peer; FRR with zebra.
    pub(crate) fn start_peer_with(&mut self, told: &Told, zebra: bool) -> Result<()> {
        if self.links == Links::Tunnels && self.far[0].is_none() {
            for link in 1..=self.ends.pairs.len() {
                self.start_far(link)?;
            }
        }
        let peer = Peer::start(self.software, &self.host, &self.directory, &self.ends, told, zebra)?;
        self.peer = Some(peer);
        Ok(())
    }

    /// Starts us.
    pub(crate) fn start_us(&mut self, ours: &Ours) -> Result<()> {
        let config = self.write_config(ours)?;
        let socket = self.directory.join("us.sock");
        self.daemon = Some(Daemon::launch(&self.us, &self.directory, "us", &config, socket, false)?);
        Ok(())
    }

    /// Has us read a changed configuration.
    pub(crate) fn reload(&self, ours: &Ours) -> Result<()> {
        self.write_config(ours)?;
        self.daemon()?.reload()
    }

    /// Both, and waits until the session is up.
    pub(crate) fn start(&mut self, told: &Told, ours: &Ours) -> Result<()> {
        self.start_peer(told)?;
        self.start_us(ours)?;
        self.wait_established()
    }

    /// Until both ends say that the session is established.
    pub(crate) fn wait_established(&self) -> Result<()> {
        self.wait("the session is established", || {
            self.expect_state("Established")?;
            self.peer()?.expect_established()
        })
    }

    /// Until something is so.
    pub(crate) fn wait<T>(&self, what: &str, condition: impl FnMut() -> Result<T>) -> Result<T> {
        wait_for(patience(PATIENCE), what, condition)
    }

    /// Until the peer has these, each with all of these words.
    pub(crate) fn wait_peer_has(&self, prefix: &str, words: &[&str]) -> Result<()> {
        self.wait(&format!("the peer has {prefix} with {words:?}"), || {
            let said = self.peer()?.route(prefix)?;
            match words.iter().find(|word| !said.contains(**word)) {
                None => Ok(()),
                Some(word) => not_yet(format!("no {word} in {}", shorten(&said))),
            }
        })
    }

    /// Until the peer has no route to it.
    pub(crate) fn wait_peer_lacks(&self, prefix: &str) -> Result<()> {
        self.wait(&format!("the peer has no {prefix}"), || self.peer()?.expect_no_route(prefix))
    }

    /// Until we have a path to it for which this holds; returns it.
    pub(crate) fn wait_path(&self, prefix: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait(&format!("we have {prefix}, as it should be"), || {
            let paths = self.paths(prefix)?;
            let found = paths.iter().find(|path| holds(path)).cloned();
            found.map_or_else(|| not_yet(format!("{prefix}: {paths:?}")), Ok)
        })
    }

    /// Our paths to a prefix.
    pub(crate) fn paths(&self, prefix: &str) -> Result<Vec<Value>> {
        let routes = self.daemon()?.ask(&["show", "routes", prefix])?;
        let route = list(&routes).iter().find(|route| route["prefix"] == prefix).cloned().unwrap_or_default();
        Ok(list(&route["paths"]).to_vec())
    }

    /// Our session on the first link.
    pub(crate) fn session(&self) -> Result<Value> {
        let peers = self.daemon()?.show("peers")?;
        let named = |peer: &&Value| peer["name"] == "link1" || peer["tunnel"] == "link1";
        list(&peers).iter().find(named).cloned().map_or_else(|| not_yet(format!("no session: {peers}")), Ok)
    }

    /// Succeeds when our session is in this state.
    pub(crate) fn expect_state(&self, state: &str) -> Result<()> {
        let session = self.session()?;
        if session["state"] == state {
            return Ok(());
        }
        not_yet(format!("our session is {}: {}", session["state"], session["last_error"]["text"]))
    }

    /// Until what we say about why the session is down has these words.
    pub(crate) fn wait_last_error(&self, words: &[&str]) -> Result<()> {
        self.wait(&format!("we say {words:?}"), || {
            let text = self.session()?["last_error"]["text"].to_string();
            ensure(words.iter().all(|word| text.contains(word)), "our last error", || text)
        })
    }

    /// Until our kernel sends a prefix through just these interfaces.
    pub(crate) fn wait_kernel(&self, prefix: &str, interfaces: &[&str]) -> Result<()> {
        self.wait(&format!("the kernel sends {prefix} through {interfaces:?}"), || {
            self.us.expect_route(prefix, interfaces)
        })
    }

    /// The session must not have been lost since the start.
    pub(crate) fn expect_no_flap(&self) -> Result<()> {
        let session = self.session()?;
        ensure(session["flaps"] == 0, "the session was never lost", || session.to_string())
    }

    /// Until the session was lost so often.
    pub(crate) fn wait_flaps(&self, count: u64) -> Result<()> {
        self.wait(&format!("the session was lost {count} times"), || {
            let session = self.session()?;
            ensure(session["flaps"].as_u64() >= Some(count), "our session", || session.to_string())
        })
    }

    /// We.
    pub(crate) fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().map_or_else(|| not_yet("we do not run"), Ok)
    }

    /// Takes us out, to be killed or stopped.
    pub(crate) fn take_daemon(&mut self) -> Result<Daemon> {
        self.daemon.take().map_or_else(|| not_yet("we do not run"), Ok)
    }

    /// The peer.
    pub(crate) fn peer(&self) -> Result<&Peer> {
        self.peer.as_ref().map_or_else(|| not_yet("the peer does not run"), Ok)
    }

    /// The peer, to be told something of its process.
    pub(crate) fn peer_mut(&mut self) -> Result<&mut Peer> {
        self.peer.as_mut().map_or_else(|| not_yet("the peer does not run"), Ok)
    }

    /// Kills the peer.
    pub(crate) fn kill_peer(&mut self) -> Result<()> {
        self.peer.take().map_or(Ok(()), |mut peer| peer.kill())
    }

    /// The ends of all logs.
    pub(crate) fn logs(&mut self) -> String {
        let ours = self.daemon.as_mut().map(|daemon| daemon.process().log_tail(25)).unwrap_or_default();
        let theirs = self.peer.as_mut().map(Peer::log_tail).unwrap_or_default();
        format!("--- us\n{ours}\n--- peer\n{theirs}")
    }

    fn write_config(&self, ours: &Ours) -> Result<PathBuf> {
        let path = self.directory.join("us.yaml");
        write_file(&path, &self.config(ours))?;
        Ok(path)
    }

    fn config(&self, ours: &Ours) -> String {
        let Ends { pairs, our_asn, peer_asn } = &self.ends;
        let mut text = format!(
            "router:\n  name: us\n  router-id: 10.9.0.1\n  api: {{socket: {}}}\n{}",
            self.directory.join("us.sock").display(),
            indented(ours.router, 2)
        );
        if !ours.router.contains("asn:") {
            let _infallible = writeln!(text, "  asn: {our_asn}");
        }
        if !ours.router.contains("networks:") {
            let _infallible = writeln!(text, "  networks: [{}]", OUR_NETWORKS.join(", "));
        }
        text += ours.top;
        match self.links {
            Links::Tunnels => {
                text += "\ntunnels:\n";
                for link in 1..=pairs.len() {
                    text += &tunnel(link, true);
                    text += &session(&format!("asn: {peer_asn}\n{}", ours.bgp));
                }
            }
            Links::Cables => {
                text += "\nneighbors:\n";
                for (index, [_, theirs]) in pairs.iter().enumerate() {
                    let _infallible = writeln!(text, "  - name: link{}", index + 1);
                    if !ours.neighbor.contains("asn:") {
                        let _infallible = writeln!(text, "    asn: {peer_asn}");
                    }
                    if !ours.neighbor.contains("range:") {
                        let _infallible = writeln!(text, "    address: {theirs}");
                    }
                    text += &indented(ours.neighbor, 4);
                    text += &session(ours.bgp);
                }
                text += ours.more;
            }
        }
        text
    }
}

/// A tunnel's entry, without a session.
fn tunnel(link: usize, near: bool) -> String {
    let (local, remote, side, start) = if near { (1, 2, "first", "initiate") } else { (2, 1, "second", "respond") };
    format!(
        "  - name: link{link}\n    interface: link{link}\n    local: 10.8.{link}.{local}\n    remote: 10.8.{link}.{remote}\n    \
         psk: {{inline: a key that only a laboratory has}}\n    inside: {{prefix: 10.9.{link}.0/30, side: {side}}}\n    \
         inside6: {{prefix: 'fd00:9:{link}::/126', side: {side}}}\n    start: {start}\n    encapsulation: always\n"
    )
}

/// The `bgp` section with these lines, and what they leave open.
fn session(lines: &str) -> String {
    let mut text = format!("    bgp:\n{}", indented(lines, 6));
    for (key, value) in [("hold-time", "9s"), ("connect-retry", "1s"), ("import", "all")] {
        if !lines.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            let _infallible = writeln!(text, "      {key}: {value}");
        }
    }
    text
}

fn indented(lines: &str, spaces: usize) -> String {
    lines.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{:spaces$}{line}\n", "")).collect()
}

/// A JSON array's elements.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A fact that must hold of what we have.
pub(crate) fn must(holds: bool, what: &str, found: &Value) -> Result<()> {
    if holds { Ok(()) } else { Err(LabError::Unexpected { what: what.to_owned(), found: found.to_string() }) }
}
