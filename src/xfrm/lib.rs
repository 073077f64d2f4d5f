//! Lets Linux's own IPsec (XFRM) move the packets.
//!
//! ```text
//!   route --> xfrm interface --> policy (if_id, selectors) --> state (SPI) --> ESP --> network
//!   network --> UDP 4500 or ESP --> state (SPI) --> xfrm interface --> policy (if_id, selectors) --> stack
//!
//!   SaAction --> plan (pure: policies wanted minus installed) --> netlink     notices --> Event
//! ```
//!
//! An [`Xfrm`] is what a [`dataplane::Dataplane`] is, with the same methods and events, but no packet passes through this
//! process. What the kernel does otherwise:
//!
//! * It has no outer header with a DSCP of one's own choice and none whose "don't fragment" is always set: such a tunnel
//!   is refused with [`dataplane::Error::Unsupported`].
//! * What comes before its SA is lost, and ESP for unknown SPIs is only counted, over the whole namespace:
//!   [`dataplane::Event::UnknownSpi`] never comes.
//! * A peer that moves is noticed behind UDP only, and by any authentic packet that is new, not only by the newest.
//! * Extended sequence numbers need a replay window: where it is to be off, the largest there is takes its place.
//! * TCP's segment sizes are lowered by a table of nftables (`clamp`). Where the kernel has none, tunnels work without:
//!   [`Xfrm::warning`].
//! * Why an interface refused a packet is not said: it is deduced from what the tunnel has. Of what it lets pass and the
//!   network does not take, and of dummies (RFC 4303 2.6), nothing is counted: `interface_drops`, `ecn_drops`, `dummies_in`
//!   stay zero.
//! * A packet that no SA carries is answered with "host unreachable": who waits behind a tunnel on demand fails at once, and
//!   has to try again.
//! * An SA takes ESP as it was agreed on, in UDP or not, and refuses the other: that counts as malformed.
//! * Inbound selectors (RFC 4301 5.2 step 4) are those of the SA only where no other SA's intersect them; else any SA of the
//!   tunnel will do. What they refuse is in no counter of a tunnel, but in the namespace's `XfrmInNoPols` and
//!   `XfrmInTmplMismatch` (`/proc/net/xfrm_stat`).
//! * Fragments have no ports: with selectors that name ports, a datagram above the MTU is lost.
//! * A peer behind another port is followed without loss. Where an address changes, each SA is made anew: packets of that moment
//!   are refused outbound, and lost inbound.
//! * Congestion told by the outer header of a packet that has no place for it (RFC 6040 4.2) does not drop that packet.
//!
//! What is ours in the kernel is known by its interface identifier (`if_id`), from a range that one process owns for as
//! long as it lives (`owner`). What a killed process left in a range that nobody owns is removed at start.

mod clamp;
mod control;
mod engine;
mod kernel;
mod look;
mod meter;
mod netlink;
mod owner;
mod plan;
mod probe;
mod registry;
mod selector;
mod socket;
mod tunnel;

pub use engine::Xfrm;
pub use probe::{Missing, probe};
