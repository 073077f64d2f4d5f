//! What clouds and gateways say about a tunnel, into our configuration and out of it. Pure: octets in, texts out.
//!
//! ```text
//!  octets --text--> words --import::FORMAT--> Site --complete--> Site --yaml--> our file, key files
//!                              |                |       ^          |                  |
//!                              +----- Notes ----+    Options       +------ config::parse: it passes, or is refused
//!
//!  config::Router --export::TARGET--> Artifacts: what the other end is to be given, secrets apart
//! ```
//!
//! * [`import`] reads eight formats. Whatever a file says is read, assumed about, or listed as not mapped.
//! * [`export`] writes the other side's input for eleven targets.
//! * [`plan`] makes four tunnels of a few facts about two clouds, and verifies such plans.
//! * [`site`] is what all formats have in common; [`site::Site::mirrored`] looks at it from the other end.

mod error;
pub mod export;
pub mod import;
mod note;
pub mod plan;
pub mod site;
mod words;

#[cfg(test)]
mod tests;

pub use error::{ExportError, ImportError, MissingValue};
pub use note::{Note, NoteKind, Place};
