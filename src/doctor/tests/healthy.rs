//! Evidence of a router that has nothing wrong.

use crate::{
    Clock, Evidence, Failure, Fib, Holder, KernelRoute, Machine, OurRoute, Outcome, Ping, RouteLookup, RouterState,
    Session, Sizes, Tunnel, TunnelState, Verdict, examine,
};

/// One tunnel, `t`, with its session, and a neighbour, `n`.
pub(super) fn evidence() -> Evidence {
    let addresses =
        [("eth0", "192.0.2.1/24"), ("lan", "10.1.0.1/16"), ("qs-t", "169.254.21.2/30"), ("lo", "127.0.0.1/8")];
    Evidence {
        name: Some("edge".to_owned()),
        router: RouterState::Running { pid: 7 },
        complaints: Vec::new(),
        files: Vec::new(),
        machine: Machine {
            clock: Clock { unix: 2_000, synchronized: Some(true), program: 1_000 },
            forwards_v4: Some(true),
            forwards_v6: Some(false),
            rp_filter: [("all", 0), ("eth0", 1), ("qs-t", 2)].map(|(name, value)| (name.to_owned(), value)).into(),
            addresses: addresses.map(|(name, net)| (name.to_owned(), net.parse().expect("a network"))).into(),
            up: ["eth0", "lan", "qs-t", "lo"].map(str::to_owned).into(),
            holders: vec![holder(Some(7), "192.0.2.1")],
            rmem_max: Some(212_992),
            conntrack: None,
            firewall: Some(crate::firewall::Ruleset::default()),
        },
        tunnels: vec![tunnel()],
        sessions: vec![session("n", "10.1.0.9")],
        pools: vec![crate::Pool { name: "staff".to_owned(), trouble: None }],
        fib: Fib {
            table: 254,
            protocol: 142,
            metric: Some(142),
            matches_kernel: Some(true),
            ours: vec![OurRoute { prefix: net("10.2.0.0/16"), interfaces: vec!["qs-t".to_owned()], refused: None }],
            foreign: vec![foreign("10.1.0.0/16", "kernel", 0, "lan"), foreign("10.2.0.0/16", "static", 500, "lan")],
        },
        target: None,
        chosen: crate::Chosen::default(),
    }
}

pub(super) fn net(text: &str) -> ipnet::IpNet {
    text.parse().expect("a network")
}

pub(super) fn holder(pid: Option<u32>, address: &str) -> Holder {
    let address = address.parse().expect("an address");
    Holder { address, port: 500, pid, program: Some("charon".to_owned()), drops: 0 }
}

pub(super) fn foreign(prefix: &str, protocol: &str, metric: u32, interface: &str) -> KernelRoute {
    let connected = protocol == "kernel";
    KernelRoute {
        prefix: net(prefix),
        protocol: protocol.to_owned(),
        connected,
        metric,
        interface: interface.to_owned(),
    }
}

pub(super) fn failure(reason: &str, text: &str, remedy: &str) -> Failure {
    Failure { reason: reason.to_owned(), text: text.to_owned(), remedy: remedy.to_owned() }
}

pub(super) fn tunnel() -> Tunnel {
    Tunnel {
        name: "t".to_owned(),
        local: [192, 0, 2, 1].into(),
        remote: [203, 0, 113, 9].into(),
        ike_port: 500,
        interface: "qs-t".to_owned(),
        inside_local: [169, 254, 21, 2].into(),
        inside_peer: [169, 254, 21, 1].into(),
        inside_made_up: false,
        inside6_local: None,
        on_demand: false,
        state: Some(TunnelState::Up),
        has_ike: true,
        failure: None,
        missing: Vec::new(),
        in_udp: Some(false),
        mtu: Some(1400),
        traffic: crate::Traffic { packets_in: 1000, packets_out: 1000, drops: [("replay".to_owned(), 3)].into() },
        certificates: Vec::new(),
        route: Some(RouteLookup::Via { interface: "eth0".to_owned() }),
        ike_answer: None,
        nat_answer: None,
        ping: Some(Ping { sent: 1, received: 1 }),
        sizes: Some(Sizes { mtu: 1400, passed: 1400, told: false }),
        session: Some(session("t", "169.254.21.1")),
    }
}

fn session(name: &str, address: &str) -> Session {
    Session {
        name: name.to_owned(),
        interface: None,
        local: None,
        address: address.parse().expect("an address"),
        asn: 64512,
        state: Some("Established".to_owned()),
        failure: None,
        waiting: None,
        port: None,
        received: 1,
        accepted: 1,
        advertised: 1,
        held_back: 0,
    }
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let report = examine(&evidence());
    assert_eq!(report.findings, []);
    assert_eq!((report.verdict, report.running), (Verdict::Ok, true));
    let outcomes: Vec<_> = report.ladders.iter().flat_map(|ladder| &ladder.steps).map(|step| step.outcome).collect();
    assert_eq!(outcomes, [Outcome::Ok; 7], "six rungs of the tunnel, one of the neighbour");
}

#[test]
fn a_tunnel_with_routes_alone_has_no_peer_inside_to_answer() {
    let mut evidence = evidence();
    evidence.machine.up.push("qs-r".to_owned());
    evidence.machine.addresses.push(("qs-r".to_owned(), net("169.254.130.1/30")));
    evidence.tunnels.push(Tunnel {
        name: "r".to_owned(),
        interface: "qs-r".to_owned(),
        inside_local: [169, 254, 130, 1].into(),
        inside_peer: [169, 254, 130, 2].into(),
        inside_made_up: true,
        ping: Some(Ping { sent: 3, received: 0 }),
        sizes: None,
        session: None,
        ..tunnel()
    });
    evidence.fib.ours.push(OurRoute { prefix: net("10.3.0.0/16"), interfaces: vec!["qs-r".to_owned()], refused: None });
    let report = examine(&evidence);
    assert_eq!(report.findings, []);
    let outcomes: Vec<_> = report.ladders[1].steps.iter().map(|step| step.outcome).collect();
    let (ok, unknown) = (Outcome::Ok, Outcome::Unknown);
    assert_eq!(outcomes, [ok, ok, unknown, unknown, ok, ok], "no rung above is left out for it");
}
