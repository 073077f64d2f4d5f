//! What both ends of one tunnel agree on, in the words of each program that may be an end.
//!
//! ```text
//!                  Terms (suites, identities, credentials, selectors)
//!                   |                    |                       |
//!          Terms::quadspan       Terms::swanctl          Terms::libreswan
//!             YAML file            swanctl.conf              ipsec.conf
//! ```
//!
//! Suites and identities are written alike for us and for strongSwan.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::pki::Credentials;
use super::{DATAPLANE, Dataplane};

/// Name of the tunnel at every end.
pub const TUNNEL: &str = "tunnel";
/// Our address inside.
pub const OUR_INSIDE: Ipv4Addr = Ipv4Addr::new(169, 254, 77, 2);
/// The peer's address inside.
pub const PEER_INSIDE: Ipv4Addr = Ipv4Addr::new(169, 254, 77, 1);
/// The pre-shared key at both ends, unless one of them is given another.
pub const PSK: &str = "terms.of_both_ends.1";
/// The post-quantum pre-shared key and its name.
pub const PPK: (&str, &str) = ("ppk-lab", "a_post_quantum_key_of_more_than_32_octets.7Q2");

/// Which key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IKEv2.
    V2,
    /// IKEv1, main mode.
    Main,
    /// IKEv1, aggressive mode.
    Aggressive,
}

/// How an end proves who it is.
#[derive(Clone, Debug)]
pub enum Auth {
    /// By the pre-shared key.
    Psk,
    /// By a certificate.
    Certificate(Box<Credentials>),
}

/// Who has encapsulation in UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Both, by force.
    Udp,
    /// Whoever finds a NAT.
    Detected,
    /// Nobody, NAT or not.
    Never,
}

/// One end's outside address, and the one it knows the other end by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Its own.
    pub local: IpAddr,
    /// Where it finds the other.
    pub remote: IpAddr,
}

/// The terms of one tunnel.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Which key exchange.
    pub version: Version,
    /// The UDP port at which both ends begin.
    pub ike_port: u16,
    /// The IKE suite.
    pub ike: String,
    /// The ESP suite.
    pub esp: String,
    /// Our identity.
    pub our_id: String,
    /// The peer's.
    pub peer_id: String,
    /// How both ends prove who they are.
    pub auth: Auth,
    /// The pre-shared key.
    pub psk: String,
    /// With a post-quantum pre-shared key besides.
    pub ppk: bool,
    /// Algorithms that must be allowed by name are in the suites.
    pub legacy: bool,
    /// Networks on our side; everything when empty.
    pub our_networks: Vec<String>,
    /// Networks on the peer's side; everything when empty.
    pub peer_networks: Vec<String>,
    /// In a CHILD SA for each pair of them.
    pub per_pair: bool,
    /// The peer takes, and makes, no CHILD SA in `IKE_AUTH` (RFC 6023).
    pub childless: bool,
    /// Our end begins when a packet waits.
    pub on_demand: bool,
    /// How ESP travels.
    pub carrier: Carrier,
    /// Seconds between liveness checks.
    pub dpd: u32,
    /// Lives of IKE SA and CHILD SA in seconds at our end.
    pub lifetimes: (u32, u32),
    /// How many seconds before their end at the least our end renews them, if not as usual.
    pub margin: Option<u32>,
    /// What moves packets at our end, and at the other where that is our own program, too.
    pub dataplanes: [Dataplane; 2],
}

impl Terms {
    /// Both ends by IKEv2, their addresses and the pre-shared key.
    #[must_use]
    pub fn new(ike: &str, esp: &str, our_id: &str, peer_id: &str) -> Self {
        Self {
            version: Version::V2,
            ike_port: 500,
            ike: ike.to_owned(),
            esp: esp.to_owned(),
            our_id: our_id.to_owned(),
            peer_id: peer_id.to_owned(),
            auth: Auth::Psk,
            psk: PSK.to_owned(),
            ppk: false,
            legacy: false,
            our_networks: Vec::new(),
            peer_networks: Vec::new(),
            per_pair: false,
            childless: false,
            on_demand: false,
            carrier: Carrier::Udp,
            dpd: 10,
            lifetimes: (28800, 3600),
            margin: None,
            dataplanes: [DATAPLANE; 2],
        }
    }

