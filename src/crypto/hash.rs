//! Hashes outside of key derivation: NAT detection and cookies.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::digest;
use wire::Secret;
use wire::ipsec::IkeSpi;

use super::Prf;
use super::mac::MacKey;

/// Octets of a cookie of ours.
pub const COOKIE_LEN: usize = 32;

/// What `NAT_DETECTION_SOURCE_IP` and `NAT_DETECTION_DESTINATION_IP` carry (RFC 7296 2.23).
#[must_use]
pub fn nat_detection_hash(initiator: IkeSpi, responder: IkeSpi, address: SocketAddr) -> [u8; 20] {
    // RFC 7296 2.23: SHA-1 of the SPIs in the order of the header, the address and the port.
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(&initiator.to_be_bytes());
    context.update(&responder.to_be_bytes());
    update_address(address.ip(), |octets| context.update(octets));
    context.update(&address.port().to_be_bytes());
    let mut hash = [0; 20];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// A cookie for the initiator with this nonce, address and SPI: who returns it receives what is sent there
/// (RFC 7296 2.6). Nothing is stored for it.
#[must_use]
pub fn cookie(secret: &Secret, nonce: &[u8], address: IpAddr, initiator: IkeSpi) -> [u8; COOKIE_LEN] {
    let key = MacKey::new(Prf::HmacSha256, secret.expose());
    let mut cookie = [0; COOKIE_LEN];
    update_address(address, |octets| {
        // Address and SPI have known lengths, so that only one nonce fits what was hashed.
        cookie.copy_from_slice(key.sign(&[&initiator.to_be_bytes(), octets, nonce]).as_ref());
    });
    cookie
}

fn update_address(address: IpAddr, mut update: impl FnMut(&[u8])) {
    match address {
        IpAddr::V4(address) => update(&address.octets()),
        IpAddr::V6(address) => update(&address.octets()),
    }
}
