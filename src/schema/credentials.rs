//! How a tunnel's ends prove who they are, and where their secrets come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use document::field::Leaf;
use document::scalar::{AuthKind, Text};

/// Where the pre-shared key comes from: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "psk", extend("minProperties" = 1, "maxProperties" = 1))]
pub struct PskSection {
    /// A file; a relative path starts at this configuration's folder. One line ending is dropped.
    pub file: Leaf<PathBuf>,
    /// An environment variable of the process.
    pub env: Leaf<Text>,
    /// A systemd credential by name.
    pub credential: Leaf<Text>,
    /// The key itself. For experiments only.
    pub inline: Leaf<Text>,
}

/// A post-quantum pre-shared key: its name, and exactly one way to it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "ppk", extend("required" = ["id"], "minProperties" = 2))]
pub struct PpkSection {
    /// The name it has at both ends (PPK_ID).
    pub id: Leaf<Text>,
    /// A file; a relative path starts at this configuration's folder. One line ending is dropped.
    pub file: Leaf<PathBuf>,
    /// An environment variable of the process.
    pub env: Leaf<Text>,
    /// A systemd credential by name.
    pub credential: Leaf<Text>,
    /// Whether a peer that does not use it is refused; `true` by default.
    pub required: Leaf<bool>,
}

/// Where something is: one of these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "origin", extend("minProperties" = 1, "maxProperties" = 1))]
pub struct OriginSection {
    /// A file; a relative path starts at this configuration's folder.
    pub file: Leaf<PathBuf>,
    /// A systemd credential by name.
    pub credential: Leaf<Text>,
}

/// Who proves itself with what.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "auth", extend("required" = ["local", "remote"]))]
pub struct AuthSection {
    /// We: `psk` or `certificate`.
    pub local: Leaf<AuthKind>,
    /// The peer: `psk` or `certificate`.
    pub remote: Leaf<AuthKind>,
}
