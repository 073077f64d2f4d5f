//! The data plane in network namespaces of the tests' own making: engine against engine, and engine against a peer
//! that the test plays itself. Needs root.

mod scripted_peer;
mod support;
mod traffic;
