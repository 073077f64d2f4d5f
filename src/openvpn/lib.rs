//! A running OpenVPN server, as its configuration and its management interface show it.
//!
//! ```text
//!   server.conf ──► ServerConfig ──► Pool: how many clients fit
//!   management socket ──lines──► Watch ──► Server: serving or not, clients, their ciphers
//! ```
//!
//! The server does all the work of remote access; here it is only watched. [`Watch`] asks `state`, `version` and `status 3`
//! every few seconds and nothing else: it releases no hold, disconnects nobody and enables no echo of what passes. A server
//! that does not say `CONNECTED`, does not answer in time or closes the connection does not serve. While it is watched, the
//! connection stays open, so that its end is noticed at once: OpenVPN takes one at a time, and other programs have to wait.
//!
//! What a configuration or a server says is bounded in length and number, and never trusted to be well formed.

mod config;
mod line;
mod pool;
mod status;
mod watch;

#[cfg(test)]
mod tests;

pub use config::{MAX_CONFIG, ParseError, Protocol, Reliance, ServerConfig, Topology, parse};
pub use pool::{Pool, PoolError};
pub use status::{Client, Status};
pub use watch::{Output, Server, Trouble, Watch, WatchConfig};
