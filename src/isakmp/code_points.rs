//! Numbers of the IKEv2 registry, <https://www.iana.org/assignments/ikev2-parameters>.

use crypto::MAX_ADDITIONAL;
use wire::code_point;

code_point! {
    /// What a message is for (RFC 7296 3.1).
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-1>
    pub struct ExchangeType(u8) {
        IKE_SA_INIT = 34;
        IKE_AUTH = 35;
        CREATE_CHILD_SA = 36;
        INFORMATIONAL = 37;
        /// RFC 5723
        IKE_SESSION_RESUME = 38;
        /// RFC 9242
        IKE_INTERMEDIATE = 43;
        /// RFC 9370
        IKE_FOLLOWUP_KE = 44;
    }
}

code_point! {
    /// Kind of a payload (RFC 7296 3.2).
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-2>
    pub struct PayloadType(u8) {
        /// Ends a chain.
        NONE = 0;
        SA = 33;
        KE = 34;
        ID_INITIATOR = 35;
        ID_RESPONDER = 36;
        CERT = 37;
        CERTREQ = 38;
        AUTH = 39;
        NONCE = 40;
        NOTIFY = 41;
        DELETE = 42;
        VENDOR_ID = 43;
        TS_INITIATOR = 44;
        TS_RESPONDER = 45;
        /// Encrypted and authenticated, "SK".
        ENCRYPTED = 46;
        CONFIGURATION = 47;
        EAP = 48;
        /// RFC 7383, "SKF".
        ENCRYPTED_FRAGMENT = 53;
    }
}

code_point! {
    /// What a proposal or an SPI belongs to (RFC 7296 3.3.1).
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-18>
    pub struct ProtocolId(u8) {
        /// In notifications that concern no SA in particular.
        NONE = 0;
        IKE = 1;
        AH = 2;
        ESP = 3;
    }
}

code_point! {
    /// Role of an algorithm within a proposal (RFC 7296 3.3.2).
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-3>
    pub struct TransformType(u8) {
        ENCRYPTION = 1;
        PRF = 2;
        INTEGRITY = 3;
        /// Diffie-Hellman group; "Key Exchange Method" since RFC 9370.
        GROUP = 4;
        /// Extended sequence numbers; "Sequence Numbers" since RFC 9827.
        ESN = 5;
        /// Additional key exchanges (RFC 9370), in the registry of [`Self::GROUP`].
        ADDITIONAL_KEY_EXCHANGE_1 = 6;
        ADDITIONAL_KEY_EXCHANGE_2 = 7;
        ADDITIONAL_KEY_EXCHANGE_3 = 8;
        ADDITIONAL_KEY_EXCHANGE_4 = 9;
        ADDITIONAL_KEY_EXCHANGE_5 = 10;
        ADDITIONAL_KEY_EXCHANGE_6 = 11;
        ADDITIONAL_KEY_EXCHANGE_7 = 12;
    }
}

code_point! {
    /// Transform type 1.
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-5>
    pub struct EncryptionId(u16) {
        DES = 2;
        TRIPLE_DES = 3;
        NULL = 11;
        AES_CBC = 12;
        AES_CTR = 13;
        AES_CCM_8 = 14;
        AES_CCM_12 = 15;
        AES_CCM_16 = 16;
        AES_GCM_8 = 18;
        AES_GCM_12 = 19;
        AES_GCM_16 = 20;
        NULL_AUTH_AES_GMAC = 21;
        CAMELLIA_CBC = 23;
        CHACHA20_POLY1305 = 28;
    }
}

code_point! {
    /// Transform type 2.
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-6>
    pub struct PrfId(u16) {
        HMAC_MD5 = 1;
        HMAC_SHA1 = 2;
        AES128_XCBC = 4;
        HMAC_SHA2_256 = 5;
        HMAC_SHA2_384 = 6;
        HMAC_SHA2_512 = 7;
        AES128_CMAC = 8;
    }
}

code_point! {
    /// Transform type 3.
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-7>
    pub struct IntegrityId(u16) {
        NONE = 0;
        HMAC_MD5_96 = 1;
        HMAC_SHA1_96 = 2;
        AES_XCBC_96 = 5;
        AES_CMAC_96 = 8;
        HMAC_SHA2_256_128 = 12;
        HMAC_SHA2_384_192 = 13;
        HMAC_SHA2_512_256 = 14;
    }
}

code_point! {
    /// Transform type 5.
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-9>
    pub struct EsnId(u16) {
        NO_ESN = 0;
        ESN = 1;
    }
}

code_point! {
    /// Kind of an identity (RFC 7296 3.5).
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-10>
    pub struct IdType(u8) {
        IPV4_ADDR = 1;
        FQDN = 2;
        RFC822_ADDR = 3;
        IPV6_ADDR = 5;
        DER_ASN1_DN = 9;
        DER_ASN1_GN = 10;
        KEY_ID = 11;
    }
}

