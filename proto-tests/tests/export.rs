//! What `quadspan export` writes is run as the real other end, and what `quadspan import` makes of a provider's file is
//! run against an end that was told the same facts.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use proto_tests::lab::bird::Bird;
use proto_tests::lab::concentrator::{BgpSide, Concentrator, Plan, Speaker};
use proto_tests::lab::daemon::{Daemon, quadspan};
use proto_tests::lab::frr::Frr;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::strongswan::{Backend, StrongSwan, SwanTunnel};
use proto_tests::lab::{DATAPLANE, Lab, LabError, Result, ensure, patience, wait_for, write_file, write_secret};

const OURS: &str = "192.0.2.1";
const THEIRS: &str = "192.0.2.9";
const KEY: &str = "invented.Key_of_the.export_lab";

/// Our configuration, and its key in a file.
fn configuration(folder: &Path) -> Result<PathBuf> {
    let socket = folder.join("us.sock");
    let text = format!(
        "router:\n  name: us\n  asn: 65000\n  router-id: {OURS}\n  networks: [10.1.0.0/16]\n  dataplane: {DATAPLANE}\n  \
         api: {{socket: {}}}\ntunnels:\n  - name: exported\n    local: {OURS}\n    remote: {THEIRS}\n    \
         psk: {{file: exported.psk}}\n    inside: {{prefix: 169.254.77.0/30, side: second}}\n    \
         bgp: {{asn: 64512, hold-time: 30s, import: [10.99.0.0/16]}}\n",
        socket.display()
    );
    let (file, key) = (folder.join("us.yaml"), folder.join("exported.psk"));
    write_file(&file, &text)?;
    write_secret(&key, KEY)?;
    Ok(file)
}

/// Two hosts on one cable.
fn hosts(lab: &Lab) -> Result<(Namespace, Namespace)> {
    let (us, peer) = (lab.namespace("us")?, lab.namespace("peer")?);
    us.make_router()?;
    peer.make_router()?;
    us.cable("wan", &peer, "wan")?;
    us.address("wan", &format!("{OURS}/24"))?;
    peer.address("wan", &format!("{THEIRS}/24"))?;
    Ok((us, peer))
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(LabError::io(format!("read {}", path.display())))
}

/// Exports for `target`, starts strongSwan with what came out, and hands the folder to whoever starts the speaker.
fn exported_end(lab: &Lab, peer: &Namespace, config: &Path, target: &str) -> Result<(StrongSwan, PathBuf)> {
    let folder = lab.path().join("exported");
    let (config, output) = (config.display().to_string(), folder.display().to_string());
    quadspan(&[
        "export",
        target,
        "-c",
        &config,
        "--output",
        &output,
        "--network",
        "10.99.0.0/16",
        "--carrier",
        "userspace",
    ])?;
    let secrets = folder.join("swanctl-secrets.conf");
    let mode = fs::metadata(&secrets).map_err(LabError::io("look at the secrets"))?.permissions().mode() & 0o777;
    ensure(mode == 0o600, "secrets are closed", || format!("{mode:o}"))?;
    let conf = text(&folder.join("swanctl.conf"))?;
    ensure(!conf.contains(KEY), "the key is apart", || conf.clone())?;
    let all = format!("{conf}{}", text(&secrets)?);
    let swan = StrongSwan::launch(peer, &lab.subdirectory("charon")?, Backend::UserSpace, &all, "169.254.77.1/30")?;
    Ok((swan, folder))
}

fn start(lab: &Lab, us: &Namespace, config: &Path) -> Result<Daemon> {
    Daemon::launch(us, lab.path(), "us", config, lab.path().join("us.sock"), false)
}

/// Both ends are up, and both kernels have the other's network.
fn expect_exchange(
    us: &Namespace,
    daemon: &Daemon,
    swan: &StrongSwan,
    learned: impl Fn() -> Result<String>,
) -> Result<()> {
    wait_for(patience(40), "tunnel, session and routes are there at both ends", || {
        daemon.expect_up(&["exported"])?;
        swan.expect_up()?;
        let routes = us.ip(&["route", "show", "10.99.0.0/16"])?;
        ensure(
            routes.contains("169.254.77.1") || routes.contains("nhid"),
            "our kernel has the peer's network",
            || routes.clone(),
        )?;
        let theirs = learned()?;
        ensure(theirs.contains("10.1.0.0/16"), "the peer has learned our network", || theirs.clone())
    })
}

#[test]
fn exported_strongswan_and_bird_are_the_other_end() -> Result<()> {
    let lab = Lab::new()?;
    let (us, peer) = hosts(&lab)?;
    let config = configuration(lab.path())?;
    let (swan, folder) = exported_end(&lab, &peer, &config, "swanctl-bird")?;
    let bird = Bird::launch(&peer, lab.path(), &text(&folder.join("bird.conf"))?)?;
    let daemon = start(&lab, &us, &config)?;
    expect_exchange(&us, &daemon, &swan, || bird.birdc("show route protocol qs_exported"))
}

#[test]
fn exported_strongswan_and_frr_are_the_other_end() -> Result<()> {
    let lab = Lab::new()?;
    let (us, peer) = hosts(&lab)?;
    let config = configuration(lab.path())?;
    let (swan, folder) = exported_end(&lab, &peer, &config, "swanctl-frr")?;
    let frr = Frr::launch(&peer, lab.path(), &text(&folder.join("frr.conf"))?, true)?;
    let daemon = start(&lab, &us, &config)?;
    expect_exchange(&us, &daemon, &swan, || frr.vtysh("show bgp ipv4 unicast"))
}

