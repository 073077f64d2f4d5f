//! strongSwan as the IPsec peer, with its user-space back end: one charon and one any-to-any tunnel per namespace.
//!
//! Its TUN `ipsec0` comes with the process and goes with it; the inside address is put on it after every start. UDP
//! encapsulation is all it can do; extended sequence numbers it negotiates and then refuses.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::namespace::Namespace;
use super::process::Process;
use super::{Result, not_yet, run, wait_for, write_file};

/// The name of strongSwan's interface.
pub const INTERFACE: &str = "ipsec0";

const PLUGINS: &str = "random nonce openssl aes sha1 sha2 hmac kdf gcm curve25519 chapoly drbg pem x509 pubkey \
                       kernel-libipsec kernel-netlink socket-default vici";

/// One tunnel as charon sees it.
#[derive(Clone, Debug)]
pub struct SwanTunnel {
    /// Its own outside address and identity.
    pub local: Ipv4Addr,
    /// The other end's.
    pub remote: Ipv4Addr,
    /// Its address inside, with the prefix length.
    pub inside: String,
    /// Pre-shared key.
    pub psk: String,
    /// IKE proposal in swanctl's words.
    pub ike: String,
    /// ESP proposal in swanctl's words.
    pub esp: String,
    /// Begins, and begins again when the peer ends it.
    pub initiate: bool,
    /// Seconds between liveness checks; zero for none.
    pub dpd: u32,
    /// Seconds between IKE SA rekeys; zero for none.
    pub rekey_ike: u32,
    /// Seconds between CHILD SA rekeys; zero for none.
    pub rekey_child: u32,
}

/// A running charon.
#[derive(Debug)]
pub struct StrongSwan {
    process: Process,
    directory: PathBuf,
}

impl SwanTunnel {
    fn swanctl_conf(&self) -> String {
        let Self { local, remote, psk, ike, esp, dpd, rekey_ike, rekey_child, .. } = self;
        let start = if self.initiate { "start" } else { "none" };
        let on_dead = if self.initiate { "restart" } else { "clear" };
        let life = 4 * rekey_child;
        format!(
            "connections {{\n tunnel {{\n  version = 2\n  local_addrs = {local}\n  remote_addrs = {remote}\n  encap = yes\n  \
             mobike = no\n  proposals = {ike}\n  dpd_delay = {dpd}s\n  keyingtries = 0\n  rekey_time = {rekey_ike}s\n  \
             reauth_time = 0\n  rand_time = 0\n  over_time = 60s\n  unique = replace\n  \
             local {{\n   auth = psk\n   id = {local}\n  }}\n  remote {{\n   auth = psk\n   id = {remote}\n  }}\n  \
             children {{\n   tunnel {{\n    local_ts = 0.0.0.0/0\n    remote_ts = 0.0.0.0/0\n    esp_proposals = {esp}\n    \
             mode = tunnel\n    rekey_time = {rekey_child}s\n    life_time = {life}s\n    rand_time = 0\n    start_action = {start}\n    \
             close_action = {start}\n    dpd_action = {on_dead}\n   }}\n  }}\n }}\n}}\n\
             secrets {{\n ike {{\n  id-1 = {local}\n  id-2 = {remote}\n  secret = \"{psk}\"\n }}\n}}\n"
        )
    }
}

impl StrongSwan {
    /// Starts charon in `namespace`, loads the tunnel, and puts the inside address on `ipsec0`.
    ///
    /// # Errors
    /// When charon does not come up or refuses the configuration.
    pub fn start(namespace: &Namespace, directory: &Path, tunnel: &SwanTunnel) -> Result<Self> {
        for part in ["swanctl", "swanctl/x509", "swanctl/private"] {
            let path = directory.join(part);
            std::fs::create_dir_all(&path).map_err(super::LabError::io(format!("make {}", path.display())))?;
        }
        write_file(&directory.join("strongswan.conf"), &strongswan_conf(directory))?;
        write_file(&directory.join("swanctl/swanctl.conf"), &tunnel.swanctl_conf())?;
        let vici = directory.join("vici.sock");
        let _none_yet = std::fs::remove_file(&vici);
        let mut command = namespace.command("charon-systemd");
        command.env("STRONGSWAN_CONF", directory.join("strongswan.conf")).env("SWANCTL_DIR", directory.join("swanctl"));
        let log = directory.join("charon.log");
        let process = Process::spawn(&format!("{} charon", namespace.role()), command, &log)?;
        wait_for(Duration::from_secs(20), "charon makes ipsec0 and its control socket", || {
            if namespace.has_link(INTERFACE) && vici.exists() { Ok(()) } else { not_yet(super::process::tail(&log, 5)) }
        })?;
        namespace.address(INTERFACE, &tunnel.inside)?;
        namespace.ip(&["link", "set", INTERFACE, "up"])?;
        let swan = Self { process, directory: directory.to_owned() };
        wait_for(Duration::from_secs(20), "swanctl loads the tunnel", || swan.swanctl(&["--load-all", "--clear"]))?;
        Ok(swan)
    }

