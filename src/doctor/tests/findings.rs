//! One change of healthy evidence, one finding.

use std::collections::BTreeSet;

use super::healthy::{evidence, failure, foreign, holder, net, tunnel};
use crate::firewall::Ruleset;
use crate::firewall::iptables;
use crate::{
    Certificate, Code, Conntrack, DiskFile, Evidence, Finding, IkeAnswer, MissingChild, Ping, PortAnswer, RouteLookup,
    RouterState, Severity, Sizes, Target, TunnelState, examine,
};

type Change = fn(&mut Evidence);

/// What is changed, what is found, how bad it is.
const CASES: &[(Code, Severity, Change)] = &[
    (Code::NotRunning, Severity::Failure, |e| {
        e.router = RouterState::Absent { reason: "no control socket".into() };
        e.tunnels.iter_mut().for_each(|t| (t.state, t.has_ike) = (None, false));
        e.machine.holders.clear();
    }),
    (Code::Complaint, Severity::Warning, |e| e.complaints.push("net.ipv4.ip_forward is 0".into())),
    (Code::ForwardingOff, Severity::Failure, |e| e.machine.forwards_v4 = Some(false)),
    (Code::ForwardingOff, Severity::Failure, inside_v6),
    (Code::StrictReversePath, Severity::Warning, |e| e.machine.rp_filter.extend([("qs-t".to_owned(), 1)])),
    (Code::ClockLoose, Severity::Warning, |e| e.machine.clock.synchronized = Some(false)),
    (Code::ClockWrong, Severity::Failure, |e| e.machine.clock.unix = 10),
    (Code::ClockWrong, Severity::Failure, |e| down(e, "cert_not_yet_valid", "not yet valid")),
    (Code::PortTaken, Severity::Failure, |e| e.machine.holders.push(holder(Some(8), "0.0.0.0"))),
    (Code::BuffersShort, Severity::Warning, |e| e.machine.holders[0].drops = 5),
    (Code::ConntrackFull, Severity::Warning, |e| e.machine.conntrack = Some(Conntrack { count: 95, max: 100 })),
    (Code::KeyExposed, Severity::Warning, |e| e.files.push(file(true, false))),
    (Code::FileUnusable, Severity::Failure, |e| e.files.push(file(false, true))),
    (Code::FilterUnknown, Severity::Warning, |e| e.machine.firewall = None),
    (Code::PoolAway, Severity::Failure, |e| e.pools[0].trouble = Some(failure("closed", "it closed", "see its log"))),
    (Code::LocalAbsent, Severity::Warning, |e| e.tunnels[0].local = [192, 0, 2, 77].into()),
    (Code::LocalAbsent, Severity::Failure, |e| {
        down(e, "timeout", "IKE_SA_INIT unanswered");
        e.tunnels[0].local = [192, 0, 2, 77].into();
    }),
    (Code::PeerUnroutable, Severity::Failure, |e| {
        down(e, "timeout", "IKE_SA_INIT unanswered");
        e.tunnels[0].route = Some(RouteLookup::None { reason: "Network is unreachable".into() });
    }),
    (Code::PeerInside, Severity::Warning, |e| e.tunnels[0].route = Some(RouteLookup::Via { interface: "qs-t".into() })),
    (Code::IkeFiltered, Severity::Failure, |e| {
        down(e, "timeout", "IKE_SA_INIT unanswered");
        rules(e, "*filter\n:INPUT ACCEPT\n-A INPUT -p udp -m udp --dport 500 -j DROP\n");
    }),
    (Code::IkeFiltered, Severity::Warning, |e| {
        rules(e, "*filter\n:OUTPUT ACCEPT\n-A OUTPUT -p udp --dport 500:4500 -j DROP\n")
    }),
    (Code::IkeUnreachable, Severity::Failure, |e| {
        down(e, "timeout", "IKE_SA_INIT unanswered");
        e.tunnels[0].ike_answer = Some(IkeAnswer::Unreachable { what: "Connection refused".into(), from: None });
    }),
    (Code::IkeSilent, Severity::Failure, |e| {
        down(e, "timeout", "203.0.113.9:500 left 5 transmissions of our IKE_SA_INIT unanswered");
        e.tunnels[0].ike_answer = Some(IkeAnswer::Silent);
    }),
    (Code::AuthSilent, Severity::Failure, |e| down(e, "timeout", "5 transmissions of our IKE_AUTH unanswered")),
    (Code::Authentication, Severity::Failure, |e| down(e, "psk", "another key")),
    (Code::IkeProposals, Severity::Failure, |e| down(e, "ike_no_proposal", "no common")),
    (Code::Identity, Severity::Failure, |e| down(e, "identity", "somebody else")),
    (Code::Version, Severity::Failure, |e| down(e, "version", "IKEv1")),
    (Code::CertificateRefused, Severity::Failure, |e| down(e, "cert_untrusted", "unknown CA")),
    (Code::CertificateRefused, Severity::Warning, |e| {
        let text = || "CN=gw".to_owned();
        e.tunnels[0].certificates.push(Certificate {
            subject: text(),
            not_before: text(),
            not_after: text(),
            not_after_unix: 2_000,
        });
    }),
    (Code::NobodyBegins, Severity::Warning, |e| {
        (e.tunnels[0].state, e.tunnels[0].has_ike) = (Some(TunnelState::Waiting), false);
    }),
    (Code::OuterNat, Severity::Warning, |e| {
        rules(e, "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.9\n")
    }),
    (Code::OuterNat, Severity::Warning, |e| {
        rules(e, "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth0 -j MASQUERADE --random\n")
    }),
    (Code::OuterNat, Severity::Warning, |e| {
        e.machine.addresses.insert(0, ("eth0".into(), net("192.0.2.5/24")));
        rules(e, "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth0 -j MASQUERADE\n");
    }),
    (Code::NatForbidden, Severity::Failure, |e| down(e, "nat_forbidden", "a NAT")),
    (Code::IkeOther, Severity::Failure, |e| down(e, "refused", "said no")),
    (Code::ChildProposals, Severity::Failure, |e| child_down(e, "child_no_proposal")),
    (Code::Selectors, Severity::Failure, |e| child_down(e, "ts_unacceptable")),
    (Code::Expired, Severity::Failure, |e| child_down(e, "expired")),
    (Code::ChildMissing, Severity::Failure, |e| {
        e.tunnels[0].missing.push(MissingChild { selectors: "10.1.0.0/16 === 10.2.0.0/16".into(), failure: None });
    }),
    (Code::EspFiltered, Severity::Failure, |e| rules(e, "*filter\n:INPUT ACCEPT\n-A INPUT -p esp -j DROP\n")),
    (Code::OneWay, Severity::Failure, |e| {
        (e.tunnels[0].traffic.packets_in, e.tunnels[0].ping) = (0, Some(Ping { sent: 3, received: 0 }));
    }),
    (Code::Refusals, Severity::Warning, |e| {
        e.tunnels[0].traffic.drops.extend([("integrity".to_owned(), 900)]);
    }),
    (Code::InterfaceAbsent, Severity::Failure, |e| e.machine.up.retain(|name| name != "qs-t")),
    (Code::InsideTwice, Severity::Failure, |e| e.machine.addresses.push(("eth1".into(), net("169.254.21.2/30")))),
    (Code::InsideTwice, Severity::Failure, |e| e.machine.addresses.push(("eth1".into(), net("169.254.0.9/16")))),
    (Code::InsideSilent, Severity::Warning, |e| e.tunnels[0].ping = Some(Ping { sent: 3, received: 0 })),
    (Code::BlackHole, Severity::Failure, |e| e.tunnels[0].sizes = Some(Sizes { mtu: 1400, passed: 1280, told: false })),
    (Code::BgpRefused, Severity::Failure, |e| {
        session_down(e, "connect-failed", "refused");
        session(e).port = Some(PortAnswer::Refused);
    }),
    (Code::BgpSilent, Severity::Failure, |e| {
        session_down(e, "connect-failed", "no answer");
        session(e).port = Some(PortAnswer::Silent);
    }),
    (Code::BgpFiltered, Severity::Failure, |e| {
        e.sessions.clear();
        session_down(e, "connect-failed", "no answer");
        rules(
            e,
            "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 179 -j REJECT\n-A INPUT -p tcp --sport 179 -j REJECT\n",
        );
    }),
    (Code::BgpAsn, Severity::Failure, |e| session_down(e, "notification-received", "OPEN error, Bad Peer AS")),
    (Code::BgpOpen, Severity::Failure, |e| session_down(e, "open-refused", "unacceptable hold time")),
    (Code::BgpClosed, Severity::Failure, |e| session_down(e, "shutdown", "by an operator")),
    (Code::BgpHold, Severity::Failure, |e| session_down(e, "hold-timer-expired", "nothing heard")),
    (Code::BgpLimit, Severity::Failure, |e| session_down(e, "prefix-limit", "too many prefixes")),
    (Code::BgpOther, Severity::Failure, |e| session_down(e, "replaced", "the peer has restarted")),
    (Code::NothingLearnt, Severity::Warning, |e| session(e).accepted = 0),
    (Code::NothingTold, Severity::Warning, |e| session(e).advertised = 0),
    (Code::HeldBack, Severity::Warning, |e| session(e).held_back = 3),
    (Code::ForeignRoute, Severity::Failure, |e| e.fib.foreign.push(foreign("10.2.0.0/16", "static", 100, "lan"))),
    (Code::ForeignNarrower, Severity::Warning, |e| e.fib.foreign.push(foreign("10.2.3.0/24", "static", 900, "lan"))),
    (Code::RouteRefused, Severity::Failure, |e| e.fib.ours[0].refused = Some("File exists".into())),
    (Code::FibDiffers, Severity::Warning, |e| e.fib.matches_kernel = Some(false)),
    (Code::ForwardFiltered, Severity::Failure, |e| {
        rules(
            e,
            "*filter\n:FORWARD DROP\n-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n-A FORWARD -o docker0 -j ACCEPT\n",
        );
    }),
    (Code::ForwardFiltered, Severity::Failure, |e| {
        inside_v6(e);
        e.machine.forwards_v6 = Some(true);
        e.machine.firewall = Some(Ruleset { tables: iptables::read("*filter\n:FORWARD DROP\n", 6) });
    }),
    (Code::InnerNat, Severity::Warning, |e| {
        inside_v6(e);
        e.machine.forwards_v6 = Some(true);
        let text = "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o qs-+ -j MASQUERADE\n";
        e.machine.firewall = Some(Ruleset { tables: iptables::read(text, 6) });
    }),
    (Code::InnerNat, Severity::Warning, |e| {
        rules(e, "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o qs-+ -j MASQUERADE\n")
    }),
    (Code::TargetElsewhere, Severity::Failure, |e| target(e, "eth0", None)),
    (Code::TargetSilent, Severity::Failure, |e| target(e, "qs-t", Some(Ping { sent: 3, received: 0 }))),
];

