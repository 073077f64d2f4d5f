//! Each target's output, read back in where there is a reader for it.

mod exports;
mod round_trip;
mod terraform;