    /// Replaces the configuration and loads it; SAs that exist stay.
    ///
    /// # Errors
    /// When charon refuses it.
    pub fn reload(&self, tunnel: &SwanTunnel) -> Result<()> {
        write_file(&self.directory.join("swanctl/swanctl.conf"), &tunnel.swanctl_conf())?;
        self.swanctl(&["--load-all", "--clear"]).map(drop)
    }

    /// Runs swanctl against this charon.
    ///
    /// # Errors
    /// With what swanctl printed.
    pub fn swanctl(&self, args: &[&str]) -> Result<String> {
        let uri = format!("unix://{}", self.directory.join("vici.sock").display());
        run(Command::new("swanctl")
            .args(args)
            .args(["--uri", &uri])
            .env("STRONGSWAN_CONF", self.directory.join("strongswan.conf"))
            .env("SWANCTL_DIR", self.directory.join("swanctl")))
    }

    /// The SAs in swanctl's words.
    ///
    /// # Errors
    /// As [`StrongSwan::swanctl`].
    pub fn list_sas(&self) -> Result<String> {
        self.swanctl(&["--list-sas"])
    }

    /// Succeeds when there is an established IKE SA with an installed CHILD SA.
    ///
    /// # Errors
    /// With what there is instead.
    pub fn expect_up(&self) -> Result<()> {
        let sas = self.list_sas()?;
        if sas.contains("ESTABLISHED") && sas.contains("INSTALLED") {
            Ok(())
        } else {
            not_yet(format!("{}: {}", self.process.name(), if sas.is_empty() { "no SA" } else { &sas }))
        }
    }

    /// Number of established IKE SAs and of installed CHILD SAs. Those that a renewal has replaced stay listed, as
    /// `REKEYED` or `DELETED`, for some seconds and do not count.
    ///
    /// # Errors
    /// As [`StrongSwan::swanctl`].
    pub fn sa_counts(&self) -> Result<(usize, usize)> {
        let sas = self.list_sas()?;
        Ok((sas.matches(", ESTABLISHED, ").count(), sas.matches(", INSTALLED, ").count()))
    }

    /// Begins the tunnel.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn initiate(&self) -> Result<()> {
        self.swanctl(&["--initiate", "--child", "tunnel", "--timeout", "20"]).map(drop)
    }

    /// Deletes the CHILD SA only, with a DELETE to the peer.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_child(&self) -> Result<()> {
        self.swanctl(&["--terminate", "--child", "tunnel", "--timeout", "5"]).map(drop)
    }

    /// Deletes the IKE SA and all under it, with a DELETE to the peer.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_ike(&self) -> Result<()> {
        self.swanctl(&["--terminate", "--ike", "tunnel", "--timeout", "5"]).map(drop)
    }

    /// Packets that charon says it dropped before sending them. While it renews a CHILD SA, its user-space back end is
    /// without a policy for a moment; that is its own loss, not that of the router under test.
    #[must_use]
    pub fn dropped_outbound(&self, from: Ipv4Addr) -> u64 {
        let needle = format!("no matching outbound IPsec policy for {from}");
        let log = std::fs::read(self.log()).unwrap_or_default();
        let count = String::from_utf8_lossy(&log).matches(&needle).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// charon's own log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.process.log()
    }
}

fn strongswan_conf(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "charon-systemd {{\n load = {PLUGINS}\n routing_table_prio = 40000\n install_routes = no\n \
         retransmit_timeout = 1.0\n retransmit_base = 1.4\n retransmit_tries = 4\n retry_initiate_interval = 2s\n \
         make_before_break = yes\n \
         plugins {{\n  vici {{\n   socket = unix://{directory}/vici.sock\n  }}\n  kernel-libipsec {{\n   allow_peer_ts = yes\n  }}\n  \
         kernel-netlink {{\n   fwmark = !0x42\n  }}\n  socket-default {{\n   fwmark = 0x42\n  }}\n }}\n \
         filelog {{\n  log {{\n   path = {directory}/charon.log\n   append = yes\n   flush_line = yes\n   time_format = %T\n   \
         default = 1\n   ike = 1\n   knl = 1\n   esp = 1\n  }}\n }}\n}}\n\
         swanctl {{\n load = random nonce openssl pem x509 pubkey\n}}\n"
    )
}
