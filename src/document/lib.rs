//! How a configuration is written: from text to fields that know their place, and what is wrong with them.
//!
//! ```text
//!  text --yaml--> Node --de--> a document of Fields            Findings --Source--> Diagnostics, a Report
//!                              each a Scalar, or a section         each of a Code, which has a Rule
//! ```
//!
//! What the keys are, and what they mean together, is the matter of those who read such documents. No stage stops at its
//! first finding, and nothing here quotes a secret.

pub mod asn_range;
pub mod code;
pub mod de;
pub mod diagnostic;
pub mod field;
mod marks;
pub mod named;
pub mod node;
pub mod rule;
pub mod scalar;
pub mod source;
pub mod yaml;

pub use schemars::{Schema, json_schema};