fn inside_v6(e: &mut Evidence) {
    e.tunnels[0].inside6_local = "fd00:21::1".parse().ok();
}

fn file(exposed: bool, unusable: bool) -> DiskFile {
    DiskFile { place: "edge.yaml:3:1".into(), text: "a text".into(), remedy: "a remedy".into(), exposed, unusable }
}

fn down(e: &mut Evidence, reason: &str, text: &str) {
    let tunnel = &mut e.tunnels[0];
    (tunnel.state, tunnel.has_ike, tunnel.session) = (Some(TunnelState::Down), false, None);
    tunnel.failure = Some(failure(reason, text, "do something"));
}

fn child_down(e: &mut Evidence, reason: &str) {
    down(e, reason, "the CHILD SA is not there");
    (e.tunnels[0].state, e.tunnels[0].has_ike) = (Some(TunnelState::Connecting), true);
}

fn session(e: &mut Evidence) -> &mut crate::Session {
    e.tunnels[0].session.as_mut().expect("the tunnel has a session")
}

fn session_down(e: &mut Evidence, reason: &str, text: &str) {
    session(e).state = Some("Idle".to_owned());
    session(e).failure = Some(failure(reason, text, "do something"));
}

fn rules(e: &mut Evidence, text: &str) {
    e.machine.firewall = Some(Ruleset { tables: iptables::read(text, 4) });
}

