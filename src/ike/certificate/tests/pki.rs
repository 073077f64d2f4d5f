//! A root, a CA below it, and certificates of gateways. All of it is valid from 2020 to 2040 unless told otherwise.

use std::sync::{Arc, LazyLock};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SignatureAlgorithm, date_time_ymd,
};
use wire::Secret;

use crate::certificate::{LocalCertificate, RsaPadding, TrustedCas, UnixTime};

/// 2023-11-14.
pub(crate) const NOW: UnixTime = UnixTime(1_700_000_000);

/// A CA.
pub(crate) struct Ca {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// A gateway's certificate and its key.
pub(crate) struct Leaf {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key: String,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Ca {
    /// One that vouches for itself.
    pub(crate) fn root(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let params = ca_params(name);
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// One below.
    pub(crate) fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = ca_params(name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// A gateway's certificate with an ECDSA key.
    pub(crate) fn leaf(&self, name: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.leaf_with(&PKCS_ECDSA_P256_SHA256, name, names, change)
    }

    pub(crate) fn leaf_with(
        &self,
        algorithm: &'static SignatureAlgorithm,
        name: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        self.certify(&KeyPair::generate_for(algorithm).unwrap(), name, names, change)
    }

    /// A certificate for the key of `leaf`.
    pub(crate) fn another(
        &self,
        leaf: &Leaf,
        name: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        self.certify(&KeyPair::from_pem(&leaf.key).unwrap(), name, names, change)
    }

    fn certify(&self, key: &KeyPair, name: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = params(name);
        params.subject_alt_names = names.iter().map(|name| alternative(name)).collect();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        Leaf { pem: certificate.pem(), der: certificate.der().to_vec(), key: key.serialize_pem() }
    }

    /// A CRL that lists one serial number.
    pub(crate) fn revoke(&self, serial: u64) -> Vec<u8> {
        let revoked = rcgen::RevokedCertParams {
            serial_number: serial.into(),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = rcgen::CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(2022, 1, 1),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    /// This one as the only one to trust.
    pub(crate) fn trusted(&self) -> TrustedCas {
        TrustedCas::from_pem(self.pem.as_bytes()).unwrap()
    }
}

fn alternative(name: &str) -> SanType {
    match (name.parse(), name.contains('@')) {
        (Ok(address), _) => SanType::IpAddress(address),
        (Err(_), true) => SanType::Rfc822Name(name.try_into().unwrap()),
        (Err(_), false) => SanType::DnsName(name.try_into().unwrap()),
    }
}

impl Leaf {
    /// With the certificates of the CAs above it.
    pub(crate) fn local(&self, above: &[&Ca]) -> Arc<LocalCertificate> {
        let chain: String = std::iter::once(&self.pem).chain(above.iter().map(|ca| &ca.pem)).cloned().collect();
        let key = Secret::from(self.key.as_bytes());
        Arc::new(LocalCertificate::from_pem(chain.as_bytes(), &key, RsaPadding::Pss).unwrap())
    }
}

/// A root and a CA below it, made once.
pub(crate) struct World {
    pub(crate) root: Ca,
    pub(crate) issuing: Ca,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = Ca::root("Root");
    let issuing = root.below("Issuing", |_| {});
    World { root, issuing }
});
