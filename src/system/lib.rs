//! What tasks ask of the system they run on, and pure machines are given: the clock on the wall, randomness, a wait until a
//! deadline.

mod clock;
mod entropy;
mod sleep;

pub use clock::unix_time;
pub use entropy::system_entropy;
pub use sleep::sleep_until;
