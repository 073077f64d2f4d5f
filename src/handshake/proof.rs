//! The AUTH payload: how one end proves that it is who it says (RFC 7296 2.15, RFC 7427).

use std::net::SocketAddr;

use certificate::{CertificateProblem, Peer, UnixTime, judge};
use crypto::{AuthInput, IkeKeys, Role};
use identity::Identity;
use isakmp::{Auth, AuthMethod, CertificatePayload};
use negotiation::{Failure, LocalAuth, RemoteAuth, TunnelConfig};

use crate::{Contents, certificates, protocol};

/// What the peer says about itself.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    /// Whence it came.
    pub(crate) peer: SocketAddr,
    /// Who it says it is; the one that is configured.
    pub(crate) identity: &'a Identity,
    /// Its proof.
    pub(crate) auth: &'a Auth,
    /// Its certificates.
    pub(crate) certificates: &'a [CertificatePayload],
}

impl<'a> Claim<'a> {
    pub(crate) fn new(peer: SocketAddr, identity: &'a Identity, auth: &'a Auth, contents: &'a Contents) -> Self {
        Self { peer, identity, auth, certificates: &contents.certificates }
    }
}

/// Our proof, in the role `signer`. `theirs` is the peer's `IKE_SA_INIT` message, which says what it takes.
pub(crate) fn prove(
    config: &TunnelConfig,
    keys: &IkeKeys,
    signer: Role,
    input: AuthInput<'_>,
    (peer, theirs): (SocketAddr, &[u8]),
) -> Result<Auth, Failure> {
    match &config.auth.local {
        LocalAuth::Psk(psk) => {
            let data = keys.psk_auth(signer, psk, input).expose().to_vec();
            Ok(Auth { method: AuthMethod::SHARED_KEY, data })
        }
        LocalAuth::Certificate(certificate) => {
            let octets = keys.signed_octets(signer, input);
            let hashes = certificates::hashes(theirs);
            certificate.sign(&octets, hashes.as_ref()).map_err(|problem| failure(config, peer, problem))
        }
    }
}

/// How we prove ourselves to the sender of this `IKE_SA_INIT` message.
pub(crate) fn method(config: &TunnelConfig, theirs: &[u8]) -> AuthMethod {
    match &config.auth.local {
        LocalAuth::Psk(_) => AuthMethod::SHARED_KEY,
        LocalAuth::Certificate(certificate) => {
            let scheme = certificate.scheme(certificates::hashes(theirs).as_ref());
            scheme.map_or(AuthMethod::DIGITAL_SIGNATURE, |(method, _)| method)
        }
    }
}

/// Whether we can prove ourselves to the sender of this `IKE_SA_INIT` message.
pub(crate) fn can_prove(config: &TunnelConfig, (peer, theirs): (SocketAddr, &[u8])) -> Result<(), Failure> {
    match &config.auth.local {
        LocalAuth::Psk(_) => Ok(()),
        LocalAuth::Certificate(certificate) => {
            let scheme = certificate.scheme(certificates::hashes(theirs).as_ref());
            scheme.map(|_| ()).map_err(|problem| failure(config, peer, problem))
        }
    }
}

fn failure(config: &TunnelConfig, peer: SocketAddr, problem: CertificateProblem) -> Failure {
    Failure::Certificate { peer, identity: config.remote_id.clone(), problem }
}

/// Judges the proof of the peer in the role `signer`.
pub(crate) fn verify(
    remote: &RemoteAuth,
    keys: &IkeKeys,
    signer: Role,
    input: AuthInput<'_>,
    claim: Claim<'_>,
    now: UnixTime,
) -> Result<(), Failure> {
    let Claim { peer, identity, auth, certificates } = claim;
    let (expected, is_expected) = match remote {
        RemoteAuth::Psk(_) => (PSK, auth.method == AuthMethod::SHARED_KEY),
        RemoteAuth::Certificate(_) => (CERTIFICATE, auth.method != AuthMethod::SHARED_KEY),
    };
    if !is_expected {
        return Err(match kind(auth.method) {
            Some(found) => Failure::AuthMethod { peer, identity: identity.clone(), expected, found },
            None => protocol(peer, &format!("AUTH method {} where {expected} is due", auth.method)),
        });
    }
    match remote {
        RemoteAuth::Psk(psk) if keys.psk_auth_holds(signer, psk, input, &auth.data) => Ok(()),
        RemoteAuth::Psk(_) => Err(Failure::WrongPsk { peer, identity: identity.clone() }),
        RemoteAuth::Certificate(trusted) => {
            let octets = keys.signed_octets(signer, input);
            let verdict = judge(&Peer { identity, certificates, auth, octets: &octets }, trusted, now);
            let failure = |problem| Failure::Certificate { peer, identity: identity.clone(), problem };
            verdict.map(|_| ()).map_err(failure)
        }
    }
}

const PSK: &str = "a pre-shared key";
const CERTIFICATE: &str = "a certificate";

const fn kind(method: AuthMethod) -> Option<&'static str> {
    match method {
        AuthMethod::SHARED_KEY => Some(PSK),
        AuthMethod::RSA_SIGNATURE
        | AuthMethod::DSS_SIGNATURE
        | AuthMethod::ECDSA_P256
        | AuthMethod::ECDSA_P384
        | AuthMethod::ECDSA_P521
        | AuthMethod::DIGITAL_SIGNATURE => Some(CERTIFICATE),
        _ => None,
    }
}
