//! Numbers of the ISAKMP and IPsec registries, <https://www.iana.org/assignments/isakmp-registry> and
//! <https://www.iana.org/assignments/ipsec-registry>.

use wire::code_point;

code_point! {
    /// What a message is for (RFC 2408 3.1, RFC 2409 appendix A).
    pub struct Exchange(u8) {
        IDENTITY_PROTECTION = 2;
        AGGRESSIVE = 4;
        INFORMATIONAL = 5;
        /// Mode-config, extended authentication.
        TRANSACTION = 6;
        QUICK = 32;
        NEW_GROUP = 33;
    }
}

code_point! {
    /// Kind of a payload (RFC 2408 3.1).
    pub struct PayloadKind(u8) {
        /// Ends a chain.
        NONE = 0;
        SA = 1;
        PROPOSAL = 2;
        TRANSFORM = 3;
        KEY_EXCHANGE = 4;
        IDENTIFICATION = 5;
        CERTIFICATE = 6;
        CERTIFICATE_REQUEST = 7;
        HASH = 8;
        SIGNATURE = 9;
        NONCE = 10;
        NOTIFICATION = 11;
        DELETE = 12;
        VENDOR_ID = 13;
        /// RFC 3947
        NAT_D = 20;
        NAT_OA = 21;
        /// As Cisco, Microsoft and strongSwan send it.
        FRAGMENT = 132;
    }
}

code_point! {
    /// What a proposal or an SPI belongs to (RFC 2407 4.4.1).
    pub struct Protocol(u8) {
        ISAKMP = 1;
        AH = 2;
        ESP = 3;
        IPCOMP = 4;
    }
}

code_point! {
    /// Attributes of a transform of phase 1 (RFC 2409 appendix A).
    pub struct IkeAttribute(u16) {
        ENCRYPTION = 1;
        HASH = 2;
        AUTHENTICATION = 3;
        GROUP = 4;
        GROUP_TYPE = 5;
        LIFE_TYPE = 11;
        LIFE_DURATION = 12;
        PRF = 13;
        KEY_LENGTH = 14;
    }
}

code_point! {
    /// Ciphers of phase 1.
    pub struct IkeCipher(u16) {
        DES_CBC = 1;
        IDEA_CBC = 2;
        BLOWFISH_CBC = 3;
        RC5_CBC = 4;
        TRIPLE_DES_CBC = 5;
        CAST_CBC = 6;
        AES_CBC = 7;
        CAMELLIA_CBC = 8;
    }
}

code_point! {
    /// Hashes of phase 1.
    pub struct HashAlgorithm(u16) {
        MD5 = 1;
        SHA = 2;
        TIGER = 3;
        SHA2_256 = 4;
        SHA2_384 = 5;
        SHA2_512 = 6;
    }
}

code_point! {
    /// How phase 1 is authenticated.
    pub struct AuthenticationMethod(u16) {
        PRE_SHARED_KEY = 1;
        DSS_SIGNATURE = 2;
        RSA_SIGNATURE = 3;
        RSA_ENCRYPTION = 4;
        XAUTH_PRE_SHARED_KEY = 65001;
    }
}

code_point! {
    /// What a life duration counts; the same numbers in both phases.
    pub struct LifeType(u16) {
        SECONDS = 1;
        KILOBYTES = 2;
    }
}

code_point! {
    /// Transforms of ESP (RFC 2407 4.4.4).
    pub struct EspTransform(u8) {
        DES = 2;
        TRIPLE_DES = 3;
        NULL = 11;
        AES_CBC = 12;
        AES_CTR = 13;
        AES_GCM_8 = 18;
        AES_GCM_12 = 19;
        AES_GCM_16 = 20;
    }
}

code_point! {
    /// Attributes of a transform of phase 2 (RFC 2407 4.5).
    pub struct EspAttribute(u16) {
        LIFE_TYPE = 1;
        LIFE_DURATION = 2;
        GROUP = 3;
        ENCAPSULATION = 4;
        AUTHENTICATION = 5;
        KEY_LENGTH = 6;
        /// RFC 4304
        EXTENDED_SEQUENCE_NUMBERS = 11;
    }
}

code_point! {
    /// Integrity of ESP.
    pub struct EspAuthentication(u16) {
        HMAC_MD5 = 1;
        HMAC_SHA1 = 2;
        HMAC_SHA2_256 = 5;
        HMAC_SHA2_384 = 6;
        HMAC_SHA2_512 = 7;
    }
}

code_point! {
    /// Tunnel or transport, in UDP or not (RFC 2407 4.5, RFC 3947 5.1).
    pub struct EncapsulationMode(u16) {
        TUNNEL = 1;
        TRANSPORT = 2;
        UDP_TUNNEL = 3;
        UDP_TRANSPORT = 4;
    }
}

code_point! {
    /// Kind of an identity (RFC 2407 4.6.2.1).
    pub struct IdKind(u8) {
        IPV4_ADDR = 1;
        FQDN = 2;
        USER_FQDN = 3;
        IPV4_ADDR_SUBNET = 4;
        IPV6_ADDR = 5;
        IPV6_ADDR_SUBNET = 6;
        IPV4_ADDR_RANGE = 7;
        IPV6_ADDR_RANGE = 8;
        DER_ASN1_DN = 9;
        DER_ASN1_GN = 10;
        KEY_ID = 11;
    }
}

code_point! {
    /// What a notification says; errors are below 16384 (RFC 2408 3.14.1, RFC 2407 4.6.3).
    pub struct NotifyKind(u16) {
        INVALID_PAYLOAD_TYPE = 1;
        DOI_NOT_SUPPORTED = 2;
        SITUATION_NOT_SUPPORTED = 3;
        INVALID_COOKIE = 4;
        INVALID_MAJOR_VERSION = 5;
        INVALID_MINOR_VERSION = 6;
        INVALID_EXCHANGE_TYPE = 7;
        INVALID_FLAGS = 8;
        INVALID_MESSAGE_ID = 9;
        INVALID_PROTOCOL_ID = 10;
        INVALID_SPI = 11;
        INVALID_TRANSFORM_ID = 12;
        ATTRIBUTES_NOT_SUPPORTED = 13;
        NO_PROPOSAL_CHOSEN = 14;
        BAD_PROPOSAL_SYNTAX = 15;
        PAYLOAD_MALFORMED = 16;
        INVALID_KEY_INFORMATION = 17;
        INVALID_ID_INFORMATION = 18;
        INVALID_CERT_ENCODING = 19;
        INVALID_CERTIFICATE = 20;
        CERT_TYPE_UNSUPPORTED = 21;
        INVALID_CERT_AUTHORITY = 22;
        INVALID_HASH_INFORMATION = 23;
        AUTHENTICATION_FAILED = 24;
        INVALID_SIGNATURE = 25;
        ADDRESS_NOTIFICATION = 26;
        NOTIFY_SA_LIFETIME = 27;
        CERTIFICATE_UNAVAILABLE = 28;
        UNSUPPORTED_EXCHANGE_TYPE = 29;
        UNEQUAL_PAYLOAD_LENGTHS = 30;
        CONNECTED = 16384;
        RESPONDER_LIFETIME = 24576;
        REPLAY_STATUS = 24577;
        INITIAL_CONTACT = 24578;
        /// RFC 3706
        R_U_THERE = 36136;
        R_U_THERE_ACK = 36137;
    }
}

impl NotifyKind {
    /// Whether it reports an error.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}
