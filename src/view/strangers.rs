//! Who asked without proving who they are.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::FailureView;

/// `quadspan show strangers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StrangersView {
    /// Negotiations that have begun and are not authenticated.
    pub half_open: usize,
    /// First messages answered with a demand for a cookie.
    pub cookies_sent: u64,
    /// First messages ignored because too many negotiations were half open.
    pub refused_full: u64,
    /// First messages ignored because their source sent too many.
    pub refused_rate: u64,
    /// Datagrams that are no IKE message, or belong to no SA.
    pub dropped: u64,
    /// Who was refused, the most recent first.
    pub sources: Vec<StrangerView>,
}

/// Somebody who was refused before proving who they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StrangerView {
    /// An IPv4 address, or the first of an IPv6 /64.
    pub source: IpAddr,
    /// The tunnel it seemed to mean.
    pub tunnel: Option<String>,
    /// How often it was refused.
    pub count: u64,
    /// Seconds since the first time.
    pub first_ago: u64,
    /// Why, the last time.
    pub failure: FailureView,
}
