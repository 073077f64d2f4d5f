//! Extensions that decide what a session survives and what it carries.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bgp::{Announcement, AsPath, AsPathSegment, Attributes, Family, Update};
use nix::sys::signal::Signal;
use peering::{Offers, PeerConfig, Timers};
use proto_tests::lab::frr::Frr;
use proto_tests::lab::speakers::{Speaker, Speakers};
use proto_tests::lab::{Result, ensure, not_yet};
use wire::{Asn, RouterId};

use super::{Links, Row};
use crate::peer::{Peer, Software, Told};
use crate::scene::{OUR_ASN, Ours, Scene, list};

pub(crate) const ROWS: &[Row] = &[
    Row { name: "ADD-PATH, we send two", peers: PATHS, links: Links::Cables, play: add_path_send },
    Row { name: "a NOTIFICATION that routes outlive", peers: SOFT, links: Links::Cables, play: soft_notification },
    Row { name: "a NOTIFICATION that they do not: hard reset", peers: HARD, links: Links::Cables, play: hard_reset },
    Row { name: "an UPDATE of more than 4096 octets", peers: EXTENDED, links: Links::Tunnels, play: long_update },
    Row { name: "BFD notices a peer that hangs", peers: WATCHED, links: Links::Cables, play: bfd },
    Row { name: "a broken attribute costs its route alone", peers: BROKEN, links: Links::Tunnels, play: broken },
];

const PATHS: &[(Software, Told)] = &[
    (Software::Bird, Told { ipv4: "add paths rx;", ..Told::NOTHING }),
    (Software::Frr, Told::NOTHING),
    (
        Software::Gobgp,
        Told {
            session: "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n\
                      [neighbors.afi-safis.add-paths.config]\nreceive = true\n",
            networks: &["10.2.0.0/16"],
            ..Told::NOTHING
        },
    ),
    (Software::Openbgpd, Told { session: " announce add-path recv yes", ..Told::NOTHING }),
];

const SOFT: &[(Software, Told)] = &[(
    Software::Frr,
    Told {
        session: " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart notification\n \
                  no bgp hard-administrative-reset",
        ..Told::NOTHING
    },
)];

const HARD: &[(Software, Told)] =
    &[(Software::Frr, Told { session: " bgp graceful-restart\n bgp graceful-restart notification", ..Told::NOTHING })];

const EXTENDED: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "enable extended messages yes;", ..Told::NOTHING }),
    (Software::Frr, Told::NOTHING),
];

const WATCHED: &[(Software, Told)] = &[(
    Software::Bird,
    Told {
        global: "protocol bfd { interface \"*\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 5; }; }",
        session: "bfd on;",
        ..Told::NOTHING
    },
)];

/// COMMUNITIES of three octets.
const BROKEN: &[(Software, Told)] = &[(
    Software::Exabgp,
    Told {
        session: " static {\n  route 10.2.9.0/24 next-hop self attribute [ 0x08 0xc0 0x010203 ];\n }",
        ..Told::NOTHING
    },
)];

/// Long enough for whatever would take routes away to have done so.
const A_WHILE: Duration = Duration::from_secs(2);
/// To which both speakers have a path.
const SHARED: &str = "10.77.0.0/16";

/// A speaker of ours beside the peer.
fn speaker(last: u8) -> Speaker {
    let (asn, address) = (Asn(64600 + u32::from(last)), IpAddr::from([10, 7, 0, last]));
    let as_path = AsPath(vec![AsPathSegment::Sequence(vec![asn])]);
    let prefixes = SHARED.parse::<ipnet::IpNet>().into_iter().map(Into::into).collect();
    Speaker {
        config: PeerConfig {
            name: format!("speaker{last}"),
            local_asn: asn,
            peer_asn: Asn(OUR_ASN),
            router_id: RouterId([10, 7, 0, last].into()),
            local_address: address,
            peer_address: [10, 7, 0, 1].into(),
            families: vec![Family::Ipv4Unicast],
            timers: Timers::default(),
            offers: Offers::default(),
            passive: false,
            shutdown: None,
        },
        says: vec![Update {
            announced: vec![Announcement { next_hop: address, prefixes }],
            attributes: Attributes { as_path, ..Attributes::default() }.into(),
            ..Update::default()
        }],
    }
}

