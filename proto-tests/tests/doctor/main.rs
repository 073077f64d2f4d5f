//! Each thing that `quadspan doctor` can find is brought about for real, found by its code, and undone.
//!
//! ```text
//!   us 192.0.2.1 ---- wan ---- 192.0.2.9 peer (203.0.113.9 on its loopback): a route leads there
//! ```

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;

use proto_tests::lab::daemon::{Daemon, binary};
use proto_tests::lab::layout::TUNNELS;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::router_file::RouterFile;
use proto_tests::lab::{Lab, LabError, Result, ensure, not_yet, patience, run, wait_for, write_secret};
use serde_json::Value;

const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const NEAR: &str = "192.0.2.9";
const THEIRS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// What the machine that the laboratory runs on may have by itself: nobody keeps its clock.
const OF_THE_HOST: &[&str] = &["QD0105"];

/// Two hosts with a tunnel and a session between them.
struct Ward {
    daemon: Option<Daemon>,
    peer: Daemon,
    us: Namespace,
    peer_host: Namespace,
    our_file: RouterFile,
    peer_file: RouterFile,
    lab: Lab,
}

impl Ward {
    fn open() -> Result<Self> {
        let lab = Lab::new()?;
        let (us, peer_host) = (lab.namespace("us")?, lab.namespace("peer")?);
        us.make_router()?;
        peer_host.make_router()?;
        us.cable("wan", &peer_host, "wan")?;
        us.address("wan", &format!("{OURS}/24"))?;
        peer_host.address("wan", &format!("{NEAR}/24"))?;
        peer_host.address("lo", &format!("{THEIRS}/32"))?;
        us.ip(&["route", "add", &THEIRS.to_string(), "via", NEAR])?;
        let (mut our_file, mut peer_file) = (RouterFile::router(true), RouterFile::cloud(&TUNNELS[0], false));
        our_file.tunnels.truncate(1);
        our_file.name = "us".to_owned();
        peer_file.name = "peer".to_owned();
        (our_file.tunnels[0].local, our_file.tunnels[0].remote) = (OURS, THEIRS);
        (peer_file.tunnels[0].local, peer_file.tunnels[0].remote) = (THEIRS, OURS);
        let peer = Daemon::start(&peer_host, lab.path(), &peer_file)?;
        let daemon = Some(Daemon::start(&us, lab.path(), &our_file)?);
        let ward = Self { daemon, peer, us, peer_host, our_file, peer_file, lab };
        ward.wait_well()?;
        Ok(ward)
    }

    fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().map_or_else(|| not_yet("our process does not run"), Ok)
    }

    fn tunnel(&self) -> &str {
        &self.our_file.tunnels[0].name
    }

    fn wait_well(&self) -> Result<()> {
        wait_for(patience(30), "the tunnel and its session are up", || {
            self.daemon()?.expect_up(&[self.tunnel()])?;
            let peer = self.daemon()?.peer(self.tunnel())?;
            ensure(peer["prefixes"]["accepted"] == 1 && peer["prefixes"]["advertised"] == 1, "routes", || {
                peer.to_string()
            })
        })
    }

    /// Runs the doctor; its exit status must be that of its verdict.
    fn doctor(&self, more: &[&str]) -> Result<Value> {
        let mut command = self.us.command(&binary()?.display().to_string());
        command.args(["doctor", "-o", "json", "-s"]).arg(self.our_file.socket(self.lab.path())).args(more);
        let output = command.output().map_err(LabError::io("run the doctor"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let report: Value = serde_json::from_str(&text).map_err(|error| LabError::Json {
            what: format!("{error}: {text}"),
            detail: String::from_utf8_lossy(&output.stderr).into_owned(),
        })?;
        let expected = match report["verdict"].as_str() {
            Some("ok") => 0,
            Some("warnings") => 1,
            _ => 2,
        };
        ensure(output.status.code() == Some(expected), "the exit status of the verdict", || output.status.to_string())?;
        Ok(report)
    }

    /// Waits until the doctor finds `code`, this bad.
    fn finds(&self, code: &str, severity: &str) -> Result<Value> {
        wait_for(patience(25), code, || found(&self.doctor(&[])?, code, severity))
    }

    fn reset(&self) -> Result<()> {
        self.daemon()?.order(&["reset", "tunnel", self.tunnel()])
    }

    /// The peer's file with a change, read by it.
    fn peer_with(&self, change: impl FnOnce(&mut RouterFile)) -> Result<()> {
        let mut file = self.peer_file.clone();
        change(&mut file);
        file.write(self.lab.path())?;
        self.peer.reload()
    }

    fn key(&self) -> PathBuf {
        self.lab.path().join(format!("us-{}.psk", self.tunnel()))
    }
}

fn found(report: &Value, code: &str, severity: &str) -> Result<Value> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let fits = |finding: &&Value| finding["code"] == code && finding["severity"] == severity;
    findings.iter().find(fits).cloned().map_or_else(|| not_yet(format!("{severity} {code} is not in {report:#}")), Ok)
}

