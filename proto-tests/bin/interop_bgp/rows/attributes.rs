//! What is said of routes, and what policy makes of them.

use proto_tests::lab::{Result, ensure};

use super::{EVERYONE, Links, Row};
use crate::peer::{Software, Told};
use crate::scene::{Ours, Scene, must};

pub(crate) const ROWS: &[Row] = &[
    Row { name: "MED and prepending, ours", peers: EVERYONE, links: Links::Tunnels, play: ours_med },
    Row { name: "communities of all kinds, theirs", peers: TAGGED, links: Links::Tunnels, play: their_communities },
    Row { name: "communities of all kinds, ours", peers: EVERYONE, links: Links::Tunnels, play: our_communities },
    Row { name: "policy: reject, and local preference", peers: TAGGED, links: Links::Tunnels, play: import_policy },
    Row { name: "graceful shutdown, theirs", peers: LEAVING, links: Links::Tunnels, play: their_graceful_shutdown },
    Row { name: "graceful shutdown, ours", peers: EVERYONE, links: Links::Tunnels, play: our_graceful_shutdown },
    Row { name: "default route of ours", peers: EVERYONE, links: Links::Tunnels, play: default_originate },
    Row { name: "aggregate, without what is in it", peers: EVERYONE, links: Links::Tunnels, play: aggregate },
    Row { name: "our AS in their path, once", peers: LOOPED, links: Links::Tunnels, play: allowas_in },
    Row { name: "AS override", peers: REFLECTED, links: Links::Tunnels, play: as_override },
    Row { name: "private ASes taken out", peers: PRIVATE, links: Links::Tunnels, play: remove_private },
];

const TAGGED: &[(Software, Told)] = &[
    (
        Software::Bird,
        Told {
            export: "bgp_community.add((65009,100)); bgp_ext_community.add((rt,65009,200)); \
                     bgp_large_community.add((65009,1,300)); accept;",
            ..Told::NOTHING
        },
    ),
    (
        Software::Frr,
        Told {
            export: " set community 65009:100\n set extcommunity rt 65009:200\n set large-community 65009:1:300",
            ..Told::NOTHING
        },
    ),
    (Software::Gobgp, Told { export: "community 65009:100 rt 65009:200 large-community 65009:1:300", ..Told::NOTHING }),
    (
        Software::Openbgpd,
        Told {
            export: "set { community 65009:100 ext-community rt 65009:200 large-community 65009:1:300 }",
            ..Told::NOTHING
        },
    ),
    (
        Software::Exabgp,
        Told {
            export: "community [ 65009:100 ] extended-community [ target:65009:200 ] large-community [ 65009:1:300 ]",
            ..Told::NOTHING
        },
    ),
];

const LEAVING: &[(Software, Told)] = &[
    (Software::Bird, Told { export: "bgp_community.add((65535,0)); accept;", ..Told::NOTHING }),
    (Software::Frr, Told { export: " set community graceful-shutdown", ..Told::NOTHING }),
    (Software::Gobgp, Told { export: "community 65535:0", ..Told::NOTHING }),
    (Software::Openbgpd, Told { export: "set community GRACEFUL_SHUTDOWN", ..Told::NOTHING }),
    (Software::Exabgp, Told { export: "community [ 65535:0 ]", ..Told::NOTHING }),
];

const LOOPED: &[(Software, Told)] = &[
    (Software::Bird, Told { export: "bgp_path.prepend(65000); accept;", ..Told::NOTHING }),
    (Software::Frr, Told { export: " set as-path prepend 65000", ..Told::NOTHING }),
    (Software::Exabgp, Told { export: "as-path [ 65009 65000 ]", ..Told::NOTHING }),
];

const REFLECTED: &[(Software, Told)] = &[(Software::Bird, Told::NOTHING), (Software::Frr, Told::NOTHING)];

const PRIVATE: &[(Software, Told)] = &[
    (Software::Bird, Told { export: "bgp_path.prepend(3356); bgp_path.prepend(64700); accept;", ..Told::NOTHING }),
    (Software::Frr, Told { export: " set as-path prepend 64700 3356", ..Told::NOTHING }),
];

fn ours_med(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "med: 50\nprepend: 2", ..Ours::NOTHING })?;
    let path = match scene.software {
        Software::Exabgp => "[65000,65000,65000]",
        Software::Bird | Software::Frr | Software::Gobgp | Software::Openbgpd => "65000 65000 65000",
    };
    scene.wait_peer_has("10.1.0.0/16", &[path, "50"])?;
    // Without a new session.
    scene.reload(&Ours { bgp: "med: 61", ..Ours::NOTHING })?;
    scene.wait_peer_has("10.1.0.0/16", &["61"])?;
    ensure(!scene.peer()?.route("10.1.0.0/16")?.contains(path), "our AS is there once", String::new)?;
    scene.expect_no_flap()
}

fn their_communities(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    let path = scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    let communities = path["communities"].to_string();
    for word in ["65009:100", "rt:65009:200", "65009:1:300"] {
        must(communities.contains(word), word, &path)?;
    }
    Ok(())
}

