//! The small texts of a configuration: what is understood prints, and what is printed is understood the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use crypto::{EspProposal, IkeProposal};
use identity::Identity;
use wire::Asn;

/// Octets: a text.
pub fn body(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    prints_what_it_reads::<IkeProposal>(text);
    prints_what_it_reads::<EspProposal>(text);
    prints_what_it_reads::<Identity>(text);
    prints_what_it_reads::<Asn>(text);
}

fn prints_what_it_reads<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let printed = value.to_string();
            let again = printed.parse::<T>().unwrap_or_else(|error| panic!("{text} prints as {printed}: {error}"));
            assert_eq!(again, value, "{text} prints as {printed}");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal says why"),
    }
}

/// Each kind.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "aes128gcm16-prfsha256-x25519",
        "aes256-sha384-prfsha512-ecp384",
        "aes256gcm16-modp2048-modpnone-esn",
        "aes128-sha1-noesn",
        "198.51.100.1",
        "2001:db8::1",
        "@vpn.example.com",
        "fqdn:a.example",
        "somebody@example.com",
        "keyid:office",
        "@#0a1b2c",
        "64512",
        "64086.59905",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
