//! Sessions and the exchange of routes, with the capabilities that decide how.

use proto_tests::lab::{Result, ensure};

use super::{EVERYONE, Links, Row};
use crate::peer::{Peer, Software, Told};
use crate::scene::{Ours, Scene, list, must};

pub(crate) const ROWS: &[Row] = &[
    Row { name: "IPv4, and a withdrawal of each", peers: EVERYONE, links: Links::Tunnels, play: ipv4 },
    Row { name: "IPv6 in an IPv6 session", peers: IPV6, links: Links::Cables, play: ipv6 },
    Row { name: "AS numbers of four octets", peers: EVERYONE, links: Links::Tunnels, play: long_asns },
    Row { name: "route refresh, the peer asks", peers: REFRESH, links: Links::Tunnels, play: refresh },
    Row { name: "enhanced route refresh", peers: ENHANCED, links: Links::Tunnels, play: enhanced_refresh },
    Row { name: "extended messages", peers: EXTENDED, links: Links::Tunnels, play: extended_messages },
    Row {
        name: "both families in one session, IPv6 next hops",
        peers: NEXT_HOP,
        links: Links::Cables,
        play: extended_next_hop,
    },
    Row { name: "ADD-PATH, the peer sends two", peers: PATHS, links: Links::Tunnels, play: add_path_receive },
    Row { name: "roles, and who may have what", peers: ROLES, links: Links::Tunnels, play: roles },
    Row { name: "roles that do not fit", peers: SAME_ROLES, links: Links::Tunnels, play: same_roles },
];

const IPV6: &[(Software, Told)] = &[
    (Software::Bird, Told::NOTHING),
    (Software::Frr, Told::NOTHING),
    (Software::Gobgp, Told::NOTHING),
    (Software::Openbgpd, Told::NOTHING),
    (Software::Exabgp, Told::NOTHING),
];

const REFRESH: &[(Software, Told)] =
    &[(Software::Bird, Told::NOTHING), (Software::Frr, Told::NOTHING), (Software::Openbgpd, Told::NOTHING)];

const ENHANCED: &[(Software, Told)] = &[
    (Software::Bird, Told::NOTHING),
    (Software::Frr, Told::NOTHING),
    (Software::Openbgpd, Told { session: " announce enhanced refresh yes", ..Told::NOTHING }),
];

const EXTENDED: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "enable extended messages yes;", ..Told::NOTHING }),
    (Software::Frr, Told::NOTHING),
];

const NEXT_HOP: &[(Software, Told)] = &[
    (Software::Bird, Told { ipv4: "extended next hop yes;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US capability extended-nexthop", ..Told::NOTHING }),
];

const PATHS: &[(Software, Told)] = &[
    (
        Software::Bird,
        Told {
            global: "protocol static more4 { ipv4 { preference 150; }; route 10.2.0.0/16 blackhole; }",
            ipv4: "add paths tx;",
            export: "if proto = \"more4\" then bgp_community.add((65009,2)); accept;",
            ..Told::NOTHING
        },
    ),
    (
        Software::Exabgp,
        Told {
            session: " capability {\n  add-path send;\n }\n static {\n  route 10.2.0.0/16 next-hop 10.9.1.2 path-information 0.0.0.7 community [ 65009:2 ];\n }",
            ..Told::NOTHING
        },
    ),
];

const ROLES: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "local role customer; require roles yes;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US local-role customer", ..Told::NOTHING }),
    (Software::Openbgpd, Told { session: " announce policy customer", ..Told::NOTHING }),
];

const SAME_ROLES: &[(Software, Told)] = &[
    (Software::Bird, Told { session: "local role provider;", ..Told::NOTHING }),
    (Software::Frr, Told { session: " neighbor US local-role provider", ..Told::NOTHING }),
    (Software::Openbgpd, Told { session: " announce policy provider", ..Told::NOTHING }),
];

fn ipv4(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    let path = scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    must(path["next_hop"] == "10.9.1.2" && path["as_path"] == "65009", "its next hop and AS path", &path)?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    scene.wait_peer_has("10.1.0.0/16", &["10.9.1.1", "65000"])?;
    scene.reload(&Ours { router: "networks: ['fd00:1::/48', 10.1.128.0/17]", ..Ours::NOTHING })?;
    scene.wait_peer_has("10.1.128.0/17", &["10.9.1.1"])?;
    scene.wait_peer_lacks("10.1.0.0/16")?;
    scene.expect_no_flap()?;
    scene.kill_peer()?;
    scene.wait("our kernel has no route to what the peer announced", || scene.us.expect_route("10.2.0.0/16", &[]))
}

fn ipv6(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs = vec![["fd00:9:1::1".to_owned(), "fd00:9:1::2".to_owned()]];
    scene.start(told, &Ours { bgp: "families: [ipv6]", ..Ours::NOTHING })?;
    let path = scene.wait_path("fd00:2::/48", |path| path["best"] == true)?;
    must(path["next_hop"] == "fd00:9:1::2", "its next hop", &path)?;
    scene.wait_kernel("fd00:2::/48", &["link1"])?;
    scene.wait_peer_has("fd00:1::/48", &["65000"])?;
    scene.expect_no_flap()
}

