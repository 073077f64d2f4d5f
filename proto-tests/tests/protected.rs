//! Tunnels without BGP: protected flows with a policy-based strongSwan, and static routes over two tunnels.
//!
//! ```text
//!   host 10.1.0.10 ---- lan router wan ==== tunnel ==== wan peer  10.2.0.1, 10.3.0.1, 10.4.0.1
//!        10.9.0.10          198.51.100.1 --- clear --- 198.51.100.2
//! ```
//!
//! There is a way in the clear, too: what is not protected takes it, and what is must not.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use proto_tests::lab::daemon::{Daemon, quadspan};
use proto_tests::lab::kernel::array;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::probe::{arrives, talk};
use proto_tests::lab::stream::Stream;
use proto_tests::lab::strongswan::{Backend, StrongSwan, SwanTunnel};
use proto_tests::lab::{DATAPLANE, Lab, Result, ensure, not_yet, patience, run, wait_for, write_file, write_secret};
use serde_json::Value;

const KEY: &str = "protected.flows_key.1";
const SUITE: &str = "aes128-sha256-modp2048";
const HOST: [u8; 4] = [10, 1, 0, 10];
const STRANGER: [u8; 4] = [10, 9, 0, 10];
const NETWORKS: &str = "    selectors: {local: [10.1.0.0/16], remote: [10.2.0.0/16, 10.3.0.0/16]}\n";

/// The router, the host behind it, and peers with networks behind them.
struct Site {
    daemon: Option<Daemon>,
    swans: Vec<StrongSwan>,
    router: Namespace,
    host: Namespace,
    peers: Vec<Namespace>,
    lab: Lab,
}

impl Site {
    fn new(peers: u8) -> Result<Self> {
        let lab = Lab::new()?;
        let (router, host) = (lab.namespace("router")?, lab.namespace("host")?);
        router.make_router()?;
        router.cable("lan", &host, "lan")?;
        router.address("lan", "10.1.0.1/16")?;
        router.address("lan", "10.9.0.1/16")?;
        host.address("lan", "10.1.0.10/16")?;
        host.address("lan", "10.9.0.10/16")?;
        host.ip(&["route", "add", "default", "via", "10.1.0.1"])?;
        write_secret(&lab.path().join("key.psk"), KEY)?;
        let mut site = Self { daemon: None, swans: Vec::new(), router, host, peers: Vec::new(), lab };
        for number in 1..=peers {
            site.add_peer(number)?;
        }
        Ok(site)
    }

    fn add_peer(&mut self, number: u8) -> Result<()> {
        let peer = self.lab.namespace(&format!("peer{number}"))?;
        peer.make_router()?;
        let wan = format!("wan{number}");
        self.router.cable(&wan, &peer, "wan")?;
        self.router.address(&wan, &format!("198.51.{}.1/24", 99 + number))?;
        peer.address("wan", &format!("198.51.{}.2/24", 99 + number))?;
        for network in 3..=4 {
            peer.address("lo", &format!("10.{network}.0.1/32"))?;
        }
        peer.ip(&["route", "add", "10.9.0.0/16", "via", &format!("198.51.{}.1", 99 + number)])?;
        self.peers.push(peer);
        Ok(())
    }

    /// charon of a peer; its interface has 10.2.0.1.
    fn start_swan(&mut self, index: usize, configuration: &str) -> Result<()> {
        let (peer, folder) = (&self.peers[index], self.lab.subdirectory(&format!("charon{index}"))?);
        let swan = StrongSwan::launch(peer, &folder, Backend::UserSpace, configuration, "10.2.0.1/32")?;
        peer.ip(&["route", "add", "10.1.0.0/16", "dev", "ipsec0"])?;
        self.swans.push(swan);
        Ok(())
    }

