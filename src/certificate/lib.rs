//! Certificates: what we hold, whom we trust, and whether a peer's certificate says what the peer says.
//!
//! ```text
//!  PEM --load--> LocalCertificate --sign--> AUTH           CERT.., AUTH from the peer
//!       |           chain, key                                  |
//!       +------> TrustedCas --------> verify: path (webpki), time, usage, revocation (path)
//!                                             identity in the certificate (covers)
//!                                             signature (signature)
//! ```
//!
//! RFC 4945 is the profile of X.509 (RFC 5280) for IKE, RFC 7427 the AUTH method, RFC 8420 adds Ed25519. Paths are
//! built and checked by `webpki`; names, usages and times of a leaf are read by `x509-cert`; signatures are aws-lc's.
//!
//! RSA-PSS salts and ECDSA nonces are the one kind of randomness that is no parameter: aws-lc draws them itself, as a
//! nonce that a caller could repeat would give the key away.

mod algorithms;
mod covers;
mod key;
mod load;
mod parsed;
mod path;
mod problem;
mod signature;
mod time;

#[cfg(test)]
mod tests;

pub use key::{KeyKind, RsaPadding};
pub use load::{LoadError, LocalCertificate, TrustedCas, certificates};
pub use parsed::{Certificate, CertificateSummary, Unreadable};
pub use path::{Peer, judge};
pub use problem::CertificateProblem;
pub use signature::{HashList, OFFERED_HASHES, Scheme, SchemeError, Sha2};
pub use time::{ENDS_SOON, UnixTime, WallClock};