fn codes(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().filter_map(|finding| finding["code"].as_str().map(str::to_owned)).collect()
}

/// Rules in a table of their own on one host, gone with this value.
struct Rules<'a>(&'a Namespace);

impl<'a> Rules<'a> {
    fn add(host: &'a Namespace, chains: &str) -> Result<Self> {
        let rules = Self(host);
        rules.nft(&format!("table inet lab {{ {chains}; }}"))?;
        Ok(rules)
    }

    fn nft(&self, text: &str) -> Result<()> {
        run(Command::new("ip").args(["netns", "exec", self.0.name(), "nft", text])).map(drop)
    }
}

impl Drop for Rules<'_> {
    fn drop(&mut self) {
        let _gone = self.nft("delete table inet lab");
    }
}

#[test]
fn what_is_wrong_is_found_by_its_code() -> Result<()> {
    let mut ward = Ward::open()?;
    let report = ward.doctor(&[])?;
    ensure(codes(&report).iter().all(|code| OF_THE_HOST.contains(&code.as_str())), "no findings", || {
        report.to_string()
    })?;
    let steps = report["ladders"][0]["steps"].as_array().cloned().unwrap_or_default();
    ensure(steps.len() == 6 && steps.iter().all(|step| step["outcome"] == "ok"), "six rungs carry", || {
        report.to_string()
    })?;
    the_machine(&ward)?;
    the_kernels_routes(&ward)?;
    the_filters_in_passing(&ward)?;
    the_inside(&ward)?;
    the_session(&ward)?;
    the_tunnel(&ward)?;
    the_place(&ward)?;
    without_the_router(&mut ward)
}

fn the_machine(ward: &Ward) -> Result<()> {
    ward.us.sysctl("net.ipv4.ip_forward", "0")?;
    ward.finds("QD0103", "failure")?;
    ward.us.sysctl("net.ipv4.ip_forward", "1")?;

    let interface = ward.daemon()?.tunnel(ward.tunnel())?["interface"].as_str().unwrap_or_default().to_owned();
    ward.us.sysctl(&format!("net.ipv4.conf.{interface}.rp_filter"), "1")?;
    ward.finds("QD0104", "warning")?;
    ward.us.sysctl(&format!("net.ipv4.conf.{interface}.rp_filter"), "2")?;

    let chmod = |mode| run(Command::new("chmod").arg(mode).arg(ward.key())).map(drop);
    chmod("0644")?;
    ward.finds("QD0110", "warning")?;
    chmod("0600")?;

    write_secret(&ward.key(), "")?;
    ward.finds("QD0111", "failure")?;
    write_secret(&ward.key(), &ward.our_file.tunnels[0].psk)
}

fn the_kernels_routes(ward: &Ward) -> Result<()> {
    for (prefix, code, severity) in [("10.2.0.0/16", "QD0601", "failure"), ("10.2.3.0/24", "QD0602", "warning")] {
        ward.us.ip(&["route", "add", prefix, "via", NEAR, "metric", "10"])?;
        let finding = ward.finds(code, severity)?;
        let text = finding["finding"].as_str().unwrap_or_default();
        ensure(text.contains(prefix) && text.contains("wan"), "the route is named", || finding.to_string())?;
        ward.us.ip(&["route", "del", prefix, "via", NEAR, "metric", "10"])?;
    }
    // The way to the target, and the target itself: nobody has this address.
    let report = ward.doctor(&["--target", "10.2.0.77"])?;
    found(&report, "QD0704", "failure")?;
    let report = ward.doctor(&["--target", "192.0.2.77"])?;
    found(&report, "QD0703", "failure").map(drop)
}

fn the_filters_in_passing(ward: &Ward) -> Result<()> {
    let cases = [
        ("chain f { type filter hook forward priority 0; policy drop; }", "QD0701", "failure"),
        ("chain n { type nat hook postrouting priority 100; oifname wan masquerade; }", "QD0214", "warning"),
        ("chain n { type nat hook postrouting priority 100; oifname \"qs-*\" masquerade; }", "QD0702", "warning"),
        // The tunnel stays up on UDP 4500: what is blocked is its next beginning.
        ("chain i { type filter hook input priority 0; udp dport { 400-600 } drop; }", "QD0204", "warning"),
    ];
    for (chains, code, severity) in cases {
        let _rules = Rules::add(&ward.us, chains)?;
        let finding = ward.finds(code, severity)?;
        ensure(finding["finding"].as_str().is_some_and(|text| text.contains("inet lab")), "the rule is named", || {
            finding.to_string()
        })?;
    }
    Ok(())
}

