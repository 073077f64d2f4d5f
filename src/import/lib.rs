//! From what a provider hands out to a configuration of ours that passes every check.
//!
//! ```text
//!  octets --text--> words --FORMAT--> Site --complete--> Site --yaml--> our file, key files
//!                              |        |       ^          |                  |
//!                              + Notes -+    Options       +------ config::parse: it passes, or is refused
//! ```
//!
//! Each format has a file that turns its text into a `Site`; what follows is the same for all: options fill in what
//! no file holds, the rest is asked for in one error; our YAML is written, secrets apart; and the result goes through
//! [`config::parse`], so that nothing is handed out that `quadspan check` would refuse.
//!
//! The input is a stranger's. It is at most [`MAX_INPUT`] octets; nesting is bounded; document types and entities are
//! refused; nothing a file says reaches a terminal unescaped, and no key of it reaches any message.

mod alibaba;
mod aws_generic;
mod aws_xml;
mod azure;
mod azure_gateway;
mod bird;
mod blocks;
mod complete;
mod error;
mod frr;
mod inherit;
mod json;
mod netsh;
mod note;
mod site;
mod strongswan;
mod swanctl;
mod text;
mod value;
mod windows;
mod words;
mod xml;
mod yaml;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use config::{Diagnostic, FoundSecret, SecretError, SecretReference, SecretSource};
use ipnet::{IpNet, Ipv4Net};
use wire::{Asn, Secret};

use note::Notes;
use site::Site;
use text::Text;

pub use error::{ImportError, MissingValue};
pub use note::{Note, NoteKind, Place};

/// The largest file that is read, in octets.
pub const MAX_INPUT: usize = 1024 * 1024;

/// A file format, or a set of formats that describe one site together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// AWS `CustomerGatewayConfiguration` XML.
    AwsXml,
    /// AWS configuration download, vendor "Generic".
    AwsGeneric,
    /// AWS configuration download, vendor "Microsoft": its text and its netsh script.
    AwsWindows,
    /// Alibaba's generated peer configuration, JSON.
    Alibaba,
    /// Azure connection, local and virtual network gateways as JSON of ARM or the CLI.
    Azure,
    /// strongSwan's `swanctl.conf` with BIRD's or FRR's configuration beside it.
    Swanctl,
}

impl Format {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::AwsXml, Self::AwsGeneric, Self::AwsWindows, Self::Alibaba, Self::Azure, Self::Swanctl];

    /// The word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsXml => "aws-xml",
            Self::AwsGeneric => "aws-generic",
            Self::AwsWindows => "aws-windows",
            Self::Alibaba => "alibaba",
            Self::Azure => "azure",
            Self::Swanctl => "swanctl",
        }
    }

    pub(crate) fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// What a text looks like.
    fn detect(text: &Text) -> Option<Self> {
        let body = text.text.trim_start();
        if body.starts_with('<') {
            return Some(Self::AwsXml);
        }
        if body.starts_with('{') || body.starts_with('[') {
            let alibaba = ["\"VpnConnectionConfig\"", "\"IkeConfig\"", "\"TunnelsConfig\""];
            return Some(if alibaba.iter().any(|key| body.contains(key)) { Self::Alibaba } else { Self::Azure });
        }
        let lower = body.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if has(&["remotetunnelendpoint", "remote tunnel endpoint", "mainmodesecmethods"]) {
            Some(Self::AwsWindows)
        } else if has(&["internet key exchange configuration"]) {
            Some(Self::AwsGeneric)
        } else if strongswan::Part::of(&text.text).is_some() {
            Some(Self::Swanctl)
        } else {
            None
        }
    }
}

/// A file as read.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// Its octets.
    pub octets: &'a [u8],
}

/// Which suites the result proposes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suites {
    /// Those the file names, so that the tunnel comes up as the file says.
    #[default]
    File,
    /// The profile's strong ones, by IKEv2. AWS names the weakest it takes in its files, not the best.
    Profile,
}

/// What files do not hold.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The router's name.
    pub name: Option<String>,
    /// Our AS number.
    pub asn: Option<Asn>,
    /// The peers' AS number.
    pub peer_asn: Option<Asn>,
    /// Our BGP identifier.
    pub router_id: Option<Ipv4Addr>,
    /// Our outside address.
    pub local: Option<IpAddr>,
    /// The peers' outside addresses, in the order of the tunnels; the last one also for those that follow.
    pub remote: Vec<IpAddr>,
    /// The links inside, in the order of the tunnels.
    pub inside: Vec<Ipv4Net>,
    /// What is behind us.
    pub networks: Vec<IpNet>,
    /// What is behind the peer, where routes are static.
    pub remote_networks: Vec<IpNet>,
    /// The pre-shared keys, in the order of the tunnels; the last one also for those that follow.
    pub keys: Vec<Secret>,
    /// Which suites to propose.
    pub suites: Suites,
    /// The files are the peer's own: look at them from the other end.
    pub mirror: bool,
}

