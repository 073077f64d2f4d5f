//! Interfaces on the wire: only what decides whether a nexthop can live there.
//!
//! ```text
//! struct ifinfomsg: family(1) pad(1) type(2) index(4) flags(4) change(4), then attributes
//! ```

use netlink_packet_core::{DecodeError, Emitable, NlasIterator};

use super::nexthop::fixed;

const HEADER: usize = 16;
const IFLA_IFNAME: u16 = 3;
const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 1 << 16;

/// An interface; the default value asks for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkMessage {
    pub(super) index: u32,
    pub(super) flags: u32,
    pub(super) name: Option<String>,
}

impl LinkMessage {
    /// Up and with carrier: the kernel accepts nexthops on it.
    pub(super) const fn is_running(&self) -> bool {
        self.flags & IFF_UP != 0 && self.flags & IFF_LOWER_UP != 0
    }

    /// Reads a message body.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let Some((header, attributes)) = payload.split_first_chunk::<HEADER>() else {
            return Err(DecodeError::from("link message shorter than its header"));
        };
        let index = u32::from_ne_bytes(fixed(&header[4..8])?);
        let flags = u32::from_ne_bytes(fixed(&header[8..12])?);
        let named = NlasIterator::new(attributes).flatten().find(|attribute| attribute.kind() == IFLA_IFNAME);
        let name = named.map(|attribute| {
            let text = attribute.value().split(|octet| *octet == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        });
        Ok(Self { index, flags, name })
    }
}

impl Emitable for LinkMessage {
    fn buffer_len(&self) -> usize {
        HEADER
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..HEADER].fill(0);
        buffer[4..8].copy_from_slice(&self.index.to_ne_bytes());
        buffer[8..12].copy_from_slice(&self.flags.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_runs_when_it_is_up_with_carrier() {
        let mut octets = vec![0; HEADER];
        octets[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        octets[8..12].copy_from_slice(&(IFF_UP | IFF_LOWER_UP).to_ne_bytes());
        octets.extend_from_slice(&[9, 0, 3, 0]);
        octets.extend_from_slice(b"aws1\0\0\0\0");
        let link = LinkMessage::decode(&octets).unwrap();
        assert_eq!((link.index, link.name.as_deref(), link.is_running()), (7, Some("aws1"), true));
        octets[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
        assert!(!LinkMessage::decode(&octets).unwrap().is_running());
        for length in 0..HEADER {
            assert!(LinkMessage::decode(&octets[..length]).is_err());
        }
    }
}
