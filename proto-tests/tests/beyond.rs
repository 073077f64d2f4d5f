//! What lies beyond the tunnels, with BIRD on the other side: a neighbour on the LAN, one several hops away behind two
//! tunnels, neighbours of a range, static routes over both tunnels, connected networks.
//!
//! ```text
//!   core ------------ lan0 router wan ============ t1, t2 ============ wan cloud
//!   BIRD 10.1.0.9           10.1.0.1  198.51.100.1    198.51.100.2, .3     BIRD on 10.255.0.1
//!   BIRDs 10.1.0.11 to .13  10.254.0.1 (loopback)
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::kernel::array;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::Process;
use proto_tests::lab::{DATAPLANE, Lab, Result, ensure, not_yet, patience, run, wait_for, write_file, write_secret};
use serde_json::Value;

/// The three hosts; our process on two of them.
struct Beyond {
    ours: Daemon,
    theirs: Daemon,
    router: Namespace,
    core: Namespace,
    cloud: Namespace,
    lab: Lab,
}

const ROUTER: &str = "  static:
    - {prefix: 10.255.0.1/32, via: [{tunnel: t1}, {tunnel: t2}]}
    - {prefix: 10.99.0.0/16, blackhole: true}
  connected: [lan0]
";

const NEIGHBORS: &str = "\
neighbors:
  - {name: core, address: 10.1.0.9, asn: 65010, bgp: {hold-time: 9s, import: [all]}}
  - name: far
    address: 10.255.0.1
    asn: 64512
    local-address: 10.254.0.1
    multihop: 4
    bgp: {hold-time: 30s, import: [all], export: [10.0.0.0/8 le 24]}
  - {name: spokes, range: 10.1.0.0/24, asn: [65100-65109, 65120], limit: 2, bgp: {hold-time: 9s, import: [all], export: [networks]}}
";

impl Beyond {
    fn start() -> Result<Self> {
        let lab = Lab::new()?;
        let (router, core, cloud) = (lab.namespace("router")?, lab.namespace("core")?, lab.namespace("cloud")?);
        router.cable("wan", &cloud, "wan")?;
        router.cable("lan0", &core, "lan0")?;
        router.address("wan", "198.51.100.1/24")?;
        router.address("lan0", "10.1.0.1/24")?;
        router.address("lo", "10.254.0.1/32")?;
        for last in [2, 3] {
            cloud.address("wan", &format!("198.51.100.{last}/24"))?;
        }
        cloud.address("lo", "10.255.0.1/32")?;
        for last in [9, 11, 12, 13, 14] {
            core.address("lan0", &format!("10.1.0.{last}/24"))?;
        }
        let key = lab.path().join("key.psk");
        write_secret(&key, "beyond.the_tunnels.1")?;
        let back = "  static:\n    - {prefix: 10.254.0.1/32, via: [{tunnel: t1}, {tunnel: t2}]}\n";
        let theirs = quadspan(&cloud, lab.path(), "cloud", &text("cloud", 64600, back, "", false))?;
        let ours = quadspan(&router, lab.path(), "router", &text("router", 65000, ROUTER, NEIGHBORS, true))?;
        Ok(Self { ours, theirs, router, core, cloud, lab })
    }

    /// A BIRD that announces one network.
    fn bird(&self, host: &Namespace, local: &str, asn: u32, hops: u8, peer: &str, network: &str) -> Result<Bird> {
        Bird::start(host, self.lab.path(), &BirdPlan { local, asn, hops, peer, network })
    }

    fn tunnels_up(&self) -> Result<()> {
        wait_for(patience(30), "both tunnels are up", || {
            for (daemon, name) in [(&self.ours, "t1"), (&self.ours, "t2"), (&self.theirs, "t1"), (&self.theirs, "t2")] {
                let tunnel = daemon.tunnel(name)?;
                ensure(tunnel["state"] == "up", name, || tunnel["last_failure"].to_string())?;
            }
            Ok(())
        })
    }

    fn logs(&self) -> String {
        format!("--- router\n{}\n--- cloud\n{}", self.ours.log_text(), self.theirs.log_text())
    }

    fn state(&self, name: &str) -> Result<Value> {
        self.ours.peer(name)
    }