    fn write(&self, tunnels: &str) -> Result<PathBuf> {
        let file = self.lab.path().join("router.yaml");
        let text = format!(
            "router:\n  name: router\n  asn: 65000\n  router-id: 10.1.0.1\n  dataplane: {DATAPLANE}\n  \
             api: {{socket: {}}}\ndefaults:\n  psk: {{file: key.psk}}\n  encapsulation: always\n  \
             dpd: {{interval: 2s, timeout: 6s}}\n  esp: {{proposals: [{SUITE}], early-rekey: false}}\ntunnels:\n{tunnels}",
            self.socket().display()
        );
        write_file(&file, &text)?;
        Ok(file)
    }

    fn socket(&self) -> PathBuf {
        self.lab.path().join("router.sock")
    }

    fn start(&mut self, tunnels: &str) -> Result<()> {
        let file = self.write(tunnels)?;
        self.daemon = Some(Daemon::launch(&self.router, self.lab.path(), "router", &file, self.socket(), false)?);
        Ok(())
    }

    fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().map_or_else(|| not_yet("the router does not run"), Ok)
    }

    fn take_daemon(&mut self) -> Result<Daemon> {
        self.daemon.take().map_or_else(|| not_yet("the router does not run"), Ok)
    }

    fn talks(&self, from: [u8; 4], peer: usize, to: [u8; 4]) -> Result<()> {
        talk(&self.host, from.into(), &self.peers[peer], to.into())
    }

    /// Nothing of the flow to 10.3.0.1 gets to the peer, by whatever way; other packets do, in the clear.
    fn expect_no_leak(&self) -> Result<()> {
        let arrives = |from: [u8; 4]| arrives(&self.host, from.into(), &self.peers[0], [10, 3, 0, 1].into());
        ensure(arrives(STRANGER)?, "there is a way in the clear", || "nothing arrives".to_owned())?;
        ensure(!arrives(HOST)?, "nothing leaves unprotected", || "it arrived".to_owned())
    }

    /// Waits until the host and a network behind a peer talk.
    fn reaches(&self, peer: usize, to: [u8; 4]) -> Result<()> {
        let what = format!("the host talks with {}", Ipv4Addr::from(to));
        wait_for(patience(20), &what, || self.talks(HOST, peer, to))
    }

    /// Packets that went into a tunnel.
    fn sent(&self, tunnel: &str) -> Result<u64> {
        Ok(self.daemon()?.tunnel(tunnel)?["traffic"]["packets_out"].as_u64().unwrap_or_default())
    }

    fn flows(&self) -> Result<Vec<Value>> {
        Ok(array(&self.daemon()?.show("flows")?).to_vec())
    }

    /// Rules that are not there in every namespace.
    fn rules(&self) -> Result<Vec<String>> {
        let all = self.router.ip(&["rule", "show"])?;
        let usual = |line: &&str| ["0:", "32766:", "32767:"].iter().any(|priority| line.starts_with(priority));
        Ok(all.lines().filter(|line| !usual(line)).map(str::to_owned).collect())
    }
}

fn tunnel(version: &str, more: &str) -> String {
    format!(
        "  - name: dc\n    local: 198.51.100.1\n    remote: 198.51.100.2\n    \
         ike: {{version: {version}, proposals: [{SUITE}]}}\n{NETWORKS}{more}"
    )
}

/// A policy-based peer: in IKEv1 one pair of networks per CHILD SA, in IKEv2 all in one.
fn policy_peer(version: u8) -> String {
    let child = |name: &str, networks: &str| {
        format!(
            "   {name} {{\n    local_ts = {networks}\n    remote_ts = 10.1.0.0/16\n    esp_proposals = {SUITE}\n    \
             mode = tunnel\n    rekey_time = 0\n   }}\n"
        )
    };
    let children = match version {
        1 => child("two", "10.2.0.0/16") + &child("three", "10.3.0.0/16"),
        _ => child("both", "10.2.0.0/16,10.3.0.0/16"),
    };
    format!(
        "connections {{\n tunnel {{\n  version = {version}\n  local_addrs = 198.51.100.2\n  remote_addrs = 198.51.100.1\n  \
         encap = yes\n  mobike = no\n  proposals = {SUITE}\n  rekey_time = 0\n  reauth_time = 0\n  unique = replace\n  \
         local {{\n   auth = psk\n   id = 198.51.100.2\n  }}\n  remote {{\n   auth = psk\n   id = 198.51.100.1\n  }}\n  \
         children {{\n{children}  }}\n }}\n}}\nsecrets {{\n ike {{\n  id-1 = 198.51.100.1\n  id-2 = 198.51.100.2\n  \
         secret = \"{KEY}\"\n }}\n}}\n"
    )
}

