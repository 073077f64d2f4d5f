//! Certificates and requests for them (RFC 7296 3.6, 3.7).
//!
//! ```text
//! +---------------+-----------------------------------------------+
//! | cert encoding |  certificate, or SHA-1 hashes of the public    |
//! +---------------+  keys (SubjectPublicKeyInfo) of trusted CAs    |
//! +---------------------------------------------------------------+
//! ```

use wire::{DecodeError, Decoder, Encoder};

use super::code_points::CertEncoding;

/// Octets of one hash in a request.
pub const AUTHORITY_LEN: usize = 20;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePayload {
    /// What `data` is.
    pub encoding: CertEncoding,
    /// With [`CertEncoding::X509_SIGNATURE`]: one certificate, DER.
    pub data: Vec<u8>,
}

/// "Send me a certificate that one of these vouches for."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The encoding wanted.
    pub encoding: CertEncoding,
    /// With [`CertEncoding::X509_SIGNATURE`]: hashes of [`AUTHORITY_LEN`] octets, one after another; none means any.
    pub data: Vec<u8>,
}

impl CertificateRequest {
    /// A request for X.509 certificates of these authorities.
    #[must_use]
    pub fn x509(authorities: impl IntoIterator<Item = [u8; AUTHORITY_LEN]>) -> Self {
        Self { encoding: CertEncoding::X509_SIGNATURE, data: authorities.into_iter().flatten().collect() }
    }

    /// The hashes; of a request in another encoding, none.
    pub fn authorities(&self) -> impl Iterator<Item = &[u8; AUTHORITY_LEN]> {
        let x509 = self.encoding == CertEncoding::X509_SIGNATURE;
        self.data.as_chunks().0.iter().filter(move |_| x509)
    }

    pub(super) fn decode(body: Decoder<'_>) -> Result<Self, DecodeError> {
        let (encoding, data) = decode(body)?;
        Ok(Self { encoding, data })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encode(self.encoding, &self.data, encoder);
    }
}

impl CertificatePayload {
    /// An X.509 certificate.
    #[must_use]
    pub const fn x509(der: Vec<u8>) -> Self {
        Self { encoding: CertEncoding::X509_SIGNATURE, data: der }
    }

    pub(super) fn decode(body: Decoder<'_>) -> Result<Self, DecodeError> {
        let (encoding, data) = decode(body)?;
        Ok(Self { encoding, data })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encode(self.encoding, &self.data, encoder);
    }
}

fn decode(mut body: Decoder<'_>) -> Result<(CertEncoding, Vec<u8>), DecodeError> {
    let encoding = CertEncoding(body.u8("certificate encoding")?);
    Ok((encoding, body.take_rest().to_vec()))
}

fn encode(encoding: CertEncoding, data: &[u8], encoder: &mut Encoder) {
    encoder.u8(encoding.0);
    encoder.bytes(data);
}
