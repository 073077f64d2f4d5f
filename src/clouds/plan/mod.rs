//! Four tunnels between two clouds: from a few facts about both ends to a plan that keeps every rule of either.
//!
//! ```text
//!  side with two outside addresses (instances)      side with four, or two (endpoints)
//!    instance 0  ==== t1-inst0  169.254.21.0/30 ====  endpoint 1      S4-04: one link per tunnel, in a range
//!                ==== t2-inst0  169.254.22.0/30 ====  endpoint 2      that both clouds take (S4-05, S4-06), the
//!    instance 1  ==== t1-inst1  169.254.21.4/30 ====  endpoint 3      host of each end as its cloud wants it (S4-07)
//!                ==== t2-inst1  169.254.22.4/30 ====  endpoint 4
//! ```
//!
//! * [`Facts`] are what a person knows; [`four_tunnels`] makes a [`Matrix`] of them.
//! * [`check()`] looks at any matrix, planned here or elsewhere, with the rules of `quadspan check` and those that only
//!   show between both ends (S4-08, S4-13, S4-18, S4-19).
//! * [`write()`] makes files of it: a configuration of ours for either end, and what each cloud is to be given.

mod check;
mod error;
mod facts;
mod links;
mod matrix;
#[cfg(test)]
mod tests;
mod texts;
mod write;

pub use check::{Remark, check};
pub use error::PlanError;
pub use facts::{Facts, Side};
pub use matrix::{Matrix, Row, read};
pub use texts::table;
pub use write::{PlanFile, PlanFiles, write};

use crypto::{EspProposal, IkeProposal};
use profile::Profile;

/// Plans four tunnels.
///
/// # Errors
///
/// [`PlanError`] if no plan can keep the rules of both clouds, with what to do about it.
pub fn four_tunnels(facts: Facts) -> Result<Matrix, PlanError> {
    let sides = arranged(facts.sides)?;
    let suites = suites(&sides)?;
    let hosts = links::first_host(&sides)?;
    let rows = links::rows(&sides, hosts, &facts.avoid)?;
    let matrix = Matrix { sides, avoid: facts.avoid, rows, suites };
    let remarks = check(&matrix);
    match remarks.into_iter().find(Remark::is_problem) {
        Some(remark) => Err(PlanError::Rule(remark)),
        None => Ok(matrix),
    }
}

/// The side with the two instances first.
fn arranged(sides: [Side; 2]) -> Result<[Side; 2], PlanError> {
    let [one, other] = sides;
    let (instances, endpoints) = if one.outside.len() == 2 { (one, other) } else { (other, one) };
    let count = |side: &Side, takes: &'static str| PlanError::Outside {
        side: side.name.clone(),
        count: side.outside.len(),
        takes,
        remedy: "make the gateways first: clouds choose their outside addresses themselves",
    };
    if instances.outside.len() != 2 {
        return Err(count(&instances, "two on one of the sides"));
    }
    if endpoints.profile.is_aws() && endpoints.outside.len() != 4 {
        return Err(count(&endpoints, "four at AWS: two connections with two tunnels each"));
    }
    if endpoints.profile == Profile::Azure && endpoints.outside.len() != 2 {
        return Err(count(&endpoints, "two at Azure: a gateway has two instances"));
    }
    if instances.profile.is_aws() {
        return Err(count(&instances, "four at AWS: a connection has two tunnels, each with an address of its own"));
    }
    if !matches!(endpoints.outside.len(), 2 | 4) {
        return Err(count(&endpoints, "two or four on the other side"));
    }
    Ok([instances, endpoints])
}

/// What both clouds can be told to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suites {
    /// For the IKE SA.
    pub ike: IkeProposal,
    /// For the CHILD SA.
    pub esp: EspProposal,
}

/// In order of preference.
const SUITES: [(&str, &str); 4] = [
    ("aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384"),
    ("aes256gcm16-prfsha256-ecp384", "aes256gcm16-ecp384"),
    ("aes256-sha384-ecp384", "aes256gcm16-ecp384"),
    ("aes256-sha256-modp2048", "aes256-sha256-modp2048"),
];

fn suites(sides: &[Side; 2]) -> Result<Suites, PlanError> {
    for (ike, esp) in SUITES {
        let (Ok(ike), Ok(esp)) = (ike.parse::<IkeProposal>(), esp.parse::<EspProposal>()) else { continue };
        if sides.iter().all(|side| side.profile.takes_ike(&ike) && side.profile.takes_esp(&esp)) {
            return Ok(Suites { ike, esp });
        }
    }
    Err(PlanError::Suites { sides: sides.clone().map(|side| side.profile.title().to_owned()) })
}
