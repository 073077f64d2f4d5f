//! Whether a certificate is for an identity (RFC 4945 3.1, 5.1.3.6).

use identity::Identity;

use super::parsed::Certificate;

impl Certificate {
    /// Whether it names `identity`: a name as its subject, everything else among its alternative names. A common name
    /// that looks like an address or a domain name counts for nothing, and `*` stands for itself.
    #[must_use]
    pub fn covers(&self, identity: &Identity) -> bool {
        let listed = || self.names().iter().any(|name| name.matches(identity));
        match identity {
            Identity::Dn(name) => self.subject().is_some_and(|subject| subject.matches(name)) || listed(),
            Identity::Ip(_) | Identity::Fqdn(_) | Identity::Email(_) => listed(),
            // RFC 4945 3.1.9: a key ID is in no certificate.
            Identity::KeyId(_) | Identity::Other { .. } => false,
        }
    }
}
