//! Hosts without a router, or with one that may not do all it wants to.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Instant;

use proto_tests::lab::daemon::binary;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::Process;
use proto_tests::lab::{Lab, LabError, Result, ensure, not_yet, patience, run, wait_for, write_file};

use crate::asking::{ask, finds, found, report};

/// An OpenVPN server that never runs.
const SERVER: &str = "server 10.8.0.0 255.255.255.0\nkeepalive 10 60\n";
/// Where nobody is.
const NOBODY: [u8; 4] = [192, 0, 2, 200];

pub(crate) fn play() -> Result<()> {
    let lab = Lab::new()?;
    let host = lab.namespace("alone")?;
    host.make_router()?;
    let (socket, file) = (lab.path().join("alone.sock"), lab.path().join("alone.yaml"));
    write_file(
        &file,
        &format!(
            "router: {{name: alone, asn: 65000, router-id: 192.0.2.1, api: {{socket: {}}}}}\n\
             neighbors: [{{name: n, address: 192.0.2.9, bgp: {{asn: 65001}}}}]\n\
             pools: [{{name: staff, openvpn: {{config: server.conf, management: {}}}}}]\n",
            socket.display(),
            lab.path().join("management.sock").display()
        ),
    )?;
    write_file(&lab.path().join("server.conf"), SERVER)?;
    let (file, program) = (file.display().to_string(), binary()?.display().to_string());

    // Neither `nft` nor `iptables-save` is there.
    let mut command = host.command("env");
    command.args(["PATH=/nonexistent", &program, "doctor", "-o", "json", "-c", &file, "-s"]).arg(&socket);
    found(&report(command)?, "QD0112", "warning")?;

    // A router for which /proc/sys is not to be written.
    host.sysctl("net.ipv4.ip_forward", "0")?;
    let mut command = host.command("unshare");
    let script = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"$0\" run \"$1\"";
    command.args(["-m", "sh", "-c", script, &program, &file]);
    let router = Process::spawn("alone", command, &lab.path().join("alone.log"))?;
    finds("QD0102", "warning", || ask(&host, &socket, &[]))?;
    a_pool_without_its_server(&host, &socket)?;
    drop(router);

    the_table_of_connections(&host)?;
    finds("QD0109", "warning", || ask(&host, &socket, &["-c", &file])).map(drop)
}

/// Nobody serves; then somebody has taken the server's place and says nothing; then its file is gone.
fn a_pool_without_its_server(host: &Namespace, socket: &Path) -> Result<()> {
    let away = |words: &str| {
        wait_for(patience(20), words, || {
            let finding = found(&ask(host, socket, &["staff"])?, "QD0113", "failure")?;
            let seen = finding["about"] == "staff" && finding["finding"].as_str().is_some_and(|it| it.contains(words));
            ensure(seen, words, || finding.to_string())
        })
    };
    away("cannot be reached")?;
    let path = socket.with_file_name("management.sock");
    let _silent = UnixListener::bind(&path).map_err(LabError::io("listen for the router"))?;
    away("did not answer within")?;
    let file = socket.with_file_name("server.conf");
    std::fs::remove_file(&file).map_err(LabError::io("remove the server's file"))?;
    let finding = found(&ask(host, socket, &[])?, "QD0111", "failure")?;
    let why = finding["finding"].as_str().is_some_and(|text| text.contains("no server configuration"));
    ensure(why, "whose file", || finding.to_string())?;
    write_file(&file, SERVER)
}

/// Four times what a kernel has room for by itself, on however large a machine.
const MOST_CONNECTIONS: u64 = 1 << 20;

/// Fills nine tenths of what the kernel has room for; the entries end with the namespace.
fn the_table_of_connections(host: &Namespace) -> Result<()> {
    host.ip(&["link", "add", "lan", "type", "veth", "peer", "name", "far"])?;
    for interface in ["lan", "far"] {
        host.ip(&["link", "set", interface, "up"])?;
    }
    host.address("lan", "192.0.2.1/24")?;
    // Nobody has to be asked for a way to the destination.
    let nobody = Ipv4Addr::from(NOBODY);
    host.ip(&["neigh", "add", &nobody.to_string(), "lladdr", "02:00:00:00:00:09", "dev", "lan"])?;
    let rules = "add table inet lab; add chain inet lab o { type filter hook output priority 0; }; \
                 add rule inet lab o ct state new accept";
    run(std::process::Command::new("ip").args(["netns", "exec", host.name(), "nft", rules]))?;
    let number = |key: &str| -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/sys/net/netfilter/{key}"))
            .map_err(LabError::io(format!("read {key}")))?;
        text.trim().parse().or_else(|_| not_yet(format!("{key} is {text}")))
    };
    host.enter(|| {
        let (max, start) = (number("nf_conntrack_max")?, Instant::now());
        ensure(max <= MOST_CONNECTIONS, "a table of connections that is filled soon", || {
            format!("room for {max}: `sysctl net.netfilter.nf_conntrack_max={MOST_CONNECTIONS}`")
        })?;
        for _ in 0..=max / 60_000 {
            ensure(start.elapsed() < patience(60), "nine tenths of the table are taken soon", || {
                format!("{:?} of {max}", number("nf_conntrack_count"))
            })?;
            let socket = UdpSocket::bind((Ipv4Addr::new(192, 0, 2, 1), 0)).map_err(LabError::io("bind"))?;
            for port in 1..=60_000_u16 {
                let _a_full_queue = socket.send_to(&[], (nobody, port));
            }
            if number("nf_conntrack_count")? * 10 >= max * 9 {
                return Ok(());
            }
        }
        not_yet(format!("{} connections of {max}", number("nf_conntrack_count")?))
    })?
}
