//! Neighbours outside tunnels: who may connect to the socket that they share, and by which number they know us.

use std::thread::sleep;
use std::time::Duration;

use proto_tests::lab::{Result, ensure, not_yet};

use super::reach::{SIGNED, have_openbgpd_connect, refused};
use super::restart::RESTARTING;
use super::{EVERYONE, Links, Row};
use crate::peer::Told;
use crate::scene::{Ours, Scene, list};

pub(crate) const ROWS: &[Row] = &[
    Row { name: "TCP MD5 and GTSM, the peer connects", peers: SIGNED, links: Links::Cables, play: they_connect },
    Row { name: "TCP MD5 and GTSM, neighbours by prefix", peers: SIGNED, links: Links::Cables, play: any_connects },
    Row { name: "graceful restart of a neighbour by prefix", peers: RESTARTING, links: Links::Cables, play: restart },
    Row { name: "another AS number toward the peer", peers: EVERYONE, links: Links::Cables, play: local_asn },
    Row { name: "neighbours by prefix, of any AS", peers: EVERYONE, links: Links::Cables, play: any_asn },
];

/// Long enough for a peer to have tried again.
const A_WHILE: Duration = Duration::from_secs(2);

fn they_connect(scene: &mut Scene, told: &Told) -> Result<()> {
    connected_to(scene, told, "")
}

fn any_connects(scene: &mut Scene, told: &Told) -> Result<()> {
    connected_to(scene, told, "range: 10.9.1.0/30")
}

/// We never connect. The key is wrong at first, and changes while we listen.
fn connected_to(scene: &mut Scene, told: &Told, neighbor: &'static str) -> Result<()> {
    let ours = |bgp| Ours { neighbor, bgp, ..Ours::NOTHING };
    let right = ours("passive: true\nmd5: {inline: only-here}\nttl-security: 1");
    scene.start_peer(told)?;
    scene.start_us(&ours("passive: true\nmd5: {inline: not-this}\nttl-security: 1"))?;
    scene.wait("our kernel refuses what the peer signs", || {
        let refused = refused(scene, "TcpExtTCPMD5Failure")?;
        ensure(refused > 0, "segments refused", || refused.to_string())
    })?;
    ensure(scene.peer()?.expect_established().is_err(), "no session with a wrong key", String::new)?;
    scene.reload(&right)?;
    have_openbgpd_connect(scene)?;
    scene.wait("the peer has a session with us", || scene.peer()?.expect_established())?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait_peer_has("10.1.0.0/16", &["65000"])?;
    scene.reload(&ours("passive: true\nttl-security: 1"))?;
    scene.wait("the session without a key is gone", || match scene.peer()?.expect_established() {
        Err(_) => Ok(()),
        Ok(()) => not_yet("it is established".to_owned()),
    })?;
    sleep(A_WHILE);
    ensure(scene.peer()?.expect_established().is_err(), "no session without the key", String::new)?;
    scene.reload(&right)?;
    have_openbgpd_connect(scene)?;
    scene.wait("the peer has a session with us again", || scene.peer()?.expect_established())
}

/// The peer knows us as AS 64999. Whether our own number is seen, too, changes without a new session.
fn local_asn(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.our_asn = 64999;
    let ours = |bgp| Ours { router: "asn: 65000", bgp, ..Ours::NOTHING };
    scene.start(told, &ours("local-asn: 64999"))?;
    scene.wait_peer_has("10.1.0.0/16", &["64999", "65000"])?;
    let path = scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    ensure(path["as_path"] == "64999 65009", "what the peer announces, seen here", || path.to_string())?;
    scene.reload(&ours("local-asn: {asn: 64999, no-prepend: true, replace-as: true}"))?;
    scene.wait_path("10.2.0.0/16", |path| path["as_path"] == "65009")?;
    scene.wait("the peer sees one number alone", || {
        let said = scene.peer()?.route("10.1.0.0/16")?;
        ensure(said.contains("64999") && !said.contains("65000"), "what the peer has", || said)
    })?;
    scene.expect_no_flap()
}

/// Its session waits for it, and with it its routes.
fn restart(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start_peer(told)?;
    scene.start_us(&Ours { neighbor: "range: 10.9.1.0/30", bgp: "graceful-restart: helper", ..Ours::NOTHING })?;
    scene.wait_kernel("10.2.1.0/24", &["link1"])?;
    scene.kill_peer()?;
    scene.wait("we see that the session is gone", || {
        let peers = scene.daemon()?.show("peers")?;
        let gone = list(&peers).iter().all(|peer| peer["state"] != "Established");
        ensure(gone, "our sessions", || peers.to_string())
    })?;
    sleep(A_WHILE);
    scene.us.expect_route("10.2.0.0/16", &["link1"])?;
    scene.start_peer(&Told { networks: &["10.2.0.0/16"], ..*told })?;
    scene.wait_kernel("10.2.1.0/24", &[])?;
    scene.us.expect_route("10.2.0.0/16", &["link1"])
}

fn any_asn(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start_peer(told)?;
    scene.start_us(&Ours { neighbor: "range: 10.9.1.0/30\nasn: external", ..Ours::NOTHING })?;
    scene.wait("the peer has a session with us", || scene.peer()?.expect_established())?;
    scene.wait("we know of which AS it is", || {
        let peers = scene.daemon()?.show("peers")?;
        let ours = list(&peers).iter().any(|peer| peer["address"] == "10.9.1.2" && peer["asn"] == 65009);
        if ours { Ok(()) } else { not_yet(peers.to_string()) }
    })?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true).map(drop)
}
