//! The data plane in network namespaces of the tests' own making: engine against engine, and engine against a peer
//! that the test plays itself. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod header;
mod lab;
mod peer;
mod scripted_peer;
mod selection;
mod support;
mod traffic;
