//! How a secret is written in each syntax, or why it cannot be. Nothing that ends a string early gets through.

use std::fmt::Write as _;

use wire::Secret;
use zeroize::Zeroizing;

/// A syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// As it is, alone in a file.
    File,
    /// strongSwan: in double quotes; hexadecimal behind `0x` where that would not do.
    Swanctl,
    /// libreswan: the same, with fewer characters.
    Libreswan,
    /// A JSON or HCL string.
    Json,
    /// A word of a network device's command line.
    Device,
    /// A value of netsh.
    Netsh,
}

impl Quote {
    /// The secret with all that goes around it.
    pub(super) fn apply(self, secret: &Secret) -> Result<Zeroizing<String>, &'static str> {
        let octets = secret.expose();
        let plain = |extra: &[u8]| octets.iter().all(|octet| octet.is_ascii_alphanumeric() || extra.contains(octet));
        let text = || std::str::from_utf8(octets).map_err(|_| "it is not text");
        match self {
            Self::File => text().map(|text| Zeroizing::new(text.to_owned())),
            // What begins with `0x` or `0s` would be read as hexadecimal or base 64.
            Self::Swanctl if plain(b"-_.+=!@%^*()[]/:,?~") && !octets.starts_with(b"0") => {
                text().map(|text| Zeroizing::new(format!("\"{text}\"")))
            }
            Self::Libreswan if plain(b"-_.+") && !octets.starts_with(b"0") => {
                text().map(|text| Zeroizing::new(format!("\"{text}\"")))
            }
            Self::Swanctl | Self::Libreswan => Ok(hexadecimal(octets)),
            Self::Json => {
                // HCL would expand these.
                let text = text()?;
                if text.contains("${") || text.contains("%{") {
                    return Err("`${` and `%{` begin an expression in HCL");
                }
                Ok(Zeroizing::new(serde_json::Value::String(text.to_owned()).to_string()))
            }
            Self::Device if plain(b"-_.+=!@%^*()[]/:,~") && !octets.starts_with(b"!") => {
                text().map(|text| Zeroizing::new(text.to_owned()))
            }
            Self::Device => Err(
                "the command line takes printable ASCII without spaces, `?`, quotes, `#`, `$`, `&`, `<`, `>`, `|` and `;`",
            ),
            Self::Netsh if plain(b"-_.+=@*[]/:,~") => text().map(|text| Zeroizing::new(text.to_owned())),
            Self::Netsh => Err("the command line takes letters, digits and `-_.+=@*[]/:,~`"),
        }
    }
}

fn hexadecimal(octets: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new("0x".to_owned());
    for octet in octets {
        let _infallible = write!(text, "{octet:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_string_early() {
        let quote = |quote: Quote, text: &str| quote.apply(&Secret::from(text.as_bytes())).map(|text| text.to_string());
        assert_eq!(quote(Quote::Swanctl, "ab.c").as_deref(), Ok("\"ab.c\""));
        assert_eq!(quote(Quote::Swanctl, "a\"b").as_deref(), Ok("0x612262"));
        assert_eq!(quote(Quote::Swanctl, "0xab").as_deref(), Ok("0x30786162"));
        assert_eq!(quote(Quote::Json, "a\"\\b").as_deref(), Ok("\"a\\\"\\\\b\""));
        assert!(quote(Quote::Json, "${file(\"/etc/shadow\")}").is_err());
        assert!(quote(Quote::Device, "a b").is_err() && quote(Quote::Device, "a?b").is_err());
        assert!(quote(Quote::Netsh, "a\"b").is_err() && quote(Quote::Netsh, "a&b").is_err());
    }
}