fn protected(version: u8) -> Result<Site> {
    let mut site = Site::new(1)?;
    site.start_swan(0, &policy_peer(version))?;
    site.router.ip(&["route", "add", "10.0.0.0/8", "via", "198.51.100.2"])?;
    site.start(&tunnel(&format!("ikev{version}"), "    routing: protected\n"))?;
    Ok(site)
}

/// Traffic of every flow goes through the tunnel, and no other traffic does.
fn expect_only_flows(site: &Site) -> Result<()> {
    site.reaches(0, [10, 2, 0, 1])?;
    site.reaches(0, [10, 3, 0, 1])?;
    let before = site.sent("dc")?;
    site.talks(HOST, 0, [10, 3, 0, 1])?;
    ensure(site.sent("dc")? == before + 1, "a flow's packet goes through the tunnel", || before.to_string())?;
    site.talks(STRANGER, 0, [10, 3, 0, 1])?;
    let to_another = site.talks(HOST, 0, [10, 4, 0, 1]);
    // What comes back from there is the peer's affair: its own rule of what is protected says no.
    ensure(to_another.is_err(), "the peer has no way back for it", || "an answer".to_owned())?;
    ensure(site.sent("dc")? == before + 1, "other packets do not", || format!("{} and then more", before + 1))?;
    let flows = site.flows()?;
    ensure(flows.len() == 2, "two flows", || format!("{flows:?}"))?;
    for flow in &flows {
        let fine = flow["state"] == "up" && flow["rule"]["state"] == "installed" && flow["rule"]["through"][0] == "dc";
        ensure(fine && flow["packets_out"].as_u64() > Some(0), "each flow is up and carries packets", || {
            flow.to_string()
        })?;
    }
    Ok(())
}

#[test]
fn flows_of_a_policy_based_peer_with_ikev2() -> Result<()> {
    let mut site = protected(2)?;
    expect_only_flows(&site)?;
    no_packet_goes_elsewhere(&site)?;
    let spis = |flows: &[Value]| flows.iter().map(|flow| flow["spi_in"].to_string()).collect::<Vec<_>>();
    let (rules, before) = (site.rules()?, spis(&site.flows()?));
    ensure(before[0] == before[1], "one CHILD SA carries both", || format!("{before:?}"))?;

    // A reload that changes how packets get in leaves the SAs alone, and so does one back.
    site.write(&tunnel("ikev2", "    routes: [10.2.0.0/16]\n"))?;
    site.daemon()?.reload()?;
    wait_for(patience(10), "no rule is left", || {
        let rules = site.rules()?;
        ensure(rules.is_empty(), "no rules", || format!("{rules:?}"))?;
        site.router.expect_route("10.2.0.0/16", &["qs-dc"])
    })?;
    site.write(&tunnel("ikev2", "    routing: protected\n"))?;
    site.daemon()?.reload()?;
    wait_for(patience(10), "the rules are back", || {
        let now = site.rules()?;
        ensure(now == rules, "the same rules", || format!("{now:?}"))
    })?;
    site.reaches(0, [10, 2, 0, 1])?;
    ensure(spis(&site.flows()?) == before, "the same CHILD SA", || format!("{before:?}"))?;

    // After a crash the rules hold what they can, and the next process carries on.
    site.take_daemon()?.kill()?;
    ensure(site.rules()? == rules, "rules outlive a crash", String::new)?;
    // The kernel goes on with the SAs that it has; one way only, for the socket that took ESP out of UDP is gone.
    if !DATAPLANE.is_kernel() {
        site.expect_no_leak()?;
    }
    site.start(&tunnel("ikev2", "    routing: protected\n"))?;
    expect_only_flows(&site)?;
    ensure(site.rules()? == rules, "the same rules after a crash", || format!("{:?}", site.rules()))?;
    site.take_daemon()?.stop()?;
    ensure(site.rules()?.is_empty(), "a clean stop leaves nothing", || format!("{:?}", site.rules()))
}

