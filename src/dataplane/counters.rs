//! What a tunnel has carried and dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Packets and octets of one tunnel since its interface was made. Octets are those of inner packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelCounters {
    /// Octets received, after decryption.
    pub bytes_in: u64,
    /// Packets received.
    pub packets_in: u64,
    /// Octets sent, before encryption.
    pub bytes_out: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Inbound packets seen before, or older than the window.
    pub replay_drops: u64,
    /// Inbound packets that failed authentication.
    pub integrity_drops: u64,
    /// Inbound packets that decrypt to something else than a well-formed inner packet.
    pub malformed_drops: u64,
    /// Packets outside the traffic selectors, both ways.
    pub selector_drops: u64,
    /// Packets an SA had no right to carry any more, both ways.
    pub lifetime_drops: u64,
    /// Outbound packets that found no SA.
    pub no_sa_drops: u64,
    /// Outbound packets that were addressed to the peer's own outside address.
    pub loop_drops: u64,
    /// Outbound packets too big for the tunnel, answered with ICMP.
    pub too_big_drops: u64,
    /// Outbound packets the socket did not take.
    pub send_drops: u64,
    /// Inbound packets the interface did not take.
    pub interface_drops: u64,
    /// Inbound packets whose outer header said "congestion" while the inner did not allow it (RFC 6040 4.2).
    pub ecn_drops: u64,
    /// Traffic flow confidentiality dummies received (RFC 4303 2.6).
    pub dummies_in: u64,
    /// When the last authentic packet came.
    pub last_inbound: Option<Instant>,
}

/// What belongs to no tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineCounters {
    /// ESP packets for no SA that we had when they came.
    pub unknown_spi: u64,
    /// Those of them whose SA came within two seconds: they were opened then.
    pub early: u64,
    /// Datagrams on port 4500 that are neither IKE, ESP nor a keepalive.
    pub malformed: u64,
    /// NAT keepalives received.
    pub keepalives_in: u64,
    /// NAT keepalives sent.
    pub keepalives_out: u64,
    /// IKE messages handed over.
    pub ike_in: u64,
    /// IKE messages lost because the process was too slow to take them.
    pub ike_dropped: u64,
}

/// A counter that one thread increments and others read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) {
        self.add(1);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// [`TunnelCounters`] while they run.
#[derive(Debug, Default)]
pub(crate) struct RunningTunnelCounters {
    pub(crate) bytes_in: Counter,
    pub(crate) packets_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) packets_out: Counter,
    pub(crate) replay_drops: Counter,
    pub(crate) integrity_drops: Counter,
    pub(crate) malformed_drops: Counter,
    pub(crate) selector_drops: Counter,
    pub(crate) lifetime_drops: Counter,
    pub(crate) no_sa_drops: Counter,
    pub(crate) loop_drops: Counter,
    pub(crate) too_big_drops: Counter,
    pub(crate) send_drops: Counter,
    pub(crate) interface_drops: Counter,
    pub(crate) ecn_drops: Counter,
    pub(crate) dummies_in: Counter,
    /// Milliseconds after the engine's start, plus 1; 0 for never.
    last_inbound: AtomicU64,
}

impl RunningTunnelCounters {
    /// An authentic packet came at `now`.
    pub(crate) fn touch(&self, start: Instant, now: Instant) {
        let elapsed = u64::try_from(now.duration_since(start).as_millis()).unwrap_or(u64::MAX - 1);
        self.last_inbound.store(elapsed + 1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, start: Instant) -> TunnelCounters {
        let last_inbound = self.last_inbound.load(Ordering::Relaxed).checked_sub(1);
        TunnelCounters {
            bytes_in: self.bytes_in.value(),
            packets_in: self.packets_in.value(),
            bytes_out: self.bytes_out.value(),
            packets_out: self.packets_out.value(),
            replay_drops: self.replay_drops.value(),
            integrity_drops: self.integrity_drops.value(),
            malformed_drops: self.malformed_drops.value(),
            selector_drops: self.selector_drops.value(),
            lifetime_drops: self.lifetime_drops.value(),
            no_sa_drops: self.no_sa_drops.value(),
            loop_drops: self.loop_drops.value(),
            too_big_drops: self.too_big_drops.value(),
            send_drops: self.send_drops.value(),
            interface_drops: self.interface_drops.value(),
            ecn_drops: self.ecn_drops.value(),
            dummies_in: self.dummies_in.value(),
            last_inbound: last_inbound.map(|millis| start + Duration::from_millis(millis)),
        }
    }
}

/// [`EngineCounters`] while they run.
#[derive(Debug, Default)]
pub(crate) struct RunningEngineCounters {
    pub(crate) unknown_spi: Counter,
    pub(crate) early: Counter,
    pub(crate) malformed: Counter,
    pub(crate) keepalives_in: Counter,
    pub(crate) keepalives_out: Counter,
    pub(crate) ike_in: Counter,
    pub(crate) ike_dropped: Counter,
}

impl RunningEngineCounters {
    pub(crate) fn snapshot(&self) -> EngineCounters {
        EngineCounters {
            unknown_spi: self.unknown_spi.value(),
            early: self.early.value(),
            malformed: self.malformed.value(),
            keepalives_in: self.keepalives_in.value(),
            keepalives_out: self.keepalives_out.value(),
            ike_in: self.ike_in.value(),
            ike_dropped: self.ike_dropped.value(),
        }
    }
}
