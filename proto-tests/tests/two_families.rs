//! A session inside IPv4 that carries IPv6 routes (RFC 4760), with BIRD at the other end: each family has its own next
//! hops in both kernels, packets follow them, and the tunnel's loss takes both.
//!
//! ```text
//!   router 198.51.100.1 ======== tunnel: 169.254.21.0/30, fd00:21::/126 ======== 198.51.100.2 cloud
//!   2001:db8:1::1, 10.1.0.1                                              2001:db8:2::1, 10.2.0.1
//! ```

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use proto_tests::lab::daemon::binary;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::Process;
use proto_tests::lab::{
    DATAPLANE, Lab, LabError, Result, ensure, not_yet, patience, wait_for, write_file, write_secret,
};

const LIMIT: u64 = 30;

/// Two hosts and a tunnel; the router speaks BGP in our process, the cloud in BIRD.
struct Two {
    router: Namespace,
    cloud: Namespace,
    ours: Process,
    tunnel: Process,
    bird: Process,
    _lab: Lab,
}

impl Two {
    fn start() -> Result<Self> {
        let lab = Lab::new()?;
        let (router, cloud) = (lab.namespace("router")?, lab.namespace("cloud")?);
        router.cable("wan", &cloud, "wan")?;
        for (host, number) in [(&router, 1), (&cloud, 2)] {
            host.address("wan", &format!("198.51.100.{number}/24"))?;
            host.address("lo", &format!("10.{number}.0.1/32"))?;
            host.address("lo", &format!("2001:db8:{number}::1/128"))?;
        }
        write_secret(&lab.path().join("key.psk"), "two.families_one.session")?;
        let tunnel = quadspan(&cloud, lab.path(), &tunnel_file("cloud", 2, "respond", ""))?;
        let bird = bird(&cloud, lab.path())?;
        let bgp = "    bgp: {asn: 64512, hold-time: 9s, import: all}\n";
        let ours = quadspan(&router, lab.path(), &tunnel_file("router", 1, "initiate", bgp))?;
        Ok(Self { router, cloud, ours, tunnel, bird, _lab: lab })
    }

    fn logs(&self) -> String {
        [&self.ours, &self.tunnel, &self.bird].map(|process| process.log_tail(20)).join("\n---\n")
    }

    fn play(&self) -> Result<()> {
        wait_for(patience(LIMIT), "both families lead through the tunnel", || {
            leads(&self.router, "10.2.0.0/16", Some("169.254.21.2"))?;
            leads(&self.router, "2001:db8:2::/48", Some("fd00:21::2"))?;
            leads(&self.cloud, "10.1.0.0/16", Some("169.254.21.1"))?;
            leads(&self.cloud, "2001:db8:1::/48", Some("fd00:21::1"))
        })?;
        exchange(&self.router, "10.1.0.1", &self.cloud, "10.2.0.1")?;
        exchange(&self.router, "[2001:db8:1::1]", &self.cloud, "[2001:db8:2::1]")?;
        self.tunnel.signal(Signal::SIGTERM)?;
        wait_for(patience(LIMIT), "neither family has a way without the tunnel", || {
            leads(&self.router, "10.2.0.0/16", None)?;
            leads(&self.router, "2001:db8:2::/48", None)
        })
    }
}

#[test]
fn a_session_inside_ipv4_carries_ipv6_routes_with_next_hops_of_their_own() {
    let two = match Two::start() {
        Ok(two) => two,
        Err(error) => panic!("{error}"),
    };
    if let Err(error) = two.play() {
        panic!("{error}\n{}", two.logs());
    }
}

fn tunnel_file(name: &str, number: u8, start: &str, bgp: &str) -> (String, String) {
    let (asn, peer, side) = if number == 1 { (65000, 2, "first") } else { (64512, 1, "second") };
    let text = format!(
        "router:\n  name: {name}\n  asn: {asn}\n  router-id: 10.{number}.0.1\n  \
         networks: [10.{number}.0.0/16, '2001:db8:{number}::/48']\n  dataplane: {DATAPLANE}\n  \
         api: {{socket: DIRECTORY/{name}.sock}}\ntunnels:\n  - name: one\n    local: 198.51.100.{number}\n    \
         remote: 198.51.100.{peer}\n    psk: {{file: key.psk}}\n    inside: {{prefix: 169.254.21.0/30, side: {side}}}\n    \
         inside6: {{prefix: 'fd00:21::/126', side: {side}}}\n    start: {start}\n    encapsulation: always\n{bgp}"
    );
    (name.to_owned(), text)
}

