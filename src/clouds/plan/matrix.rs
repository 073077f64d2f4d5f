//! A plan: both sides and a row per tunnel. Read from a file, too, whoever made it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Deserialize;

use super::facts::{Facts, Side, SideText, all, two, value};
use super::{PlanError, Suites, arranged, suites};

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// The side with two instances, and the other.
    pub sides: [Side; 2],
    /// Links in use elsewhere.
    pub avoid: Vec<Ipv4Net>,
    /// The tunnels.
    pub rows: Vec<Row>,
    /// What both clouds are told to use.
    pub suites: Suites,
}

/// One tunnel. Pairs are in the order of the sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Outside addresses.
    pub outside: [Ipv4Addr; 2],
    /// The link inside.
    pub inside: Ipv4Net,
    /// Hosts of the link.
    pub hosts: [Ipv4Addr; 2],
    /// What the connection of an Azure gateway names.
    pub custom: Option<Custom>,
}

/// Custom BGP addresses of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Custom {
    /// Of instance 0.
    pub primary: Ipv4Addr,
    /// Of instance 1.
    pub secondary: Ipv4Addr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatrixText {
    sides: Vec<SideText>,
    #[serde(default)]
    avoid: Vec<String>,
    tunnels: Option<Vec<RowText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowText {
    name: String,
    outside: Vec<String>,
    inside: String,
    hosts: Vec<String>,
    custom: Option<CustomText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomText {
    primary: String,
    secondary: String,
}

/// Reads a file: the facts, and the matrix if there are tunnels in it.
///
/// # Errors
///
/// What cannot be read.
pub fn read(text: &str) -> Result<(Facts, Option<Matrix>), PlanError> {
    let MatrixText { sides, avoid, tunnels } = document::yaml::document(text).map_err(PlanError::Syntax)?;
    let sides = two(sides.into_iter().map(Side::read).collect::<Result<Vec<_>, _>>()?)?;
    let avoid: Vec<Ipv4Net> = all(&avoid, "avoid", "links such as 169.254.21.8/30")?;
    let facts = Facts { sides: sides.clone(), avoid: avoid.clone() };
    let Some(tunnels) = tunnels else { return Ok((facts, None)) };
    let given = sides[0].name.clone();
    let sides = arranged(sides)?;
    let swapped = sides[0].name != given;
    let rows = tunnels.into_iter().map(|row| one(row, swapped)).collect::<Result<Vec<_>, _>>()?;
    let suites = suites(&sides)?;
    Ok((facts, Some(Matrix { sides, avoid, rows, suites })))
}

fn one(row: RowText, swapped: bool) -> Result<Row, PlanError> {
    let pair = |texts: &[String], key| -> Result<[Ipv4Addr; 2], PlanError> {
        let pair: Result<[Ipv4Addr; 2], _> = all(texts, key, "an IPv4 address")?.try_into();
        let mut pair = pair.map_err(|_| value(key, &texts.join(", "), "two addresses, in the order of the sides"))?;
        if swapped {
            pair.reverse();
        }
        Ok(pair)
    };
    let address = |text: &str| text.parse().map_err(|_| value("custom", text, "an IPv4 address"));
    let inside: Ipv4Net =
        row.inside.parse().map_err(|_| value("inside", &row.inside, "a link such as 169.254.21.0/30"))?;
    Ok(Row {
        name: settings::name_of(&row.name),
        outside: pair(&row.outside, "outside")?,
        inside: inside.trunc(),
        hosts: pair(&row.hosts, "hosts")?,
        custom: match row.custom {
            Some(custom) => Some(Custom { primary: address(&custom.primary)?, secondary: address(&custom.secondary)? }),
            None => None,
        },
    })
}
