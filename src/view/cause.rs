//! Why a connection's traffic moved, in words.

use steering::Cause;
use wire::ipsec::TunnelId;

/// Where the configured name of a tunnel is found.
pub trait TunnelNames {
    /// The name, or the number in words if the tunnel was removed.
    fn name(&self, tunnel: TunnelId) -> String;
}

/// What moved traffic, in one sentence.
#[must_use]
pub fn sentence(cause: &Cause, names: &impl TunnelNames) -> String {
    match cause {
        Cause::Began => "the first tunnel became healthy".to_owned(),
        Cause::Failed { tunnel, obstacle } => format!("{} failed: {obstacle}", names.name(*tunnel)),
        Cause::Recovered { tunnel } => format!("{} has been healthy for long enough", names.name(*tunnel)),
        Cause::LastResort { tunnel } => {
            format!("no tunnel is healthy; {} is up and only its probes fail", names.name(*tunnel))
        }
        Cause::Operator => "the operator said so".to_owned(),
        Cause::Released => "the operator left it to the rules again".to_owned(),
        Cause::Med => "the peer's MEDs changed".to_owned(),
        Cause::Reconfigured => "the configuration changed".to_owned(),
    }
}
