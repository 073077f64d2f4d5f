//! The routing information bases and the decision process (RFC 4271 3.2, 9), pure.

mod change;
pub mod config;

pub use change::{FibChange, NextHop, NextHopSet};
pub use config::{PeerPolicy, PrefixRule, RibConfig, RuleAction};
