//! A real OpenVPN server beside the router: its clients' network is announced while it serves, and they reach what is behind
//! a tunnel.
//!
//! ```text
//!   client 10.1.0.9 ---- lan 10.1.0.1 us 192.0.2.1 ---- wan ---- 192.0.2.9 peer (10.2.0.1 on its loopback)
//!   10.8.0.2 ==OpenVPN== 10.8.0.1     169.254.21.2 ====IPsec==== 169.254.21.1
//!                        10.3.0.1 ---- 10.3.0.9 bird
//! ```

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use proto_tests::lab::bird::Bird;
use proto_tests::lab::daemon::{Daemon, binary};
use proto_tests::lab::dashboard;
use proto_tests::lab::layout::TUNNELS;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::{Process, tail};
use proto_tests::lab::prometheus::{METRICS, Prometheus};
use proto_tests::lab::router_file::RouterFile;
use proto_tests::lab::{Lab, LabError, Result, ensure, patience, run, wait_for, write_file, write_secret};
use serde_json::Value;

const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const POOL: &str = "10.8.0.0/24";
const OTHER_POOL: &str = "10.9.0.0/24";

const BIRD: &str = "log stderr all;\nrouter id 10.3.0.9;\nprotocol device { }\nprotocol bgp peer {\n local 10.3.0.9 as 65010;\n \
                    neighbor 10.3.0.1 as 65000;\n connect delay time 1;\n error wait time 1,4;\n \
                    ipv4 { import all; export none; };\n}\n";
const NEIGHBOR: &str =
    "neighbors:\n  - {name: core, address: 10.3.0.9, asn: 65010, bgp: {import: all, export: networks}}\n";
const POOLS: &str = "pools:\n  - {name: staff, openvpn: {config: server.conf}}\n";

/// Four hosts; what runs on them goes first when dropped.
struct Office {
    daemon: Daemon,
    _peer: Daemon,
    bird: Bird,
    us: Namespace,
    peer_host: Namespace,
    client_host: Namespace,
    _bird_host: Namespace,
    file: RouterFile,
    lab: Lab,
}

impl Office {
    fn open() -> Result<Self> {
        let lab = Lab::new()?;
        let host = |name| lab.namespace(name);
        let (us, peer_host, client_host, bird_host) = (host("us")?, host("peer")?, host("client")?, host("bird")?);
        us.make_router()?;
        us.cable("wan", &peer_host, "wan")?;
        us.cable("lan", &client_host, "lan")?;
        us.cable("dmz", &bird_host, "dmz")?;
        us.address("wan", &format!("{OURS}/24"))?;
        peer_host.address("wan", &format!("{THEIRS}/24"))?;
        peer_host.address("lo", "10.2.0.1/32")?;
        us.address("lan", "10.1.0.1/24")?;
        client_host.address("lan", "10.1.0.9/24")?;
        us.address("dmz", "10.3.0.1/24")?;
        bird_host.address("dmz", "10.3.0.9/24")?;
        certificates(lab.path())?;
        write_secret(&lab.path().join("management.pw"), "open sesame\n")?;
        write_file(&lab.path().join("server.conf"), &server(lab.path(), "10.8.0.0", 20))?;
        write_file(&lab.path().join("client.conf"), &client(lab.path()))?;

        let (mut ours, mut theirs) = (RouterFile::router(true), RouterFile::cloud(&TUNNELS[0], false));
        ours.tunnels.truncate(1);
        (ours.tunnels[0].local, ours.tunnels[0].remote) = (OURS, THEIRS);
        (theirs.tunnels[0].local, theirs.tunnels[0].remote) = (THEIRS, OURS);
        ours.metrics = Some(METRICS.to_string());
        ours.extra = format!("{POOLS}{NEIGHBOR}");
        let peer = Daemon::start(&peer_host, lab.path(), &theirs)?;
        let daemon = Daemon::start(&us, lab.path(), &ours)?;
        let bird = Bird::launch(&bird_host, &lab.subdirectory("bird")?, BIRD)?;
        let (file, _bird_host) = (ours, bird_host);
        Ok(Self { daemon, _peer: peer, bird, us, peer_host, client_host, _bird_host, file, lab })
    }

    fn start(&self, host: &Namespace, name: &str) -> Result<Process> {
        let mut command = host.command("openvpn");
        command.arg("--config").arg(self.lab.path().join(format!("{name}.conf")));
        Process::spawn(name, command, &self.lab.path().join(format!("{name}.log")))
    }

    fn pool(&self) -> Result<Value> {
        Ok(self.daemon.show("pools")?[0].clone())
    }

    fn expect_pool(&self, field: &str, value: impl Into<Value>) -> Result<()> {
        let (pool, value) = (self.pool()?, value.into());
        ensure(pool[field] == value, &format!("{field} is {value}"), || pool.to_string())
    }

