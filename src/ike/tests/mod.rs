//! Two endpoints on a simulated network with a pushed clock.

mod bring_up;
mod certificates;
mod checklist;
mod childless;
mod children;
mod collisions;
mod data_plane;
mod demand;
mod failover;
mod failures;
mod hostile;
mod liveness;
mod network;
mod post_quantum;
mod random;
mod reauthentication;
mod recovery;
mod rekey;
mod strangers;
mod version1;
mod version1_random;
mod version1_renewals;
mod version1_strangers;
