//! OpenVPN's configuration file (openvpn(8)): what of it concerns the pool.
//!
//! ```text
//!   server 10.8.0.0 255.255.255.0      # comment
//!   push "route 10.1.0.0 255.255.0.0"  ; comment
//!   <ca> .. </ca>                      a file in the file
//! ```
//!
//! Options that are not known here are passed over, as are files that it includes. Of files in the file only certificates
//! are kept.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Octets of a configuration; larger ones are refused.
pub const MAX_CONFIG: usize = 1 << 20;

/// How addresses are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// A /30 for each client: what OpenVPN 2.6 and older do unless told otherwise.
    #[default]
    Net30,
    /// One address for each client on a point-to-point link.
    PointToPoint,
    /// One address for each client on a common network.
    Subnet,
}

/// How packets travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// UDP, unless told otherwise.
    #[default]
    Udp,
    /// TCP.
    Tcp,
}

/// What a server leaves to whoever is connected to its management interface. A watcher that only asks does none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliance {
    /// `management-client`: it connects to somebody who listens there, in place of listening.
    Calls,
    /// `management-hold`: it begins once it is released.
    Release,
    /// `management-client-auth`: whether a client may come in.
    Logins,
    /// `management-client-pf`, before OpenVPN 2.6: what a client may send.
    Filter,
    /// `management-query-passwords` without a file of `askpass`: the passphrase of its key, if it has one.
    Passphrase,
    /// `management-signal`: staying; when it goes, the server begins anew.
    Presence,
}

impl Reliance {
    const ALL: [(&'static str, Self); 6] = [
        ("management-client", Self::Calls),
        ("management-hold", Self::Release),
        ("management-client-auth", Self::Logins),
        ("management-client-pf", Self::Filter),
        ("management-query-passwords", Self::Passphrase),
        ("management-signal", Self::Presence),
    ];

    fn of(option: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == option).map(|(_, reliance)| *reliance)
    }
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where its relative paths begin, of `cd`.
    pub folder: Option<String>,
    /// The network of the clients, of `server`.
    pub network: Option<Ipv4Net>,
    /// Their IPv6 network, of `server-ipv6`.
    pub network6: Option<Ipv6Net>,
    /// First and last address handed out, of `ifconfig-pool`.
    pub range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// The name of its device, of `dev`.
    pub device: Option<String>,
    /// What its device is, of `dev-type`.
    pub device_type: Option<String>,
    /// How addresses are handed out, of `topology`; on a TAP device it is [`Topology::Subnet`].
    pub topology: Topology,
    /// How many clients at once, of `max-clients`.
    pub max_clients: Option<u32>,
    /// How packets travel.
    pub protocol: Protocol,
    /// The ciphers for clients that do not negotiate, of `cipher` and `data-ciphers-fallback`.
    pub fallbacks: Vec<String>,
    /// Ciphers that are negotiated, best first.
    pub data_ciphers: Vec<String>,
    /// Ciphers are not negotiated.
    pub no_negotiation: bool,
    /// Dead clients are noticed.
    pub keepalive: bool,
    /// Networks that clients are told to reach through the server.
    pub pushed: Vec<IpNet>,
    /// Files with certificates: the CA's and the server's.
    pub certificates: Vec<String>,
    /// Certificates that stand in the file itself, in PEM.
    pub inline_certificates: String,
    /// Where the management interface listens, in the file's words: address and port, or path and `unix`; then, if
    /// there is one, the file with its password.
    pub management: Vec<String>,
    /// What is left to whoever is connected there, in the order of the file.
    pub reliances: Vec<Reliance>,
    /// The passphrase of the server's key is in a file, of `askpass`.
    pub passphrase_file: bool,
}

impl ServerConfig {
    /// Whether clients are on an Ethernet with the server: `dev-type` says so, or else the name of the device.
    #[must_use]
    pub fn is_tap(&self) -> bool {
        let named = || self.device.as_ref().is_some_and(|name| name.starts_with("tap"));
        self.device_type.as_ref().map_or_else(named, |kind| kind == "tap")
    }
}

/// Why a file cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Too large.
    #[error("it has {octets} octets, more than {MAX_CONFIG}")]
    TooLarge {
        /// Its size.
        octets: usize,
    },
    /// An option's value is not of its kind.
    #[error("line {line}: `{option}` has a value that cannot be read")]
    Value {
        /// Where, counted from one.
        line: usize,
        /// Which.
        option: &'static str,
    },
    /// A quotation does not end.
    #[error("line {line}: a quotation does not end")]
    Quote {
        /// Where.
        line: usize,
    },
}

