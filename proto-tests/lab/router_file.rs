//! Quadspan's own configuration, written for a laboratory.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use super::layout::{CLOUD_ASN, CLOUD_NETWORK, ROUTER_ASN, ROUTER_NETWORK, TUNNELS, TunnelPlan};

/// IKE suite of the laboratories in our words.
pub const IKE_SUITE: &str = "aes128gcm16-prfsha256-x25519";
/// ESP suite of the laboratories in our words.
pub const ESP_SUITE: &str = "aes128gcm16";

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
        }
    }

    /// The YAML text with the control socket at `socket`.
    #[must_use]
    pub fn yaml(&self, socket: &Path) -> String {
        let Self { name, asn, router_id, metrics, .. } = self;
        let mut text = format!("router:\n  name: {name}\n  asn: {asn}\n  router-id: {router_id}\n  networks: [");
        text += &self.networks.join(", ");
        let _infallible = write!(text, "]\n  dataplane: userspace\n  api:\n    socket: {}\n", socket.display());
        if let Some(listen) = metrics {
            let _infallible = writeln!(text, "  metrics:\n    listen: {listen}");
        }
        text += "tunnels:\n";
        for tunnel in &self.tunnels {
            text += &tunnel.yaml();
        }
        text
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
        Self {
            name: plan.name.to_owned(),
            local,
            remote,
            psk: plan.psk(),
            inside: plan.inside(),
            first_host,
            initiate,
            ike: IKE_SUITE.to_owned(),
            esp: ESP_SUITE.to_owned(),
            ike_lifetime: 28800,
            esp_lifetime: 3600,
            rekey_margin: 270,
            dpd_interval: 2,
            dpd_timeout: 6,
            peer_asn,
            hold: 9,
        }
    }

    fn yaml(&self) -> String {
        let Self { name, local, remote, psk, inside, ike, esp, peer_asn, hold, .. } = self;
        let Self { ike_lifetime, esp_lifetime, rekey_margin, dpd_interval, dpd_timeout, .. } = self;
        let side = if self.first_host { "first" } else { "second" };
        let start = if self.initiate { "initiate" } else { "respond" };
        let keepalive = (hold / 3).max(1);
        format!(
            "  - name: {name}\n    profile: generic\n    local: {local}\n    remote: {remote}\n    psk:\n      inline: {psk}\n    \
             inside: {inside}\n    side: {side}\n    start: {start}\n    encapsulation: always\n    \
             ike:\n      proposals: [{ike}]\n      lifetime: {ike_lifetime}s\n    \
             esp:\n      proposals: [{esp}]\n      lifetime: {esp_lifetime}s\n      rekey-margin: {rekey_margin}s\n    \
             dpd:\n      interval: {dpd_interval}s\n      timeout: {dpd_timeout}s\n    \
             bgp:\n      asn: {peer_asn}\n      hold-time: {hold}s\n      keepalive: {keepalive}s\n"
        )
    }
}
