//! Published vectors, figures computed by an independent implementation (Python's `hmac`, `pow` and
//! `cryptography`), and properties.

mod cipher;
mod derivation;
mod groups;
mod suite;
mod vectors;

/// A source that yields `octets` once.
fn once(octets: &[u8]) -> impl FnMut(&mut [u8]) + Send + use<'_> {
    move |out| out.copy_from_slice(octets)
}