code_point! {
    /// What a certificate payload holds (RFC 7296 3.6).
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-11>
    pub struct CertEncoding(u8) {
        PKCS7_X509 = 1;
        X509_SIGNATURE = 4;
        CRL = 7;
        X509_HASH_AND_URL = 12;
        X509_BUNDLE_HASH_AND_URL = 13;
        RAW_PUBLIC_KEY = 15;
    }
}

code_point! {
    /// Hash in a signature (RFC 7427 4).
    /// <https://www.iana.org/assignments/ikev2-parameters#hash-algorithms>
    pub struct HashId(u16) {
        SHA1 = 1;
        SHA2_256 = 2;
        SHA2_384 = 3;
        SHA2_512 = 4;
        /// RFC 8420: the signature algorithm hashes by itself.
        IDENTITY = 5;
    }
}

code_point! {
    /// How an end proves its identity (RFC 7296 3.8).
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-12>
    pub struct AuthMethod(u8) {
        RSA_SIGNATURE = 1;
        SHARED_KEY = 2;
        DSS_SIGNATURE = 3;
        ECDSA_P256 = 9;
        ECDSA_P384 = 10;
        ECDSA_P521 = 11;
        NULL = 13;
        DIGITAL_SIGNATURE = 14;
    }
}

code_point! {
    /// What a notification says; errors are below 16384 (RFC 7296 3.10.1).
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-14>
    pub struct NotifyType(u16) {
        UNSUPPORTED_CRITICAL_PAYLOAD = 1;
        INVALID_IKE_SPI = 4;
        INVALID_MAJOR_VERSION = 5;
        INVALID_SYNTAX = 7;
        INVALID_MESSAGE_ID = 9;
        INVALID_SPI = 11;
        NO_PROPOSAL_CHOSEN = 14;
        INVALID_KE_PAYLOAD = 17;
        AUTHENTICATION_FAILED = 24;
        SINGLE_PAIR_REQUIRED = 34;
        NO_ADDITIONAL_SAS = 35;
        INTERNAL_ADDRESS_FAILURE = 36;
        FAILED_CP_REQUIRED = 37;
        TS_UNACCEPTABLE = 38;
        INVALID_SELECTORS = 39;
        TEMPORARY_FAILURE = 43;
        CHILD_SA_NOT_FOUND = 44;
        /// RFC 9370
        STATE_NOT_FOUND = 47;
        INITIAL_CONTACT = 16384;
        SET_WINDOW_SIZE = 16385;
        ADDITIONAL_TS_POSSIBLE = 16386;
        IPCOMP_SUPPORTED = 16387;
        NAT_DETECTION_SOURCE_IP = 16388;
        NAT_DETECTION_DESTINATION_IP = 16389;
        COOKIE = 16390;
        USE_TRANSPORT_MODE = 16391;
        HTTP_CERT_LOOKUP_SUPPORTED = 16392;
        REKEY_SA = 16393;
        ESP_TFC_PADDING_NOT_SUPPORTED = 16394;
        NON_FIRST_FRAGMENTS_ALSO = 16395;
        /// RFC 4555
        MOBIKE_SUPPORTED = 16396;
        /// RFC 4478
        AUTH_LIFETIME = 16403;
        /// RFC 5685
        REDIRECT_SUPPORTED = 16406;
        REDIRECT = 16407;
        /// RFC 6023
        CHILDLESS_IKEV2_SUPPORTED = 16418;
        /// RFC 6311
        IKEV2_MESSAGE_ID_SYNC_SUPPORTED = 16420;
        IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED = 16421;
        IKEV2_MESSAGE_ID_SYNC = 16422;
        IPSEC_REPLAY_COUNTER_SYNC = 16423;
        /// RFC 7383
        IKEV2_FRAGMENTATION_SUPPORTED = 16430;
        /// RFC 7427
        SIGNATURE_HASH_ALGORITHMS = 16431;
        /// RFC 8784
        USE_PPK = 16435;
        PPK_IDENTITY = 16436;
        NO_PPK_AUTH = 16437;
        /// RFC 9242
        INTERMEDIATE_EXCHANGE_SUPPORTED = 16438;
        /// RFC 9370
        ADDITIONAL_KEY_EXCHANGE = 16441;
    }
}

impl TransformType {
    /// The role of the additional key exchange in a place, 0 for the first.
    ///
    /// # Panics
    /// Where there is no such place.
    #[must_use]
    pub fn additional(place: usize) -> Self {
        let place = u8::try_from(place).ok().filter(|place| usize::from(*place) < MAX_ADDITIONAL);
        Self(Self::ADDITIONAL_KEY_EXCHANGE_1.0 + place.expect("one of seven"))
    }

    /// The place of an additional key exchange, 0 for the first, if this is the role of one.
    #[must_use]
    pub fn place(self) -> Option<usize> {
        let place = self.0.checked_sub(Self::ADDITIONAL_KEY_EXCHANGE_1.0).map(usize::from);
        place.filter(|place| *place < MAX_ADDITIONAL)
    }
}

impl NotifyType {
    /// Whether it reports an error rather than a status.
    #[must_use]
    pub const fn is_error(self) -> bool {
        // RFC 7296 3.10.1: types 0 to 16383 are errors.
        self.0 < 16384
    }
}