fn target(e: &mut Evidence, interface: &str, ping: Option<Ping>) {
    let route = RouteLookup::Via { interface: interface.to_owned() };
    e.target = Some(Target { address: [10, 2, 0, 10].into(), route, ping });
}

#[test]
fn each_change_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for (index, (code, severity, change)) in CASES.iter().enumerate() {
        let mut evidence = evidence();
        change(&mut evidence);
        let report = examine(&evidence);
        let said =
            |finding: &Finding| [&finding.finding, &finding.cause, &finding.remedy].iter().all(|it| !it.is_empty());
        match report.findings.as_slice() {
            [only] if (only.code.as_str(), only.severity) == (code.as_str(), *severity) && said(only) => {}
            others => wrong.push(format!("case {index}, {severity} {code}: {others:#?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_case() {
    let covered: BTreeSet<Code> = CASES.iter().map(|(code, _, _)| *code).collect();
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !covered.contains(code)).collect();
    assert_eq!(missing, Vec::<&Code>::new());
}

#[test]
fn the_worst_comes_first_and_decides_the_verdict() {
    let mut evidence = evidence();
    evidence.machine.clock.synchronized = Some(false);
    down(&mut evidence, "psk", "another key");
    let report = examine(&evidence);
    let codes: Vec<_> = report.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["QD0208", "QD0105"]);
    assert_eq!(report.verdict, crate::Verdict::Failures);
    let ladder = &report.ladders[0];
    assert_eq!(ladder.steps[0].outcome, crate::Outcome::Failure);
    assert!(ladder.steps[1..].iter().all(|step| step.outcome == crate::Outcome::Unknown), "{ladder:?}");
}

#[test]
fn what_is_found_on_this_machine_explains_the_silence_of_the_peer() {
    let mut evidence = evidence();
    down(&mut evidence, "timeout", "IKE_SA_INIT unanswered");
    evidence.machine.holders = vec![holder(Some(8), "0.0.0.0")];
    let codes: Vec<_> = examine(&evidence).findings.into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["QD0107"], "not QD0206 too");
}

