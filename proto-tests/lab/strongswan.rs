//! strongSwan as the IPsec peer, with its user-space back end: one charon and one any-to-any tunnel per namespace.
//!
//! Its TUN `ipsec0` comes with the process and goes with it; the inside address is put on it after every start. UDP
//! encapsulation is all it can do; extended sequence numbers it negotiates and then refuses. Where the kernel has ESP,
//! its other back end uses that: then `ipsec0` is an xfrm interface.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::namespace::Namespace;
use super::process::Process;
use super::{Result, not_yet, patience, run, wait_for, write_file};

/// The name of strongSwan's interface.
pub const INTERFACE: &str = "ipsec0";

const PLUGINS: &str = "random nonce openssl aes sha1 sha2 md5 hmac kdf gcm curve25519 chapoly drbg pem pkcs1 pkcs8 x509 \
                       pubkey constraints";

/// What moves charon's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// charon itself.
    UserSpace,
    /// The kernel, in the xfrm interface of this number.
    Kernel(u32),
}

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
    /// The text of its swanctl.conf.
    #[must_use]
    pub fn swanctl_conf(&self) -> String {
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
        Self::launch(namespace, directory, Backend::UserSpace, &tunnel.swanctl_conf(), &tunnel.inside)
    }

    /// The same with a swanctl.conf of the caller's.
    ///
    /// # Errors
    /// As [`StrongSwan::start`].
    pub fn launch(
        namespace: &Namespace,
        directory: &Path,
        backend: Backend,
        configuration: &str,
        inside: &str,
    ) -> Result<Self> {
        for part in ["", "/x509", "/x509ca", "/private"] {
            let path = directory.join(format!("swanctl{part}"));
            std::fs::create_dir_all(&path).map_err(super::LabError::io(format!("make {}", path.display())))?;
        }
        write_file(&directory.join("strongswan.conf"), &strongswan_conf(directory, backend))?;
        write_file(&directory.join("swanctl/swanctl.conf"), configuration)?;
        let vici = directory.join("vici.sock");
        let _none_yet = std::fs::remove_file(&vici);
        if let Backend::Kernel(number) = backend {
            namespace.ip(&["link", "add", INTERFACE, "type", "xfrm", "if_id", &number.to_string()])?;
        }
        let mut command = namespace.command("charon-systemd");
        command.env("STRONGSWAN_CONF", directory.join("strongswan.conf")).env("SWANCTL_DIR", directory.join("swanctl"));
        let log = directory.join("charon.log");
        let process = Process::spawn(&format!("{} charon", namespace.role()), command, &log)?;
        wait_for(patience(20), "charon makes ipsec0 and its control socket", || {
            if namespace.has_link(INTERFACE) && vici.exists() { Ok(()) } else { not_yet(super::process::tail(&log, 5)) }
        })?;
        namespace.address(INTERFACE, inside)?;
        namespace.ip(&["link", "set", INTERFACE, "up"])?;
        let swan = Self { process, directory: directory.to_owned() };
        wait_for(patience(20), "swanctl loads the tunnel", || swan.swanctl(&["--load-all", "--clear"]))?;
        Ok(swan)
    }

    /// Replaces the configuration by this text and loads it; SAs that exist stay.
    ///
    /// # Errors
    /// When charon refuses it.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        write_file(&self.directory.join("swanctl/swanctl.conf"), configuration)?;
        self.swanctl(&["--load-all", "--clear"]).map(drop)
    }

    /// SPIs of the established IKE SA, `(initiator's, responder's)`; the newest where there are two.
    ///
    /// # Errors
    /// When there is none.
    pub fn ike_spis(&self) -> Result<(String, String)> {
        let sas = self.list_sas()?;
        let line = sas.lines().filter(|line| line.contains(", ESTABLISHED, ")).max_by_key(|line| sequence(line));
        let spis = line.and_then(|line| line.split(", ").nth(3)).and_then(|words| words.split_once(' '));
        let digits = |word: &str| word.chars().take_while(char::is_ascii_hexdigit).collect::<String>();
        spis.map_or_else(|| not_yet(format!("no IKE SA: {sas}")), |(ours, theirs)| Ok((digits(ours), digits(theirs))))
    }

    /// Renews the CHILD SA from its side.
    ///
    /// # Errors
    /// When there is none.
    pub fn rekey_child(&self) -> Result<()> {
        self.swanctl(&["--rekey", "--child", "tunnel"]).map(drop)
    }

    /// Renews the IKE SA from its side.
    ///
    /// # Errors
    /// When there is none.
    pub fn rekey_ike(&self) -> Result<()> {
        self.swanctl(&["--rekey", "--ike", "tunnel"]).map(drop)
    }

    /// Replaces the configuration and loads it; SAs that exist stay.
    ///
    /// # Errors
    /// When charon refuses it.
    pub fn reload(&self, tunnel: &SwanTunnel) -> Result<()> {
        self.configure(&tunnel.swanctl_conf())
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

/// The number behind `tunnel: #`.
fn sequence(line: &str) -> u32 {
    let digits = line.split_once('#').map_or("", |(_, rest)| rest.split(',').next().unwrap_or_default());
    digits.parse().unwrap_or_default()
}

fn strongswan_conf(directory: &Path, backend: Backend) -> String {
    let directory = directory.display();
    let (packets, own) = match backend {
        Backend::UserSpace => (
            "kernel-libipsec kernel-netlink",
            "kernel-libipsec {\n   allow_peer_ts = yes\n  }\n  kernel-netlink {\n   fwmark = !0x42\n  }\n  \
             socket-default {\n   fwmark = 0x42\n  }\n",
        ),
        Backend::Kernel(_) => ("kernel-netlink", ""),
    };
    format!(
        "charon-systemd {{\n load = {PLUGINS} {packets} socket-default vici\n routing_table_prio = 40000\n \
         install_routes = no\n retransmit_timeout = 1.0\n retransmit_base = 1.4\n retransmit_tries = 4\n \
         retry_initiate_interval = 2s\n make_before_break = yes\n i_dont_care_about_security_and_use_aggressive_mode_psk = yes\n \
         plugins {{\n  vici {{\n   socket = unix://{directory}/vici.sock\n  }}\n  {own} }}\n \
         filelog {{\n  log {{\n   path = {directory}/charon.log\n   append = yes\n   flush_line = yes\n   time_format = %T\n   \
         default = 1\n   ike = 1\n   knl = 1\n   esp = 1\n  }}\n }}\n}}\n\
         swanctl {{\n load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey\n}}\n"
    )
}
