//! Two endpoints on a simulated network with a pushed clock.

mod bring_up;
mod collisions;
mod failures;
mod hostile;
mod liveness;
mod network;
mod random;
mod recovery;
mod rekey;
mod version1;
mod version1_random;
