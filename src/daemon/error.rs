//! Why the router could not start.

use super::interfaces::InterfacesError;
use super::topology::Trouble;

/// Something the router can't be without.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data plane did not start.
    #[error("{0}")]
    Dataplane(#[from] dataplane::Error),
    /// The kernel's routing table is out of reach.
    #[error("{0}")]
    Fib(#[from] fib::FibError),
    /// The machine's interfaces cannot be listed.
    #[error("{0}")]
    Interfaces(#[from] InterfacesError),
    /// No thread for BFD.
    #[error("BFD: {0}")]
    Bfd(std::io::Error),
    /// No thread for the routing tables.
    #[error("routing tables: {0}")]
    Rib(std::io::Error),
    /// A task that must not end has ended; the log has the panic.
    #[error("the {0} task has ended")]
    Ended(&'static str),
    /// No signal handlers.
    #[error("signals: {0}")]
    Signals(std::io::Error),
}

impl StartError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Dataplane(dataplane::Error::Missing { remedy, .. }) => remedy.clone(),
            Self::Dataplane(dataplane::Error::Bind { address, source, .. })
                if source.kind() == std::io::ErrorKind::AddrInUse =>
            {
                format!("stop the other IKE daemon on {address} (`ss -lunp`)")
            }
            Self::Dataplane(error) if error.is_absent_address() => Trouble::new(error).remedy,
            Self::Dataplane(_) | Self::Fib(_) | Self::Interfaces(_) => {
                "run as root, or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE; check that /dev/net/tun \
                 exists and that no interface has the tunnel's name"
                    .to_owned()
            }
            Self::Ended(_) => "report this with the log; the process can be started again at once".to_owned(),
            Self::Bfd(_) | Self::Rib(_) | Self::Signals(_) => "look at the process limits".to_owned(),
        }
    }
}
