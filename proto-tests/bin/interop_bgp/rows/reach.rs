//! How peers are reached and trusted, and what the kernel makes of several ways.

use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use proto_tests::lab::{Result, ensure, not_yet, run};

use super::{EVERYONE, Links, Row};
use crate::peer::{Peer, Software, Told};
use crate::scene::{Ours, Scene, list};

pub(crate) const ROWS: &[Row] = &[
    Row { name: "TCP MD5, and a wrong key", peers: MD5, links: Links::Tunnels, play: md5 },
    Row { name: "GTSM", peers: GTSM, links: Links::Tunnels, play: gtsm },
    Row { name: "TCP MD5 and GTSM outside tunnels", peers: PROTECTED, links: Links::Cables, play: protected },
    Row { name: "between loopbacks, two hops", peers: MULTIHOP, links: Links::Cables, play: multihop },
    Row { name: "we wait for the peer", peers: EVERYONE, links: Links::Tunnels, play: we_wait },
    Row { name: "the peer waits for us", peers: PASSIVE, links: Links::Tunnels, play: they_wait },
    Row { name: "neighbours by prefix", peers: EVERYONE, links: Links::Cables, play: dynamic },
    Row { name: "two ways in our kernel", peers: EVERYONE, links: Links::Tunnels, play: ecmp },
    Row { name: "two ways in our kernel, weighted", peers: WEIGHTED, links: Links::Tunnels, play: weighted },
];

const MD5: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "password \"only here\";", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US password only-here", ..Told::NOTHING }),
    (Software::Gobgp, Told { ipv4: "auth-password = \"only here\"", ..Told::NOTHING }),
    (Software::Openbgpd, Told { session: " tcp md5sig password \"only here\"", ..Told::NOTHING }),
];

const GTSM: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "ttl security yes;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US ttl-security hops 1", ..Told::NOTHING }),
    (
        Software::Gobgp,
        Told { session: "[neighbors.ttl-security.config]\nenabled = true\nttl-min = 255\n", ..Told::NOTHING },
    ),
    (Software::Openbgpd, Told { session: " ttl-security yes", ..Told::NOTHING }),
];

/// All that have both, the ones that can be connected to first.
pub(super) const SIGNED: &[(Software, Told)] = &[SIGNED_BIRD, SIGNED_FRR, SIGNED_GOBGP, SIGNED_OPENBGPD];

/// Those that can be connected to.
const PROTECTED: &[(Software, Told)] = &[SIGNED_BIRD, SIGNED_FRR, SIGNED_GOBGP];

const SIGNED_BIRD: (Software, Told) =
    (Software::Bird, Told { session: "password \"only-here\"; ttl security yes;", ..Told::NOTHING });
const SIGNED_FRR: (Software, Told) = (
    Software::Frr,
    Told { session: " neighbor US password only-here\n neighbor US ttl-security hops 1", ..Told::NOTHING },
);
const SIGNED_GOBGP: (Software, Told) = (
    Software::Gobgp,
    Told {
        ipv4: "auth-password = \"only-here\"",
        session: "[neighbors.ttl-security.config]\nenabled = true\nttl-min = 255\n",
        ..Told::NOTHING
    },
);
const SIGNED_OPENBGPD: (Software, Told) =
    (Software::Openbgpd, Told { session: " tcp md5sig password \"only-here\"\n ttl-security yes", ..Told::NOTHING });

const MULTIHOP: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "multihop 2;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US ebgp-multihop 2", ..Told::NOTHING }),
    (
        Software::Gobgp,
        Told {
            session: "[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = 2\n\
                      [neighbors.transport.config]\nlocal-address = \"THEM\"\n",
            ..Told::NOTHING
        },
    ),
    (Software::Openbgpd, Told { session: " multihop 2", ..Told::NOTHING }),
];

const PASSIVE: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "passive yes;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US passive", ..Told::NOTHING }),
    (Software::Gobgp, Told { session: "[neighbors.transport.config]\npassive-mode = true\n", ..Told::NOTHING }),
    (Software::Openbgpd, Told { session: " passive", ..Told::NOTHING }),
];