fn the_inside(ward: &Ward) -> Result<()> {
    ward.us.address("wan", "169.254.21.9/28")?;
    ward.finds("QD0402", "failure")?;
    ward.us.ip(&["address", "del", "169.254.21.9/28", "dev", "wan"])?;

    {
        let _rules =
            Rules::add(&ward.peer_host, "chain i { type filter hook input priority 0; icmp type echo-request drop; }")?;
        ward.finds("QD0403", "warning")?;
    }
    // Large packets are dropped on their way, in the tunnel's own UDP, and nobody says so.
    let _rules =
        Rules::add(&ward.peer_host, "chain i { type filter hook prerouting priority -300; udp length > 1200 drop; }")?;
    let finding = ward.finds("QD0404", "failure")?;
    let remedy = finding["remedy"].as_str().unwrap_or_default();
    let size =
        remedy.split("mtu: ").nth(1).and_then(|rest| rest.split('`').next()).and_then(|it| it.parse::<u32>().ok());
    // UDP of 1200 octets holds 8 of its header, 8 of ESP's, 8 of the vector, 16 of the tag and 2 of the trailer.
    ensure(size.is_some_and(|size| (1140..=1160).contains(&size)), "the size that passes", || finding.to_string())
}

fn the_session(ward: &Ward) -> Result<()> {
    {
        let chains = "chain i { type filter hook input priority 0; tcp dport 179 drop; tcp sport 179 drop; }";
        let _rules = Rules::add(&ward.us, chains)?;
        ward.daemon()?.order(&["reset", "peer", ward.tunnel()])?;
        ward.finds("QD0503", "failure")?;
    }
    {
        let _rules =
            Rules::add(&ward.peer_host, "chain i { type filter hook input priority 0; meta l4proto tcp drop; }")?;
        ward.daemon()?.order(&["reset", "peer", ward.tunnel()])?;
        ward.finds("QD0502", "failure")?;
    }
    {
        let _rules = Rules::add(
            &ward.peer_host,
            "chain i { type filter hook input priority 0; meta l4proto tcp reject with tcp reset; }",
        )?;
        ward.finds("QD0501", "failure")?;
    }
    ward.peer_with(|file| file.tunnels[0].peer_asn = 65009)?;
    ward.finds("QD0504", "failure")?;
    ward.peer_with(|_| {})
}

fn the_tunnel(ward: &Ward) -> Result<()> {
    {
        let _rules =
            Rules::add(&ward.us, "chain o { type filter hook output priority 0; udp dport { 500, 4500 } drop; }")?;
        ward.reset()?;
        ward.finds("QD0204", "failure")?;
    }
    {
        let chains = "chain i { type filter hook input priority 0; udp dport { 500, 4500 } reject; }";
        let _rules = Rules::add(&ward.peer_host, chains)?;
        ward.reset()?;
        let finding = ward.finds("QD0205", "failure")?;
        ensure(finding["finding"].as_str().is_some_and(|text| text.contains(&THEIRS.to_string())), "who", || {
            finding.to_string()
        })?;
    }
    ward.peer_with(|file| file.tunnels[0].psk = "another.key_than_ours.1".to_owned())?;
    ward.reset()?;
    ward.finds("QD0208", "failure")?;
    ward.peer_with(|file| file.tunnels[0].ike = "aes256gcm16-prfsha512-ecp521".to_owned())?;
    ward.reset()?;
    ward.finds("QD0209", "failure")?;
    ward.peer_with(|_| {})
}

fn the_place(ward: &Ward) -> Result<()> {
    ward.us.ip(&["route", "del", &THEIRS.to_string()])?;
    ward.reset()?;
    ward.finds("QD0202", "failure")?;
    ward.us.ip(&["route", "add", &THEIRS.to_string(), "via", NEAR])?;
    ward.reset()?;
    ward.wait_well()
}

fn without_the_router(ward: &mut Ward) -> Result<()> {
    ward.daemon.take().map_or(Ok(()), |daemon| daemon.stop().map(drop))?;
    let file = ward.lab.path().join("us.yaml").display().to_string();
    let report = ward.doctor(&["-c", &file])?;
    found(&report, "QD0101", "failure")?;
    ensure(!codes(&report).contains(&"QD0107".to_owned()), "the ports are free", || report.to_string())?;

    let other =
        ward.us.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 500)))?.map_err(LabError::io("take UDP 500"))?;
    let finding = found(&ward.doctor(&["-c", &file])?, "QD0107", "failure")?;
    ensure(finding["finding"].as_str().is_some_and(|text| text.contains("pid")), "whose it is", || {
        finding.to_string()
    })?;
    drop(other);

    ward.us.ip(&["address", "del", &format!("{OURS}/24"), "dev", "wan"])?;
    found(&ward.doctor(&["-c", &file])?, "QD0201", "failure").map(drop)
}
