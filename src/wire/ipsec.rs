//! What a key exchange tells a data plane: algorithms, keys, traffic selectors and security associations.
//!
//! IKE produces these values, a data plane consumes them, and neither knows the other.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// A tunnel's number, given by the process, stable over reloads and unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TunnelId(pub u32);

impl fmt::Display for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tunnel#{}", self.0)
    }
}

/// An ESP security parameter index (RFC 4303 2.1). Values below 256 are reserved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spi(pub u32);

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One end's name for an IKE SA.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IkeSpi(pub u64);

impl IkeSpi {
    /// Stands for the responder in the first message.
    pub const ZERO: Self = Self(0);

    /// As on the wire.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An encryption algorithm for IKE or ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encryption {
    /// AES in CBC mode (RFC 3602), key size in bits: 128, 192 or 256.
    AesCbc(u16),
    /// AES-GCM (RFC 4106 in ESP, RFC 5282 in IKE).
    AesGcm {
        /// Key size in bits: 128, 192 or 256.
        bits: u16,
        /// Octets of integrity check value: 8, 12 or 16.
        tag: u8,
    },
    /// ChaCha20 with Poly1305 (RFC 7634).
    ChaCha20Poly1305,
    /// Triple DES in CBC mode (RFC 2451): kept for old gateways.
    TripleDesCbc,
    /// DES in CBC mode (RFC 2405): broken.
    DesCbc,
}

impl Encryption {
    /// All there are, the weakest last.
    pub const ALL: [Self; 15] = [
        Self::AesCbc(128),
        Self::AesCbc(192),
        Self::AesCbc(256),
        Self::gcm16(128),
        Self::gcm16(192),
        Self::gcm16(256),
        Self::AesGcm { bits: 128, tag: 12 },
        Self::AesGcm { bits: 192, tag: 12 },
        Self::AesGcm { bits: 256, tag: 12 },
        Self::AesGcm { bits: 128, tag: 8 },
        Self::AesGcm { bits: 192, tag: 8 },
        Self::AesGcm { bits: 256, tag: 8 },
        Self::ChaCha20Poly1305,
        Self::TripleDesCbc,
        Self::DesCbc,
    ];

    /// AES-GCM with the whole tag of 16 octets, key size in bits.
    #[must_use]
    pub const fn gcm16(bits: u16) -> Self {
        Self::AesGcm { bits, tag: 16 }
    }

    /// Whether it authenticates too, so that no integrity algorithm goes with it.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        match self {
            Self::AesGcm { .. } | Self::ChaCha20Poly1305 => true,
            Self::AesCbc(_) | Self::TripleDesCbc | Self::DesCbc => false,
        }
    }

    /// Octets of key, without salt.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCbc(bits) | Self::AesGcm { bits, .. } => bits as usize / 8,
            Self::ChaCha20Poly1305 => 32,
            Self::TripleDesCbc => 24,
            Self::DesCbc => 8,
        }
    }

    /// Octets of key material to derive: the key and, for an AEAD, the 4-octet salt (RFC 4106 8.1, RFC 7634 2).
    #[must_use]
    pub const fn key_material_len(self) -> usize {
        self.key_len() + if self.is_aead() { 4 } else { 0 }
    }

    /// Octets of initialisation vector on the wire.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        match self {
            Self::AesCbc(_) => 16,
            Self::AesGcm { .. } | Self::ChaCha20Poly1305 | Self::TripleDesCbc | Self::DesCbc => 8,
        }
    }

    /// Octets the padded plaintext is a multiple of. ESP itself asks for 4 (RFC 4303 2.4).
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::AesCbc(_) => 16,
            Self::TripleDesCbc | Self::DesCbc => 8,
            Self::AesGcm { .. } | Self::ChaCha20Poly1305 => 4,
        }
    }

    /// Octets of integrity check value of its own; 0 where an integrity algorithm makes it.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            Self::AesGcm { tag, .. } => tag as usize,
            Self::ChaCha20Poly1305 => 16,
            Self::AesCbc(_) | Self::TripleDesCbc | Self::DesCbc => 0,
        }
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AesCbc(bits) => write!(f, "aes{bits}"),
            Self::AesGcm { bits, tag } => write!(f, "aes{bits}gcm{tag}"),
            Self::ChaCha20Poly1305 => f.write_str("chacha20poly1305"),
            Self::TripleDesCbc => f.write_str("3des"),
            Self::DesCbc => f.write_str("des"),
        }
    }
}

/// An integrity algorithm for IKE or ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// HMAC-MD5-96 (RFC 2403): kept for old gateways.
    HmacMd5,
    /// HMAC-SHA1-96 (RFC 2404).
    HmacSha1,
    /// HMAC-SHA2-256-128 (RFC 4868).
    HmacSha256,
    /// HMAC-SHA2-384-192 (RFC 4868).
    HmacSha384,
    /// HMAC-SHA2-512-256 (RFC 4868).
    HmacSha512,
}

impl Integrity {
    /// All there are, the strongest last.
    pub const ALL: [Self; 5] = [Self::HmacMd5, Self::HmacSha1, Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// Octets of key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::HmacMd5 => 16,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }

    /// Octets of integrity check value on the wire, after truncation.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self {
            Self::HmacMd5 | Self::HmacSha1 => 12,
            Self::HmacSha256 => 16,
            Self::HmacSha384 => 24,
            Self::HmacSha512 => 32,
        }
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacMd5 => "md5",
            Self::HmacSha1 => "sha1",
            Self::HmacSha256 => "sha256",
            Self::HmacSha384 => "sha384",
            Self::HmacSha512 => "sha512",
        })
    }
}