    /// Waits until BIRD and the other end of the tunnel both have this network, or both have it not.
    fn wait_announced(&self, network: &str, announced: bool) -> Result<()> {
        let what = format!("{network} is {}", if announced { "announced" } else { "withdrawn" });
        let done = wait_for(patience(20), &what, || {
            let learned = self.bird.learned()?;
            ensure(learned.iter().any(|prefix| prefix == network) == announced, "BIRD", || format!("{learned:?}"))?;
            let routes = self.peer_host.route_interfaces(network)?;
            ensure(routes.is_empty() != announced, "the peer's kernel", || format!("{routes:?}"))
        });
        done.map_err(|error| self.with_logs(&error))
    }

    fn with_logs(&self, error: &LabError) -> LabError {
        let logs = ["server.log", "client.log", "router.log"].map(|log| tail(&self.lab.path().join(log), 15));
        LabError::Unexpected { what: error.to_string(), found: logs.join("\n---\n") }
    }

    fn scrape(&self) -> Result<String> {
        self.us.http_get(METRICS, "/metrics")
    }
}

fn certificates(directory: &Path) -> Result<()> {
    let openssl = |args: &str| {
        let mut command = Command::new("openssl");
        run(command.current_dir(directory).args(args.split_whitespace())).map(drop)
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -days 365 -subj /CN=ca -keyout ca.key -out ca.crt"))?;
    for name in ["server", "client"] {
        openssl(&format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"))?;
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 20 -out {name}.crt"
        ))?;
    }
    Ok(())
}

fn server(directory: &Path, network: &str, clients: u32) -> String {
    let here = directory.display();
    format!(
        "cd {here}\ndev tun-pool\ndev-type tun\nproto udp\nlocal 10.1.0.1\nport 1194\nca ca.crt\ncert server.crt\nkey server.key\n\
         dh none\ntopology subnet\nserver {network} 255.255.255.0\npush \"route 10.2.0.0 255.255.0.0\"\nkeepalive 1 5\n\
         max-clients {clients}\ndata-ciphers AES-256-GCM:AES-128-GCM\nmanagement {here}/management.sock unix management.pw\n"
    )
}

fn client(directory: &Path) -> String {
    format!(
        "cd {}\nclient\ndev tun\nproto udp\nremote 10.1.0.1 1194\nnobind\nca ca.crt\ncert client.crt\nkey client.key\n\
         connect-retry 1\nverb 3\n",
        directory.display()
    )
}

#[test]
fn a_pool_of_clients_is_announced_while_its_server_serves() -> Result<()> {
    let office = Office::open()?;
    wait_for(patience(30), "tunnel and sessions are up", || {
        office.daemon.expect_up(&[TUNNELS[0].name])?;
        office.bird.expect_established()
    })?;
    let pool = office.pool()?;
    let unreachable = pool["trouble"]["reason"] == "unreachable" && pool["trouble"]["remedy"].is_string();
    ensure(pool["serving"] == false && unreachable, "a server that is not there is listed", || pool.to_string())?;
    office.wait_announced(POOL, false)?;

    let mut server = office.start(&office.us, "server")?;
    office.wait_announced(POOL, true)?;
    office.expect_pool("announced", true)?;
    let _client = office.start(&office.client_host, "client")?;
    clients_are_seen(&office).map_err(|error| office.with_logs(&error))?;
    panels_have_data(&office)?;

    server.kill()?;
    office.wait_announced(POOL, false)?;
    office.expect_pool("serving", false)?;
    let metrics = office.scrape()?;
    ensure(metrics.contains("quadspan_pool_up{pool=\"staff\"} 0\n"), "the pool is down in metrics", || {
        metrics.clone()
    })?;
    let mut server = office.start(&office.us, "server")?;
    office.wait_announced(POOL, true)?;
    server = reloads_follow_the_servers_file(&office, server)?;

    let mut without = office.file.clone();
    without.extra = NEIGHBOR.to_owned();
    without.write(office.lab.path())?;
    office.daemon.reload()?;
    office.wait_announced(OTHER_POOL, false)?;
    let pools = office.daemon.show("pools")?;
    ensure(pools.as_array().is_some_and(Vec::is_empty), "no pool is left", || pools.to_string())?;
    office.file.write(office.lab.path())?;
    office.daemon.reload()?;
    office.wait_announced(OTHER_POOL, true)?;
    ensure(server.ended()?.is_none(), "the server was never touched", || server.log_tail(15))?;
    without_a_router_the_doctor_asks_the_server(office, server)
}

