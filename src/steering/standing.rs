//! How far behind the first of its connection a tunnel stands, inwards and outwards.

/// Behind how many others of its connection a tunnel stands; 0 for one that carries traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// For what we send.
    pub import: u8,
    /// For what the peer sends us, as far as it heeds what we announce.
    pub export: u8,
}
