//! BFD between two machines on a simulated network with a pushed clock, and one machine at a time by tables.

mod endpoint;
mod life;
mod network;
mod packets;
mod support;
mod timers;
mod transitions;
