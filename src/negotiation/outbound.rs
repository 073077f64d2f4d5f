//! The sending half of a pair of ESP SAs, from its negotiation to its end.

use wire::ipsec::SecurityAssociation;

/// The outbound half.
#[derive(Debug)]
pub enum Outbound {
    /// Ready, not in use.
    Held(Box<SecurityAssociation>),
    /// What we send of its flow goes through it.
    Installed,
    /// Replaced. It never becomes outbound again: its sequence numbers would repeat.
    Retired,
}
