//! The session: every event in every state, its life and its connections by hand, and two of them wired together.

mod connections;
mod life;
mod network;
mod revised_errors;
pub(crate) mod support;
mod transitions;
