//! A server's words, whole, in pieces and mangled.

mod configs;
mod watching;