fn our_communities(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(
        told,
        &Ours {
            top: "\npolicies:\n  tag:\n    default: accept\n    rules:\n      - set: {communities: {add: [65000:100, 'rt:65000:200', \
                  65000:1:300]}}\n        action: next\n",
            bgp: "export: [tag]",
            ..Ours::NOTHING
        },
    )?;
    let words: &[&str] = match scene.software {
        Software::Bird => &["(65000,100)", "(rt, 65000, 200)", "(65000, 1, 300)"],
        Software::Frr | Software::Gobgp | Software::Openbgpd => &["65000:100", "65000:200", "65000:1:300"],
        Software::Exabgp => &["[65000,100]", "65000:200", "[65000,1,300]"],
    };
    scene.wait_peer_has("10.1.0.0/16", words)
}

fn import_policy(scene: &mut Scene, told: &Told) -> Result<()> {
    let ours = Ours {
        top: "\nprefix-lists:\n  long: [10.0.0.0/8 ge 24 le 32]\npolicies:\n  in:\n    default: reject\n    rules:\n      - \
              {name: long ones, match: {prefix: long}, action: reject}\n      - {name: marked ones, match: {communities: \
              '65009:100'}, set: {local-preference: 250}, action: accept}\n",
        bgp: "import: [in]",
        ..Ours::NOTHING
    };
    scene.start(told, &ours)?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true && path["local_preference"] == 250)?;
    let refused = scene.wait_path("10.2.1.0/24", |path| path["best"] == false)?;
    must(refused["reason"].as_str().is_some_and(|reason| reason.contains("long")), "why it was refused", &refused)?;
    scene.wait_kernel("10.2.1.0/24", &[])?;
    // Without a new session, and without asking the peer again.
    scene.reload(&Ours::NOTHING)?;
    scene.wait_path("10.2.1.0/24", |path| path["best"] == true)?;
    scene.wait_kernel("10.2.1.0/24", &["link1"])?;
    scene.expect_no_flap()
}

fn their_graceful_shutdown(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_path("10.2.0.0/16", |path| path["local_preference"] == 0).map(drop)
}

fn our_graceful_shutdown(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    scene.reload(&Ours { bgp: "drain: true", ..Ours::NOTHING })?;
    let word = match scene.software {
        Software::Bird => "(65535,0)",
        Software::Frr => "gracefulShutdown",
        Software::Gobgp => "planned-shut",
        Software::Openbgpd => "GRACEFUL_SHUTDOWN",
        Software::Exabgp => "[65535,0]",
    };
    scene.wait_peer_has("10.1.0.0/16", &[word])?;
    scene.expect_no_flap()
}

fn default_originate(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "default-originate: true", ..Ours::NOTHING })?;
    scene.wait_peer_has("0.0.0.0/0", &["65000"])?;
    scene.wait_peer_has("10.1.0.0/16", &[])
}

fn aggregate(scene: &mut Scene, told: &Told) -> Result<()> {
    let ours = Ours {
        router: "networks: [10.1.2.0/24, 10.1.3.0/24, 'fd00:1::/48']\naggregates: [{prefix: 10.1.0.0/16, summary-only: true}]",
        ..Ours::NOTHING
    };
    scene.start(told, &ours)?;
    scene.wait_peer_has("10.1.0.0/16", &["65000"])?;
    scene.peer()?.expect_no_route("10.1.2.0/24")
}

fn allowas_in(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    let path = scene.wait_path("10.2.0.0/16", |path| path["best"] == false)?;
    must(path["as_path"] == "65009 65000", "our AS in the path, refused", &path)?;
    scene.reload(&Ours { bgp: "allowas-in: 1", ..Ours::NOTHING })?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])
}

/// What came from another site of the peer's AS reaches it, with our AS in place of its own.
fn as_override(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs.push(["10.9.2.1".to_owned(), "10.9.2.2".to_owned()]);
    scene.start(told, &Ours { bgp: "export: [0.0.0.0/0 le 32]\nas-override: true", ..Ours::NOTHING })?;
    let overridden = match scene.software {
        Software::Bird => "BGP.as_path: 65000 65000\n",
        Software::Frr | Software::Gobgp | Software::Openbgpd | Software::Exabgp => "\"string\":\"65000 65000\"",
    };
    scene.wait_peer_has("10.2.0.0/16", &[overridden])
}

/// The same, and of the numbers behind it only the public one is left.
fn remove_private(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs.push(["10.9.2.1".to_owned(), "10.9.2.2".to_owned()]);
    let bgp = "export: [0.0.0.0/0 le 32]\nas-override: true\nremove-private-as: all";
    scene.start(told, &Ours { bgp, ..Ours::NOTHING })?;
    scene.wait_path("10.2.0.0/16", |path| path["as_path"] == "65009 64700 3356")?;
    let removed = match scene.software {
        Software::Bird => "BGP.as_path: 65000 3356\n",
        Software::Frr | Software::Gobgp | Software::Openbgpd | Software::Exabgp => "\"string\":\"65000 3356\"",
    };
    scene.wait_peer_has("10.2.0.0/16", &[removed])
}
