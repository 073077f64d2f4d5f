//! Graceful restart: an end that dies and comes back leaves the other's table as it was.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;
use proto_tests::lab::{Result, ensure};
use serde_json::Value;

use super::paths::BIRD_BFD;
use super::{Links, Row};
use crate::peer::{Software, Told};
use crate::scene::{Ours, Scene};

pub(crate) const ROWS: &[Row] = &[
    Row { name: "graceful restart, theirs", peers: RESTARTING, links: Links::Tunnels, play: their_restart },
    Row { name: "BFD counts after a graceful restart", peers: WITH_BFD, links: Links::Tunnels, play: bfd_afterwards },
    Row { name: "graceful restart, ours", peers: HELPING, links: Links::Tunnels, play: our_restart },
    Row { name: "graceful restart, ours, as ordered", peers: HELPING, links: Links::Cables, play: our_ordered_restart },
    Row { name: "no graceful restart: all goes at once", peers: RESTARTING, links: Links::Tunnels, play: no_restart },
];

pub(super) const RESTARTING: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "graceful restart yes; graceful restart time 60;", ..Told::NOTHING }),
    (
        Software::Gobgp,
        Told {
            session: "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 60\n[[neighbors.afi-safis]]\n\
                      [neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n\
                      [neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n",
            networks: &["10.2.0.0/16", "10.2.1.0/24"],
            ..Told::NOTHING
        },
    ),
];

const WITH_BFD: &[(Software, Told)] = &[(
    Software::Bird,
    Told { global: BIRD_BFD, session: "graceful restart yes; graceful restart time 60; bfd yes;", ..Told::NOTHING },
)];

const HELPING: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "graceful restart yes;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " bgp graceful-restart", ..Told::NOTHING }),
    (Software::Openbgpd, Told { session: " announce restart yes", ..Told::NOTHING }),
];

/// Long enough for whatever would take the routes away to have done so.
const A_WHILE: Duration = Duration::from_secs(2);
/// Time to end in order.
const GRACE: Duration = Duration::from_secs(10);

fn their_restart(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "graceful-restart: helper", ..Ours::NOTHING })?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    scene.kill_peer()?;
    scene.wait("we see that the session is gone", || {
        let session = scene.session()?;
        ensure(session["state"] != "Established", "our session", || session.to_string())
    })?;
    sleep(A_WHILE);
    scene.us.expect_route("10.2.0.0/16", &["link1"])?;
    let fewer = Told { networks: &["10.2.0.0/16"], ..*told };
    scene.start_peer(&fewer)?;
    scene.wait_established()?;
    // What it no longer announces goes when it has said all it has.
    scene.wait_kernel("10.2.1.0/24", &[])?;
    scene.us.expect_route("10.2.0.0/16", &["link1"])
}

/// While routes are held for the peer, BFD's silence ends nothing (RFC 5882 4.3.2). Once it is back without BFD, what BFD
/// said counts, though the hold time is far from over.
fn bfd_afterwards(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(
        told,
        &Ours { bgp: "graceful-restart: helper\nbfd: {interval: 100ms, min-receive: 100ms}", ..Ours::NOTHING },
    )?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    let bfd = |scene: &Scene| -> Result<Value> { Ok(scene.daemon()?.show("bfd")?["sessions"][0].clone()) };
    let wait_bfd = |scene: &Scene, state: &str| {
        scene.wait(&format!("BFD is {state}"), || {
            let session = bfd(scene)?;
            ensure(session["state"] == state, "BFD", || session.to_string())
        })
    };
    wait_bfd(scene, "Up")?;
    scene.kill_peer()?;
    wait_bfd(scene, "Down")?;
    sleep(A_WHILE);
    scene.us.expect_route("10.2.0.0/16", &["link1"])?;
    let session = scene.session()?;
    ensure(session["last_error"]["reason"] != "bfd-down", "BFD did not end it", || session.to_string())?;
    scene.start_peer(&Told { global: "", session: "graceful restart yes; graceful restart time 60;", ..*told })?;
    scene.wait("BFD ends the session that came back", || {
        let session = scene.session()?;
        ensure(session["last_error"]["reason"] == "bfd-down", "why", || session.to_string())
    })?;
    scene.wait_kernel("10.2.0.0/16", &[])
}

const FULL: Ours = Ours { bgp: "graceful-restart: full", ..Ours::NOTHING };

fn our_restart(scene: &mut Scene, told: &Told) -> Result<()> {
    filled(scene, told)?;
    scene.take_daemon()?.kill()?;
    sleep(A_WHILE);
    scene.peer()?.route("10.1.0.0/16")?;
    back(scene)
}

/// On SIGUSR2 we go without a word, and our kernel forwards meanwhile: its routes lead through interfaces that stay.
fn our_ordered_restart(scene: &mut Scene, told: &Told) -> Result<()> {
    filled(scene, told)?;
    let mut daemon = scene.take_daemon()?;
    daemon.process().signal(Signal::SIGUSR2)?;
    let status = daemon.ended(GRACE)?;
    ensure(status.success(), "we end in order", || status.to_string())?;
    sleep(A_WHILE);
    scene.peer()?.route("10.1.0.0/16")?;
    scene.us.expect_route("10.2.0.0/16", &["link1"])?;
    back(scene)
}

fn filled(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &FULL)?;
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    // The peer believes in a restart only after it has seen all of a first table.
    sleep(A_WHILE);
    Ok(())
}

/// Starts us again; the peer keeps what it has all the while.
fn back(scene: &mut Scene) -> Result<()> {
    scene.start_us(&FULL)?;
    scene.wait_established()?;
    scene.peer()?.route("10.1.0.0/16")?;
    sleep(A_WHILE);
    scene.peer()?.route("10.1.0.0/16")?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])
}

/// Without the option neither end keeps anything, whatever the peer offers.
fn no_restart(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    scene.kill_peer()?;
    scene.wait_kernel("10.2.0.0/16", &[])
}