#[test]
fn exported_files_read_back_from_the_other_end_are_our_tunnel() -> Result<()> {
    let lab = Lab::new()?;
    let config = configuration(lab.path())?;
    let (folder, back) = (lab.path().join("exported"), lab.path().join("back"));
    let path = |file: &str| folder.join(file).display().to_string();
    quadspan(&[
        "export",
        "swanctl-bird",
        "-c",
        &config.display().to_string(),
        "--output",
        &folder.display().to_string(),
    ])?;
    let answer = quadspan(&[
        "import",
        "auto",
        &path("swanctl.conf"),
        &path("swanctl-secrets.conf"),
        &path("bird.conf"),
        "--mirror",
        "--router-id",
        OURS,
        "--name",
        "back",
        "--output",
        &back.display().to_string(),
        "-o",
        "json",
    ])?;
    ensure(!answer.contains(KEY), "no key is printed", || answer.clone())?;
    let file = back.join("back.yaml");
    quadspan(&["check", &file.display().to_string()])?;
    let key = text(&back.join("keys/exported"))?;
    ensure(key.trim_end() == KEY, "the key is the same", || "another".to_owned())?;
    let yaml = text(&file)?;
    for fact in
        [format!("remote: {THEIRS}"), "local: 169.254.77.2, peer: 169.254.77.1".to_owned(), "asn: 64512".to_owned()]
    {
        ensure(yaml.contains(&fact), "the facts are the same", || format!("{fact} is not in\n{yaml}"))?;
    }
    // A second time there is something in the way.
    let again = quadspan(&[
        "export",
        "swanctl-bird",
        "-c",
        &config.display().to_string(),
        "--output",
        &folder.display().to_string(),
    ]);
    let refused = again.err().map(|error| error.to_string()).unwrap_or_default();
    ensure(refused.contains("exists already") && refused.contains("--force"), "what exists is kept", || refused.clone())
}

/// One of the two ends that AWS's file describes.
fn aws_end(lab: &Lab, us: &Namespace, number: u8, key: &str) -> Result<Concentrator> {
    let host = lab.namespace(&format!("aws{number}"))?;
    host.make_router()?;
    let (wan, outside) = (format!("wan{number}"), Ipv4Addr::new(203, 0, 113, 10 + number));
    us.cable(&wan, &host, "wan")?;
    host.address("wan", &format!("{outside}/32"))?;
    us.ip(&["route", "add", &format!("{outside}/32"), "dev", &wan, "src", "192.0.2.10"])?;
    host.ip(&["route", "add", "192.0.2.10/32", "dev", "wan", "src", &outside.to_string()])?;
    let (local, peer) = (Ipv4Addr::new(169, 254, 20 + number, 1), Ipv4Addr::new(169, 254, 20 + number, 2));
    let swan = SwanTunnel {
        local: outside,
        remote: Ipv4Addr::new(192, 0, 2, 10),
        inside: format!("{local}/30"),
        psk: key.to_owned(),
        ike: "aes128-sha1-modp1024".to_owned(),
        esp: "aes128-sha1-modp1024".to_owned(),
        initiate: false,
        dpd: 10,
        rekey_ike: 0,
        rekey_child: 0,
    };
    let announce = vec![
        "10.99.0.0/16"
            .parse()
            .map_err(|_| LabError::Unexpected { what: "a prefix".to_owned(), found: "none".to_owned() })?,
    ];
    let bgp = BgpSide { asn: 64512, router_id: outside, local, peer, peer_asn: 65000, hold: 30, announce, bfd: false };
    let mut end = Concentrator::new(lab, host, Plan { swan, bgp, speaker: Speaker::Bird })?;
    end.start()?;
    Ok(end)
}

#[test]
fn an_imported_aws_file_brings_both_tunnels_up() -> Result<()> {
    let lab = Lab::new()?;
    let us = lab.namespace("us")?;
    us.make_router()?;
    us.ip(&["link", "set", "lo", "up"])?;
    us.address("lo", "192.0.2.10/32")?;
    let ends = [(1, "invented.Key_of_the.first_tunnel"), (2, "invented.Key_of_the.second_tunnel")]
        .map(|(number, key)| aws_end(&lab, &us, number, key));
    let [one, two] = ends;
    let ends = [one?, two?];
    let (source, output) = (lab.path().join("vpn.xml"), lab.path().join("edge"));
    write_file(&source, include_str!("../../src/import/tests/samples/aws-bgp.xml"))?;
    quadspan(&[
        "import",
        "aws-xml",
        &source.display().to_string(),
        "--output",
        &output.display().to_string(),
        "--name",
        "us",
        "--router-id",
        "192.0.2.10",
        "--network",
        "10.1.0.0/16",
    ])?;
    // The laboratory has its sockets in a folder of its own, and moves packets itself; nothing else is changed.
    let file = output.join("us.yaml");
    let socket = lab.path().join("us.sock");
    let here = format!("  dataplane: {DATAPLANE}\n  api: {{socket: {}}}\n\ntunnels:", socket.display());
    write_file(&file, &text(&file)?.replacen("\ntunnels:", &here, 1))?;
    let daemon = Daemon::launch(&us, lab.path(), "us", &file, socket, false)?;
    wait_for(patience(40), "both tunnels and sessions are up", || {
        daemon.expect_up(&["vpn-0badc0ffee0000001-1", "vpn-0badc0ffee0000001-2"])?;
        ends.iter().try_for_each(|end| {
            end.expect_up()?;
            let learned = end.learned()?;
            ensure(learned.iter().any(|prefix| prefix == "10.1.0.0/16"), "our network", || format!("{learned:?}"))
        })
    })
}
