//! Policies with BIRD at the other end of a tunnel: what they set arrives there, what they reject stays out with the
//! reason, and a new policy is applied to what is there while the session goes on as if nothing were.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use proto_tests::lab::bird::Bird;
use proto_tests::lab::daemon::binary;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::Process;
use proto_tests::lab::{DATAPLANE, Lab, Result, ensure, not_yet, run, wait_for, write_file, write_secret};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

const POLICIES: &str = "\
prefix-lists:
  cloud: [10.2.0.0/16 le 24]
community-lists:
  ours: ['65000:*']
policies:
  from-cloud:
    rules:
      - name: marked
        match: {prefix: cloud, as-path: '^64512', communities: '64512:100', med: 30}
        set: {local-preference: 250, communities: {add: ['65000:2']}}
        action: accept
    default: reject
  to-cloud:
    rules:
      - match: {source: originated}
        set:
          prepend: 2
          med: 77
          communities: {add: ['65000:7', '65000:1:7', 'rt:65000:9']}
        action: accept
      - {match: {communities: ours}, action: reject}
    default: reject
";

/// Two hosts and a tunnel; the router speaks BGP in our process, the cloud in BIRD.
struct Two {
    router: Namespace,
    _cloud: Namespace,
    ours: Process,
    tunnel: Process,
    bird: Bird,
    lab: Lab,
}

impl Two {
    fn start() -> Result<Self> {
        let lab = Lab::new()?;
        let (router, cloud) = (lab.namespace("router")?, lab.namespace("cloud")?);
        router.cable("wan", &cloud, "wan")?;
        for (host, number) in [(&router, 1), (&cloud, 2)] {
            host.address("wan", &format!("198.51.100.{number}/24"))?;
        }
        let key = lab.path().join("key.psk");
        write_secret(&key, "policies_in.one.session")?;
        let tunnel = quadspan(&cloud, lab.path(), "cloud", &tunnel_file("cloud", 2, "respond", ""))?;
        let bird = Bird::launch(&cloud, lab.path(), BIRD)?;
        let ours = quadspan(&router, lab.path(), "router", &router_file(POLICIES))?;
        Ok(Self { router, _cloud: cloud, ours, tunnel, bird, lab })
    }

    fn logs(&self) -> String {
        let bird = std::fs::read_to_string(self.bird.log()).unwrap_or_default();
        let received = self.quadspan(&["show", "received", "one"]).unwrap_or_default();
        [&self.ours, &self.tunnel].map(|process| process.log_tail(20)).join("\n---\n") + &bird + &received
    }

    fn quadspan(&self, words: &[&str]) -> Result<String> {
        let socket = self.lab.path().join("router.sock");
        run(Command::new(binary()?).args(words).arg("--socket").arg(socket))
    }