    fn expect_state(&self, name: &str, state: &str) -> Result<()> {
        let peer = self.state(name)?;
        if peer["state"] == state { Ok(()) } else { not_yet(format!("{name}: {peer}")) }
    }

    fn names(&self) -> Result<Vec<String>> {
        let peers = self.ours.show("neighbors")?;
        let mut names: Vec<_> =
            array(&peers).iter().filter_map(|peer| Some(peer["tunnel"].as_str()?.to_owned())).collect();
        names.sort();
        Ok(names)
    }
}

fn text(name: &str, asn: u32, statics: &str, neighbors: &str, begins: bool) -> String {
    let (side, start) = if begins { ("first", "initiate") } else { ("second", "respond") };
    let id = if begins { "10.254.0.1" } else { "10.255.0.254" };
    let mut text = format!(
        "router:\n  name: {name}\n  asn: {asn}\n  router-id: {id}\n  networks: [10.{}.0.0/16]\n  \
         dataplane: {DATAPLANE}\n  api: {{socket: DIRECTORY/{name}.sock}}\n{statics}{neighbors}tunnels:\n",
        asn % 100 + 150,
    );
    for number in [1, 2] {
        let far = format!("198.51.100.{}", number + 1);
        let (local, remote) = if begins { ("198.51.100.1", far.as_str()) } else { (far.as_str(), "198.51.100.1") };
        text += &format!(
            "  - name: t{number}\n    local: {local}\n    remote: {remote}\n    psk: {{file: key.psk}}\n    \
             inside: {{prefix: 169.254.2{number}.0/30, side: {side}}}\n    start: {start}\n    encapsulation: always\n    \
             dpd: {{interval: 1s, timeout: 4s}}\n"
        );
    }
    text
}

fn quadspan(host: &Namespace, directory: &Path, name: &str, text: &str) -> Result<Daemon> {
    let file = directory.join(format!("{name}.yaml"));
    write_file(&file, &text.replace("DIRECTORY", &directory.display().to_string()))?;
    Daemon::launch(host, directory, name, &file, directory.join(format!("{name}.sock")), false)
}

struct BirdPlan<'a> {
    local: &'a str,
    asn: u32,
    hops: u8,
    peer: &'a str,
    network: &'a str,
}

/// A BIRD that keeps its routes to itself.
struct Bird {
    process: Process,
    socket: PathBuf,
}

impl Bird {
    fn start(host: &Namespace, directory: &Path, plan: &BirdPlan<'_>) -> Result<Self> {
        let BirdPlan { local, asn, hops, peer, network } = plan;
        let place = if *hops > 1 { format!("multihop {hops}") } else { "direct".to_owned() };
        let text = format!(
            "log stderr all;\nrouter id {local};\nprotocol device {{ scan time 1; }}\n\
             protocol static {{ ipv4; route {network} unreachable; }}\n\
             protocol bgp peer {{\n local {local} as {asn};\n neighbor {peer} as 65000;\n {place};\n strict bind yes;\n hold time 30;\n \
             connect delay time 1;\n connect retry time 1;\n error wait time 1,2;\n \
             ipv4 {{ import all; export where source = RTS_STATIC; next hop self; }};\n}}\n"
        );
        let name = format!("bird-{local}");
        let config = directory.join(format!("{name}.conf"));
        write_file(&config, &text)?;
        let socket = directory.join(format!("{name}.ctl"));
        let mut command = host.command("bird");
        command.arg("-f").arg("-c").arg(&config).arg("-s").arg(&socket);
        command.arg("-P").arg(directory.join(format!("{name}.pid")));
        let process = Process::spawn(&name, command, &directory.join(format!("{name}.log")))?;
        wait_for(patience(10), "bird answers", || ask_bird(&socket, "show status"))?;
        Ok(Self { process, socket })
    }

    fn knows(&self, prefix: &str) -> Result<bool> {
        Ok(ask_bird(&self.socket, "show route protocol peer")?.contains(prefix))
    }
}

fn ask_bird(socket: &Path, question: &str) -> Result<String> {
    run(Command::new("birdc").arg("-s").arg(socket).args(question.split_whitespace()))
}

fn play(lab: &Beyond, scene: impl FnOnce(&Beyond) -> Result<()>) {
    if let Err(error) = scene(lab) {
        panic!("{error}\n{}", lab.logs());
    }
}

