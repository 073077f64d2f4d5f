//! Two hosts with a tunnel and a session between them, all well until something is done to it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::layout::TUNNELS;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::router_file::RouterFile;
use proto_tests::lab::{Lab, LabError, Result, ensure, not_yet, patience, run, wait_for, write_file};
use serde_json::Value;

use crate::asking;

pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const NEAR: &str = "192.0.2.9";
pub(crate) const THEIRS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// Two hosts with a tunnel and a session between them.
pub(crate) struct Ward {
    /// Ours.
    pub(crate) daemon: Option<Daemon>,
    /// The peer's.
    pub(crate) peer: Daemon,
    /// Our host.
    pub(crate) us: Namespace,
    /// The peer's.
    pub(crate) peer_host: Namespace,
    /// Our file.
    pub(crate) our_file: RouterFile,
    peer_file: RouterFile,
    lab: Lab,
}

impl Ward {
    pub(crate) fn open() -> Result<Self> {
        let lab = Lab::new()?;
        let (us, peer_host) = (lab.namespace("us")?, lab.namespace("peer")?);
        us.make_router()?;
        peer_host.make_router()?;
        us.cable("wan", &peer_host, "wan")?;
        us.address("wan", &format!("{OURS}/24"))?;
        peer_host.address("wan", &format!("{NEAR}/24"))?;
        peer_host.address("lo", &format!("{THEIRS}/32"))?;
        us.ip(&["route", "add", &THEIRS.to_string(), "via", NEAR])?;
        let (mut our_file, mut peer_file) = (RouterFile::router(true), RouterFile::cloud(&TUNNELS[0], false));
        our_file.tunnels.truncate(1);
        our_file.name = "us".to_owned();
        peer_file.name = "peer".to_owned();
        (our_file.tunnels[0].local, our_file.tunnels[0].remote) = (OURS, THEIRS);
        (peer_file.tunnels[0].local, peer_file.tunnels[0].remote) = (THEIRS, OURS);
        let peer = Daemon::start(&peer_host, lab.path(), &peer_file)?;
        let daemon = Some(Daemon::start(&us, lab.path(), &our_file)?);
        let ward = Self { daemon, peer, us, peer_host, our_file, peer_file, lab };
        ward.wait_well()?;
        Ok(ward)
    }

    pub(crate) fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().map_or_else(|| not_yet("our process does not run"), Ok)
    }

    pub(crate) fn tunnel(&self) -> &str {
        &self.our_file.tunnels[0].name
    }

    pub(crate) fn wait_well(&self) -> Result<()> {
        wait_for(patience(30), "the tunnel and its session are up", || {
            self.daemon()?.expect_up(&[self.tunnel()])?;
            let peer = self.daemon()?.peer(self.tunnel())?;
            ensure(peer["prefixes"]["accepted"] == 1 && peer["prefixes"]["advertised"] == 1, "routes", || {
                peer.to_string()
            })
        })
    }

    pub(crate) fn doctor(&self, more: &[&str]) -> Result<Value> {
        asking::ask(&self.us, &self.our_file.socket(self.lab.path()), more)
    }

    /// Waits until the doctor finds `code`, this bad.
    pub(crate) fn finds(&self, code: &str, severity: &str) -> Result<Value> {
        asking::finds(code, severity, || self.doctor(&[]))
    }

    pub(crate) fn reset(&self) -> Result<()> {
        self.daemon()?.order(&["reset", "tunnel", self.tunnel()])
    }

    /// The name of our tunnel's interface.
    pub(crate) fn interface(&self) -> Result<String> {
        Ok(self.daemon()?.tunnel(self.tunnel())?["interface"].as_str().unwrap_or_default().to_owned())
    }

    /// The peer's file with a change, read by it.
    pub(crate) fn peer_with(&self, change: impl FnOnce(&mut RouterFile)) -> Result<()> {
        let mut file = self.peer_file.clone();
        change(&mut file);
        file.write(self.lab.path())?;
        self.peer.reload()
    }

    /// Words of our file exchanged, and it read again; none brings it back.
    pub(crate) fn ours_with(&self, words: &[(&str, &str)]) -> Result<()> {
        exchange(&self.our_file.write(self.lab.path())?, words)?;
        self.daemon()?.reload()
    }

    /// The same with the peer's.
    pub(crate) fn theirs_with(&self, words: &[(&str, &str)]) -> Result<()> {
        exchange(&self.peer_file.write(self.lab.path())?, words)?;
        self.peer.reload()
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.lab.path().join(format!("us-{}.psk", self.tunnel()))
    }

    /// Our file.
    pub(crate) fn our_path(&self) -> String {
        self.lab.path().join("us.yaml").display().to_string()
    }
}

fn exchange(path: &Path, words: &[(&str, &str)]) -> Result<()> {
    let mut text = std::fs::read_to_string(path).map_err(LabError::io("read a file"))?;
    for (from, to) in words {
        ensure(text.contains(from), "words to be exchanged", || format!("{from} is not in {text}"))?;
        text = text.replace(from, to);
    }
    write_file(path, &text)
}

/// Rules in a table of their own on one host, gone with this value.
pub(crate) struct Rules<'a>(&'a Namespace);

impl<'a> Rules<'a> {
    pub(crate) fn add(host: &'a Namespace, chains: &str) -> Result<Self> {
        let rules = Self(host);
        rules.nft(&format!("table inet lab {{ {chains}; }}"))?;
        Ok(rules)
    }

    /// Leaves them in place: they end with their host.
    pub(crate) fn stay(self) {
        std::mem::forget(self);
    }

    fn nft(&self, text: &str) -> Result<()> {
        run(Command::new("ip").args(["netns", "exec", self.0.name(), "nft", text])).map(drop)
    }
}

impl Drop for Rules<'_> {
    fn drop(&mut self) {
        let _gone = self.nft("delete table inet lab");
    }
}