    fn json(&self, words: &[&str]) -> Result<Value> {
        let text = self.quadspan(&[words, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).or_else(|error| not_yet(format!("{words:?}: {error}: {text}")))
    }

    /// What BIRD has of our network, with all attributes.
    fn at_bird(&self, words: &[&str]) -> Result<()> {
        let shown = self.bird.birdc("show route 10.1.0.0/16 all")?;
        words.iter().try_for_each(|word| ensure(shown.contains(word), word, || shown.clone()))
    }

    fn kernel_has(&self, prefix: &str, wanted: bool) -> Result<()> {
        let routes = self.router.ip_json(&["route", "show", "exact", prefix])?;
        let found = routes.as_array().is_some_and(|routes| !routes.is_empty());
        ensure(found == wanted, "the kernel's route", || format!("{prefix}: {routes}"))
    }

    /// The session's counters: they show a reset, a refresh or an update too many.
    fn session(&self) -> Result<Value> {
        Ok(self.json(&["show", "peers"])?[0].clone())
    }
}

#[test]
fn policies_work_on_a_real_peer_and_change_under_a_running_session() {
    let two = match Two::start() {
        Ok(two) => two,
        Err(error) => panic!("{error}"),
    };
    if let Err(error) = arrive(&two).and_then(|()| reload(&two)).and_then(|()| drain(&two)) {
        panic!("{error}\n{}", two.logs());
    }
}

fn arrive(two: &Two) -> Result<()> {
    let set = ["BGP.as_path: 65000 65000 65000\n", "BGP.med: 77", "(65000,7)", "(65000, 1, 7)", "(rt, 65000, 9)"];
    wait_for(PATIENCE, "BIRD has what the policy sets", || two.at_bird(&set))?;
    wait_for(PATIENCE, "the kernel has what is accepted", || two.kernel_has("10.2.0.0/16", true))?;
    two.kernel_has("10.9.0.0/16", false)?;
    let route = two.json(&["show", "route", "10.2.3.4"])?;
    let candidate = &route["candidates"][0];
    ensure(candidate["local_preference"] == 250, "preference 250", || route.to_string())?;
    ensure(candidate["received"]["med"] == 30, "the MED received", || route.to_string())?;
    let communities = candidate["effective"]["communities"].to_string();
    ensure(communities.contains("65000:2"), "the community added", || route.to_string())?;
    let rejected = two.json(&["show", "received", "one", "--rejected"])?;
    let reason = &rejected["routes"][0]["rejected"];
    ensure(reason == "rejected by the default of policy from-cloud", "the reason", || rejected.to_string())?;
    let policies = two.json(&["show", "policies", "from-cloud"])?;
    let hits = (&policies["policies"][0]["rules"][0]["hits"], &policies["policies"][0]["default_hits"]);
    ensure(hits == (&1.into(), &1.into()), "one hit each", || policies.to_string())?;
    let tried = two.quadspan(&[
        "policy",
        "test",
        "from-cloud",
        "--prefix",
        "10.2.7.0/24",
        "--as-path",
        "64512",
        "--community",
        "64512:100",
        "--med",
        "30",
    ])?;
    ensure(tried.starts_with("accepted by rule 1 (marked) of policy from-cloud"), "the dry run", || tried.clone())
}

fn reload(two: &Two) -> Result<()> {
    let before = two.session()?;
    let changed = POLICIES
        .replace("    default: reject\n  to-cloud", "    default: accept\n  to-cloud")
        .replace("med: 77", "med: 88")
        .replace("prepend: 2", "prepend: 1");
    write_file(&two.lab.path().join("router.yaml"), &located(&router_file(&changed), two.lab.path()))?;
    two.quadspan(&["reload"])?;
    let set = ["BGP.as_path: 65000 65000\n", "BGP.med: 88"];
    wait_for(PATIENCE, "BIRD has what the new policy sets", || two.at_bird(&set))?;
    wait_for(PATIENCE, "what was rejected is accepted", || two.kernel_has("10.9.0.0/16", true))?;
    let after = two.session()?;
    let both = || format!("{before}\n{after}");
    let count = |session: &Value, which: &str| session["messages"][which].as_u64();
    for which in ["open_in", "open_out", "notification_in", "notification_out", "refresh_out", "update_in"] {
        ensure(count(&before, which) == count(&after, which), which, both)?;
    }
    ensure(after["flaps"] == 0 && after["state"] == "Established", "the same session", both)?;
    ensure(after["since"].as_u64() >= before["since"].as_u64(), "its uptime goes on", both)?;
    let one = count(&after, "update_out").zip(count(&before, "update_out")).map(|(after, before)| after - before);
    ensure(one == Some(1), "one update for one route that changed", both)
}

fn drain(two: &Two) -> Result<()> {
    two.quadspan(&["bgp", "drain", "one"])?;
    wait_for(PATIENCE, "BIRD is told that it is about to end", || two.at_bird(&["(65535,0)", "BGP.med: 4294967295"]))?;
    let route = two.json(&["show", "route", "10.2.0.0/16"])?;
    ensure(route["candidates"][0]["local_preference"] == 0, "preference 0", || route.to_string())?;
    ensure(two.session()?["draining"] == true, "it is shown", || "not draining".to_owned())?;
    two.quadspan(&["bgp", "undrain", "one"])?;
    wait_for(PATIENCE, "BIRD is told that it goes on", || {
        let shown = two.bird.birdc("show route 10.1.0.0/16 all")?;
        ensure(shown.contains("BGP.med: 88") && !shown.contains("(65535,0)"), "as before", || shown.clone())
    })
}

fn router_file(policies: &str) -> String {
    let bgp = "    bgp: {asn: 64512, hold-time: 9s, import: from-cloud, export: to-cloud}\n";
    tunnel_file("router", 1, "initiate", bgp) + policies
}

fn tunnel_file(name: &str, number: u8, start: &str, bgp: &str) -> String {
    let (asn, peer, side) = if number == 1 { (65000, 2, "first") } else { (64512, 1, "second") };
    format!(
        "router:\n  name: {name}\n  asn: {asn}\n  router-id: 10.{number}.0.1\n  networks: [10.{number}.0.0/16]\n  \
         dataplane: {DATAPLANE}\n  api: {{socket: DIRECTORY/{name}.sock}}\ntunnels:\n  - name: one\n    \
         local: 198.51.100.{number}\n    remote: 198.51.100.{peer}\n    psk: {{file: key.psk}}\n    \
         inside: {{prefix: 169.254.21.0/30, side: {side}}}\n    start: {start}\n    encapsulation: always\n{bgp}"
    )
}

fn located(text: &str, directory: &Path) -> String {
    text.replace("DIRECTORY", &directory.display().to_string())
}

fn quadspan(host: &Namespace, directory: &Path, name: &str, text: &str) -> Result<Process> {
    let file = directory.join(format!("{name}.yaml"));
    write_file(&file, &located(text, directory))?;
    let mut command = host.command(&binary()?.display().to_string());
    command.arg("run").arg(&file);
    let process = Process::spawn(name, command, &directory.join(format!("{name}.log")))?;
    wait_for(PATIENCE, "the tunnel's interface is there", || host.ip(&["link", "show", "dev", "qs-one"]))?;
    Ok(process)
}

const BIRD: &str = "\
log stderr all;
router id 10.2.0.1;
protocol device { scan time 1; }
protocol static {
  ipv4;
  route 10.2.0.0/16 unreachable { bgp_community.add((64512,100)); };
  route 10.9.0.0/16 unreachable;
}
protocol bgp peer {
  local 169.254.21.2 as 64512;
  neighbor 169.254.21.1 as 65000;
  direct;
  interface \"qs-one\";
  hold time 9;
  connect delay time 1;
  connect retry time 1;
  error wait time 1,2;
  ipv4 { import all; export filter { if source = RTS_STATIC then { bgp_med = 30; accept; } reject; }; };
}
";