#[test]
fn what_the_peer_said_stands_beside_what_a_filter_drops() {
    let found = |evidence: &Evidence| -> Vec<(String, Severity)> {
        examine(evidence).findings.into_iter().map(|finding| (finding.code, finding.severity)).collect()
    };
    let drop = |ports: &str| format!("*filter\n:INPUT ACCEPT\n-A INPUT -p udp --dport {ports} -j DROP\n");
    let (proof, filter) = ("QD0208".to_owned(), "QD0204".to_owned());
    let mut evidence = evidence();
    down(&mut evidence, "psk", "another key");
    evidence.tunnels[0].in_udp = None;
    rules(&mut evidence, &drop("4500"));
    // Port 4500 is needed behind a NAT alone, and whether there is one is not known.
    assert_eq!(found(&evidence), [(proof.clone(), Severity::Failure), (filter.clone(), Severity::Warning)]);
    rules(&mut evidence, &drop("500"));
    assert_eq!(found(&evidence), [(filter.clone(), Severity::Failure), (proof, Severity::Failure)]);
    down(&mut evidence, "timeout", "IKE_SA_INIT unanswered");
    assert_eq!(found(&evidence), [(filter, Severity::Failure)], "that is why nothing comes");
}

#[test]
fn a_port_that_is_not_used_may_be_blocked() {
    let mut evidence = evidence();
    assert_eq!(evidence.tunnels[0].in_udp, Some(false));
    rules(&mut evidence, "*filter\n:INPUT ACCEPT\n-A INPUT -p udp --dport 4500 -j DROP\n");
    assert_eq!(examine(&evidence).findings, []);
}

