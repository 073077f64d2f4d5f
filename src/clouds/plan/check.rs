//! Whether a matrix keeps the rules of both clouds: those of `quadspan check`, asked of our configuration for either
//! end, and those that only show with both ends in sight.

use std::net::{IpAddr, Ipv4Addr};

use config::{Code, FoundSecret, SecretError, SecretReference, SecretSource, Severity};
use ipnet::{IpNet, Ipv4Net};
use profile::Profile;
use wire::Secret;

use super::matrix::{Matrix, Row};
use super::write::targets;
use super::{links, texts};
use crate::export::is_private;

/// Something about a matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How bad it is.
    pub severity: Severity,
    /// The rule.
    pub code: Code,
    /// What is wrong, and where.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Remark {
    /// Whether the plan should not be used as it is.
    #[must_use]
    pub fn is_problem(&self) -> bool {
        self.severity != Severity::Advice
    }

    fn error(code: Code, message: String) -> Self {
        let remedy = code.rule().map(|rule| rule.remedy.clone()).unwrap_or_default();
        Self { severity: Severity::Error, code, message, remedy }
    }
}

/// All that is to be said about `matrix`, the worst first.
#[must_use]
pub fn check(matrix: &Matrix) -> Vec<Remark> {
    let mut remarks = Vec::new();
    outside(matrix, &mut remarks);
    for row in &matrix.rows {
        hosts(matrix, row, &mut remarks);
        avoided(matrix, row, &mut remarks);
    }
    networks(matrix, &mut remarks);
    custom(matrix, &mut remarks);
    // A plan that is broken in itself makes no configuration worth reading.
    if remarks.is_empty() {
        (0..2).for_each(|side| configuration(matrix, side, &mut remarks));
    }
    remarks.sort_by(|one, other| {
        (one.severity, one.code, &one.message).cmp(&(other.severity, other.code, &other.message))
    });
    remarks.dedup();
    remarks
}

/// Each tunnel ends at addresses of the two sides, and all of these are used.
fn outside(matrix: &Matrix, remarks: &mut Vec<Remark>) {
    for (index, side) in matrix.sides.iter().enumerate() {
        for row in matrix.rows.iter().filter(|row| !side.outside.contains(&row.outside[index])) {
            let message = format!("{}: {} is no outside address of {}", row.name, row.outside[index], side.name);
            // S4-19: what was meant for one tunnel is at another.
            remarks.push(Remark::error(Code::AzureCustomAddress, message));
        }
        let unused = side.outside.iter().find(|address| matrix.rows.iter().all(|row| row.outside[index] != **address));
        if let Some(address) = unused {
            remarks.push(Remark::error(Code::SingleTunnel, format!("no tunnel ends at {address} of {}", side.name)));
        }
        let peer = &matrix.sides[1 - index];
        let told = !targets(peer.profile).is_empty();
        if let Some(address) = side.outside.iter().find(|address| told && is_private(IpAddr::V4(**address))) {
            let title = &peer.profile.cloud().name;
            let message = format!("{}: {title} must be told a public address, and {address} is none", side.name);
            let remedy = "give the address that a NAT turns it into, in `--side` or `outside`".to_owned();
            remarks.push(Remark { remedy, ..Remark::error(Code::OutsideForbidden, message) });
        }
    }
}

/// S0-49, S4-07.
fn hosts(matrix: &Matrix, row: &Row, remarks: &mut Vec<Remark>) {
    let link = row.inside;
    let usable = |address: Ipv4Addr| {
        link.contains(&address) && (link.prefix_len() > 30 || ![link.network(), link.broadcast()].contains(&address))
    };
    for (side, host) in matrix.sides.iter().zip(row.hosts) {
        if !usable(host) {
            let message = format!("{}: {host} of {} is not a host of {link}", row.name, side.name);
            remarks.push(Remark::error(Code::InsideAddress, message));
        }
    }
    if row.hosts[0] == row.hosts[1] {
        remarks.push(Remark::error(Code::InsideAddress, format!("{}: both ends are {}", row.name, row.hosts[0])));
    }
    match links::first_host(&matrix.sides) {
        Ok(first) => {
            let fixed = matrix.sides.iter().any(|side| side.profile.leaves_no_choice_of_host());
            if fixed && row.hosts[first] > row.hosts[1 - first] {
                let message = format!("{}: {} takes the first host of {link}", row.name, matrix.sides[first].name);
                remarks.push(Remark::error(Code::InsideCloudSide, message));
            }
        }
        Err(error) => remarks.push(Remark::error(Code::InsideCloudSide, error.to_string())),
    }
}

