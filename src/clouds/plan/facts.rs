//! What a person knows about the two ends, in a small file or in one word each.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use profile::Profile;
use serde::Deserialize;
use wire::Asn;

use super::PlanError;

/// The two ends, and the links that are in use elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// In any order.
    pub sides: [Side; 2],
    /// Links that other gateways of either cloud use (S4-08).
    pub avoid: Vec<Ipv4Net>,
}

/// One end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Its name, fit for a file.
    pub name: String,
    /// What it is.
    pub profile: Profile,
    /// Its AS number.
    pub asn: Asn,
    /// Its outside addresses.
    pub outside: Vec<Ipv4Addr>,
    /// What is behind it.
    pub networks: Vec<IpNet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SideText {
    name: Option<String>,
    cloud: String,
    asn: Number,
    outside: Vec<String>,
    networks: Vec<String>,
}

/// `65000`, or `"0.65000"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Text(String),
}

impl Facts {
    /// Two sides as on the command line.
    ///
    /// # Errors
    ///
    /// What cannot be read, or that there are not two.
    pub fn of(sides: &[String], avoid: &[Ipv4Net]) -> Result<Self, PlanError> {
        let sides = sides.iter().map(|text| Side::of(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { sides: two(sides)?, avoid: avoid.to_vec() })
    }
}

/// Exactly two, with names that differ.
pub(super) fn two(sides: Vec<Side>) -> Result<[Side; 2], PlanError> {
    let count = sides.len();
    let mut sides: [Side; 2] = sides.try_into().map_err(|_| PlanError::Sides { count })?;
    if sides[0].name == sides[1].name {
        for (number, side) in (1..).zip(&mut sides) {
            side.name = format!("{}-{number}", side.name);
        }
    }
    Ok(sides)
}

impl Side {
    /// `CLOUD:ASN:ADDRESS,ADDRESS:NETWORK,NETWORK`.
    fn of(text: &str) -> Result<Self, PlanError> {
        let wrong = || value("side", text, "CLOUD:ASN:ADDRESS,ADDRESS:NETWORK,NETWORK");
        let mut parts = text.splitn(4, ':');
        let (Some(cloud), Some(asn), Some(outside), Some(networks)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        Self::read(SideText {
            name: None,
            cloud: cloud.to_owned(),
            asn: Number::Text(asn.to_owned()),
            outside: list(outside),
            networks: list(networks),
        })
    }

    pub(super) fn read(text: SideText) -> Result<Self, PlanError> {
        let SideText { name, cloud, asn, outside, networks } = text;
        let known = Profile::ALL.map(Profile::as_str).join(", ");
        let profile = Profile::ALL.into_iter().find(|profile| profile.as_str() == cloud);
        let asn = match asn {
            Number::Plain(number) => number.to_string(),
            Number::Text(text) => text,
        };
        let name = name.unwrap_or_else(|| cloud.clone());
        let side = Self {
            profile: profile.ok_or_else(|| value("cloud", &cloud, &format!("one of {known}")))?,
            asn: asn.parse().map_err(|_| value("asn", &asn, "an AS number such as 65000 or \"0.65000\""))?,
            outside: all(&outside, "outside", "an IPv4 address such as 198.51.100.1")?,
            networks: all(&networks, "networks", "a prefix such as 10.1.0.0/16")?,
            name: settings::name_of(&name),
        };
        if ["plan", "keys"].contains(&side.name.as_str()) {
            return Err(value("name", &side.name, "another name: the plan has files of this one"));
        }
        if side.networks.is_empty() {
            return Err(value("networks", "", "the prefixes behind this side"));
        }
        let twice = |(index, address): &(usize, &Ipv4Addr)| side.outside[..*index].contains(address);
        if let Some((_, address)) = side.outside.iter().enumerate().find(twice) {
            return Err(value("outside", &address.to_string(), "each address once: tunnels end at different ones"));
        }
        if let Some(loose) = side.networks.iter().find(|network| network.trunc() != **network) {
            return Err(value("networks", &loose.to_string(), &format!("a prefix such as {}", loose.trunc())));
        }
        Ok(side)
    }
}

pub(super) fn all<T: std::str::FromStr>(texts: &[String], key: &'static str, takes: &str) -> Result<Vec<T>, PlanError> {
    texts.iter().map(|text| text.trim().parse().map_err(|_| value(key, text, takes))).collect()
}

pub(super) fn value(key: &'static str, value: &str, expected: &str) -> PlanError {
    PlanError::Value { key, value: value.to_owned(), expected: expected.to_owned() }
}