fn quadspan(host: &Namespace, directory: &Path, (name, text): &(String, String)) -> Result<Process> {
    let file = directory.join(format!("{name}.yaml"));
    write_file(&file, &text.replace("DIRECTORY", &directory.display().to_string()))?;
    let mut command = host.command(&binary()?.display().to_string());
    command.arg("run").arg(&file);
    let process = Process::spawn(name, command, &directory.join(format!("{name}.log")))?;
    wait_for(patience(LIMIT), "the tunnel's interface is there", || host.ip(&["link", "show", "dev", "qs-one"]))?;
    Ok(process)
}

fn bird(host: &Namespace, directory: &Path) -> Result<Process> {
    let kernel = "import none; export where source = RTS_BGP;";
    let peer = "import all; export where source = RTS_STATIC;";
    let text = format!(
        "log stderr all;\nrouter id 10.2.0.1;\nprotocol device {{ scan time 1; }}\n\
         protocol kernel {{ ipv4 {{ {kernel} }}; }}\nprotocol kernel {{ ipv6 {{ {kernel} }}; }}\n\
         protocol static {{ ipv4; route 10.2.0.0/16 unreachable; }}\n\
         protocol static {{ ipv6; route 2001:db8:2::/48 unreachable; }}\n\
         protocol bgp peer {{\n local 169.254.21.2 as 64512;\n neighbor 169.254.21.1 as 65000;\n direct;\n \
         interface \"qs-one\";\n hold time 9;\n connect delay time 1;\n connect retry time 1;\n error wait time 1,2;\n \
         ipv4 {{ {peer} }};\n ipv6 {{ {peer} }};\n}}\n"
    );
    let config = directory.join("bird.conf");
    write_file(&config, &text)?;
    let mut command = host.command("bird");
    command.arg("-f").arg("-c").arg(&config).arg("-s").arg(directory.join("bird.ctl"));
    command.arg("-P").arg(directory.join("bird.pid"));
    Process::spawn("bird", command, &directory.join("bird.log"))
}

/// Succeeds when the kernel's route to `prefix`, if any, has this gateway.
fn leads(host: &Namespace, prefix: &str, gateway: Option<&str>) -> Result<()> {
    let family = if prefix.contains(':') { "-6" } else { "-4" };
    let routes = host.ip_json(&[family, "route", "show", "exact", prefix])?;
    // An index into nothing is nothing, so that no route has no gateway.
    let route = &routes[0];
    let object = match route["nhid"].as_u64() {
        Some(id) => &host.ip_json(&["nexthop", "show", "id", &id.to_string()])?[0],
        None => route,
    };
    let found = object["gateway"].as_str().map(str::to_owned);
    if found.as_deref() == gateway { Ok(()) } else { not_yet(format!("{prefix} in {}: {routes}", host.role())) }
}

/// One packet there and one back.
fn exchange(from: &Namespace, from_address: &str, to: &Namespace, to_address: &str) -> Result<()> {
    let io = |source| LabError::Io { what: format!("exchange packets with {to_address}"), source };
    let open = |host: &Namespace, address: &str| -> Result<UdpSocket> {
        let address = format!("{address}:7777");
        host.enter(move || {
            let socket = UdpSocket::bind(address)?;
            socket.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(socket)
        })?
        .map_err(io)
    };
    let (near, far) = (open(from, from_address)?, open(to, to_address)?);
    let target: SocketAddr = far.local_addr().map_err(io)?;
    let mut buffer = [0; 16];
    wait_for(patience(LIMIT), "a packet there and back", || {
        near.send_to(b"there", target).map_err(io)?;
        let (length, source) = far.recv_from(&mut buffer).map_err(io)?;
        ensure(&buffer[..length] == b"there", "what was sent", || format!("{:?}", &buffer[..length]))?;
        far.send_to(b"back", source).map_err(io)?;
        let length = near.recv(&mut buffer).map_err(io)?;
        ensure(&buffer[..length] == b"back", "what was sent", || format!("{:?}", &buffer[..length]))
    })
}
