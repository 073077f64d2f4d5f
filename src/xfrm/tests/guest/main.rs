//! The kernel's engine in network namespaces of the tests' own making: against itself, and against the engine in user
//! space. `scripts/test-kernel` runs these in a kernel that has ESP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../../dataplane/tests/namespaces/lab.rs"]
mod lab;
#[path = "../../../dataplane/tests/namespaces/peer.rs"]
mod peer;

mod clamp;
mod events;
mod life;
mod support;
mod traffic;
