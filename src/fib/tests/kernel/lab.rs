//! A namespace with four tunnels, and questions to `ip`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fib::{Fib, FibConfig};
use ipnet::{IpNet, Ipv4Net};
use nix::sched::{CloneFlags, unshare};
use rib::{FibChange, NextHop, NextHopSet};
use serde_json::Value;
use wire::LinkId;

/// Runs `test` on a thread, and on a tokio runtime, in a fresh network namespace.
pub(crate) fn in_namespace(test: impl AsyncFnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace: these tests need root");
        ip("link set lo up");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// In a namespace with tunnels 1 to 4: interfaces `t1` to `t4`, our side 169.254.2n.2/30, the peer on .1.
pub(crate) fn with_tunnels(test: impl AsyncFnOnce() + Send + 'static) {
    in_namespace(async move || {
        for n in 1..=4 {
            ip(&format!("link add t{n} type veth peer name p{n}"));
            ip(&format!("link set p{n} up"));
            ip(&format!("link set t{n} up"));
            ip(&format!("address add 169.254.2{n}.2/30 dev t{n}"));
            ip(&format!("address add fd00:{n}::2/64 dev t{n} nodad"));
        }
        test().await;
    });
}

pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn batch(commands: &str) {
    let mut child =
        Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect("iproute2 is installed");
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

pub(crate) fn ask(arguments: &str) -> Vec<Value> {
    let output = Command::new("ip").arg("-j").args(arguments.split_whitespace()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // A table without routes does not exist.
    if text.trim().is_empty() { vec![] } else { serde_json::from_str(&text).expect(&text) }
}

pub(crate) fn index(interface: &str) -> u32 {
    let link = &ask(&format!("link show dev {interface}"))[0];
    u32::try_from(link["ifindex"].as_u64().unwrap()).unwrap()
}

/// Interfaces by which our routes to `prefix` leave, from the nexthop objects or the route itself.
pub(crate) fn ways(prefix: &str) -> Vec<String> {
    let six = if prefix.contains(':') { "-6" } else { "-4" };
    let routes = ask(&format!("{six} route show {prefix} proto 142"));
    let mut ways: Vec<String> = routes.iter().flat_map(of_route).collect();
    ways.sort();
    ways
}

fn of_route(route: &Value) -> Vec<String> {
    if let Some(id) = route["nhid"].as_u64() {
        return of_nexthop(id);
    }
    match (&route["dev"], route["nexthops"].as_array()) {
        (Value::String(dev), _) => vec![dev.clone()],
        (_, Some(hops)) => hops.iter().filter_map(|hop| hop["dev"].as_str().map(str::to_owned)).collect(),
        (_, None) => vec![],
    }
}

fn of_nexthop(id: u64) -> Vec<String> {
    let nexthop = &ask(&format!("nexthop show id {id}"))[0];
    match nexthop["group"].as_array() {
        Some(group) => group.iter().flat_map(|member| of_nexthop(member["id"].as_u64().unwrap())).collect(),
        None => vec![nexthop["dev"].as_str().unwrap().to_owned()],
    }
}

/// How many routes and nexthops of ours the kernel holds.
pub(crate) fn ours() -> (usize, usize) {
    let routes = ["-4", "-6"].map(|family| ask(&format!("{family} route show table all proto 142")).len());
    (routes.iter().sum(), ask("nexthop show proto 142").len())
}

/// Peer of tunnel `n`.
pub(crate) fn peer(n: u32) -> NextHop {
    NextHop { link: LinkId(n), address: format!("169.254.2{n}.1").parse().unwrap() }
}

pub(crate) fn peer_v6(n: u32) -> NextHop {
    NextHop { link: LinkId(n), address: format!("fd00:{n}::1").parse().unwrap() }
}

pub(crate) fn to(prefix: &str, next_hops: impl IntoIterator<Item = NextHop>) -> FibChange {
    FibChange { prefix: prefix.parse().unwrap(), next_hops: NextHopSet::new(next_hops.into_iter().collect()) }
}

pub(crate) fn many(count: u32, tunnels: &[u32]) -> Vec<FibChange> {
    let next_hops = NextHopSet::new(tunnels.iter().copied().map(peer).collect());
    let prefix = |n: u32| IpNet::V4(Ipv4Net::new((0x0a00_0000 + (n << 8)).into(), 24).unwrap());
    (0..count).map(|n| FibChange { prefix: prefix(n), next_hops: next_hops.clone() }).collect()
}

/// A table with tunnels up.
pub(crate) async fn start(config: FibConfig, tunnels: impl IntoIterator<Item = u32>) -> Fib {
    let (fib, _events) = Fib::start(config).await.unwrap();
    for n in tunnels {
        fib.link_up(LinkId(n), index(&format!("t{n}")), None);
    }
    fib
}

/// Waits until `fact` holds.
pub(crate) async fn eventually(what: &str, mut fact: impl FnMut() -> bool) {
    let began = Instant::now();
    while !fact() {
        assert!(began.elapsed() < Duration::from_secs(20), "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
