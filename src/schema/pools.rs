//! Pools of remote clients beside the router, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use document::field::{Field, Leaf};
use document::scalar::Text;

/// A pool of clients of a server that runs beside the router.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "pool", extend("required" = ["name", "openvpn"]))]
pub struct PoolSection {
    /// Its name in logs, metrics and commands: letters, digits, `-`, `_` and `.`.
    pub name: Leaf<Text>,
    /// The OpenVPN server.
    pub openvpn: Field<OpenVpnSection>,
    /// Whether the clients' network is announced while the server serves, like `networks`; `true` by default.
    pub announce: Leaf<bool>,
}

/// An OpenVPN server on this machine. It is watched, never controlled.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "openvpn", extend("required" = ["config"]))]
pub struct OpenVpnSection {
    /// Its configuration file, with a `server` line. Read at a start and at a reload.
    pub config: Leaf<PathBuf>,
    /// Its management interface, `ADDRESS:PORT` or the path of a Unix socket; by default what the file's `management` line
    /// says.
    pub management: Leaf<Text>,
    /// A file with the password of the management interface.
    pub password_file: Leaf<PathBuf>,
}
