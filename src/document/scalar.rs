//! The one-word values of a configuration: how each is written, read and described to an editor.

mod ipsec;
mod network;
mod outer;
mod plain;
mod routes;
mod words;

pub use network::AllInterfaces;
pub use plain::{Count, IkePort, Octets, Text, Within};
pub use routes::pattern;
pub use words::{AuthKind, GracefulShutdown, IkeGeneration, Legacy, PathDirections, RestartMode, RoutingMode, WayBack};