/// How the packets of one SA are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspSuite {
    /// The cipher.
    pub encryption: Encryption,
    /// Absent exactly when `encryption` is an AEAD.
    pub integrity: Option<Integrity>,
    /// Extended (64-bit) sequence numbers (RFC 4303 2.2.1).
    pub esn: bool,
}

impl EspSuite {
    /// Octets of integrity check value at a packet's end.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self.integrity {
            Some(integrity) => integrity.icv_len(),
            None => self.encryption.tag_len(),
        }
    }
}

impl fmt::Display for EspSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.encryption)?;
        if let Some(integrity) = self.integrity {
            write!(f, "-{integrity}")?;
        }
        if self.esn {
            f.write_str("-esn")?;
        }
        Ok(())
    }
}

/// The keys of one SA. `encryption` ends with the salt where the cipher is an AEAD.
#[derive(Clone, Debug)]
pub struct SaKeys {
    /// Cipher key, then salt.
    pub encryption: Secret,
    /// Empty for an AEAD.
    pub integrity: Secret,
}

/// A traffic selector (RFC 7296 3.13): a range of addresses of one family, a range of ports, a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficSelector {
    /// IP protocol number; 0 means any.
    pub protocol: u8,
    /// First port. `start_port` 65535 with `end_port` 0 means OPAQUE.
    pub start_port: u16,
    /// Last port.
    pub end_port: u16,
    /// First address.
    pub start: IpAddr,
    /// Last address, of the same family.
    pub end: IpAddr,
}

impl TrafficSelector {
    /// Everything in IPv4.
    pub const ANY_V4: Self = Self::range(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST));
    /// Everything in IPv6.
    pub const ANY_V6: Self = Self::range(IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)));

    /// Any protocol and port between two addresses of one family.
    #[must_use]
    pub const fn range(start: IpAddr, end: IpAddr) -> Self {
        Self { protocol: 0, start_port: 0, end_port: 65535, start, end }
    }

    /// Whether `address` lies in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.start.is_ipv4() == address.is_ipv4() && self.start <= address && address <= self.end
    }

    /// Whether it selects all traffic of its family.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::ANY_V4 || *self == Self::ANY_V6
    }
}

impl fmt::Display for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str(if self.start.is_ipv4() { "0.0.0.0/0" } else { "::/0" });
        }
        write!(f, "{}-{}", self.start, self.end)?;
        if self.protocol != 0 || (self.start_port, self.end_port) != (0, 65535) {
            write!(f, "[{}/{}-{}]", self.protocol, self.start_port, self.end_port)?;
        }
        Ok(())
    }
}

/// How ESP packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encapsulation {
    /// IP protocol 50.
    Esp,
    /// In UDP, on the ports that IKE uses (RFC 3948).
    Udp,
}

/// When an SA is renewed (soft) and when it must not be used any more (hard). `None` never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaLifetime {
    /// Time since installation after which to rekey. Time limits are kept by IKE itself.
    pub soft_time: Option<Duration>,
    /// Time since installation after which the SA is gone.
    pub hard_time: Option<Duration>,
    /// Octets of ESP payload after which to rekey.
    pub soft_bytes: Option<u64>,
    /// Octets after which the SA carries no more.
    pub hard_bytes: Option<u64>,
    /// Packets after which to rekey.
    pub soft_packets: Option<u64>,
    /// Packets after which the SA carries no more.
    pub hard_packets: Option<u64>,
}

/// Which way an SA protects traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the peer: opened here.
    Inbound,
    /// To the peer: sealed here.
    Outbound,
}

/// One SA, ready to use. The SPI is the receiver's: ours for [`Direction::Inbound`], the peer's for
/// [`Direction::Outbound`].
#[derive(Clone, Debug)]
pub struct SecurityAssociation {
    /// Names the SA on the wire.
    pub spi: Spi,
    /// Algorithms.
    pub suite: EspSuite,
    /// Keys of this direction.
    pub keys: SaKeys,
    /// Our outside address, with the UDP port where encapsulated.
    pub local: SocketAddr,
    /// The peer's outside address, with the UDP port where encapsulated.
    pub remote: SocketAddr,
    /// On which carrier.
    pub encapsulation: Encapsulation,
    /// Anti-replay window in packets, 64 to 4096; 0 turns the check off. Inbound only.
    pub replay_window: u32,
    /// Limits.
    pub lifetime: SaLifetime,
    /// Inner addresses on our side.
    pub local_selectors: Vec<TrafficSelector>,
    /// Inner addresses on the peer's side.
    pub remote_selectors: Vec<TrafficSelector>,
}

/// What a key exchange asks of a data plane. All are idempotent.
#[derive(Clone, Debug)]
pub enum SaAction {
    /// Start to use an SA. A new outbound SA takes over all traffic that matches its selectors at once, from whichever SA
    /// had it before; inbound SAs live side by side.
    Install {
        /// Whose.
        tunnel: TunnelId,
        /// Which way.
        direction: Direction,
        /// The SA.
        sa: Box<SecurityAssociation>,
    },
    /// Forget an SA and wipe its keys.
    Remove {
        /// Whose.
        tunnel: TunnelId,
        /// Which way.
        direction: Direction,
        /// The SA's name.
        spi: Spi,
    },
    /// The peer's outside address or port changed (NAT rebinding, RFC 7296 2.23): send there from now on.
    Move {
        /// Whose.
        tunnel: TunnelId,
        /// Our side.
        local: SocketAddr,
        /// The peer's new side.
        remote: SocketAddr,
    },
}