/// A tunnel is routed by destination and by flows in turn while packets come: all of them go through it.
fn no_packet_goes_elsewhere(site: &Site) -> Result<()> {
    let nft = |words: &str| run(Command::new("ip").args(["netns", "exec", site.router.name(), "nft", words]));
    nft("add table ip lab; add chain ip lab out { type filter hook postrouting priority filter; }; \
         add counter ip lab clear; add rule ip lab out oifname wan1 ip saddr 10.1.0.10 counter name clear")?;
    let stream = Stream { flows: 4, rate: 2000, ..Stream::to([10, 2, 0, 1].into()) };
    let stream = stream.start(&site.host, &site.peers[0])?;
    stream.flows_again(100, patience(10))?;
    for _ in 0..4 {
        for way in ["    routes: [10.2.0.0/16]\n", "    routing: protected\n"] {
            let answer = {
                site.write(&tunnel("ikev2", way))?;
                quadspan(&["reload", "-s", &site.socket().display().to_string()])?
            };
            ensure(answer.contains("0 restarted, 1 with"), "the tunnel stays", || answer.clone())?;
            stream.flows_again(100, patience(10))?;
        }
    }
    let report = stream.finish();
    ensure(report.lost == 0 && report.lost_round_trip == 0, "no packet is lost", || report.to_string())?;
    let clear = nft("list counter ip lab clear")?;
    ensure(clear.contains("packets 0 "), "no packet leaves in the clear", || clear.clone())?;
    // Another set of networks is another CHILD SA: that is said.
    site.write(&tunnel("ikev2", "    routing: protected\n").replace(", 10.3.0.0/16]", "]"))?;
    let answer = quadspan(&["reload", "-s", &site.socket().display().to_string()])?;
    ensure(answer.contains("1 restarted and interrupted (dc: selectors)"), "what is interrupted", || answer.clone())?;
    site.write(&tunnel("ikev2", "    routing: protected\n"))?;
    site.daemon()?.reload()?;
    expect_only_flows(site)
}

#[test]
fn flows_of_a_policy_based_peer_with_ikev1() -> Result<()> {
    let mut site = protected(1)?;
    wait_for(patience(20), "there is a CHILD SA for each pair", || {
        let counts = site.swans[0].sa_counts()?;
        ensure(counts == (1, 2), "IKE and CHILD SAs", || format!("{counts:?}"))
    })?;
    expect_only_flows(&site)?;
    // The peer is gone: what is protected waits, whatever other way there is.
    site.swans[0].process().kill()?;
    site.daemon()?.order(&["reset", "tunnel", "dc"])?;
    wait_for(patience(10), "the flows are down", || {
        let flows = site.flows()?;
        ensure(flows.iter().all(|flow| flow["state"] == "down"), "all are down", || format!("{flows:?}"))
    })?;
    site.expect_no_leak()
}