/// Three to one. BIRD knows nothing of bandwidths: 300,000 and 100,000 in single precision, of the transitive type, since
/// the other is not for other ASes.
const WEIGHTED: &[(Software, Told)] = &[
    (
        Software::Frr,
        Told {
            global: "route-map TO-10.9.1.1 permit 10\n set extcommunity bandwidth 300\nexit\n\
                     route-map TO-10.9.2.1 permit 10\n set extcommunity bandwidth 100\nexit",
            ipv4: "  neighbor US route-map TO-US out",
            ..Told::NOTHING
        },
    ),
    (
        Software::Bird,
        Told {
            global: "filter 'to-10.9.1.1' { if source != RTS_STATIC then reject; \
                     bgp_ext_community.add((generic, 0x0004fdf1, 0x48927c00)); accept; }\n\
                     filter 'to-10.9.2.1' { if source != RTS_STATIC then reject; \
                     bgp_ext_community.add((generic, 0x0004fdf1, 0x47c35000)); accept; }",
            ipv4: "export filter 'to-US';",
            ..Told::NOTHING
        },
    ),
];

fn md5(scene: &mut Scene, told: &Told) -> Result<()> {
    let [right, wrong] = match scene.software {
        Software::Frr => ["md5: {inline: only-here}", "md5: {inline: not-this}"],
        Software::Bird | Software::Gobgp | Software::Openbgpd | Software::Exabgp => {
            ["md5: {inline: only here}", "md5: {inline: not this}"]
        }
    };
    scene.start(told, &Ours { bgp: right, ..Ours::NOTHING })?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.reload(&Ours { bgp: wrong, ..Ours::NOTHING })?;
    scene.wait("the session is gone", || {
        let session = scene.session()?;
        ensure(session["state"] != "Established", "our session", || session.to_string())
    })?;
    have_openbgpd_connect(scene)?;
    scene.wait("our kernel refuses what the peer signs", || {
        let refused = refused(scene, "TcpExtTCPMD5Failure")?;
        ensure(refused > 0, "segments refused", || refused.to_string())
    })?;
    sleep(A_WHILE);
    ensure(scene.expect_state("Established").is_err(), "no session with a wrong key", String::new)?;
    ensure(unsigned(scene)?.is_err(), "nobody connects unsigned", String::new)?;
    let unsigned = refused(scene, "TcpExtTCPMD5NotFound")?;
    ensure(unsigned > 0, "unsigned segments refused", || unsigned.to_string())?;
    scene.reload(&Ours { bgp: right, ..Ours::NOTHING })?;
    have_openbgpd_connect(scene)?;
    scene.wait_established()
}

/// On Linux its listening socket has no keys, so that it alone opens signed sessions; and after a NOTIFICATION only half
/// a minute later, unless told to.
pub(super) fn have_openbgpd_connect(scene: &Scene) -> Result<()> {
    match scene.peer()? {
        Peer::Openbgpd(peer) => peer.ask(&["neighbor", "10.9.1.1", "clear"]).map(drop),
        Peer::Bird(_) | Peer::Frr(_) | Peer::Gobgp(_) | Peer::Exabgp(_) => Ok(()),
    }
}

/// What our kernel has counted of one kind.
pub(super) fn refused(scene: &Scene, counter: &str) -> Result<u64> {
    let mut nstat = scene.us.command("nstat");
    nstat.args(["-asz", counter]);
    let text = run(&mut nstat)?;
    let count = text.lines().find_map(|line| line.strip_prefix(counter)?.split_whitespace().next()?.parse().ok());
    count.map_or_else(|| not_yet(format!("no {counter}: {text}")), Ok)
}

