//! Certificates made on the spot, and what becomes of them.

mod files;
mod verdicts;

use std::sync::Arc;

use fixtures::pki::{Ca, Leaf, NOW};
use wire::Secret;

use crate::{LocalCertificate, RsaPadding, TrustedCas, UnixTime};

const TODAY: UnixTime = UnixTime(NOW);

/// A certificate with its key and those of the CAs above it.
fn local(leaf: &Leaf, above: &[&Ca]) -> Arc<LocalCertificate> {
    let key = Secret::from(leaf.key.as_bytes());
    Arc::new(LocalCertificate::from_pem(leaf.chain(above).as_bytes(), &key, RsaPadding::Pss).unwrap())
}

/// A CA as the only one to trust.
fn trusted(ca: &Ca) -> TrustedCas {
    TrustedCas::from_pem(ca.pem.as_bytes()).unwrap()
}
