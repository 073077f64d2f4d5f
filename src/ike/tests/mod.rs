//! Two endpoints on a simulated network.
