//! What the exchanges hold besides because of certificates: hashes that we take (RFC 7427 4), requests (RFC 7296 3.7),
//! and the certificates themselves.

use std::time::{Duration, Instant};

use certificate::{Certificate, CertificateSummary, HashList, OFFERED_HASHES};
use isakmp::{CertEncoding, CertificatePayload, CertificateRequest, Message, Notify, NotifyType, Payload};
use negotiation::{Authentication, Cx, LocalAuth, RemoteAuth, TunnelConfig};
use wire::ipsec::IkeSpi;

use crate::endpoint::Tunnel;
use crate::sa::contents::Contents;

/// Certificates may end in the year 9999; no IKE SA lives as long.
const LONGEST: u64 = 100 * 365 * 86_400;
/// Pause before both ends are authenticated anew, at least.
const LEAST_PAUSE: Duration = Duration::from_secs(60);

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

impl Tunnel {
    /// Remembers the certificate of a peer that was authenticated by what `contents` hold.
    pub(crate) fn note_peer_certificate(&mut self, contents: &Contents) {
        let wanted = matches!(self.config.auth.remote, RemoteAuth::Certificate(_));
        let leaf = contents.certificates.iter().find(|leaf| wanted && leaf.encoding == CertEncoding::X509_SIGNATURE);
        self.peer_certificate = leaf.and_then(|leaf| Some(Certificate::from_der(&leaf.data).ok()?.summary()));
    }

    /// What proves either end has changed.
    pub(crate) fn set_credentials(&mut self, now: Instant, auth: Authentication) {
        self.config.auth = auth;
        for sa in self.sas.iter_mut().filter(|sa| sa.is_current() && sa.origin.ours) {
            sa.reauthenticate_at = Some(now);
        }
    }

    /// Where we began, both ends are authenticated anew when nine tenths of what is left of the first of both certificates
    /// are over: renewed ones are known by then. If none is, the tunnel stays. One that has ended already hurries nobody.
    pub(crate) fn plan_before_expiry(&mut self, cx: &Cx<'_>, spi: IkeSpi) {
        let ends = [self.local_certificate(), self.peer_certificate.clone()].into_iter().flatten();
        let ends = ends.map(|certificate| certificate.not_after.0).filter(|end| *end > cx.wall.0);
        let Some(end) = ends.min() else { return };
        let left = Duration::from_secs(end.saturating_sub(cx.wall.0).min(LONGEST));
        let at = cx.now + (left / 10 * 9).max(LEAST_PAUSE);
        if let Some(sa) = self.sa_mut(spi).filter(|sa| sa.origin.ours) {
            sa.reauthenticate_at = Some(sa.reauthenticate_at.map_or(at, |granted| granted.min(at)));
        }
    }

    /// Our own certificate.
    pub(crate) fn local_certificate(&self) -> Option<CertificateSummary> {
        match &self.config.auth.local {
            LocalAuth::Psk(_) => None,
            LocalAuth::Certificate(certificate) => Some(certificate.leaf().summary()),
        }
    }
}
