//! A peer's certificates and its AUTH payload: whatever they are, only the genuine certificate with a genuine signature
//! for a name in it is believed.

use certificate::{Certificate, Peer, Scheme, TrustedCas, UnixTime, judge};
use identity::{DistinguishedName, Identity};
use isakmp::{Auth, AuthMethod, CertEncoding, CertificatePayload};

use super::input::{Input, Script};

/// The CA, and a certificate of it for 192.0.2.1, `gw.example.net` and O=Example, CN=gateway. Their keys were thrown away.
const ROOT: &[u8] = include_bytes!("pki/root.pem");
const GENUINE: &[u8] = include_bytes!("pki/gateway.der");
/// ECDSA with SHA2-256 over [`OCTETS`] by the certificate's key.
const SIGNATURE: &[u8] = include_bytes!("pki/gateway.sig");
const OCTETS: &[u8] = b"octets to sign";
/// 2029, when both are valid.
const NOW: UnixTime = UnixTime(1_861_920_000);
const MOST: usize = 16;

/// Octets: who the peer says it is, its AUTH method and data, then its certificates, each with its encoding.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let identity = String::from_utf8_lossy(input.piece()).parse().unwrap_or(Identity::KeyId(Vec::new()));
    let auth = Auth { method: AuthMethod(input.u8()), data: input.piece().to_vec() };
    let mut certificates = Vec::new();
    while !input.is_empty() && certificates.len() < MOST {
        let (encoding, data) = (CertEncoding(input.u8()), input.piece().to_vec());
        look_into(&data);
        certificates.push(CertificatePayload { encoding, data });
    }
    let trusted = TrustedCas::from_pem(ROOT).expect("a CA");
    let peer = Peer { identity: &identity, certificates: &certificates, auth: &auth, octets: OCTETS };
    match judge(&peer, &trusted, NOW) {
        Ok(certificate) => {
            assert_eq!(certificate.der(), GENUINE, "a certificate that the CA never issued is believed");
            assert!(certificate.covers(&identity));
        }
        Err(problem) => {
            let text = problem.to_string();
            assert!(!text.is_empty() && !problem.remedy().is_empty() && !problem.reason().is_empty());
            assert!(!text.chars().any(char::is_control), "{text:?} could forge a log line");
        }
    }
}

/// The parts by themselves.
fn look_into(octets: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(octets) {
        assert_eq!(certificate.der(), octets);
        assert!(!format!("{:?}", certificate.summary()).is_empty());
    }
    if let Some(name) = DistinguishedName::from_der(octets) {
        let again: DistinguishedName = name.to_string().parse().expect("what is printed is a name");
        assert!(again.matches(&name));
    }
    if let Ok(scheme) = Scheme::from_identifier(octets) {
        assert_eq!(Scheme::from_identifier(&scheme.identifier()), Ok(scheme));
    }
}

/// The genuine one, by each of its names; the same without its signature; the CA's own; parts of certificates.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let identifier = Scheme::Ecdsa(certificate::Sha2::Sha256).identifier();
    let length = u8::try_from(identifier.len()).unwrap_or_default();
    let proof = [&[length], identifier.as_slice(), SIGNATURE].concat();
    let script = |identity: &str, method: u8, auth: &[u8], certificates: &[&[u8]]| {
        let start = Script::default().piece(identity.as_bytes()).octets(&[method]).piece(auth);
        certificates.iter().fold(start, |script, der| script.octets(&[4]).piece(der)).done()
    };
    let name = "O=Example, CN=gateway".parse::<DistinguishedName>().expect("a name").der().to_vec();
    vec![
        script("192.0.2.1", 14, &proof, &[GENUINE]),
        script("gw.example.net", 14, &proof, &[GENUINE, &name]),
        script("O=Example, CN=gateway", 14, &proof, &[GENUINE, &identifier]),
        script("other.example.net", 9, SIGNATURE, &[GENUINE]),
        script("192.0.2.1", 1, &[], &[&GENUINE[..300]]),
        script("192.0.2.1", 14, &[], &[]),
    ]
}