/// A file for a pre-shared key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// Its path, relative to the configuration's folder.
    pub path: String,
    /// What is in it.
    pub secret: Secret,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What the files were.
    pub format: Format,
    /// The tunnels, completed.
    pub site: Site,
    /// Our configuration.
    pub yaml: String,
    /// The keys that it refers to.
    pub keys: Vec<KeyFile>,
    /// What was read, assumed and not mapped.
    pub notes: Vec<Note>,
    /// What `quadspan check` has to say about it; no errors.
    pub warnings: Vec<Diagnostic>,
}

/// Reads `inputs`, which together describe one site.
///
/// # Errors
///
/// [`ImportError`] with the place and the remedy; then there is no result at all.
pub fn import(format: Option<Format>, inputs: &[Input<'_>], options: &Options) -> Result<Imported, ImportError> {
    let texts = inputs.iter().map(Text::decode).collect::<Result<Vec<_>, _>>()?;
    let format = match format {
        Some(format) => format,
        None => detect(&texts)?,
    };
    let mut notes = Notes::default();
    let site = read(format, &texts, &mut notes)?;
    if site.tunnels.is_empty() {
        let files = inputs.iter().map(|input| input.name).collect::<Vec<_>>().join(", ");
        return Err(ImportError::NoTunnels { files, sought: sought(format) });
    }
    let site = if options.mirror { mirrored(site, &mut notes) } else { site };
    let site = complete::complete(site, options, &mut notes)?;
    let (yaml, keys) = yaml::render(&site, format);
    let warnings = verified(&yaml, &keys)?;
    Ok(Imported { format, site, yaml, keys, notes: notes.into_list(), warnings })
}

fn detect(texts: &[Text]) -> Result<Format, ImportError> {
    let mut found: Option<(&str, Format)> = None;
    for text in texts {
        let format = Format::detect(text).ok_or_else(|| ImportError::Unrecognised { file: text.name.clone() })?;
        match found {
            Some((one, of)) if of != format => {
                return Err(ImportError::Mixed {
                    one: one.to_owned(),
                    format: of.as_str(),
                    other: text.name.clone(),
                    other_format: format.as_str(),
                });
            }
            Some(_) => {}
            None => found = Some((&text.name, format)),
        }
    }
    found.map(|(_, format)| format).ok_or(ImportError::Unrecognised { file: "nothing".to_owned() })
}

fn read(format: Format, texts: &[Text], notes: &mut Notes) -> Result<Site, ImportError> {
    match format {
        Format::AwsXml => aws_xml::read(texts, notes),
        Format::AwsGeneric => aws_generic::read(texts, notes),
        Format::AwsWindows => windows::read(texts, notes),
        Format::Alibaba => alibaba::read(texts, notes),
        Format::Azure => azure::read(texts, notes),
        Format::Swanctl => strongswan::read(texts, notes),
    }
}

const fn sought(format: Format) -> &'static str {
    match format {
        Format::AwsXml => "<ipsec_tunnel>",
        Format::AwsGeneric => "`IPSec Tunnel #1`",
        Format::AwsWindows => "`Remote Tunnel Endpoint` nor `RemoteTunnelEndpoint=`",
        Format::Alibaba => "`VpnConnectionConfig`",
        Format::Azure => "connection with `virtualNetworkGateway1`",
        Format::Swanctl => "section in `connections`",
    }
}

fn mirrored(site: Site, notes: &mut Notes) -> Site {
    for (what, held) in [
        ("name", site.name.is_some()),
        ("router id", site.router_id.is_some()),
        ("networks", !site.networks.is_empty()),
    ] {
        if held {
            notes.unmapped_anywhere(what, "is the peer's own; ours is asked for by an option");
        }
    }
    site.mirrored()
}

fn verified(yaml: &str, keys: &[KeyFile]) -> Result<Vec<Diagnostic>, ImportError> {
    match config::parse("the configuration", yaml, &Written(keys)) {
        Ok(loaded) => Ok(loaded.warnings),
        Err(report) => Err(ImportError::Refused(Box::new(report))),
    }
}

/// The key files before they are written.
struct Written<'a>(&'a [KeyFile]);

impl SecretSource for Written<'_> {
    fn unix_time(&self) -> u64 {
        0
    }

    fn fetch(&self, reference: &SecretReference) -> Result<FoundSecret, SecretError> {
        let path = match reference {
            SecretReference::File(path) => path.as_path(),
            SecretReference::Env(name) | SecretReference::Credential(name) => Path::new(name),
        };
        let found = self.0.iter().find(|key| Path::new(&key.path) == path);
        found.map(|key| FoundSecret { secret: key.secret.clone(), mode: Some(0o600) }).ok_or_else(|| {
            SecretError::Unreadable { path: path.to_owned(), reason: "it is none of the keys of the input".to_owned() }
        })
    }
}
