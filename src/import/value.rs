//! One value of an input: what it says, where, under which key. Reading it as something says both in its refusal.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use crypto::Group;
use identity::Identity;
use ipnet::{IpNet, Ipv4Net};
use wire::ipsec::{Encryption, Integrity};
use wire::{Asn, Secret};

use crate::note::{is_secret, shown};
use crate::{ImportError, Place, words};

/// A value where it stands.
#[derive(Clone)]
pub(super) struct Value<'a> {
    pub(super) key: &'a str,
    pub(super) text: &'a str,
    /// The same with the blanks around it, where they belong to it.
    whole: &'a str,
    pub(super) place: Place,
}

/// Lifetimes beyond this are a mistake, and would not fit what reads them.
const LONGEST: u64 = 10 * 366 * 86_400;

impl<'a> Value<'a> {
    pub(super) fn new(key: &'a str, text: &'a str, place: Place) -> Self {
        Self { key, text: text.trim(), whole: text.trim(), place }
    }

    /// What stood between quotation marks: blanks at its ends are part of a key, and of nothing else.
    pub(super) fn quoted(key: &'a str, text: &'a str, place: Place) -> Self {
        Self { key, text: text.trim(), whole: text, place }
    }

    /// The refusal of this value.
    pub(super) fn wrong(&self, expected: impl Into<String>) -> ImportError {
        let found = if self.text.is_empty() {
            "empty".to_owned()
        } else if is_secret(self.key) {
            "something (masked)".to_owned()
        } else {
            format!("`{}`", shown(self.text))
        };
        ImportError::Value { place: self.place.clone(), key: shown(self.key), found, expected: expected.into() }
    }

    fn parse<T: FromStr>(&self, expected: &str) -> Result<T, ImportError> {
        self.text.parse().map_err(|_| self.wrong(expected))
    }

    pub(super) fn address(&self) -> Result<IpAddr, ImportError> {
        self.parse("an IP address")
    }

    pub(super) fn address4(&self) -> Result<Ipv4Addr, ImportError> {
        // `169.254.21.2/30`, as some write it.
        let text = self.text.split_once('/').map_or(self.text, |(address, _)| address);
        text.trim().parse().map_err(|_| self.wrong("an IPv4 address"))
    }

    /// An address, or nothing where the file leaves a place for one.
    pub(super) fn address_or_blank(&self) -> Result<Option<IpAddr>, ImportError> {
        if self.is_blank() { Ok(None) } else { self.address().map(Some) }
    }

    pub(super) fn prefix(&self) -> Result<IpNet, ImportError> {
        if let Ok(address) = self.text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        self.parse::<IpNet>("a prefix such as `10.1.0.0/16`").map(|net| net.trunc())
    }

    pub(super) fn prefix4(&self) -> Result<Ipv4Net, ImportError> {
        self.parse::<Ipv4Net>("an IPv4 prefix such as `169.254.21.0/30`").map(|net| net.trunc())
    }

    /// Prefixes separated by commas; none where the file leaves a place for them.
    pub(super) fn prefixes(&self) -> Result<Vec<IpNet>, ImportError> {
        if self.is_blank() {
            return Ok(Vec::new());
        }
        self.text.split(',').map(|text| Value::new(self.key, text, self.place.clone()).prefix()).collect()
    }

    pub(super) fn asn(&self) -> Result<Asn, ImportError> {
        let asn: Asn = self.parse("an AS number")?;
        if asn.0 == 0 { Err(self.wrong("an AS number from 1 to 4294967295")) } else { Ok(asn) }
    }

    pub(super) fn number(&self) -> Result<u64, ImportError> {
        self.parse("a whole number")
    }

    pub(super) fn number32(&self) -> Result<u32, ImportError> {
        self.parse("a whole number up to 4294967295")
    }

    /// Seconds, also as `28800 seconds`.
    pub(super) fn seconds(&self) -> Result<Duration, ImportError> {
        let number = self.text.split_whitespace().next().unwrap_or_default();
        let seconds: u64 = number.parse().map_err(|_| self.wrong("a number of seconds"))?;
        if seconds > LONGEST { Err(self.wrong("less than ten years")) } else { Ok(Duration::from_secs(seconds)) }
    }

    /// A lifetime: zero has no meaning (S0-30), and is read as not said.
    pub(super) fn lifetime(&self) -> Result<Option<Duration>, ImportError> {
        self.seconds().map(|time| (!time.is_zero()).then_some(time))
    }

    pub(super) fn identity(&self) -> Result<Identity, ImportError> {
        self.parse("an identity: an address, a domain name, or a distinguished name")
    }

    pub(super) fn secret(&self) -> Result<Secret, ImportError> {
        if self.text.is_empty() { Err(self.wrong("a pre-shared key")) } else { Ok(Secret::from(self.whole.as_bytes())) }
    }

    /// What follows `prefix`, which says how a key is written.
    pub(super) fn behind(&self, prefix: &str) -> Option<&'a str> {
        self.whole.strip_prefix(prefix)
    }

    pub(super) fn encryption(&self) -> Result<Encryption, ImportError> {
        words::encryption(self.text).ok_or_else(|| self.wrong(words::CIPHERS))
    }

    pub(super) fn integrity(&self) -> Result<Integrity, ImportError> {
        words::integrity(self.text).ok_or_else(|| self.wrong(words::HASHES))
    }

    pub(super) fn group(&self) -> Result<Option<Group>, ImportError> {
        words::group(self.text).ok_or_else(|| self.wrong(words::GROUPS))
    }

    pub(super) fn boolean(&self) -> Result<bool, ImportError> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" | "enabled" | "on" => Ok(true),
            "false" | "no" | "0" | "disabled" | "off" => Ok(false),
            _ => Err(self.wrong("yes or no")),
        }
    }

    /// The first of several separated by commas, and the rest.
    pub(super) fn first(&self) -> (Self, Option<&'a str>) {
        match self.text.split_once(',') {
            Some((first, rest)) => (Self::new(self.key, first, self.place.clone()), Some(rest.trim())),
            None => (self.clone(), None),
        }
    }

    /// Whether the file leaves a place for the user to write into, such as `YOUR_UPLINK_ADDRESS` or `[Your_VPC]`.
    pub(super) fn is_blank(&self) -> bool {
        let text = self.text.trim_matches(['"', '\'']);
        let lower = text.to_ascii_lowercase();
        text.is_empty()
            || text.starts_with(['[', '<'])
            || ["your_", "your ", "windows_server", "my_"].iter().any(|word| lower.starts_with(word))
    }
}

/// The value as it may be shown among notes.
pub(super) fn shown_value(key: &str, text: &str) -> String {
    if is_secret(key) { "(masked)".to_owned() } else { shown(text) }
}

/// A line of words as it may be shown among notes: what follows a word that names a secret is masked.
pub(super) fn shown_line(line: &str) -> String {
    match line.split_whitespace().position(is_secret) {
        Some(at) => {
            let words: Vec<_> = line.split_whitespace().take(at + 1).collect();
            shown(&format!("{} (masked)", words.join(" ")))
        }
        None => shown(line),
    }
}

/// `one, two, three`.
pub(super) fn join<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