fn start() -> Beyond {
    match Beyond::start() {
        Ok(lab) => lab,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_neighbour_on_the_lan_follows_its_interface() {
    play(&start(), |lab| {
        let bird = lab.bird(&lab.core, "10.1.0.9", 65010, 1, "10.1.0.1", "10.20.0.0/16")?;
        wait_for(patience(30), "the session is established", || lab.expect_state("core", "Established"))?;
        let core = lab.state("core")?;
        ensure(core["place"] == "interface" && core["interface"] == "lan0", "its place", || core.to_string())?;
        wait_for(patience(10), "routes go both ways", || {
            lab.router.expect_route("10.20.0.0/16", &["lan0"])?;
            ensure(bird.knows("10.150.0.0/16")?, "the router's network at core", String::new)
        })?;
        lab.router.ip(&["link", "set", "lan0", "down"])?;
        wait_for(patience(3), "interface down: the route is gone, the session knows why", || {
            lab.router.expect_route("10.20.0.0/16", &[])?;
            let core = lab.state("core")?;
            let reason = core["last_error"]["text"].as_str().unwrap_or_default().to_owned();
            if core["state"] != "Established" && reason.contains("lan0 is down") { Ok(()) } else { not_yet(reason) }
        })?;
        lab.router.ip(&["link", "set", "lan0", "up"])?;
        wait_for(patience(30), "interface up: everything is back", || {
            lab.expect_state("core", "Established")?;
            lab.router.expect_route("10.20.0.0/16", &["lan0"])
        })?;
        ensure(lab.state("core")?["flaps"] == 1, "one flap", String::new)
    });
}

#[test]
fn a_peer_behind_two_tunnels_outlives_one_of_them() {
    play(&start(), |lab| {
        lab.tunnels_up()?;
        let both: &[&str] = &["qs-t1", "qs-t2"];
        wait_for(patience(10), "the static route uses both tunnels", || {
            lab.router.expect_route("10.255.0.1/32", both)?;
            let routes = lab.router.ip_json(&["route", "show", "exact", "10.99.0.0/16"])?;
            ensure(routes[0]["type"] == "blackhole", "the blackhole", || routes.to_string())
        })?;
        let _bird = lab.bird(&lab.cloud, "10.255.0.1", 64512, 4, "10.254.0.1", "10.30.0.0/16")?;
        wait_for(patience(30), "the far peer's routes use both tunnels", || {
            lab.expect_state("far", "Established")?;
            lab.router.expect_route("10.30.0.0/16", both)
        })?;
        lab.cloud.ip(&["address", "del", "198.51.100.2/24", "dev", "wan"])?;
        // The address that is left was the second one of its network, and may have gone with the first.
        drop(lab.cloud.address("wan", "198.51.100.3/24"));
        wait_for(patience(15), "what is left is the second tunnel", || {
            lab.router.expect_route("10.255.0.1/32", &["qs-t2"])?;
            lab.router.expect_route("10.30.0.0/16", &["qs-t2"])
        })?;
        let far = lab.state("far")?;
        ensure(far["state"] == "Established" && far["flaps"] == 0, "the session goes on", || far.to_string())?;
        let shown = lab.ours.show("static")?;
        let alive: Vec<bool> = array(&shown[0]["via"]).iter().map(|hop| hop["alive"] == true).collect();
        ensure(alive == [false, true], "one next hop is reached", || shown.to_string())?;
        let routes = lab.ours.ask(&["show", "routes", "10.255.0.1/32"])?;
        ensure(routes[0]["paths"][0]["source"] == "static", "its source", || routes.to_string())?;
        lab.cloud.address("wan", "198.51.100.2/24")?;
        wait_for(patience(60), "and both again", || lab.router.expect_route("10.30.0.0/16", both))
    });
}

#[test]
fn connected_networks_are_announced_while_they_are_there() {
    play(&start(), |lab| {
        lab.tunnels_up()?;
        let bird = lab.bird(&lab.cloud, "10.255.0.1", 64512, 4, "10.254.0.1", "10.30.0.0/16")?;
        wait_for(patience(30), "the network of lan0 is announced", || {
            ensure(bird.knows("10.1.0.0/24")?, "10.1.0.0/24", String::new)
        })?;
        lab.router.address("lan0", "10.7.0.1/24")?;
        lab.router.address("lan0", "169.254.9.1/24")?;
        wait_for(patience(5), "a new one, too", || ensure(bird.knows("10.7.0.0/24")?, "10.7.0.0/24", String::new))?;
        ensure(!bird.knows("169.254.9.0/24")?, "link scope stays here", String::new)?;
        lab.router.ip(&["address", "del", "10.7.0.1/24", "dev", "lan0"])?;
        wait_for(patience(5), "withdrawn with its address", || {
            ensure(!bird.knows("10.7.0.0/24")?, "no 10.7.0.0/24", String::new)
        })?;
        ensure(bird.knows("10.1.0.0/24")?, "the other one stays", String::new)
    });
}

#[test]
fn neighbours_of_a_range_come_and_go() {
    play(&start(), |lab| {
        let spoke = |last: u32, asn| {
            let (local, network) = (format!("10.1.0.{last}"), format!("10.40.{last}.0/24"));
            lab.bird(&lab.core, &local, asn, 1, "10.1.0.1", &network)
        };
        let mut first = spoke(11, 65101)?;
        let _second = spoke(12, 65120)?;
        wait_for(patience(30), "two sessions are established", || {
            lab.expect_state("spokes-10.1.0.11", "Established")?;
            lab.expect_state("spokes-10.1.0.12", "Established")?;
            lab.router.expect_route("10.40.11.0/24", &["lan0"])?;
            lab.router.expect_route("10.40.12.0/24", &["lan0"])
        })?;
        let peer = lab.state("spokes-10.1.0.12")?;
        ensure(peer["asn"] == 65120 && peer["place"] == "range", "what it said it is", || peer.to_string())?;
        let _stranger = spoke(14, 65200)?;
        let third = spoke(13, 65109)?;
        std::thread::sleep(std::time::Duration::from_secs(4));
        let expected = ["core", "far", "spokes-10.1.0.11", "spokes-10.1.0.12"];
        ensure(lab.names()? == expected, "nobody beyond the limit", || format!("{:?}", lab.names()))?;
        let log = lab.ours.log_text();
        ensure(log.contains("there are 2 peers of spokes already"), "the limit is named", String::new)?;
        ensure(log.contains("AS 65200 is not among those of spokes"), "the stranger is named", String::new)?;
        first.process.stop(patience(5))?;
        wait_for(patience(30), "the third takes the first one's place", || {
            lab.expect_state("spokes-10.1.0.13", "Established")?;
            lab.router.expect_route("10.40.11.0/24", &[])?;
            lab.router.expect_route("10.40.13.0/24", &["lan0"])
        })?;
        let expected = ["core", "far", "spokes-10.1.0.12", "spokes-10.1.0.13"];
        ensure(lab.names()? == expected, "the first is forgotten", || format!("{:?}", lab.names()))?;
        ensure(third.knows("10.150.0.0/16")?, "the router's network", String::new)
    });
}

#[test]
fn a_reload_touches_only_the_neighbours_that_changed() {
    play(&start(), |lab| {
        let bird = lab.bird(&lab.core, "10.1.0.9", 65010, 1, "10.1.0.1", "10.20.0.0/16")?;
        wait_for(patience(30), "the session is established", || lab.expect_state("core", "Established"))?;
        let neighbors = NEIGHBORS
            .replace("import: [all]}}\n  - name: far", "import: [all], export: [10.88.0.0/16]}}\n  - name: far")
            .replace("multihop: 4", "multihop: 5");
        let statics = ROUTER.replace("10.99.0.0/16, blackhole: true", "10.88.0.0/16, via: [10.1.0.9]");
        let changed = text("router", 65000, &statics, &neighbors, true);
        write_file(
            &lab.lab.path().join("router.yaml"),
            &changed.replace("DIRECTORY", &lab.lab.path().display().to_string()),
        )?;
        lab.ours.reload()?;
        wait_for(patience(10), "the new static route is there and announced", || {
            lab.router.expect_route("10.88.0.0/16", &["lan0"])?;
            lab.router.expect_route("10.99.0.0/16", &[])?;
            ensure(bird.knows("10.88.0.0/16")? && !bird.knows("10.150.0.0/16")?, "the new policy", String::new)
        })?;
        let core = lab.state("core")?;
        ensure(core["state"] == "Established" && core["flaps"] == 0, "the session goes on", || core.to_string())
    });
}
