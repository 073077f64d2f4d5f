//! Bidirectional forwarding detection of a session's path, as written.

use std::path::PathBuf;
use std::time::Duration;

use bfd::AuthKind;
use schemars::JsonSchema;
use serde::Deserialize;

use document::field::{Field, Leaf, OneOf};
use document::scalar::{Text, Within};

/// `true`, `false`, or a section.
pub type BfdField = Field<OneOf<bool, BfdSection>>;

/// BFD (RFC 5880, 5881): the path is given up when the peer is not heard.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "bfd")]
pub struct BfdSection {
    /// How often we would like to send, at least 10ms; 300ms by default. The slower of the two ends decides.
    pub interval: Leaf<Duration>,
    /// How often the peer may send, at least 10ms; 300ms by default.
    pub min_receive: Leaf<Duration>,
    /// How many of our packets may be missing before the peer gives up; 3 by default.
    pub multiplier: Leaf<Within<1, 255>>,
    /// Say nothing before the peer does; `false` by default.
    pub passive: Leaf<bool>,
    /// No BGP before BFD is up; `false` by default: a peer without BFD may have a session, too.
    pub strict: Leaf<bool>,
    /// Proof of origin; none by default.
    pub authentication: Field<BfdAuthSection>,
}

/// Proof of origin of BFD packets: the kind, the key's number, and exactly one way to the key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "bfd-authentication", extend("required" = ["key-id"], "minProperties" = 2))]
pub struct BfdAuthSection {
    /// `meticulous-sha1` (default) or `sha1`.
    pub kind: Leaf<AuthKind>,
    /// The number of the key at both ends.
    pub key_id: Leaf<Within<0, 255>>,
    /// A file; a relative path starts at this configuration's folder. One line ending is dropped.
    pub file: Leaf<PathBuf>,
    /// An environment variable of the process.
    pub env: Leaf<Text>,
    /// A systemd credential by name.
    pub credential: Leaf<Text>,
}