#[test]
fn one_direction_that_is_blocked_does_not_hide_why_the_session_is_down() {
    let mut evidence = evidence();
    evidence.sessions.clear();
    session_down(&mut evidence, "notification-received", "OPEN error, Bad Peer AS");
    rules(&mut evidence, "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 179 -j DROP\n");
    let report = examine(&evidence);
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.code.as_str(), finding.severity)).collect();
    assert_eq!(found, [("QD0504", Severity::Failure), ("QD0503", Severity::Warning)]);
    assert_eq!(report.ladders[0].steps[3].text, format!("Idle: {}", Code::BgpAsn.title()));
}

#[test]
fn a_session_that_bfd_ended_is_looked_into_by_its_port() {
    let mut evidence = evidence();
    session_down(&mut evidence, "bfd-down", "BFD says that the path is down");
    session(&mut evidence).port = Some(PortAnswer::Refused);
    assert_eq!(examine(&evidence).findings[0].code, "QD0501");
}

#[test]
fn tunnels_that_nobody_asked_about_are_ours_all_the_same() {
    let mut evidence = evidence();
    let addresses = [[192, 0, 2, 2], [203, 0, 113, 10], [169, 254, 22, 2], [169, 254, 22, 1]].map(Into::into);
    let [local, remote, inside_local, inside_peer] = addresses;
    let (name, interface) = ("u".to_owned(), "qs-u".to_owned());
    evidence.tunnels.push(crate::Tunnel { name, local, remote, interface, inside_local, inside_peer, ..tunnel() });
    down(&mut evidence, "timeout", "IKE_SA_INIT unanswered");
    evidence.tunnels.swap(0, 1);
    evidence.chosen = crate::Chosen(vec!["u".to_owned()]);
    evidence
        .machine
        .addresses
        .extend([("eth0".to_owned(), net("192.0.2.2/24")), ("qs-u".to_owned(), net("169.254.22.2/30"))]);
    evidence.machine.up.push("qs-u".to_owned());
    evidence.machine.rp_filter.extend([("qs-t".to_owned(), 1)]);
    evidence.fib.foreign.push(foreign("10.2.3.0/24", "static", 900, "qs-t"));
    let report = examine(&evidence);
    assert_eq!(report.findings, [], "t is down, which nobody asked; a route into it is meant");
    assert_eq!(report.ladders.iter().map(|ladder| ladder.name.as_str()).collect::<Vec<_>>(), ["u"]);
    evidence.tunnels[0].route = Some(RouteLookup::Via { interface: "qs-t".into() });
    evidence.machine.holders.push(holder(Some(8), "192.0.2.1"));
    let codes: Vec<_> = examine(&evidence).findings.into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["QD0107", "QD0203"]);
}

#[test]
fn a_socket_whose_process_cannot_be_told_is_likely_that_of_the_router() {
    let mut evidence = evidence();
    evidence.machine.holders = vec![holder(None, "192.0.2.1")];
    assert_eq!(examine(&evidence).findings, []);
}

#[test]
fn an_address_that_is_rewritten_to_itself_is_no_finding() {
    for target in ["MASQUERADE", "SNAT --to-source 192.0.2.1"] {
        let mut evidence = evidence();
        rules(&mut evidence, &format!("*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth0 -j {target}\n"));
        assert_eq!(examine(&evidence).findings, [], "{target}");
    }
}

#[test]
fn large_packets_that_somebody_minds_do_not_vanish() {
    let mut evidence = evidence();
    evidence.tunnels[0].sizes = Some(Sizes { mtu: 1400, passed: 1280, told: true });
    assert_eq!(examine(&evidence).findings, []);
}

#[test]
fn a_tunnel_that_waits_for_traffic_is_as_it_should_be() {
    let mut evidence = evidence();
    let tunnel = &mut evidence.tunnels[0];
    (tunnel.state, tunnel.has_ike, tunnel.on_demand) = (Some(TunnelState::Waiting), false, true);
    tunnel.ping = None;
    // What failed before it was last well.
    tunnel.failure = Some(failure("timeout", "5 transmissions of our IKE_SA_INIT unanswered", "wait"));
    session_down(&mut evidence, "tunnel-down", "the tunnel is down");
    let report = examine(&evidence);
    assert_eq!(report.findings, []);
    let outcomes: Vec<_> = report.ladders[0].steps.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [crate::Outcome::Unknown; 6]);
}
