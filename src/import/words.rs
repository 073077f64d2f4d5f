//! The names that clouds and gateways have for algorithms. `AES-256-GCM-16`, `GCMAES256` and `aes256gcm16` are one.

use crypto::{AdditionalKeyExchanges, EspProposal, Group, IkeProposal, Pfs, Prf};
use wire::ipsec::{Encryption, EspSuite, Integrity};

/// A cipher's name in any vocabulary that is imported.
pub(crate) fn encryption(word: &str) -> Option<Encryption> {
    Some(match plain(word).as_str() {
        "aes" | "aes128" | "aes128cbc" | "aescbc128" => Encryption::AesCbc(128),
        "aes192" | "aes192cbc" | "aescbc192" => Encryption::AesCbc(192),
        "aes256" | "aes256cbc" | "aescbc256" => Encryption::AesCbc(256),
        "aes128gcm" | "aes128gcm16" | "aesgcm128" | "gcmaes128" | "aes128gcm128" => Encryption::gcm16(128),
        "aes192gcm" | "aes192gcm16" | "aesgcm192" | "gcmaes192" | "aes192gcm128" => Encryption::gcm16(192),
        "aes256gcm" | "aes256gcm16" | "aesgcm256" | "gcmaes256" | "aes256gcm128" => Encryption::gcm16(256),
        "3des" | "3descbc" | "des3" => Encryption::TripleDesCbc,
        "des" | "descbc" => Encryption::DesCbc,
        _ => return None,
    })
}

/// An integrity algorithm's or hash's name.
pub(crate) fn integrity(word: &str) -> Option<Integrity> {
    Some(match plain(word).as_str() {
        "md5" | "hmacmd5" | "hmacmd596" => Integrity::HmacMd5,
        "sha" | "sha1" | "hmacsha1" | "hmacsha196" => Integrity::HmacSha1,
        "sha256" | "sha2256" | "hmacsha256" | "hmacsha2256" | "hmacsha256128" | "hmacsha2256128" => {
            Integrity::HmacSha256
        }
        "sha384" | "sha2384" | "hmacsha384" | "hmacsha2384" | "hmacsha384192" | "hmacsha2384192" => {
            Integrity::HmacSha384
        }
        "sha512" | "sha2512" | "hmacsha512" | "hmacsha2512" | "hmacsha512256" | "hmacsha2512256" => {
            Integrity::HmacSha512
        }
        _ => return None,
    })
}

/// A group's name; `Some(None)` where it says that there is none.
pub(crate) fn group(word: &str) -> Option<Option<Group>> {
    let plain = plain(word);
    let number = ["diffiehellmangroup", "dhgroup", "group", "pfs", "dh"]
        .iter()
        .find_map(|prefix| plain.strip_prefix(prefix))
        .unwrap_or(&plain);
    Some(Some(match number {
        "none" | "disabled" | "disable" | "off" | "0" => return Some(None),
        "1" => Group::Modp768,
        "2" => Group::Modp1024,
        "5" => Group::Modp1536,
        "14" | "2048" => Group::Modp2048,
        "15" => Group::Modp3072,
        "16" => Group::Modp4096,
        "17" => Group::Modp6144,
        "18" => Group::Modp8192,
        "19" | "ecp256" | "ecdhp256" => Group::Ecp256,
        "20" | "ecp384" | "ecdhp384" => Group::Ecp384,
        "21" | "ecp521" | "ecdhp521" => Group::Ecp521,
        "22" => Group::Modp1024s160,
        "23" => Group::Modp2048s224,
        "24" => Group::Modp2048s256,
        "31" | "x25519" | "curve25519" => Group::X25519,
        _ => return None,
    }))
}

/// What may be written for a cipher, for messages.
pub(crate) const CIPHERS: &str = "AES-128, AES-192 or AES-256 (CBC or GCM), 3DES or DES";
/// What may be written for a hash.
pub(crate) const HASHES: &str = "MD5, SHA-1, SHA-256, SHA-384 or SHA-512";
/// What may be written for a group.
pub(crate) const GROUPS: &str = "a Diffie-Hellman group: 1, 2, 5, 14 to 24 or 31";