    /// The same as the other end of our own program sees it.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let auth = match &self.auth {
            Auth::Psk => Auth::Psk,
            Auth::Certificate(credentials) => Auth::Certificate(Box::new(credentials.mirrored())),
        };
        Self {
            our_id: self.peer_id.clone(),
            peer_id: self.our_id.clone(),
            our_networks: self.peer_networks.clone(),
            peer_networks: self.our_networks.clone(),
            auth,
            dataplanes: [self.dataplanes[1], self.dataplanes[0]],
            ..self.clone()
        }
    }

    /// Our YAML file, with the key files it names in `directory`. `first` says which host of the inside link we are.
    #[must_use]
    pub fn quadspan(&self, name: &str, outside: Outside, socket: &Path, initiate: bool, first: bool) -> String {
        let (asn, peer_asn) = if first { (64512, 65000) } else { (65000, 64512) };
        let side = if first { "first" } else { "second" };
        let start = match (initiate, self.on_demand) {
            (false, _) => "respond",
            (true, false) => "initiate",
            (true, true) => "on-demand",
        };
        let Outside { local, remote } = outside;
        let Self { ike, esp, our_id, peer_id, dpd, lifetimes: (ike_life, esp_life), .. } = self;
        let mut text = format!(
            "router:\n  name: {name}\n  asn: {asn}\n  router-id: 192.0.2.{}\n  networks: [10.{}.0.0/16]\n  \
             dataplane: {}\n  api: {{socket: {}}}\ntunnels:\n  - name: {TUNNEL}\n    local: {local}\n    \
             remote: {remote}\n    local-id: \"{our_id}\"\n    remote-id: \"{peer_id}\"\n    \
             inside: {{prefix: 169.254.77.0/30, side: {side}}}\n    start: {start}\n",
            if first { 9 } else { 1 },
            asn % 200,
            self.dataplanes[0],
            socket.display(),
        );
        let version = match self.version {
            Version::V2 => "",
            Version::Main => "version: ikev1, mode: main, ",
            Version::Aggressive => "version: ikev1, mode: aggressive, ",
        };
        let port = if self.ike_port == 500 { String::new() } else { format!(", port: {}", self.ike_port) };
        let _infallible = writeln!(text, "    ike: {{{version}proposals: [{ike}], lifetime: {ike_life}s{port}}}");
        let _infallible = writeln!(text, "    esp: {{proposals: [{esp}], lifetime: {esp_life}s}}");
        if let Some(margin) = self.margin {
            let _infallible = writeln!(text, "    rekey: {{margin: {margin}s}}");
        }
        let _infallible = writeln!(text, "    dpd: {{interval: {dpd}s, timeout: {}s}}", dpd * 4);
        let _infallible = writeln!(text, "    bgp: {{asn: {peer_asn}, passive: true, import: all}}");
        match self.carrier {
            Carrier::Udp => text += "    encapsulation: always\n",
            Carrier::Detected => text += "    encapsulation: auto\n",
            Carrier::Never => text += "    encapsulation: never\n",
        }
        match &self.auth {
            Auth::Psk => {
                let _infallible = writeln!(text, "    psk: {{inline: \"{}\"}}", self.psk);
            }
            Auth::Certificate(credentials) => {
                let (chain, key, ca) = (&credentials.our_chain, &credentials.our_key, &credentials.ca);
                let _infallible = writeln!(
                    text,
                    "    certificate: {{chain: {}, key: {{file: {}}}, ca: {}}}",
                    chain.display(),
                    key.display(),
                    ca.display()
                );
            }
        }
        if self.ppk {
            let _infallible = writeln!(text, "    ppk: {{id: {}, file: {name}.ppk, required: true}}", PPK.0);
        }
        if self.legacy {
            text += "    legacy: allow\n";
        }
        if !self.our_networks.is_empty() {
            let (ours, theirs) = (self.our_networks.join(", "), self.peer_networks.join(", "));
            let layout = if self.per_pair { "per-pair" } else { "together" };
            let _infallible =
                writeln!(text, "    selectors: {{layout: {layout}, local: [{ours}], remote: [{theirs}]}}");
        }
        text
    }

    /// strongSwan's swanctl.conf as the peer. `interface` is the number that binds SAs to an xfrm interface.
    #[must_use]
    pub fn swanctl(&self, outside: Outside, interface: Option<u32>) -> String {
        let Outside { local, remote } = outside;
        let Self { ike, our_id, peer_id, dpd, .. } = self;
        let (version, aggressive) = match self.version {
            Version::V2 => (2, "no"),
            Version::Main => (1, "no"),
            Version::Aggressive => (1, "yes"),
        };
        let encap = if self.carrier == Carrier::Udp { "yes" } else { "no" };
        let binding = interface.map_or_else(String::new, |id| format!("if_id_in = {id}\n  if_id_out = {id}"));
        // Where two kernels share an emulated processor, packets of one may be held up while hundreds overtake it.
        let window = if interface.is_some() { "replay_window = 1024\n    " } else { "" };
        let ppk = if self.ppk { format!("ppk_id = {}\n  ppk_required = yes", PPK.0) } else { String::new() };
        let port = match self.ike_port {
            500 => String::new(),
            port => format!("local_port = {port}\n  remote_port = {port}"),
        };
        let childless = if self.childless { "force" } else { "allow" };
        let (method, certificate) = match &self.auth {
            Auth::Psk => ("psk", ""),
            Auth::Certificate(_) => ("pubkey", "certs = peer.pem\n   "),
        };
        let networks = |list: &[String]| if list.is_empty() { "0.0.0.0/0".to_owned() } else { list.join(",") };
        let (ours, theirs) = (networks(&self.our_networks), networks(&self.peer_networks));
        let mut text = format!(
            "connections {{\n {TUNNEL} {{\n  version = {version}\n  aggressive = {aggressive}\n  local_addrs = {local}\n  \
             remote_addrs = {remote}\n  encap = {encap}\n  mobike = no\n  proposals = {ike}\n  dpd_delay = {dpd}s\n  \
             rekey_time = 0\n  reauth_time = 0\n  over_time = 1h\n  unique = replace\n  keyingtries = 1\n  childless = {childless}\n  {port}\n  {ppk}\n  {binding}\n  \
             local {{\n   auth = {method}\n   {certificate}id = \"{peer_id}\"\n  }}\n  \
             remote {{\n   auth = {method}\n   id = \"{our_id}\"\n  }}\n  children {{\n   {TUNNEL} {{\n    \
             local_ts = {theirs}\n    remote_ts = {ours}\n    esp_proposals = {}\n    {window}mode = tunnel\n    rekey_time = 0\n    \
             life_time = 0\n    start_action = none\n    close_action = none\n    dpd_action = clear\n   }}\n  }}\n }}\n}}\n\
             secrets {{\n ike {{\n  id-1 = \"{our_id}\"\n  id-2 = \"{peer_id}\"\n  secret = \"{}\"\n }}\n",
            self.esp, self.psk
        );
        if self.ppk {
            let _infallible = writeln!(text, " ppk {{\n  id = {}\n  secret = \"{}\"\n }}", PPK.0, PPK.1);
        }
        text += "}\n";
        text
    }

    /// Files of the peer that swanctl loads beside its configuration: where from, and where to below its directory.
    #[must_use]
    pub fn swanctl_files(&self) -> Vec<(PathBuf, &'static str)> {
        match &self.auth {
            Auth::Psk => Vec::new(),
            Auth::Certificate(credentials) => vec![
                (credentials.peer_leaf.clone(), "x509/peer.pem"),
                (credentials.intermediate.clone(), "x509ca/intermediate.pem"),
                (credentials.ca.clone(), "x509ca/root.pem"),
                (credentials.peer_key.clone(), "private/peer.pem"),
            ],
        }
    }
}
