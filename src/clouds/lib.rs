//! What clouds and gateways are to be given, and plans of tunnels between two clouds. Pure: configuration in, texts out.
//!
//! ```text
//!  settings::Router --export::TARGET--> Artifacts: what the other end is to be given, secrets apart
//! ```
//!
//! * [`export`] writes the other side's input for eleven targets.
//! * [`plan`] makes four tunnels of a few facts about two clouds, and verifies such plans.

mod error;
pub mod export;
pub mod plan;

#[cfg(test)]
mod tests;

pub use error::ExportError;
