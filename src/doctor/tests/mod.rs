//! Each finding is made by evidence of it, and by nothing less.

mod codes;
mod filters;
mod findings;
mod healthy;