/// It serves; it wants another password than the file has; it is gone.
fn without_a_router_the_doctor_asks_the_server(office: Office, mut server: Process) -> Result<()> {
    let Office { daemon, us, lab, file, .. } = office;
    let file = file.write(lab.path())?;
    daemon.stop()?;
    let finding = || -> Result<Option<String>> {
        let mut command = us.command(&binary()?.display().to_string());
        command.args(["doctor", "staff", "-o", "json", "-s"]).arg(lab.path().join("none.sock")).arg("-c").arg(&file);
        let output = command.output().map_err(LabError::io("run the doctor"))?;
        let report: Value = serde_json::from_slice(&output.stdout).map_err(|error| LabError::Json {
            what: error.to_string(),
            detail: String::from_utf8_lossy(&output.stderr).into_owned(),
        })?;
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        let pool = findings.iter().find(|finding| finding["code"] == "QD0113");
        Ok(pool.map(|finding| finding["finding"].to_string()))
    };
    // The router's own connection has to be gone first.
    wait_for(patience(10), "nothing is wrong with a server that serves", || {
        let found = finding()?;
        ensure(found.is_none(), "no finding", || format!("{found:?}"))
    })?;
    write_secret(&lab.path().join("management.pw"), "another\n")?;
    let found = finding()?;
    let password = found.as_ref().is_some_and(|text| text.contains("password"));
    ensure(password, "another password is told", || format!("{found:?}"))?;
    server.kill()?;
    let found = finding()?;
    let away = found.as_ref().is_some_and(|text| text.contains("cannot be reached"));
    ensure(away, "a server that is gone is told", || format!("{found:?}"))
}

/// Name and cipher are listed and counted, and packets pass.
fn clients_are_seen(office: &Office) -> Result<()> {
    wait_for(patience(20), "the client is listed", || {
        let pool = office.pool()?;
        let client = &pool["clients"][0];
        ensure(client["name"] == "client" && client["cipher"] == "AES-256-GCM", "name and cipher", || pool.to_string())
    })?;
    let log = tail(&office.lab.path().join("client.log"), 200);
    ensure(log.contains("cipher 'AES-256-GCM'"), "the client has negotiated the same", || log.clone())?;
    // From the client through OpenVPN and IPsec to what is behind the peer, and back by the announced route.
    wait_for(patience(10), "the client reaches the peer's network", || {
        let client = office.client_host.name();
        run(Command::new("ip").args(["netns", "exec", client, "ping", "-c", "1", "-W", "1", "10.2.0.1"])).map(drop)
    })?;
    let metrics = office.scrape()?;
    for series in [
        "quadspan_pool_up{pool=\"staff\"} 1\n",
        "quadspan_pool_announced{pool=\"staff\"} 1\n",
        "quadspan_pool_clients{pool=\"staff\"} 1\n",
        "quadspan_pool_clients_limit{pool=\"staff\"} 20\n",
        "quadspan_pool_clients_by_cipher{cipher=\"AES-256-GCM\",pool=\"staff\"} 1\n",
        "quadspan_pool_certificate_expiry_timestamp_seconds{pool=\"staff\"} ",
    ] {
        ensure(metrics.contains(series), series, || metrics.clone())?;
    }
    let pool = office.pool()?;
    let soon =
        pool["warnings"].as_array().is_some_and(|all| all.iter().any(|it| it.to_string().contains("certificate")));
    ensure(soon, "certificates of 20 days are warned of", || pool.to_string())
}

/// Those of the dashboard's row of pools.
fn panels_have_data(office: &Office) -> Result<()> {
    let prometheus = Prometheus::start(&office.us, office.lab.path(), &dashboard::file("alerts.yaml"))?;
    let queries = dashboard::queries(|row| row == dashboard::POOLS)?;
    ensure(queries.len() >= 5, "the queries of the row", || format!("{queries:?}"))?;
    dashboard::wait_data(&prometheus, &queries)
}

/// More clients: nothing moves. Another network: not announced before the server has it, too.
fn reloads_follow_the_servers_file(office: &Office, mut server: Process) -> Result<Process> {
    let config = office.lab.path().join("server.conf");
    write_file(&config, &self::server(office.lab.path(), "10.8.0.0", 30))?;
    office.daemon.reload()?;
    office.expect_pool("serving", true)?;
    wait_for(patience(10), "the new limit is known", || office.expect_pool("limit", 30))?;

    write_file(&config, &self::server(office.lab.path(), "10.9.0.0", 30))?;
    office.daemon.reload()?;
    office.wait_announced(POOL, false)?;
    wait_for(patience(10), "the server has another network than its file", || {
        let pool = office.pool()?;
        ensure(pool["trouble"]["reason"] == "elsewhere", "the reason", || pool.to_string())
    })?;
    server.kill()?;
    let server = office.start(&office.us, "server")?;
    office.wait_announced(OTHER_POOL, true)?;
    Ok(server)
}
