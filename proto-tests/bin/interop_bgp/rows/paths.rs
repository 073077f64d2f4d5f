//! Paths and whether they are alive: BFD beyond tunnels, next hops of link scope, what static routes lead over.

use std::thread::sleep;
use std::time::Duration;

use proto_tests::lab::{Result, ensure, not_yet, write_file};
use serde_json::Value;

use super::{EVERYONE, Links, Row};
use crate::peer::{Peer, Software, Told};
use crate::scene::{Ours, Scene, list};

pub(crate) const ROWS: &[Row] = &[
    Row { name: "BFD between IPv6 addresses", peers: BFD, links: Links::Cables, play: bfd_ipv6 },
    Row { name: "BFD over two hops", peers: BFD_FAR, links: Links::Cables, play: bfd_far },
    Row { name: "BFD with SHA1", peers: BFD_SHA1, links: Links::Cables, play: bfd_sha1 },
    Row { name: "BFD takes a static route away", peers: BFD, links: Links::Cables, play: static_bfd },
    Row { name: "BFD moves between a session and a static route", peers: BFD, links: Links::Cables, play: bfd_moves },
    Row { name: "a static route over a learned one", peers: EVERYONE, links: Links::Cables, play: static_over },
    Row { name: "between link-local addresses", peers: LINK_LOCAL, links: Links::Cables, play: link_local },
];

pub(super) const BIRD_BFD: &str = "protocol bfd { interface \"*\" { interval 100 ms; multiplier 3; }; \
                        multihop { interval 100 ms; multiplier 3; }; }";

const BFD: &[(Software, Told)] = &[
    (Software::Bird, Told { global: BIRD_BFD, session: "bfd yes;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US bfd 3 100 100", ..Told::NOTHING }),
];

const BFD_FAR: &[(Software, Told)] = &[
    (Software::Bird, Told { global: BIRD_BFD, session: "multihop 2; bfd yes;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US ebgp-multihop 2\n neighbor US bfd 3 100 100", ..Told::NOTHING }),
];

/// Once each packet has a number of its own, and once only changes have.
const BFD_SHA1: &[(Software, Told)] = &[(
    Software::Bird,
    Told {
        global: "protocol bfd { interface \"*\" { interval 100 ms; multiplier 3; \
                 authentication meticulous keyed sha1; password \"only here\" { id 7; }; }; }",
        session: "bfd yes;",
        ..Told::NOTHING
    },
)];

const LINK_LOCAL: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "interface \"link1\";", ipv4: "extended next hop on;", ..Told::NOTHING }),
    (
        Software::Frr,
        Told { session: " neighbor US interface link1\n neighbor US capability extended-nexthop", ..Told::NOTHING },
    ),
];

const FAST: &str = "bfd: {interval: 100ms, min-receive: 100ms}";

/// Until our BFD session of this name is in a state.
fn wait_bfd(scene: &Scene, name: &str, state: &str) -> Result<()> {
    scene.wait(&format!("BFD of {name} is {state}"), || {
        let shown = scene.daemon()?.show("bfd")?;
        let is = list(&shown["sessions"]).iter().any(|session| session["tunnel"] == name && session["state"] == state);
        if is { Ok(()) } else { not_yet(shown.to_string()) }
    })
}

/// Until BFD is up at both ends, and then until it was what ended BGP when the peer fell silent.
fn silence(scene: &mut Scene) -> Result<()> {
    wait_bfd(scene, "link1", "Up")?;
    scene.wait("the peer says so, too", || match scene.peer()? {
        Peer::Bird(bird) => bird.birdc("show bfd sessions").and_then(|said| says(&said, "Up")),
        Peer::Frr(frr) => frr.ask_bfdd("show bfd peers").and_then(|said| says(&said, "Status: up")),
        Peer::Gobgp(_) | Peer::Openbgpd(_) | Peer::Exabgp(_) => not_yet("it has no BFD"),
    })?;
    scene.kill_peer()?;
    scene.wait("BFD ended the session, or TCP did", || {
        let session = scene.session()?;
        ensure(session["state"] != "Established", "our session", || session.to_string())
    })?;
    wait_bfd(scene, "link1", "Down")
}

fn says(said: &str, word: &str) -> Result<()> {
    if said.contains(word) { Ok(()) } else { not_yet(said.to_owned()) }
}

fn bfd_ipv6(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs = vec![["fd00:9:1::1".to_owned(), "fd00:9:1::2".to_owned()]];
    scene.start(told, &Ours { bgp: FAST, ..Ours::NOTHING })?;
    scene.wait_path("fd00:2::/48", |path| path["best"] == true)?;
    silence(scene)
}

