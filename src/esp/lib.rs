//! ESP packet processing, pure.

mod error;

pub use error::KeyError;
