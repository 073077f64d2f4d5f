//! What can be wrong with a peer's certificate, in terms a person can act on.

use identity::Identity;

use super::key::KeyKind;
use super::time::UnixTime;

/// Why a peer's certificates do not prove who it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// There is none.
    #[error("it sent no certificate")]
    Missing,
    /// The first, or one that it needs, is no X.509 certificate.
    #[error("its certificate cannot be read: {detail}")]
    Unreadable {
        /// What is wrong with it.
        detail: String,
    },
    /// No chain leads to a CA that we trust.
    #[error("the certificate of {subject} was issued by {issuer}, which leads to none of the trusted CAs: {trusted}")]
    Untrusted {
        /// Whom it names.
        subject: String,
        /// Who issued the last certificate of the chain.
        issuer: String,
        /// Whom we trust.
        trusted: String,
    },
    /// A certificate was not signed by the one that it names as issuer.
    #[error("the signature on the certificate of {subject} is not that of its issuer")]
    Forged {
        /// Whom the peer's certificate names.
        subject: String,
    },
    /// A certificate's time is over.
    #[error("the certificate of {subject} expired at {not_after}; it is {now}")]
    Expired {
        /// Whose.
        subject: String,
        /// When.
        not_after: UnixTime,
        /// By our clock.
        now: UnixTime,
    },
    /// A certificate's time has not come.
    #[error("the certificate of {subject} is valid from {not_before} on; it is {now}")]
    NotYetValid {
        /// Whose.
        subject: String,
        /// From when on.
        not_before: UnixTime,
        /// By our clock.
        now: UnixTime,
    },
    /// The certificate is for somebody else.
    #[error("it says it is {identity}, and its certificate is for {found}")]
    Identity {
        /// Who the peer says it is.
        identity: Identity,
        /// Whom the certificate names.
        found: String,
    },
    /// The key may not be used for this.
    #[error("the certificate of {subject} is not meant for {purpose}")]
    Usage {
        /// Whose.
        subject: String,
        /// What its extensions do not allow.
        purpose: &'static str,
    },
    /// Names outside of what a CA may vouch for.
    #[error("a CA above {subject} may not vouch for this name")]
    NameConstraint {
        /// Whose certificate.
        subject: String,
    },
    /// More CAs than are followed, or than one of them allows below itself.
    #[error("the chain of {subject} is longer than it may be")]
    ChainTooLong {
        /// Whose certificate.
        subject: String,
    },
    /// A CRL lists it.
    #[error("the certificate of {subject}, or of a CA above it, is revoked")]
    Revoked {
        /// Whose certificate.
        subject: String,
    },
    /// Something else that RFC 5280 does not allow.
    #[error("the chain of {subject} is not valid: {detail}")]
    Invalid {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        detail: String,
    },
    /// The AUTH payload was not signed by the key in the certificate.
    #[error("it did not prove that it has the key of the certificate of {subject}")]
    Signature {
        /// Whose certificate.
        subject: String,
    },
    /// The AUTH payload was signed in a way that we do not take.
    #[error("it signed with {theirs}; we take {ours}")]
    Scheme {
        /// What it used.
        theirs: String,
        /// What we support.
        ours: String,
    },
    /// We cannot sign in a way that the peer takes.
    #[error("our key is {key}, and the peer takes signatures with {theirs}")]
    NoCommonHash {
        /// Ours.
        key: KeyKind,
        /// The peer's list.
        theirs: String,
    },
}

impl CertificateProblem {
    /// A short stable label for metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "cert_missing",
            Self::Unreadable { .. } => "cert_unreadable",
            Self::Untrusted { .. } => "cert_untrusted",
            Self::Forged { .. } => "cert_forged",
            Self::Expired { .. } => "cert_expired",
            Self::NotYetValid { .. } => "cert_not_yet_valid",
            Self::Identity { .. } => "cert_identity",
            Self::Usage { .. } => "cert_usage",
            Self::NameConstraint { .. } => "cert_name_constraint",
            Self::ChainTooLong { .. } => "cert_chain",
            Self::Revoked { .. } => "cert_revoked",
            Self::Invalid { .. } => "cert_invalid",
            Self::Signature { .. } => "cert_signature",
            Self::Scheme { .. } | Self::NoCommonHash { .. } => "cert_scheme",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Missing => "let the peer send its certificate (strongSwan: `send_cert = always`)",
            Self::Unreadable { .. } => "let the peer send X.509 certificates with RSA, ECDSA or Ed25519 keys",
            Self::Untrusted { .. } => {
                "add the CA of the peer's certificate to `certificate: {ca: ..}`, or let the peer send the \
                 intermediate certificates too"
            }
            Self::Forged { .. } => "the chain does not fit together; reissue it, or see who answers at this address",
            Self::Expired { .. } => "renew the certificate, or set our clock if it is wrong",
            Self::NotYetValid { .. } => "set our clock, or wait",
            Self::Identity { .. } => {
                "set the peer's identity to a name in its certificate and remote-id to the same, or have the \
                 certificate issued with this name"
            }
            Self::Usage { .. } => {
                "issue the certificate with digitalSignature, and with serverAuth, clientAuth, ipsecIKE or no \
                 extended key usage; CAs need keyCertSign"
            }
            Self::NameConstraint { .. } => "issue the certificate from a CA that may vouch for this name",
            Self::ChainTooLong { .. } => "issue the certificate from a CA nearer to the root",
            Self::Revoked { .. } => "issue a new certificate to the peer",
            Self::Invalid { .. } => "reissue the certificate",
            Self::Signature { .. } => "let the peer use the private key that belongs to its certificate",
            Self::Scheme { .. } => {
                "let the peer sign with RSA or ECDSA and SHA2-256, SHA2-384 or SHA2-512, or with Ed25519; for one that knows only \
                 RSA with SHA1, write `legacy: allow`"
            }
            Self::NoCommonHash { .. } => "use a certificate with another kind of key, or let the peer take more hashes",
        }
    }
}
