//! Time and memory of the routing tables at the sizes that matter.
//!
//! ```text
//! cargo run --release -p rib --example scale [-- PEERS PREFIXES]
//! ```
//!
//! PEERS sessions of one cloud announce the same PREFIXES, ten to a set of attributes as in a real table; everything
//! is announced on to one more peer. Each line is one event: how long the tables took to take it in and until the last
//! output, how much processor time that was (the better figure on a busy machine), and how many changes of the
//! forwarding table and updates came out.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bgp::{Announcement, AsPath, AsPathSegment, Attributes, Family, Update};
use ipnet::{IpNet, Ipv4Net};
use policy::{Chain, PrefixRule, RuleAction};
use rib::{GracefulShutdown, LinkState, Output, PeerId, PeerPolicy, PeerSession, Rib, RibConfig};
use wire::LinkId;
use wire::{Asn, RouterId};

const OWN: Asn = Asn(65000);
const CLOUD: Asn = Asn(64512);
const HUB: u8 = 200;
const EVERYTHING: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).map_while(|argument| argument.parse::<u32>().ok());
    let sizes = match (arguments.next(), arguments.next()) {
        (Some(peers), Some(prefixes)) => vec![(u8::try_from(peers).unwrap_or(HUB).min(HUB), prefixes)],
        (Some(_) | None, _) => vec![(1, 1_000), (4, 1_000), (1, 100_000), (4, 100_000), (4, 1_000_000)],
    };
    sizes.into_iter().try_for_each(|(peers, prefixes)| measure(peers, prefixes))
}

fn measure(peers: u8, prefixes: u32) -> io::Result<()> {
    say(&format!("{peers} x {prefixes}"))?;
    let before = resident();
    let mut rib = Rib::new(RibConfig {
        asn: OWN,
        router_id: RouterId([10, 1, 0, 1].into()),
        originated: Vec::new(),
        aggregates: Vec::new(),
        decision: rib::DecisionRules::default(),
        ecmp_width: 16,
        protected: vec![Ipv4Addr::new(203, 0, 113, 7).into()],
    });
    (0..peers).for_each(|number| add(&mut rib, number, CLOUD, Chain::networks()));
    let all = PrefixRule { action: RuleAction::Permit, prefix: EVERYTHING, min_len: 0, max_len: 32 };
    add(&mut rib, HUB, Asn(65515), Chain::lines(vec![all]));
    let tunnel = |state| move |rib: &mut Rib| rib.handle_link(LinkId(0), state);
    timed("feed", &mut rib, |rib| (0..peers).for_each(|number| feed(rib, number, prefixes)))?;
    let grown = resident().saturating_sub(before) / 1_000_000;
    say(&format!("  resident {grown} MB more; {:?}", rib.totals()))?;
    timed("tunnel down", &mut rib, tunnel(LinkState::Down))?;
    timed("tunnel up", &mut rib, tunnel(LinkState::Up))?;
    timed("sessions down", &mut rib, |rib| (0..peers).for_each(|number| rib.handle_peer_down(id(number))))
}

fn id(number: u8) -> PeerId {
    PeerId(number.into())
}

fn peer_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(169, 254, number, 1)
}

fn add(rib: &mut Rib, number: u8, peer_asn: Asn, export: Chain) {
    let policy = PeerPolicy {
        name: format!("tunnel-{number}"),
        link: LinkId(number.into()),
        reach: rib::Reach::Tunnel,
        peer_asn,
        local_address: Ipv4Addr::new(169, 254, number, 2).into(),
        peer_address: peer_address(number).into(),
        inside6: None,
        import: Chain::everything(),
        export,
        graceful_shutdown: GracefulShutdown::default(),
        max_prefix_in: None,
        max_prefix_out: None,
        local_preference: 100,
        med: None,
        prepend: 0,
        treatment: rib::Treatment::default(),
    };
    rib.handle_link(policy.link, LinkState::Up);
    rib.add_peer(id(number), policy);
    let peer_router_id = RouterId([192, 0, 2, number].into());
    rib.handle_peer_up(id(number), PeerSession::new(vec![Family::Ipv4Unicast], peer_router_id));
}

fn feed(rib: &mut Rib, number: u8, prefixes: u32) {
    let net = |at: u32| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from((20 << 24) + (at << 8)), 24));
    for first in (0..prefixes).step_by(10) {
        let path = vec![CLOUD, Asn(1000 + first / 10 % 5000)];
        let announced = (first..prefixes.min(first + 10)).map(|at| net(at).into()).collect();
        let update = Update {
            announced: vec![Announcement { next_hop: peer_address(number).into(), prefixes: announced }],
            attributes: Attributes {
                as_path: AsPath(vec![AsPathSegment::Sequence(path)]),
                communities: vec![first],
                ..Attributes::default()
            }
            .into(),
            ..Update::default()
        };
        rib.handle_update(id(number), update);
    }
}

fn timed(what: &str, rib: &mut Rib, act: impl FnOnce(&mut Rib)) -> io::Result<()> {
    let (start, worked) = (Instant::now(), processor_time());
    act(rib);
    let taken_in = start.elapsed();
    let (mut changes, mut updates) = (0, 0);
    while let Some(output) = rib.poll_output() {
        match output {
            Output::Fib(_) => changes += 1,
            Output::Send { updates: batch, .. } => updates += batch.len(),
            Output::PrefixLimit { .. }
            | Output::PrefixWarning { .. }
            | Output::HeldBack { .. }
            | Output::Forgotten { .. }
            | Output::EndOfRib { .. }
            | Output::RequestRefresh { .. } => {}
        }
    }
    let (all, worked) = (milliseconds(start.elapsed()), milliseconds(processor_time().saturating_sub(worked)));
    say(&format!(
        "  {what:<14} {:>8.1} ms in, {all:>8.1} ms in all, {worked:>8.1} ms of work; {changes} FIB changes, {updates} updates",
        milliseconds(taken_in)
    ))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What the scheduler counted for this thread.
fn processor_time() -> Duration {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(schedstat.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or(0))
}

/// Resident memory in octets; pages are 4 KiB on the machines this runs on.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
