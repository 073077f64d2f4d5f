//! The session: every event in every state, its life by hand, and two of them wired together.

mod life;
mod network;
mod revised_errors;
pub(crate) mod support;
mod transitions;