/// S4-08.
fn avoided(matrix: &Matrix, row: &Row, remarks: &mut Vec<Remark>) {
    let overlaps = |other: &&Ipv4Net| other.contains(&row.inside) || row.inside.contains(*other);
    if let Some(other) = matrix.avoid.iter().find(overlaps) {
        let message = format!("{}: {} overlaps {other}, which is in use elsewhere", row.name, row.inside);
        remarks.push(Remark::error(Code::InsideOverlap, message));
    }
    for side in matrix.sides.iter().filter(|side| !side.profile.takes_link(row.inside)) {
        let message = format!("{}: {} cannot have {}", row.name, side.profile.title(), row.inside);
        remarks.push(Remark::error(Code::InsideCloudRange, message));
    }
}

/// S1-01, S4-13.
fn networks(matrix: &Matrix, remarks: &mut Vec<Remark>) {
    let overlap = |one: &IpNet, other: &IpNet| one.contains(other) || other.contains(one);
    let default = |network: &IpNet| network.prefix_len() == 0;
    let [one, other] = &matrix.sides;
    for network in one.networks.iter().filter(|network| !default(network)) {
        if let Some(twin) = other.networks.iter().find(|twin| !default(twin) && overlap(network, twin)) {
            let message = format!("{network} of {} overlaps {twin} of {}", one.name, other.name);
            remarks.push(Remark::error(Code::NetworkOverlap, message));
        }
    }
}

/// S4-18, S4-19.
fn custom(matrix: &Matrix, remarks: &mut Vec<Remark>) {
    if matrix.sides.iter().all(|side| side.profile != Profile::Azure) {
        return;
    }
    for (row, expected) in matrix.rows.iter().zip(links::custom(&matrix.sides, &matrix.rows)) {
        let Some(expected) = expected else { continue };
        let wanted = format!("{} and {}", expected.primary, expected.secondary);
        let message = match row.custom {
            None => format!("{}: the connection names no custom BGP addresses; {wanted} are due", row.name),
            Some(custom) if !covers(matrix, row, custom) => {
                format!("{}: custom BGP addresses {} and {}, due {wanted}", row.name, custom.primary, custom.secondary)
            }
            Some(_) => continue,
        };
        remarks.push(Remark::error(Code::AzureCustomAddress, message));
    }
}

/// The address that is really used belongs to the tunnel; the other to the other instance, whichever of its list.
fn covers(matrix: &Matrix, row: &Row, custom: super::matrix::Custom) -> bool {
    let Some(azure) = matrix.sides.iter().position(|side| side.profile == Profile::Azure) else { return true };
    let instances = &matrix.sides[azure].outside;
    let own = row.hosts[azure];
    let elsewhere = |address: Ipv4Addr| {
        matrix.rows.iter().any(|other| other.outside[azure] != row.outside[azure] && other.hosts[azure] == address)
    };
    if instances.first() == Some(&row.outside[azure]) {
        custom.primary == own && elsewhere(custom.secondary)
    } else {
        custom.secondary == own && elsewhere(custom.primary)
    }
}

/// What `quadspan check` says of our configuration in the place of one side.
fn configuration(matrix: &Matrix, side: usize, remarks: &mut Vec<Remark>) {
    let text = texts::configuration(matrix, side);
    let name = &matrix.sides[side].name;
    let diagnostics = match config::parse(&format!("{name}.yaml"), &text, &Placeholder) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report.diagnostics().to_vec(),
    };
    for diagnostic in diagnostics {
        // Checked above, with the addresses that the connections have.
        if diagnostic.code() == Code::AzureCustomAddress {
            continue;
        }
        remarks.push(Remark {
            severity: diagnostic.severity(),
            code: diagnostic.code(),
            message: format!("{name}: {}", diagnostic.message()),
            remedy: diagnostic.remedy().to_owned(),
        });
    }
}

/// A key that every cloud takes, in the place of those that a plan does not hold.
pub(super) struct Placeholder;

impl SecretSource for Placeholder {
    fn unix_time(&self) -> u64 {
        0
    }

    fn fetch(&self, _reference: &SecretReference) -> Result<FoundSecret, SecretError> {
        Ok(FoundSecret { secret: Secret::from(b"aKeyOfLettersThatEveryCloudTakes".as_slice()), mode: Some(0o600) })
    }
}
