//! Why something cannot be written, and what to do about it. Holds no secret.

use profile::NEW_KEY;

/// Why an export failed. Nothing is written then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// No tunnel of this name.
    #[error("there is no tunnel {name:?}; there are {known}")]
    NoSuchTunnel {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The configuration has no tunnel that this target could be the other end of.
    #[error("no tunnel has the profile {profile}, which {target} is the other end of")]
    NoTunnelFor {
        /// The target.
        target: &'static str,
        /// The profile.
        profile: &'static str,
    },
    /// The target has no such value.
    #[error("tunnel {tunnel}: {target} has no {what}; it takes {accepts}")]
    Unsupported {
        /// The tunnel.
        tunnel: String,
        /// The target.
        target: &'static str,
        /// What it lacks.
        what: String,
        /// What it takes in its place.
        accepts: String,
    },
    /// Certificates: their keys stay where they are.
    #[error("tunnel {tunnel} uses certificates, which cannot be exported: the peer's key is the peer's")]
    Certificate {
        /// The tunnel.
        tunnel: String,
    },
    /// The key cannot be written in the target's syntax.
    #[error("tunnel {tunnel}: {target} cannot hold this pre-shared key: {reason}")]
    Key {
        /// The tunnel.
        tunnel: String,
        /// The target.
        target: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The other end is outside and cannot reach a private address.
    #[error("tunnel {tunnel}: {target} must be told our public address, and {address} is a private one")]
    PrivateAddress {
        /// The tunnel.
        tunnel: String,
        /// The target.
        target: &'static str,
        /// Our address.
        address: String,
    },
    /// Something that only can be between one pair of tunnels.
    #[error("{target}: {what}")]
    Shape {
        /// The target.
        target: &'static str,
        /// What does not fit.
        what: String,
    },
}

impl ExportError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NoSuchTunnel { .. } => "name one of these".to_owned(),
            Self::NoTunnelFor { profile, .. } => {
                format!("name the tunnels by `--tunnel NAME`, or write `profile: {profile}` where it is true")
            }
            Self::Unsupported { .. } => {
                "change the tunnel to something that both ends have, then export again".to_owned()
            }
            Self::Certificate { .. } => {
                "export tunnels with pre-shared keys; give certificates to the peer by hand".to_owned()
            }
            Self::Key { .. } => format!("make a key of letters and digits: `{NEW_KEY}`"),
            Self::PrivateAddress { .. } => {
                "give the address that a NAT turns it into: `--public-address ADDRESS`".to_owned()
            }
            Self::Shape { .. } => "name the tunnels to export by `--tunnel NAME`".to_owned(),
        }
    }
}
