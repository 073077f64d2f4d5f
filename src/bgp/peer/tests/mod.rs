//! The session, driven by hand and wired to another one.

pub(super) mod support;