fn long_asns(scene: &mut Scene, told: &Told) -> Result<()> {
    (scene.ends.our_asn, scene.ends.peer_asn) = (4_200_000_001, 4_200_000_009);
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_path("10.2.0.0/16", |path| path["as_path"] == "4200000009")?;
    scene.wait_peer_has("10.1.0.0/16", &["4200000001"])
}

/// Has the peer ask for our routes again.
fn ask_again(scene: &Scene) -> Result<()> {
    match scene.peer()? {
        Peer::Bird(peer) => peer.birdc("reload in session1"),
        Peer::Frr(peer) => peer.vtysh("clear bgp ipv4 unicast 10.9.1.1 soft in"),
        Peer::Openbgpd(peer) => peer.ask(&["neighbor", "10.9.1.1", "refresh"]),
        Peer::Gobgp(_) | Peer::Exabgp(_) => Ok(String::new()),
    }
    .map(drop)
}

fn refresh(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    let before = scene.session()?["messages"]["update_out"].as_u64();
    ask_again(scene)?;
    scene.wait("we were asked, and said it again", || {
        let messages = scene.session()?["messages"].clone();
        let asked = messages["refresh_in"].as_u64() > Some(0);
        ensure(asked && messages["update_out"].as_u64() > before, "refreshes", || messages.to_string())
    })?;
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    scene.expect_no_flap()
}

/// What is asked for comes between two marks, which are ROUTE-REFRESH messages, too.
fn enhanced_refresh(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours::NOTHING)?;
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    let before = scene.session()?["messages"]["refresh_out"].as_u64().unwrap_or_default();
    ask_again(scene)?;
    scene.wait("we have sent both marks", || {
        let messages = scene.session()?["messages"].clone();
        ensure(messages["refresh_out"].as_u64() >= Some(before + 2), "refreshes", || messages.to_string())
    })?;
    scene.wait_peer_has("10.1.0.0/16", &[])?;
    scene.expect_no_flap()
}

fn extended_messages(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "extended-messages: true", ..Ours::NOTHING })?;
    let said = scene.peer()?.session()?;
    let word = match scene.software {
        Software::Frr => "\"extendedMessage\":\"advertisedAndReceived\"",
        Software::Bird | Software::Gobgp | Software::Openbgpd | Software::Exabgp => "Extended message",
    };
    ensure(said.contains(word), "the peer has agreed", || said.clone())?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait_peer_has("10.1.0.0/16", &[])
}

fn extended_next_hop(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.ends.pairs = vec![["fd00:9:1::1".to_owned(), "fd00:9:1::2".to_owned()]];
    scene.start(told, &Ours { bgp: "extended-next-hop: true\nfamilies: [ipv4, ipv6]", ..Ours::NOTHING })?;
    scene.wait_path("10.2.0.0/16", |path| path["next_hop"].as_str().is_some_and(|hop| hop.contains(':')))?;
    scene.wait_peer_has("10.1.0.0/16", &["fd00:9:1::1"])?;
    scene.wait_kernel("10.2.0.0/16", &["link1"])?;
    scene.wait_path("fd00:2::/48", |path| path["best"] == true)?;
    scene.wait_peer_has("fd00:1::/48", &["fd00:9:1::1"])?;
    let session = scene.session()?;
    must(list(&session["families"]).len() == 2, "two families", &session)
}

fn add_path_receive(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "add-path: receive", ..Ours::NOTHING })?;
    scene.wait("we have two paths to one prefix", || {
        let paths = scene.paths("10.2.0.0/16")?;
        let marked = paths.iter().filter(|path| path["communities"].to_string().contains("65009:2")).count();
        ensure(paths.len() == 2 && marked == 1, "its paths", || format!("{paths:?}"))
    })?;
    scene.expect_no_flap()
}

/// RFC 9234: what a provider tells its customer must go to no other provider or peer, and says so.
fn roles(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start(told, &Ours { bgp: "role: provider\nrole-strict: true", ..Ours::NOTHING })?;
    scene.wait_path("10.2.0.0/16", |path| path["best"] == true)?;
    scene.wait_peer_has("10.1.0.0/16", &[if scene.software == Software::Bird { "otc: 65000" } else { "65000" }])
}

fn same_roles(scene: &mut Scene, told: &Told) -> Result<()> {
    scene.start_peer(told)?;
    scene.start_us(&Ours { bgp: "role: provider", ..Ours::NOTHING })?;
    scene.wait("we say that the roles do not fit", || {
        let session = scene.session()?;
        let text = session["last_error"]["remedy"].to_string();
        ensure(text.contains("role") && session["state"] != "Established", "our last error", || session.to_string())
    })
}
