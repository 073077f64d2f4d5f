//! Protocol tests: the real binary against real peers, each in a network namespace of its own, and arbitrary octets
//! against every decoder.
//!
//! [`lab`] builds the networks and runs the programs; `tests/` holds the facts that must be true of them; `bin/demo/`
//! shows the same networks to a person. The binary under test is found by [`lab::daemon::binary`]. [`fuzzing`] holds
//! what `fuzz/` does with its inputs, and where those begin.

pub mod fuzzing;
pub mod lab;
