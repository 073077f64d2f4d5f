//! What the exchanges hold besides because of certificates: hashes that we take (RFC 7427 4), requests (RFC 7296 3.7),
//! and the certificates themselves.

use certificate::{HashList, OFFERED_HASHES};
use isakmp::{CertificatePayload, CertificateRequest, Message, Notify, NotifyType, Payload};
use negotiation::{LocalAuth, RemoteAuth, TunnelConfig};

/// For `IKE_SA_INIT`: the hashes we take in signatures, if any of these tunnels has to do with signatures.
pub(crate) fn announce<'a>(configs: impl IntoIterator<Item = &'a TunnelConfig>) -> Option<Payload> {
    let needed = configs.into_iter().any(|config| config.auth.uses_certificates());
    let data = HashList(OFFERED_HASHES.to_vec()).encode();
    needed.then(|| Payload::Notify(Notify::with_data(NotifyType::SIGNATURE_HASH_ALGORITHMS, data)))
}

/// Authorities named in an `IKE_SA_INIT` response. It answers anyone and cannot be sent in fragments (RFC 7383 2.4), so
/// that it must not grow with what is configured. A request that does not name all is a request all the same: which
/// certificate the peer sends is its choice (RFC 7296 3.7).
pub(crate) const MAX_IN_SA_INIT: usize = 16;
/// Authorities named in an `IKE_AUTH` request.
pub(crate) const MAX_IN_AUTH: usize = 256;

/// Whom we trust, up to `most` of them, if any of these tunnels wants a certificate.
pub(crate) fn request<'a>(configs: impl IntoIterator<Item = &'a TunnelConfig>, most: usize) -> Option<Payload> {
    let mut authorities = Vec::new();
    for config in configs {
        let hashes = match &config.auth.remote {
            RemoteAuth::Psk(_) => &[],
            RemoteAuth::Certificate(trusted) => trusted.hashes(),
        };
        for hash in hashes {
            if authorities.len() >= most {
                break;
            }
            if !authorities.contains(hash) {
                authorities.push(*hash);
            }
        }
    }
    (!authorities.is_empty()).then(|| Payload::CertificateRequest(CertificateRequest::x509(authorities)))
}

/// What we show: our own certificate first. It is sent whether the peer asked or not; not every peer asks.
pub(crate) fn shown(local: &LocalAuth) -> impl Iterator<Item = Payload> {
    let chain = match local {
        LocalAuth::Psk(_) => &[],
        LocalAuth::Certificate(certificate) => certificate.chain(),
    };
    chain.iter().map(|certificate| Payload::Certificate(CertificatePayload::x509(certificate.der().to_vec())))
}

/// The hashes that the sender of this `IKE_SA_INIT` message takes; `None` if it does not say.
pub(crate) fn hashes(message: &[u8]) -> Option<HashList> {
    let payloads = Message::decode(message).ok()?.payloads;
    payloads.iter().find_map(|payload| {
        let Payload::Notify(notify) = payload else { return None };
        (notify.kind == NotifyType::SIGNATURE_HASH_ALGORITHMS).then(|| HashList::decode(&notify.data))
    })
}