#[test]
fn a_narrower_peer_is_told_apart_from_one_that_agrees() -> Result<()> {
    let mut site = Site::new(1)?;
    site.start_swan(0, &policy_peer(2).replace("10.2.0.0/16,10.3.0.0/16", "10.2.0.0/17,10.3.0.0/16"))?;
    site.start(&tunnel("ikev2", "    routing: protected\n"))?;
    wait_for(patience(20), "one flow is whole and the other is not", || {
        let flows = site.flows()?;
        let states: Vec<_> = flows.iter().map(|flow| flow["state"].clone()).collect();
        ensure(states == ["narrowed", "up"], "states", || format!("{flows:?}"))
    })?;
    let text = site.flows()?[0]["failure"]["text"].to_string();
    let both = text.contains("10.1.0.0/16 === 10.2.0.0/16") && text.contains("10.2.0.0/17");
    ensure(both, "both sides' values are named", || text.clone())?;
    let log = site.daemon()?.log_text();
    ensure(log.contains("the peer takes less traffic than we asked for"), "it is in the log", || log.clone())
}

fn static_tunnel(number: u8, route: &str) -> String {
    let net = 99 + number;
    format!(
        "  - name: t{number}\n    local: 198.51.{net}.1\n    remote: 198.51.{net}.2\n    \
         ike: {{proposals: [{SUITE}]}}\n    routes: [{route}]\n"
    )
}

#[test]
fn static_routes_move_from_a_dead_tunnel_to_the_next_and_back() -> Result<()> {
    let mut site = Site::new(2)?;
    site.start_swan(0, &swan(0))?;
    site.start_swan(1, &swan(1))?;
    site.start(&(static_tunnel(1, "10.2.0.0/16") + &static_tunnel(2, "{prefix: 10.2.0.0/16, distance: 5}")))?;
    let leads = |interface: &'static str| {
        wait_for(patience(20), &format!("the route leads into {interface}"), || {
            site.router.expect_route("10.2.0.0/16", &[interface])
        })
    };
    leads("qs-t1")?;
    site.reaches(0, [10, 2, 0, 1])?;
    site.swans[0].configure("")?;
    site.swans[0].delete_ike()?;
    wait_for(patience(20), "the first tunnel is down", || site.daemon()?.expect_down("t1"))?;
    leads("qs-t2")?;
    site.reaches(1, [10, 2, 0, 1])?;
    site.swans[0].configure(&swan(0))?;
    leads("qs-t1")?;
    site.reaches(0, [10, 2, 0, 1])?;

    // With the same distance both are used.
    site.write(&(static_tunnel(1, "10.2.0.0/16") + &static_tunnel(2, "10.2.0.0/16")))?;
    site.daemon()?.reload()?;
    wait_for(patience(10), "the route leads into both", || site.router.expect_route("10.2.0.0/16", &["qs-t1", "qs-t2"]))
}

#[test]
fn a_reload_that_gives_an_on_demand_tunnel_routes_brings_it_up() -> Result<()> {
    let mut site = Site::new(1)?;
    site.start_swan(0, &swan(0))?;
    let routes = static_tunnel(1, "10.2.0.0/16") + "    start: on-demand\n";
    let none = routes.replace("    routes: [10.2.0.0/16]\n", "");
    site.start(&none)?;
    // Longer than it takes to see that a tunnel has always traffic.
    for _ in 0..20 {
        site.daemon()?.expect_down("t1")?;
        std::thread::sleep(Duration::from_millis(100));
    }
    site.write(&routes)?;
    site.daemon()?.reload()?;
    wait_for(patience(20), "the tunnel is up, without a packet for it", || {
        let tunnel = site.daemon()?.tunnel("t1")?;
        ensure(tunnel["state"] == "up", "its state", || tunnel.to_string())?;
        site.router.expect_route("10.2.0.0/16", &["qs-t1"])
    })
}

/// A route-based peer's configuration.
fn swan(index: u8) -> String {
    let net = 100 + index;
    let [local, remote] = [2, 1].map(|host| Ipv4Addr::new(198, 51, net, host));
    SwanTunnel {
        local,
        remote,
        inside: "10.2.0.1/32".to_owned(),
        psk: KEY.to_owned(),
        ike: SUITE.to_owned(),
        esp: SUITE.to_owned(),
        initiate: false,
        dpd: 10,
        rekey_ike: 0,
        rekey_child: 0,
    }
    .swanctl_conf()
}
