//! libreswan as the IPsec peer: one pluto per namespace, packets moved by a kernel that has ESP, through an xfrm interface.
//!
//! Debian's package excludes strongSwan's: it runs in the kernel guest, where it is unpacked beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::namespace::Namespace;
use super::process::Process;
use super::terms::{Auth, Outside, PPK, TUNNEL, Terms, Version};
use super::{LabError, Result, ensure, not_yet, patience, run, wait_for, write_file};

const PROGRAMS: &str = "/usr/libexec/ipsec";
/// Number of its xfrm interface, which it names `ipsec77`.
const INTERFACE_NUMBER: u32 = 77;

/// A running pluto.
#[derive(Debug)]
pub struct Libreswan {
    process: Process,
    directory: PathBuf,
    namespace: String,
    inside: String,
}

impl Libreswan {
    /// Starts pluto in `namespace` and loads the tunnel.
    ///
    /// # Errors
    /// When it does not come up or refuses the configuration.
    pub fn launch(
        namespace: &Namespace,
        directory: &Path,
        terms: &Terms,
        outside: Outside,
        inside: &str,
    ) -> Result<Self> {
        for part in ["run", "nss", "ipsec.d"] {
            let path = directory.join(part);
            std::fs::create_dir_all(&path).map_err(LabError::io(format!("make {}", path.display())))?;
        }
        let file = |name: &str| directory.join(name);
        write_file(&file("ipsec.conf"), &configuration(terms, outside)?)?;
        super::write_secret(&file("ipsec.secrets"), &secrets(terms))?;
        let store = format!("sql:{}", file("nss").display());
        run(Command::new("certutil").args(["-N", "--empty-password", "-d", &store]))?;
        let mut command = namespace.command(&format!("{PROGRAMS}/pluto"));
        command.args(["--nofork", "--no-dnssec", "--config"]).arg(file("ipsec.conf"));
        command.arg("--secretsfile").arg(file("ipsec.secrets")).arg("--ipsecdir").arg(file("ipsec.d"));
        command.arg("--nssdir").arg(file("nss")).arg("--rundir").arg(file("run"));
        command.arg("--logfile").arg(file("pluto.log"));
        let process = Process::spawn(&format!("{} pluto", namespace.role()), command, &file("pluto.out"))?;
        let (name, inside) = (namespace.name().to_owned(), inside.to_owned());
        let swan = Self { process, directory: directory.to_owned(), namespace: name, inside };
        wait_for(patience(10), "pluto makes its control socket", || {
            ensure(file("run/pluto.ctl").exists(), "a socket", || swan.process.log_tail(5))
        })?;
        let control = file("run/pluto.ctl");
        run(Command::new(format!("{PROGRAMS}/addconn"))
            .arg("--config")
            .arg(file("ipsec.conf"))
            .arg("--ctlsocket")
            .arg(&control)
            .arg(TUNNEL))?;
        swan.whack(&["--listen"])?;
        Ok(swan)
    }

    /// Begins the tunnel.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn initiate(&self) -> Result<()> {
        self.whack(&["--initiate", "--name", TUNNEL]).map(drop)
    }

    /// Renews the CHILD SA from its side.
    ///
    /// # Errors
    /// When there is none.
    pub fn rekey_child(&self) -> Result<()> {
        self.whack(&["--rekey-ipsec", "--name", TUNNEL]).map(drop)
    }

    /// Renews the IKE SA from its side.
    ///
    /// # Errors
    /// When there is none.
    pub fn rekey_ike(&self) -> Result<()> {
        self.whack(&["--rekey-ike", "--name", TUNNEL]).map(drop)
    }

    /// Number of established IKE SAs and of installed CHILD SAs.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn sa_counts(&self) -> Result<(usize, usize)> {
        let states = self.whack(&["--showstates"])?;
        let count =
            |needles: &[&str]| states.lines().filter(|line| needles.iter().any(|needle| line.contains(needle))).count();
        Ok((
            count(&["ESTABLISHED_IKE_SA", "MAIN_I4", "MAIN_R3", "AGGR_I2", "AGGR_R2"]),
            count(&["ESTABLISHED_CHILD_SA", "QUICK_I2", "QUICK_R2"]),
        ))
    }

    /// Succeeds when there is an established IKE SA with an installed CHILD SA. The interface comes with the first one: it
    /// has its address and is up then.
    ///
    /// # Errors
    /// With what there is instead.
    pub fn expect_up(&self) -> Result<()> {
        let (ike, children) = self.sa_counts()?;
        ensure(ike > 0 && children > 0, "SAs at pluto", || format!("{ike} IKE SAs, {children} CHILD SAs"))?;
        let interface = format!("ipsec{INTERFACE_NUMBER}");
        let ip = |args: &[&str]| run(Command::new("ip").args(["-n", &self.namespace]).args(args));
        ip(&["address", "replace", &self.inside, "dev", &interface])?;
        ip(&["link", "set", &interface, "up"]).map(drop)
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        super::process::tail(&self.directory.join("pluto.log"), lines)
    }

    fn whack(&self, args: &[&str]) -> Result<String> {
        run(Command::new(format!("{PROGRAMS}/whack")).arg("--rundir").arg(self.directory.join("run")).args(args))
    }
}