/// A connection from the peer's host and address, without a key.
fn unsigned(scene: &Scene) -> Result<std::io::Result<()>> {
    let (to, patience) = (SocketAddr::from(([10, 9, 1, 1], 179)), Duration::from_millis(1500));
    scene.host.enter(|| TcpStream::connect_timeout(&to, patience).map(drop))
}

/// Long enough for a peer to have tried again.
const A_WHILE: Duration = Duration::from_secs(2);

fn gtsm(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "ttl-security: 1", ..Ours::NOTHING })?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait_peer_has("10.1.0.0/16", &[])
}

/// Here we open the session; where the peer does, see `outside`.
fn protected(scene: &mut Scene, told: &Told) -> Result<()> {
    let right = Ours { bgp: "md5: {inline: only-here}\nttl-security: 1", ..Ours::NOTHING };
    scene.start(told, &right)?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    for other in ["md5: {inline: not-this}\nttl-security: 1", "ttl-security: 1"] {
        scene.reload(&Ours { bgp: other, ..Ours::NOTHING })?;
        scene.wait("the session is gone", || {
            let session = scene.session()?;
            ensure(session["state"] != "Established", "our session", || session.to_string())
        })?;
        sleep(A_WHILE);
        ensure(scene.expect_state("Established").is_err(), "no session without the key", String::new)?;
    }
    scene.reload(&right)?;
    scene.wait_established()
}

fn multihop(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs = vec![["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]];
    let ours = Ours {
        router: "static: [{prefix: 192.0.2.2/32, via: [10.9.1.2]}]",
        neighbor: "multihop: 2\nlocal-address: 192.0.2.1",
        ..Ours::NOTHING
    };
    scene.start(told, &ours)?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true && path["next_hop"] == "192.0.2.2")?;
    scene.wait_peer_has("10.1.0.0/16", &["192.0.2.1"])?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])
}

fn we_wait(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "passive: true", ..Ours::NOTHING })?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true).map(drop)
}

fn they_wait(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true).map(drop)
}

fn dynamic(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start_peer(told)?;
    scene.start_us(&Ours { neighbor: "range: 10.9.1.0/30", ..Ours::NOTHING })?;
    scene.wait("the peer has a session with us", || scene.peer()?.expect_established())?;
    scene.wait("we have one with it", || {
        let peers = scene.daemon()?.show("peers")?;
        let ours = list(&peers).iter().any(|peer| peer["address"] == "10.9.1.2" && peer["state"] == "Established");
        if ours { Ok(()) } else { not_yet(peers.to_string()) }
    })?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait_peer_has("10.1.0.0/16", &["65000"])
}

/// Over two sessions with the same peer, of which one is then lost.
fn ecmp(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs.push(["10.9.2.1".to_owned(), "10.9.2.2".to_owned()]);
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_kernel("10.2.0.0/16", &["link1", "link2"])?;
    scene.stop_far(2)?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    scene.start_far(2)?;
    scene.wait_kernel("10.2.0.0/16", &["link1", "link2"])
}

/// Shares of the traffic are as the peer's link bandwidth communities say, where we are told to heed them.
fn weighted(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs.push(["10.9.2.1".to_owned(), "10.9.2.2".to_owned()]);
    scene.start(told, &Ours { router: "best-path: {link-bandwidth: true}", ..Ours::NOTHING })?;
    scene.wait_kernel("10.2.0.0/16", &["link1", "link2"])?;
    scene.wait("the first way gets three times as much as the second", || {
        let objects = scene.us.nexthop_objects()?;
        let of = |interface: &str| objects.iter().find(|object| object["dev"] == interface).map(|object| &object["id"]);
        let shares = objects.iter().filter_map(|object| object["group"].as_array()).any(|group| {
            let weight = |interface: &str| {
                let member = group.iter().find(|member| Some(&member["id"]) == of(interface));
                member.map(|member| member["weight"].as_u64().unwrap_or(1))
            };
            matches!((weight("link1"), weight("link2")), (Some(first), Some(second)) if first == 3 * second)
        });
        ensure(shares, "next hops", || format!("{objects:?}"))
    })
}