fn bfd_far(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs = vec![["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]];
    let ours = Ours {
        router: "static: [{prefix: 192.0.2.2/32, via: [10.9.1.2]}]",
        neighbor: "multihop: 2\nlocal-address: 192.0.2.1",
        bgp: FAST,
        ..Ours::NOTHING
    };
    scene.start(told, &ours)?;
    silence(scene)
}

fn bfd_sha1(scene: &mut Scene, told: &Told) -> Result<()> {
    write_file(&scene.directory.join("right.key"), "only here\n")?;
    write_file(&scene.directory.join("wrong.key"), "not this\n")?;
    let right = "bfd: {interval: 100ms, min-receive: 100ms, authentication: {key-id: 7, file: right.key}}";
    let wrong = "bfd: {interval: 100ms, min-receive: 100ms, authentication: {key-id: 7, file: wrong.key}}";
    scene.start(told, &Ours { bgp: wrong, ..Ours::NOTHING })?;
    scene.wait("packets signed with another key count for nothing", || {
        let shown = scene.daemon()?.show("bfd")?;
        let refused =
            shown["discarded"].as_object().is_some_and(|causes| causes.keys().any(|cause| cause.contains("auth")));
        ensure(refused, "discarded", || shown.to_string())
    })?;
    scene.reload(&Ours { bgp: right, ..Ours::NOTHING })?;
    silence(scene)
}

/// There is one BFD session with a neighbour, whoever wants to know of it: that it changes hands the neighbour, whose BGP
/// hangs on it, does not notice.
fn bfd_moves(scene: &mut Scene, told: &Told) -> Result<()> {
    const VIA: &str = "static: [{prefix: 10.50.0.0/16, via: [10.9.1.2]}]";
    const WATCHED: &str = "static: [{prefix: 10.50.0.0/16, via: [{address: 10.9.1.2, bfd: {interval: 100ms, min-receive: 100ms}}]}, \
         {prefix: 10.51.0.0/16, via: [{address: 10.9.1.2, interface: link1, \
         bfd: {interval: 100ms, min-receive: 100ms}}]}]";
    scene.start(told, &Ours { router: VIA, bgp: FAST, ..Ours::NOTHING })?;
    wait_bfd(scene, "link1", "Up")?;
    for (ours, name) in [
        (Ours { router: WATCHED, ..Ours::NOTHING }, "static-10.9.1.2"),
        (Ours { router: VIA, bgp: FAST, ..Ours::NOTHING }, "link1"),
        (Ours { router: WATCHED, ..Ours::NOTHING }, "static-10.9.1.2"),
    ] {
        scene.reload(&ours)?;
        // Far longer than it takes to be missed.
        sleep(Duration::from_secs(1));
        let shown = scene.daemon()?.show("bfd")?;
        let is = |session: &Value| session["tunnel"] == name && session["state"] == "Up" && session["flaps"] == 0;
        ensure(matches!(list(&shown["sessions"]), [one] if is(one)), "one BFD session, up all along", || {
            shown.to_string()
        })?;
        scene.expect_no_flap()?;
    }
    scene.us.expect_route("10.51.0.0/16", &["link1"])?;
    scene.kill_peer()?;
    scene.wait_kernel("10.50.0.0/16", &[])
}

/// The second cable stands by.
fn static_bfd(scene: &mut Scene, told: &Told) -> Result<()> {
    let ours = Ours {
        router: "static: [{prefix: 10.50.0.0/16, via: [{address: 10.9.1.2, bfd: {interval: 100ms, min-receive: 100ms}}]}, \
                 {prefix: 10.50.0.0/16, via: [10.9.2.2], distance: 250}]",
        ..Ours::NOTHING
    };
    scene.start(told, &ours)?;
    wait_bfd(scene, "static-10.9.1.2", "Up")?;
    scene.wait_kernel("10.50.0.0/16", &["link1"])?;
    scene.kill_peer()?;
    scene.wait_kernel("10.50.0.0/16", &["link2"])?;
    scene.start_peer(told)?;
    scene.wait_kernel("10.50.0.0/16", &["link1"])?;
    let without = Ours {
        router: "static: [{prefix: 10.50.0.0/16, via: [10.9.1.2]}, {prefix: 10.50.0.0/16, via: [10.9.2.2], distance: 250}]",
        ..Ours::NOTHING
    };
    scene.reload(&without)?;
    scene.wait("nothing is watched any more", || {
        let shown = scene.daemon()?.show("bfd")?;
        ensure(list(&shown["sessions"]).is_empty(), "BFD sessions", || shown.to_string())
    })?;
    scene.kill_peer()?;
    scene.us.expect_route("10.50.0.0/16", &["link1"])
}

fn static_over(scene: &mut Scene, told: &Told) -> Result<()> {
    let ours = Ours { router: "static: [{prefix: 10.60.0.0/16, via: [10.2.7.9]}]", ..Ours::NOTHING };
    scene.start(told, &ours)?;
    scene.wait_kernel("10.60.0.0/16", &["link1"])?;
    scene.kill_peer()?;
    scene.wait_kernel("10.60.0.0/16", &[])?;
    scene.start_peer(told)?;
    scene.wait_kernel("10.60.0.0/16", &["link1"])
}

/// IPv4, too, leads to an address of link scope (RFC 8950).
fn link_local(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs = vec![["fe80::1".to_owned(), "fe80::2".to_owned()]];
    for (end, address) in [(&scene.us, "fe80::1/64"), (&scene.host, "fe80::2/64")] {
        // The same on both cables: it is the interface that tells them apart.
        for link in ["link1", "link2"] {
            end.ip(&["-6", "address", "flush", "dev", link, "scope", "link"])?;
            end.address(link, address)?;
        }
    }
    scene.start_peer_with(told, scene.software == Software::Frr)?;
    let ours = |bgp| Ours { neighbor: "interface: link1\nlocal-address: fe80::1", bgp, ..Ours::NOTHING };
    scene.start_us(&ours("extended-next-hop: true"))?;
    scene.wait_established()?;
    for prefix in ["10.2.0.0/16", "fd00:2::/48"] {
        scene.wait_path(prefix, |path| path["best"] == true && path["next_hop"] == "fe80::2")?;
        scene.wait_kernel(prefix, &["link1"])?;
    }
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    scene.wait_peer_has("fd00:1::/48", &["fe80::1"])?;
    // The peer connects; FRR 8.4.4 does not from such an address, once it has lost a session.
    if scene.software == Software::Frr {
        return Ok(());
    }
    scene.reload(&ours("extended-next-hop: true\npassive: true"))?;
    scene.daemon()?.ask(&["bgp", "reset", "link1"])?;
    scene.wait_established()?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])
}
