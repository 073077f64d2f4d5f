//! Certificates made on the spot, and what becomes of them.

pub(crate) mod pki;

mod files;
mod verdicts;
