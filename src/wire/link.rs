//! What packets leave through.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ipsec::TunnelId;

/// The number of a tunnel's interface or of a plain interface of the host, given by the process, stable over reloads
/// and unique within it. A tunnel's link has the tunnel's number; plain interfaces are numbered from
/// [`FIRST_PLAIN`](Self::FIRST_PLAIN) up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(pub u32);

impl LinkId {
    /// The lowest number of a plain interface.
    pub const FIRST_PLAIN: u32 = 0x8000_0000;

    /// No link: of a session that is not bound to one.
    pub const NONE: Self = Self(u32::MAX);

    /// The plain interface with this index, which the kernel gives to one interface at a time.
    #[must_use]
    pub const fn plain(index: u32) -> Self {
        Self(Self::FIRST_PLAIN | index)
    }

    /// The tunnel this link is, or `None` for a plain interface.
    #[must_use]
    pub const fn tunnel(self) -> Option<TunnelId> {
        if self.0 < Self::FIRST_PLAIN { Some(TunnelId(self.0)) } else { None }
    }
}

impl From<TunnelId> for LinkId {
    fn from(tunnel: TunnelId) -> Self {
        Self(tunnel.0)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tunnel() {
            Some(tunnel) => tunnel.fmt(f),
            None => write!(f, "interface#{}", self.0 - Self::FIRST_PLAIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnels_link_has_its_number_and_plain_interfaces_have_their_own() {
        let tunnel = LinkId::from(TunnelId(7));
        assert_eq!((tunnel.tunnel(), tunnel.to_string()), (Some(TunnelId(7)), "tunnel#7".to_owned()));
        let plain = LinkId(LinkId::FIRST_PLAIN + 2);
        assert_eq!((plain.tunnel(), plain.to_string()), (None, "interface#2".to_owned()));
        assert_eq!(LinkId::plain(2), plain);
    }
}
