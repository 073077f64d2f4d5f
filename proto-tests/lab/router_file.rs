//! Quadspan's own configuration, written for a laboratory.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::layout::{CLOUD_ASN, CLOUD_NETWORK, ROUTER_ASN, ROUTER_NETWORK, TUNNELS, TunnelPlan};
use super::{DATAPLANE, Result, write_file, write_secret};

/// One router's file.
#[derive(Clone, Debug)]
pub struct RouterFile {
    /// Name of the router, of its file, its socket and its log.
    pub name: String,
    /// Own autonomous system.
    pub asn: u32,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// Prefixes it announces.
    pub networks: Vec<String>,
    /// Tunnels.
    pub tunnels: Vec<TunnelEntry>,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<String>,
    /// What is logged, if not the default.
    pub log_filter: Option<String>,
    /// More sections, as text.
    pub extra: String,
}

/// One tunnel's entry.
#[derive(Clone, Debug)]
pub struct TunnelEntry {
    /// Name.
    pub name: String,
    /// Own outside address.
    pub local: Ipv4Addr,
    /// The peer's.
    pub remote: Ipv4Addr,
    /// Pre-shared key, written into a file of its own.
    pub psk: String,
    /// The inside /30.
    pub inside: String,
    /// We have its first host address.
    pub first_host: bool,
    /// We begin.
    pub initiate: bool,
    /// IKE proposal.
    pub ike: String,
    /// ESP proposal.
    pub esp: String,
    /// IKE lifetime in seconds.
    pub ike_lifetime: u32,
    /// CHILD SA lifetime in seconds.
    pub esp_lifetime: u32,
    /// How long before the end a rekey starts, in seconds.
    pub rekey_margin: u32,
    /// Seconds of silence before a liveness check.
    pub dpd_interval: u32,
    /// Seconds without an answer until the peer is dead.
    pub dpd_timeout: u32,
    /// The peer's autonomous system.
    pub peer_asn: u32,
    /// Hold time in seconds.
    pub hold: u32,
    /// The value of `bfd`, if it is written.
    pub bfd: Option<String>,
}

impl RouterFile {
    /// The router side of the four-tunnel plan.
    #[must_use]
    pub fn router(initiate: bool) -> Self {
        let tunnels = TUNNELS
            .iter()
            .map(|plan| TunnelEntry::new(plan, plan.router_outside, plan.cloud_outside, false, initiate, CLOUD_ASN))
            .collect();
        Self {
            name: "router".to_owned(),
            asn: ROUTER_ASN,
            router_id: Ipv4Addr::new(198, 51, 100, 1),
            networks: vec![ROUTER_NETWORK.to_owned()],
            tunnels,
            metrics: None,
            log_filter: None,
            extra: String::new(),
        }
    }

    /// One concentrator of the AWS side.
    #[must_use]
    pub fn cloud(plan: &TunnelPlan, initiate: bool) -> Self {
        Self {
            name: plan.name.to_owned(),
            asn: CLOUD_ASN,
            router_id: plan.cloud_outside,
            networks: vec![CLOUD_NETWORK.to_owned()],
            tunnels: vec![TunnelEntry::new(plan, plan.cloud_outside, plan.router_outside, true, initiate, ROUTER_ASN)],
            metrics: None,
            log_filter: None,
            extra: String::new(),
        }
    }

    /// Writes `NAME.yaml` and the key files it names into `directory`; the control socket will be `NAME.sock`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf> {
        for tunnel in &self.tunnels {
            write_secret(&directory.join(self.key_file(tunnel)), &tunnel.psk)?;
        }
        let path = directory.join(format!("{}.yaml", self.name));
        write_file(&path, &self.yaml(&self.socket(directory)))?;
        Ok(path)
    }

    /// The control socket of this router in `directory`.
    #[must_use]
    pub fn socket(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.sock", self.name))
    }

    /// The YAML text with the control socket at `socket`.
    #[must_use]
    pub fn yaml(&self, socket: &Path) -> String {
        let Self { name, asn, router_id, .. } = self;
        let mut text = format!("router:\n  name: {name}\n  asn: {asn}\n  router-id: {router_id}\n  networks:\n");
        for network in &self.networks {
            let _infallible = writeln!(text, "    - {network}");
        }
        let _infallible = write!(text, "  dataplane: {DATAPLANE}\n  api:\n    socket: {}\n", socket.display());
        if let Some(listen) = &self.metrics {
            let _infallible = write!(text, "  metrics:\n    listen: {listen}\n");
        }
        if let Some(filter) = &self.log_filter {
            let _infallible = write!(text, "  log:\n    filter: {filter}\n");
        }
        text += "tunnels:\n";
        for tunnel in &self.tunnels {
            text += &tunnel.yaml(&self.key_file(tunnel));
        }
        text + &self.extra
    }

    fn key_file(&self, tunnel: &TunnelEntry) -> String {
        format!("{}-{}.psk", self.name, tunnel.name)
    }
}

impl TunnelEntry {
    fn new(
        plan: &TunnelPlan,
        local: Ipv4Addr,
        remote: Ipv4Addr,
        first_host: bool,
        initiate: bool,
        peer_asn: u32,
    ) -> Self {
        let suites = suites(plan.number);
        Self {
            name: plan.name.to_owned(),
            local,
            remote,
            psk: plan.psk(),
            inside: plan.inside(),
            first_host,
            initiate,
            ike: suites.ike.to_owned(),
            esp: suites.esp.to_owned(),
            ike_lifetime: 28800,
            esp_lifetime: 3600,
            rekey_margin: 270,
            dpd_interval: 2,
            dpd_timeout: 6,
            peer_asn,
            hold: 30,
            bfd: None,
        }
    }

    fn yaml(&self, key_file: &str) -> String {
        let Self { name, local, remote, inside, ike, esp, peer_asn, hold, .. } = self;
        let Self { ike_lifetime, esp_lifetime, rekey_margin, dpd_interval, dpd_timeout, .. } = self;
        let side = if self.first_host { "first" } else { "second" };
        let bfd = self.bfd.as_ref().map_or_else(String::new, |bfd| format!(", bfd: {bfd}"));
        let start = if self.initiate { "initiate" } else { "respond" };
        format!(
            "  - name: {name}\n    local: {local}\n    remote: {remote}\n    psk: {{file: {key_file}}}\n    \
             inside: {{prefix: {inside}, side: {side}}}\n    start: {start}\n    encapsulation: always\n    \
             ike: {{proposals: [{ike}], lifetime: {ike_lifetime}s}}\n    \
             esp: {{proposals: [{esp}], lifetime: {esp_lifetime}s}}\n    rekey: {{margin: {rekey_margin}s, fuzz: 0}}\n    \
             dpd: {{interval: {dpd_interval}s, timeout: {dpd_timeout}s}}\n    \
             bgp: {{asn: {peer_asn}, hold-time: {hold}s, import: all{bfd}}}\n"
        )
    }
}

/// The suites of one of the four tunnels, in the words that swanctl and we have in common; no two are alike.
#[must_use]
pub const fn suites(number: u8) -> Suites {
    match number {
        1 => Suites { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16" },
        2 => Suites { ike: "aes256gcm16-prfsha384-ecp384", esp: "aes256gcm16-ecp384" },
        3 => Suites { ike: "aes256-sha256-modp2048", esp: "aes256-sha256-modp2048" },
        _ => Suites { ike: "aes128-sha1-ecp256", esp: "aes128-sha1" },
    }
}

/// An IKE and an ESP proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suites {
    /// For the IKE SA.
    pub ike: &'static str,
    /// For the CHILD SA.
    pub esp: &'static str,
}
