//! From our checked configuration to what the other end is to be given ("generate peer configuration", S0-50, S1-22).
//!
//! A target is what the other end is. Clouds take the tunnels of their profile, devices all; `--tunnel` narrows. What
//! a target cannot have is an error that names what it takes, never a different value. What it does by itself, or has
//! to be told by a person, is a note.

mod alibaba;
mod artifact;
mod aws;
mod aws_cli;
mod aws_terraform;
mod azure;
mod azure_cli;
mod azure_terraform;
mod bird;
mod cisco;
mod frr;
mod h3c;
mod libreswan;
mod netsh;
mod peer;
mod quote;
mod speaker;
mod swanctl;

use std::net::IpAddr;

use ipnet::IpNet;
use profile::Profile;
use settings::Router;

use crate::ExportError;
pub use artifact::{Artifact, Reveal};
use peer::Peer;
pub(crate) use peer::is_private;

/// What the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// AWS, by its command line.
    AwsCli,
    /// AWS, by Terraform.
    AwsTerraform,
    /// Azure, by its command line.
    AzureCli,
    /// Azure, by Terraform.
    AzureTerraform,
    /// Alibaba, parameters of its API.
    Alibaba,
    /// strongSwan with BIRD.
    SwanctlBird,
    /// strongSwan with FRR.
    SwanctlFrr,
    /// libreswan.
    Libreswan,
    /// Cisco IOS-XE.
    CiscoIosXe,
    /// H3C Comware 7.
    H3c,
    /// Windows Server, by netsh.
    Netsh,
}

impl Target {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::AwsCli,
        Self::AwsTerraform,
        Self::AzureCli,
        Self::AzureTerraform,
        Self::Alibaba,
        Self::SwanctlBird,
        Self::SwanctlFrr,
        Self::Libreswan,
        Self::CiscoIosXe,
        Self::H3c,
        Self::Netsh,
    ];

    /// The word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsCli => "aws-cli",
            Self::AwsTerraform => "aws-terraform",
            Self::AzureCli => "azure-cli",
            Self::AzureTerraform => "azure-terraform",
            Self::Alibaba => "alibaba",
            Self::SwanctlBird => "swanctl-bird",
            Self::SwanctlFrr => "swanctl-frr",
            Self::Libreswan => "libreswan",
            Self::CiscoIosXe => "cisco-ios-xe",
            Self::H3c => "h3c",
            Self::Netsh => "netsh",
        }
    }

    /// To begin a sentence with.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::AwsCli | Self::AwsTerraform => "AWS",
            Self::AzureCli | Self::AzureTerraform => "Azure",
            Self::Alibaba => "Alibaba",
            Self::SwanctlBird | Self::SwanctlFrr => "strongSwan",
            Self::Libreswan => "libreswan",
            Self::CiscoIosXe => "IOS-XE",
            Self::H3c => "Comware",
            Self::Netsh => "Windows",
        }
    }

    /// Whose tunnels it is about, unless some are named.
    const fn profiles(self) -> &'static [Profile] {
        match self {
            Self::AwsCli | Self::AwsTerraform => &[Profile::Aws, Profile::AwsTgw],
            Self::AzureCli | Self::AzureTerraform => &[Profile::Azure],
            Self::Alibaba
            | Self::SwanctlBird
            | Self::SwanctlFrr
            | Self::Libreswan
            | Self::CiscoIosXe
            | Self::H3c
            | Self::Netsh => &[],
        }
    }
}

/// What moves packets at a strongSwan end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// The kernel: one xfrm interface per tunnel.
    #[default]
    Xfrm,
    /// strongSwan itself (`kernel-libipsec`), with its `ipsec0`: one tunnel, always in UDP.
    Userspace,
}

/// What the configuration does not hold.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only these tunnels.
    pub tunnels: Vec<String>,
    /// What a NAT turns our outside address into.
    pub public_address: Option<IpAddr>,
    /// What is behind the peer.
    pub networks: Vec<IpNet>,
    /// How a strongSwan end carries packets.
    pub carrier: Carrier,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The files.
    pub files: Vec<Artifact>,
    /// What is to be known and done about them.
    pub notes: Vec<String>,
}

/// Writes what `target` is to be given.
///
/// # Errors
///
/// [`ExportError`] if a tunnel has something that the target has not.
pub fn export(router: &Router, target: Target, options: &Options) -> Result<Exported, ExportError> {
    let peers = selected(router, target, options)?;
    let mut notes = Vec::new();
    for peer in &peers {
        peer.psk()?;
        let (ike, esp) = (&peer.tunnel.ike.ike_proposals, &peer.tunnel.ike.esp_proposals);
        if peer.tunnel.ike.ppk.is_some() {
            notes
                .push(format!("{}: the post-quantum pre-shared key is not part of this: give it by hand", peer.name()));
        }
        let several = ike.len() > 1 || esp.len() > 1;
        if several && !matches!(target, Target::SwanctlBird | Target::SwanctlFrr) {
            notes.push(format!(
                "{}: the first suites that {} has are written, one of each",
                peer.name(),
                target.title()
            ));
        }
    }
    let files = match target {
        Target::AwsCli => aws_cli::write(&peers, &mut notes),
        Target::AwsTerraform => aws_terraform::write(&peers, &mut notes),
        Target::AzureCli => azure_cli::write(&peers, &mut notes),
        Target::AzureTerraform => azure_terraform::write(&peers, &mut notes),
        Target::Alibaba => alibaba::write(&peers, &mut notes),
        Target::SwanctlBird => {
            swanctl::write(&peers, &mut notes).and_then(|files| bird::beside(files, &peers, &mut notes))
        }
        Target::SwanctlFrr => {
            swanctl::write(&peers, &mut notes).and_then(|files| frr::beside(files, &peers, &mut notes))
        }
        Target::Libreswan => libreswan::write(&peers, &mut notes),
        Target::CiscoIosXe => cisco::write(&peers, &mut notes),
        Target::H3c => h3c::write(&peers, &mut notes),
        Target::Netsh => netsh::write(&peers, &mut notes),
    }?;
    Ok(Exported { files, notes })
}

fn selected<'a>(router: &'a Router, target: Target, options: &'a Options) -> Result<Vec<Peer<'a>>, ExportError> {
    let known = || router.tunnels.iter().map(|tunnel| tunnel.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) = options.tunnels.iter().find(|name| router.tunnels.iter().all(|tunnel| tunnel.name != **name)) {
        return Err(ExportError::NoSuchTunnel { name: name.clone(), known: known() });
    }
    let wanted = |name: &str, profile: Profile| {
        if options.tunnels.is_empty() {
            target.profiles().is_empty() || target.profiles().contains(&profile)
        } else {
            options.tunnels.iter().any(|wanted| wanted == name)
        }
    };
    let tunnels = router.tunnels.iter().filter(|tunnel| wanted(&tunnel.name, tunnel.profile));
    let peers: Vec<_> = tunnels.map(|tunnel| Peer { target, tunnel, router, options }).collect();
    match (peers.is_empty(), target.profiles().first()) {
        (true, Some(profile)) => Err(ExportError::NoTunnelFor { target: target.title(), profile: profile.as_str() }),
        (true, None) => Err(ExportError::Shape { target: target.title(), what: "there is no tunnel".to_owned() }),
        (false, _) => Ok(peers),
    }
}
