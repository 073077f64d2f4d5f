//! The program: what a person types, and the router it starts.

pub mod cli;