/// An IKE suite. An AEAD has its PRF from the hash that is named beside it, or else from the strength of the group.
pub(crate) fn ike_proposal(encryption: Encryption, integrity: Option<Integrity>, group: Group) -> IkeProposal {
    let by_group = if group == Group::Ecp384 { Integrity::HmacSha384 } else { Integrity::HmacSha256 };
    let hash = integrity.unwrap_or(by_group);
    IkeProposal {
        encryption,
        integrity: (!encryption.is_aead()).then_some(hash),
        prf: Prf::from(hash),
        group,
        additional: AdditionalKeyExchanges::NONE,
    }
}

/// An ESP suite.
pub(crate) fn esp_proposal(encryption: Encryption, integrity: Option<Integrity>, group: Option<Group>) -> EspProposal {
    let hash = (!encryption.is_aead()).then(|| integrity.unwrap_or(Integrity::HmacSha256));
    EspProposal {
        suite: EspSuite { encryption, integrity: hash, esn: false },
        or_without_esn: false,
        pfs: group.map_or(Pfs::Off, Pfs::Required),
        additional: AdditionalKeyExchanges::NONE,
    }
}

/// Whether our configuration asks for `legacy: allow` before it proposes this.
pub(crate) fn is_broken(ike: &[IkeProposal], esp: &[EspProposal]) -> bool {
    let group = |group: Group| {
        matches!(group, Group::Modp768 | Group::Modp1024s160 | Group::Modp2048s224 | Group::Modp2048s256)
    };
    ike.iter().any(|suite| {
        suite.encryption == Encryption::DesCbc
            || suite.integrity == Some(Integrity::HmacMd5)
            || suite.prf == Prf::HmacMd5
            || group(suite.group)
    }) || esp.iter().any(|suite| {
        suite.suite.encryption == Encryption::DesCbc
            || suite.suite.integrity == Some(Integrity::HmacMd5)
            || match suite.pfs {
                Pfs::Off => false,
                Pfs::Required(of) | Pfs::Preferred(of) => group(of),
            }
    })
}

fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vocabulary_has_its_names() {
        for word in ["aes-128-cbc", "AES128", "aes", "AES"] {
            assert_eq!(encryption(word), Some(Encryption::AesCbc(128)), "{word}");
        }
        for word in ["GCMAES256", "AES256-GCM-16", "aes256gcm16", "AESGCM256"] {
            assert_eq!(encryption(word), Some(Encryption::gcm16(256)), "{word}");
        }
        for word in ["hmac-sha2-256-128", "SHA2-256", "sha256", "SHA256"] {
            assert_eq!(integrity(word), Some(Integrity::HmacSha256), "{word}");
        }
        for word in ["group2", "Diffie-Hellman Group 2", "DHGroup2", "Group 2", "PFS2", "2"] {
            assert_eq!(group(word), Some(Some(Group::Modp1024)), "{word}");
        }
        for word in ["DHGroup14", "PFS2048", "DHGroup2048", "group14", "PFS14"] {
            assert_eq!(group(word), Some(Some(Group::Modp2048)), "{word}");
        }
        assert_eq!(group("ECP384"), Some(Some(Group::Ecp384)));
        for word in ["None", "disabled"] {
            assert_eq!(group(word), Some(None), "{word}");
        }
        assert_eq!((encryption("serpent"), integrity("crc"), group("group99")), (None, None, None));
    }

    #[test]
    fn suites_are_those_of_our_configuration() {
        let ike = ike_proposal(Encryption::gcm16(256), None, Group::Ecp384);
        assert_eq!(ike.to_string(), "aes256gcm16-prfsha384-ecp384");
        let ike = ike_proposal(Encryption::AesCbc(128), Some(Integrity::HmacSha1), Group::Modp1024);
        assert_eq!(ike.to_string(), "aes128-sha1-modp1024");
        let esp = esp_proposal(Encryption::AesCbc(256), Some(Integrity::HmacSha256), None);
        assert_eq!(esp.to_string(), "aes256-sha256");
    }
}
