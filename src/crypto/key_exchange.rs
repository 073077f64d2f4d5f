//! Key exchanges on top of the first one (RFC 9370): a secret holds while any of the methods mixed into it does.
//!
//! ```text
//!  x25519-ke1_mlkem768             the second secret is required
//!  x25519-ke1_mlkem768-ke1_none    ... is made with peers that know how
//!  ecp384-ke1_mlkem1024-ke2_x25519 up to seven
//! ```

use std::fmt;

use super::Group;

/// How many there may be (RFC 9370 2.2.1).
pub const MAX_ADDITIONAL: usize = 7;

/// One additional key exchange of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdditionalKeyExchange {
    /// Its method.
    pub group: Group,
    /// Whether a peer may do without. Never set in what was negotiated.
    pub optional: bool,
}

/// The additional key exchanges of a suite, `ke1` first. No method is in it twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdditionalKeyExchanges([Option<AdditionalKeyExchange>; MAX_ADDITIONAL]);

impl AdditionalKeyExchanges {
    /// None.
    pub const NONE: Self = Self([None; MAX_ADDITIONAL]);

    /// The exchange in a place, 0 for `ke1`.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<AdditionalKeyExchange> {
        self.0.get(place).copied().flatten()
    }

    /// Puts an exchange into a place, 0 for `ke1`; `false` if there is no such place.
    pub fn set(&mut self, place: usize, exchange: AdditionalKeyExchange) -> bool {
        self.0.get_mut(place).map(|slot| *slot = Some(exchange)).is_some()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Whether a peer may do without any.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.iter().all(|(_, exchange)| exchange.optional)
    }

    /// Each with its place, in the order in which they are performed.
    pub fn iter(&self) -> impl Iterator<Item = (usize, AdditionalKeyExchange)> {
        self.0.into_iter().enumerate().filter_map(|(place, exchange)| Some((place, exchange?)))
    }

    /// The methods, in the order in which they are performed.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        self.iter().map(|(_, exchange)| exchange.group).collect()
    }

    /// Whether `chosen` is an outcome that these allow.
    #[must_use]
    pub fn allow(&self, chosen: &Self) -> bool {
        self.0.iter().zip(&chosen.0).all(|(ours, chosen)| match (ours, chosen) {
            (Some(ours), Some(chosen)) => ours.group == chosen.group,
            (Some(ours), None) => ours.optional,
            (None, chosen) => chosen.is_none(),
        })
    }
}

/// As a suite ends: `-ke1_mlkem768`, with `-ke1_none` behind it where it is optional.
impl fmt::Display for AdditionalKeyExchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, AdditionalKeyExchange { group, optional }) in self.iter() {
            write!(f, "-ke{}_{group}", place + 1)?;
            if optional {
                write!(f, "-ke{}_none", place + 1)?;
            }
        }
        Ok(())
    }
}