fn secrets(terms: &Terms) -> String {
    let ends = format!("{} {}", identity(&terms.peer_id), identity(&terms.our_id));
    let ppk = if terms.ppk { format!("{ends} : PPKS \"{}\" \"{}\"\n", PPK.0, PPK.1) } else { String::new() };
    format!("{ends} : PSK \"{}\"\n{ppk}", terms.psk)
}

fn configuration(terms: &Terms, outside: Outside) -> Result<String> {
    let Auth::Psk = &terms.auth else { return not_yet("libreswan is given a pre-shared key here") };
    let (version, aggressive) = match terms.version {
        Version::V2 => ("insist", "no"),
        Version::Main => ("no", "no"),
        Version::Aggressive => ("no", "yes"),
    };
    let networks = |list: &[String]| if list.is_empty() { "0.0.0.0/0".to_owned() } else { list.join(",") };
    let esn = if terms.esp.contains("-esn") { "yes" } else { "no" };
    let pfs = if terms.esp.split('-').any(|word| group(word).is_some()) { "yes" } else { "no" };
    Ok(format!(
        "config setup\n    uniqueids=yes\n    ikev1-policy=accept\nconn {TUNNEL}\n    ikev2={version}\n    aggressive={aggressive}\n    left={}\n    \
         leftid={}\n    leftsubnet={}\n    right={}\n    rightid={}\n    rightsubnet={}\n    authby=secret\n    ike={}\n    \
         esp={}\n    pfs={pfs}\n    esn={esn}\n    ikelifetime=8h\n    salifetime=4h\n    rekey=no\n    dpddelay={}\n    \
         dpdtimeout={}\n    auto=add\n    ppk={}\n    ipsec-interface={INTERFACE_NUMBER}\n    leftupdown=/bin/true\n",
        outside.local,
        identity(&terms.peer_id),
        networks(&terms.peer_networks),
        outside.remote,
        identity(&terms.our_id),
        networks(&terms.our_networks),
        suite(&terms.ike),
        suite(&terms.esp),
        terms.dpd,
        terms.dpd * 4,
        if terms.ppk { "insist" } else { "no" },
    ))
}

/// A name needs a mark, else it is looked up.
fn identity(text: &str) -> String {
    if text.parse::<std::net::IpAddr>().is_ok() { text.to_owned() } else { format!("@{text}") }
}

/// `aes256gcm16-prfsha384-ecp384` is `aes_gcm256-sha2_384;dh20`, `aes256-sha256` is `aes256-sha2_256`.
fn suite(text: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut tail = String::new();
    for word in text.split('-') {
        if let Some(number) = group(word) {
            tail = format!(";dh{number}");
        } else if let Some(hash) = word.strip_prefix("prf").or(Some(word)).filter(|word| word.starts_with("sha")) {
            parts.push(match hash {
                "sha1" => hash.to_owned(),
                _ => hash.replace("sha", "sha2_"),
            });
        } else if let Some(bits) = word.strip_prefix("aes").and_then(|word| word.strip_suffix("gcm16")) {
            parts.push(format!("aes_gcm{bits}"));
        } else if word == "chacha20poly1305" {
            parts.push("chacha20_poly1305".to_owned());
        } else if word != "esn" {
            parts.push(word.to_owned());
        }
    }
    parts.join("-") + &tail
}

fn group(word: &str) -> Option<u32> {
    Some(match word {
        "modp1024" => 2,
        "modp1536" => 5,
        "modp2048" => 14,
        "modp3072" => 15,
        "modp4096" => 16,
        "ecp256" => 19,
        "ecp384" => 20,
        "ecp521" => 21,
        "x25519" => 31,
        _ => return None,
    })
}
