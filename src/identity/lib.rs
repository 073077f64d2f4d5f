//! Who an end of a tunnel says it is, and the distinguished names that certificates and identities share.
//!
//! [`Identity`] is what an identification payload means and how people write it; [`DistinguishedName`] is one kind of it,
//! and the subject or issuer of a certificate.

mod identity;
mod name;

pub use identity::{Identity, ParseIdentityError};
pub use name::{DistinguishedName, ParseNameError};

pub(crate) use identity::unhex;
pub(crate) use name::looks_like_a_name;
