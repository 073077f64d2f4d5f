//! strongSwan at both ends.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::{Process, tail};
use proto_tests::lab::{LabError, Result, not_yet, run, wait_for, write_file};

use crate::Case;
use crate::figures::Sample;
use crate::site::{PSK, Plan, Site};
use crate::vici::Vici;

/// Clock ticks per second of `/proc/PID/stat`, fixed in Linux's interface.
const TICKS: u64 = 100;

const PLUGINS: &str = "random nonce openssl aes sha1 sha2 hmac kdf gcm curve25519 drbg kernel-libipsec kernel-netlink \
                       socket-default vici";

/// Makes `rounds` handshakes in each tunnel.
pub(crate) fn measure(site: &Site, case: Case, rounds: u32) -> Result<Sample> {
    let responder = Charon::start(&site.responder, &site.lab.subdirectory("responder")?, &site.tunnels, case, false)?;
    let initiator = Charon::start(&site.initiator, &site.lab.subdirectory("initiator")?, &site.tunnels, case, true)?;
    // One handshake ahead: memory, code and caches are warm.
    initiator.play(&site.tunnels, 1)?;
    let (start, before) = (Instant::now(), (initiator.processor_time()?, responder.processor_time()?));
    initiator.play(&site.tunnels, rounds)?;
    let elapsed = start.elapsed();
    Ok(Sample {
        handshakes: rounds * u32::try_from(site.tunnels.len()).unwrap_or(u32::MAX),
        elapsed,
        initiator: initiator.processor_time()?.saturating_sub(before.0),
        responder: responder.processor_time()?.saturating_sub(before.1),
    })
}

/// A running charon with all tunnels loaded.
struct Charon {
    process: Process,
    vici: PathBuf,
}

impl Charon {
    fn start(namespace: &Namespace, dir: &Path, tunnels: &[Plan], case: Case, initiator: bool) -> Result<Self> {
        for part in ["swanctl", "swanctl/x509", "swanctl/private"] {
            let path = dir.join(part);
            std::fs::create_dir_all(&path).map_err(LabError::io(format!("make {}", path.display())))?;
        }
        write_file(&dir.join("strongswan.conf"), &strongswan_conf(dir))?;
        write_file(&dir.join("swanctl/swanctl.conf"), &swanctl_conf(tunnels, case, initiator))?;
        let vici = dir.join("vici.sock");
        let _none_yet = std::fs::remove_file(&vici);
        let mut command = namespace.command("charon-systemd");
        command.env("STRONGSWAN_CONF", dir.join("strongswan.conf")).env("SWANCTL_DIR", dir.join("swanctl"));
        let log = dir.join("charon.log");
        let process = Process::spawn(&format!("{} charon", namespace.role()), command, &log)?;
        wait_for(Duration::from_secs(20), "charon makes its control socket", || {
            if vici.exists() { Ok(()) } else { not_yet(tail(&log, 5)) }
        })?;
        let uri = format!("unix://{}", vici.display());
        wait_for(Duration::from_secs(20), "swanctl loads the tunnels", || {
            run(Command::new("swanctl")
                .args(["--load-all", "--clear", "--uri", &uri])
                .env("STRONGSWAN_CONF", dir.join("strongswan.conf"))
                .env("SWANCTL_DIR", dir.join("swanctl")))
        })?;
        Ok(Self { process, vici })
    }

    /// Brings every tunnel up and down so many times, each by a thread of its own.
    fn play(&self, tunnels: &[Plan], rounds: u32) -> Result<()> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = tunnels
                .iter()
                .map(|plan| {
                    scope.spawn(|| {
                        let (mut vici, name) = (Vici::connect(&self.vici)?, name(*plan));
                        (0..rounds).try_for_each(|_| {
                            vici.initiate(&name)?;
                            vici.terminate(&name)
                        })
                    })
                })
                .collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| not_yet("a thread that drives charon panicked"))
            })
        })
    }

    fn processor_time(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.process.pid());
        let text = std::fs::read_to_string(&path).map_err(LabError::io(format!("read {path}")))?;
        // Behind the name, which may hold anything, in parentheses: user and system time are the 12th and 13th.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }
}

fn name(plan: Plan) -> String {
    format!("t{}", plan.number)
}

fn swanctl_conf(tunnels: &[Plan], case: Case, initiator: bool) -> String {
    let (mut connections, mut secrets) = (String::new(), String::new());
    for plan in tunnels {
        let (name, number, ike) = (name(*plan), plan.number, case.ike);
        let (mut local, mut remote) = ((plan.initiator, 1), (plan.responder, 2));
        if !initiator {
            std::mem::swap(&mut local, &mut remote);
        }
        let ((local, near), (remote, far)) = (local, remote);
        let _infallible = write!(
            connections,
            " {name} {{\n  version = 2\n  local_addrs = {local}\n  remote_addrs = {remote}\n  encap = yes\n  mobike = no\n  \
             proposals = {ike}\n  rekey_time = 0\n  reauth_time = 0\n  unique = never\n  \
             local {{\n   auth = psk\n   id = {local}\n  }}\n  remote {{\n   auth = psk\n   id = {remote}\n  }}\n  \
             children {{\n   {name} {{\n    local_ts = 10.{near}.{number}.0/24\n    remote_ts = 10.{far}.{number}.0/24\n    \
             esp_proposals = aes128gcm16\n    rekey_time = 0\n   }}\n  }}\n }}\n"
        );
        let _infallible =
            write!(secrets, " ike-{name} {{\n  id-1 = {local}\n  id-2 = {remote}\n  secret = \"{PSK}\"\n }}\n");
    }
    format!("connections {{\n{connections}}}\nsecrets {{\n{secrets}}}\n")
}

fn strongswan_conf(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "charon-systemd {{\n load = {PLUGINS}\n threads = 64\n dos_protection = no\n \
         routing_table_prio = 40000\n install_routes = no\n \
         plugins {{\n  vici {{\n   socket = unix://{directory}/vici.sock\n  }}\n  kernel-libipsec {{\n   allow_peer_ts = yes\n  }}\n  \
         kernel-netlink {{\n   fwmark = !0x42\n  }}\n  socket-default {{\n   fwmark = 0x42\n  }}\n }}\n \
         syslog {{\n  daemon {{\n   default = -1\n  }}\n }}\n \
         filelog {{\n  log {{\n   path = {directory}/charon.log\n   append = yes\n   default = 0\n  }}\n }}\n}}\n\
         swanctl {{\n load = random nonce openssl\n}}\n"
    )
}
