//! Limits, and how sessions are ended on purpose: what each end says, and what the other makes of it.

use proto_tests::lab::{Result, ensure};

use super::{EVERYONE, Links, Row};
use crate::peer::{Peer, Software, Told};
use crate::scene::{Ours, Scene};

pub(crate) const ROWS: &[Row] = &[
    Row { name: "max-prefix in, ours", peers: EVERYONE, links: Links::Tunnels, play: our_limit },
    Row { name: "max-prefix in, theirs", peers: LIMITED, links: Links::Tunnels, play: their_limit },
    Row { name: "max-prefix out: held back", peers: EVERYONE, links: Links::Tunnels, play: out_limit },
    Row { name: "shut down with a reason, theirs", peers: REASONED, links: Links::Tunnels, play: their_shutdown },
    Row { name: "shut down with a reason, ours", peers: REASONED, links: Links::Tunnels, play: our_shutdown },
    Row { name: "reset, ours and theirs", peers: REASONED, links: Links::Tunnels, play: resets },
];

const LIMITED: &[(Software, Told)] = &[
    (Software::Bird, Told { ipv4: "receive limit 1 action disable;", ..Told::NOTHING }),
    (Software::Frr, Told { ipv4: "  neighbor US maximum-prefix 1", ..Told::NOTHING }),
    (Software::Openbgpd, Told { session: " max-prefix 1", ..Told::NOTHING }),
];

const REASONED: &[(Software, Told)] =
    &[(Software::Bird, Told::NOTHING), (Software::Frr, Told::NOTHING), (Software::Openbgpd, Told::NOTHING)];

const REASON: &str = "optics are changed at noon";

fn our_limit(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start_peer(told)?;
    scene.start_us(&Ours { bgp: "max-prefix: {in: 1}", ..Ours::NOTHING })?;
    scene.wait("we say that there were too many", || {
        let session = scene.session()?;
        let text = session["last_error"]["text"].to_string();
        let told = text.contains("prefix") && session["messages"]["notification_out"].as_u64() > Some(0);
        ensure(told, "our session", || session.to_string())
    })?;
    scene.us.expect_route("10.2.0.0/16", &[])?;
    let words: &[&str] = match scene.software {
        Software::Bird => &["Received: Maximum number of prefixes reached"],
        Software::Frr => &["Maximum Number of Prefixes Reached"],
        // It tells of its last attempt alone.
        Software::Gobgp => &[],
        Software::Openbgpd => &["maximum number of prefixes", "exceeded", "Cease"],
        Software::Exabgp => &["\"subcode\":1"],
    };
    scene.wait("the peer knows why", || {
        let said = scene.peer()?.session_and_log()?;
        ensure(words.is_empty() || words.iter().any(|word| said.contains(word)), "the peer's view", || said.clone())
    })
}

fn their_limit(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start_peer(told)?;
    scene.start_us(&Ours { router: "networks: [10.1.0.0/16, 10.3.0.0/16, 10.4.0.0/16]", ..Ours::NOTHING })?;
    scene.wait("we say that the peer found them too many", || {
        let session = scene.session()?;
        let text = session["last_error"]["text"].to_string().to_lowercase();
        ensure(text.contains("prefix") && session["state"] != "Established", "our session", || session.to_string())
    })
}

fn out_limit(scene: &mut Scene, told: &Told) -> Result<()> {
    // More than is allowed in the file itself would be refused; what interfaces have is known only later.
    let networks = ["10.1.0.0/16", "10.8.1.0/30"];
    let router = "networks: [10.1.0.0/16]\nconnected: [outer1]";
    let limited = "export: [10.1.0.0/16, 10.8.1.0/30]\nmax-prefix: {out: 1}";
    scene.start(told, &Ours { router, bgp: limited, ..Ours::NOTHING })?;
    scene.wait("the peer has one, and the other is held back", || {
        let session = scene.session()?;
        let counts = (&session["prefixes"]["held_back"], &session["prefixes"]["advertised"]);
        ensure(counts.0 == 1 && counts.1 == 1, "our prefixes", || session.to_string())?;
        let had = networks.iter().filter(|prefix| scene.peer().is_ok_and(|peer| peer.route(prefix).is_ok())).count();
        ensure(had == 1, "the peer's routes", || had.to_string())
    })?;
    let roomy = "export: [10.1.0.0/16, 10.8.1.0/30]\nmax-prefix: {out: 2}";
    // More room, and no new session.
    scene.reload(&Ours { router, bgp: roomy, ..Ours::NOTHING })?;
    networks.iter().try_for_each(|prefix| scene.wait_peer_has(prefix, &[]))?;
    scene.expect_no_flap()
}

fn their_shutdown(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    match scene.peer()? {
        Peer::Bird(peer) => peer.birdc(&format!("disable session1 \"{REASON}\"")).map(drop),
        Peer::Frr(peer) => {
            peer.configure(&["router bgp 65009", &format!("neighbor 10.9.1.1 shutdown message {REASON}")])
        }
        Peer::Openbgpd(peer) => peer.ask(&["neighbor", "10.9.1.1", "down", REASON]).map(drop),
        Peer::Gobgp(_) | Peer::Exabgp(_) => Ok(()),
    }?;
    scene.wait_last_error(&[REASON])?;
    scene.wait_kernel("10.2.0.0/16", &[])
}

fn our_shutdown(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    scene.reload(&Ours { bgp: "shutdown: optics are changed at noon", ..Ours::NOTHING })?;
    scene.wait("our session is down", || {
        let session = scene.session()?;
        ensure(session["state"] != "Established", "our session", || session.to_string())
    })?;
    scene.wait_peer_lacks("10.1.0.0/16")?;
    scene.wait("the peer knows why", || {
        let said = scene.peer()?.session_and_log()?.to_lowercase();
        ensure(said.contains("administrative") && said.contains(REASON), "the peer's view", || said.clone())
    })?;
    scene.reload(&Ours::NOTHING)?;
    scene.wait_established()
}

fn resets(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.daemon()?.order(&["reset", "peer", "link1"])?;
    scene.wait_flaps(1)?;
    scene.wait_established()?;
    match scene.peer()? {
        Peer::Bird(peer) => peer.birdc("restart session1"),
        Peer::Frr(peer) => peer.vtysh("clear bgp *"),
        Peer::Openbgpd(peer) => peer.ask(&["neighbor", "10.9.1.1", "clear"]),
        Peer::Gobgp(_) | Peer::Exabgp(_) => Ok(String::new()),
    }?;
    scene.wait_flaps(2)?;
    scene.wait_established()?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait_peer_has("10.1.0.0/16", &[])
}