fn add_path_send(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.us.address("link2", "10.7.0.1/24")?;
    for last in [11, 12] {
        scene.host.address("link2", &format!("10.7.0.{last}/24"))?;
    }
    let more = "  - {name: first, address: 10.7.0.11, asn: 64611, bgp: {passive: true, import: all}}\n  \
                - {name: second, address: 10.7.0.12, asn: 64612, bgp: {passive: true, import: all}}\n";
    let bgp = "add-path: {ipv4: send}\nsend-paths: all\nexport: [0.0.0.0/0 le 32]";
    scene.start(told, &Ours { more, bgp, ..Ours::NOTHING })?;
    let speakers = Speakers::start(&scene.host, vec![speaker(11), speaker(12)])?;
    scene.wait_peer_has(SHARED, &["64611", "64612"])?;
    speakers.stop(0);
    scene.wait("the peer has the other one alone", || {
        let said = scene.peer()?.route(SHARED)?;
        ensure(said.contains("64612") && !said.contains("64611"), "its paths", || said.clone())
    })?;
    scene.expect_no_flap()
}

/// Both ends can restart, and the peer has seen all of a first table.
fn restartable(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "graceful-restart: full", ..Ours::NOTHING })?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    sleep(A_WHILE);
    Ok(())
}

/// The peer resets the session: what it had said stays in our kernel all the while (RFC 8538).
fn soft_notification(scene: &mut Scene, told: &Told) -> Result<()> {
    restartable(scene, told)?;
    order(scene, |frr| frr.vtysh("clear bgp *").map(drop))?;
    let start = Instant::now();
    while start.elapsed() < A_WHILE {
        scene.us.expect_route("10.2.0.0/16", &["link1"])?;
    }
    scene.wait_last_error(&["Administrative Reset"])?;
    scene.wait_flaps(1)?;
    scene.wait_established()?;
    scene.us.expect_route("10.2.0.0/16", &["link1"])
}

/// The peer shuts the session down, and says that all is over.
fn hard_reset(scene: &mut Scene, told: &Told) -> Result<()> {
    restartable(scene, told)?;
    order(scene, |frr| frr.configure(&["router bgp 65009", "neighbor 10.9.1.1 shutdown"]))?;
    scene.wait_last_error(&["Hard Reset"])?;
    scene.wait_kernel("10.2.0.0/16", &[])
}

/// FRR is the one that has both.
fn order(scene: &Scene, what: impl FnOnce(&Frr) -> Result<()>) -> Result<()> {
    match scene.peer()? {
        Peer::Frr(peer) => what(peer),
        Peer::Bird(_) | Peer::Gobgp(_) | Peer::Openbgpd(_) | Peer::Exabgp(_) => not_yet("only FRR has it"),
    }
}

fn long_update(scene: &mut Scene, told: &Told) -> Result<()> {
    // 1,100 communities take 4,400 octets.
    let communities: Vec<String> = (1..=1100).map(|number| format!("65000:{number}")).collect();
    let top = format!(
        "\npolicies:\n  tag:\n    default: accept\n    rules:\n      - set: {{communities: {{add: [{}]}}}}\n        action: next\n",
        communities.join(", ")
    );
    // As long as the process lives, like all that a row says.
    let top: &'static str = Box::leak(top.into_boxed_str());
    scene.start(told, &Ours { top, bgp: "extended-messages: true\nexport: [tag]", ..Ours::NOTHING })?;
    let last = match scene.software {
        Software::Bird => "(65000,1100)",
        Software::Frr | Software::Gobgp | Software::Openbgpd | Software::Exabgp => "65000:1100",
    };
    scene.wait_peer_has("10.1.0.0/16", &[last])?;
    scene.expect_no_flap()
}

fn bfd(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "bfd: {interval: 100ms, multiplier: 5}\nhold-time: 90s", ..Ours::NOTHING })?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    let signal = |scene: &mut Scene, signal| match scene.peer_mut()? {
        Peer::Bird(peer) => peer.process().signal(signal),
        Peer::Frr(_) | Peer::Gobgp(_) | Peer::Openbgpd(_) | Peer::Exabgp(_) => Ok(()),
    };
    scene.wait("BFD is up", || {
        let shown = scene.daemon()?.show("bfd")?;
        let up = list(&shown["sessions"]).iter().any(|session| session["state"] == "Up");
        if up { Ok(()) } else { not_yet(shown.to_string()) }
    })?;
    signal(scene, Signal::SIGSTOP)?;
    scene.wait_kernel("10.2.0.0/16", &[])?;
    scene.wait_last_error(&["BFD"])?;
    signal(scene, Signal::SIGCONT)?;
    scene.wait_established()?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])
}

/// RFC 7606: the route is treated as withdrawn, the session and the others go on.
fn broken(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait("we say what is wrong", || {
        let log = scene.daemon()?.log_text();
        ensure(log.contains("treated as withdrawn"), "our log", || log.clone())
    })?;
    // Asked for what nobody knows, we complain.
    let paths = scene.paths("10.2.9.0/24").unwrap_or_default();
    ensure(paths.is_empty(), "the broken route is not there", || format!("{paths:?}"))?;
    scene.expect_state("Established")?;
    scene.expect_no_flap()
}
