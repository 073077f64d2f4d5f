//! What both versions of IKE know of NATs between the ends (RFC 3947, RFC 7296 2.23).

/// Where IKE begins.
pub const PORT_IKE: u16 = 500;
/// Where IKE and ESP share a port behind NATs.
pub const PORT_NAT: u16 = 4500;

/// Who is behind a NAT, or says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// We are.
    pub local: bool,
    /// The peer is.
    pub remote: bool,
}

impl Nat {
    /// Whether any end is.
    #[must_use]
    pub const fn any(self) -> bool {
        self.local || self.remote
    }
}
