//! Why the forwarding table cannot be worked on at all. What happens to a single route is a
//! [`RouteState`](crate::RouteState), not an error.

use std::io;

/// Failure of the FIB as a whole.
#[derive(Debug, thiserror::Error)]
pub enum FibError {
    /// A setting the kernel could not express or that would touch what is not ours.
    #[error("FIB {field} {value}: {reason}")]
    Config {
        /// Which setting.
        field: &'static str,
        /// Its value.
        value: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A netlink socket could not be opened or set up.
    #[error("netlink {step}: {source}")]
    Open {
        /// Which step failed.
        step: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Talking to the kernel failed.
    #[error("netlink {step}: {source}")]
    Io {
        /// Sending, or receiving.
        step: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel had more to say than the socket could hold: what it did is unknown until the next dump.
    #[error("netlink receive buffer overrun")]
    Overrun,
    /// The kernel did not answer.
    #[error("no answer from the kernel within {seconds} s")]
    Silent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The kernel refused to list something.
    #[error("the kernel refused to list its {what}: {source}")]
    Dump {
        /// Links, nexthops, or routes.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}
