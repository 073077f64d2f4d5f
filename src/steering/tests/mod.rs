//! Connections and probes under a pushed clock.

mod modes;
mod probes;
mod random;
