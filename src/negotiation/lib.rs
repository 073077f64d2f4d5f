//! What both versions of IKE share of a tunnel: what it is told, what it tells, and what surrounds each operation.
//!
//! ```text
//!  TunnelConfig ----> +----------------------+ ----> Output: datagrams, SAs for the data plane, Event
//!                     | ike, ikev1: machines |
//!  Cx: clock, ------> +----------------------+ ----> TunnelStatus, Failure
//!      entropy, SPIs
//! ```
//!
//! No rule of a protocol is in here: how each version begins, proves and renews is in the rooms `handshake`, `ike` and `ikev1`.

mod backoff;
mod config;
mod context;
mod event;
mod failure;
mod lifetime;
mod limits;
mod nat;
mod outbound;
mod remedy;
mod retransmit;
mod status;

pub use backoff::Backoff;
pub use config::{
    Authentication, ChildLifetime, ChildSelectors, Dpd, DpdAction, EncapsulationPolicy, IkeVersion, LocalAuth, Ppk,
    RemoteAuth, SelectorLayout, StartAction, TunnelConfig, V1Mode,
};
pub use context::{Cx, Names, Owner, Path, Slot};
pub use event::{DownReason, Event, LimitReached, Output, RekeyKind};
pub use failure::{Failure, Phase, Side, Theirs, Waiting, list};
pub use lifetime::soft;
pub use limits::{ATTEMPT, MAX_IKE_SAS, max_datagram};
pub use nat::{Nat, PORT_IKE, PORT_NAT};
pub use outbound::Outbound;
pub use retransmit::{Retransmit, between, jittered};
pub use status::{ChildStatus, IkeStatus, MissingChild, TunnelCounters, TunnelState, TunnelStatus};