/// Reads a configuration, which may be in any character set: names of options are ASCII. Of a private key in it no copy is
/// made.
///
/// # Errors
/// [`ParseError`].
pub fn parse(file: &[u8]) -> Result<ServerConfig, ParseError> {
    if file.len() > MAX_CONFIG {
        return Err(ParseError::TooLarge { octets: file.len() });
    }
    let mut config = ServerConfig::default();
    let mut block: Option<&[u8]> = None;
    for (line, octets) in (1..).zip(file.split(|octet| *octet == b'\n')) {
        let trimmed = octets.trim_ascii();
        if let Some(name) = block {
            if trimmed.strip_prefix(b"</").and_then(|rest| rest.strip_suffix(b">")) == Some(name) {
                block = None;
            } else if matches!(name, b"ca" | b"cert") {
                config.inline_certificates.push_str(&String::from_utf8_lossy(trimmed));
                config.inline_certificates.push('\n');
            }
            continue;
        }
        if let Some(name) = trimmed.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")) {
            block = Some(name);
            continue;
        }
        let words = words(&String::from_utf8_lossy(octets)).ok_or(ParseError::Quote { line })?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Some((option, values)) = words.split_first() {
            apply(&mut config, option.trim_start_matches("--"), values)
                .map_err(|option| ParseError::Value { line, option })?;
        }
    }
    // Whatever `topology` says, and wherever `dev` stands.
    if config.is_tap() {
        config.topology = Topology::Subnet;
    }
    if config.passphrase_file {
        config.reliances.retain(|reliance| *reliance != Reliance::Passphrase);
    }
    Ok(config)
}

/// Takes over one option.
///
/// # Errors
/// The option's name, if its value cannot be read.
fn apply(config: &mut ServerConfig, option: &str, values: &[&str]) -> Result<(), &'static str> {
    let first = values.first().copied();
    match option {
        "cd" => config.folder = first.map(str::to_owned),
        "dev" => config.device = first.map(str::to_owned),
        "dev-type" => config.device_type = first.map(str::to_owned),
        "server" => config.network = Some(network(values).ok_or("server")?),
        "server-ipv6" => {
            let network: Ipv6Net = first.and_then(|it| it.parse().ok()).ok_or("server-ipv6")?;
            config.network6 = Some(network.trunc());
        }
        "ifconfig-pool" => config.range = Some(range(values).ok_or("ifconfig-pool")?),
        "topology" => {
            config.topology = match first {
                Some("net30") => Topology::Net30,
                Some("p2p") => Topology::PointToPoint,
                Some("subnet") => Topology::Subnet,
                Some(_) | None => return Err("topology"),
            }
        }
        "max-clients" => config.max_clients = Some(first.and_then(|it| it.parse().ok()).ok_or("max-clients")?),
        "proto" => {
            config.protocol = match first {
                Some(name) if name.starts_with("tcp") => Protocol::Tcp,
                Some(name) if name.starts_with("udp") => Protocol::Udp,
                Some(_) | None => return Err("proto"),
            }
        }
        "cipher" | "data-ciphers-fallback" => config.fallbacks.extend(first.map(str::to_owned)),
        "data-ciphers" | "ncp-ciphers" => {
            // `?` before a cipher: only if this OpenVPN knows it.
            let ciphers = first.unwrap_or_default().split(':').map(|it| it.trim_start_matches('?'));
            config.data_ciphers = ciphers.filter(|it| !it.is_empty()).map(str::to_owned).collect();
        }
        "ncp-disable" => config.no_negotiation = true,
        "keepalive" | "ping-restart" | "ping-exit" => config.keepalive = true,
        "push" => config.pushed.extend(pushed_route(first.unwrap_or_default())),
        // `[inline]`: it stands further below.
        "ca" | "cert" => config.certificates.extend(first.filter(|it| *it != "[inline]").map(str::to_owned)),
        "management" => config.management = values.iter().map(|it| (*it).to_owned()).collect(),
        "askpass" => config.passphrase_file = first.is_some_and(|file| file != "stdin"),
        _ => config.reliances.extend(Reliance::of(option)),
    }
    Ok(())
}

fn network(values: &[&str]) -> Option<Ipv4Net> {
    let (address, mask): (Ipv4Addr, Ipv4Addr) = (values.first()?.parse().ok()?, values.get(1)?.parse().ok()?);
    Some(Ipv4Net::with_netmask(address, mask).ok()?.trunc())
}

fn range(values: &[&str]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (first, last): (Ipv4Addr, Ipv4Addr) = (values.first()?.parse().ok()?, values.get(1)?.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// `route 10.1.0.0 255.255.0.0`, inside the quotation of `push`.
fn pushed_route(text: &str) -> Option<IpNet> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["route", address] => Some(IpNet::V4(address.parse::<Ipv4Addr>().ok()?.into())),
        ["route", rest @ ..] => network(rest).map(IpNet::V4),
        ["route-ipv6", network, ..] => Some(IpNet::V6(network.parse::<Ipv6Net>().ok()?.trunc())),
        _ => None,
    }
}

/// Words of a line, quotations resolved; `None` if one does not end. A quotation is a word: it begins where a word does, and
/// the word ends with it.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if c == open => {
                quote = None;
                words.extend(word.take());
            }
            // Between single quotes a backslash is itself.
            (None | Some('"'), '\\') => word.get_or_insert_default().push(rest.next()?),
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') if word.is_none() => {
                quote = Some(c);
                word = Some(String::new());
            }
            (None, '#' | ';') if word.is_none() => break,
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
