//! Prometheus metrics.
//!
//! Two kinds: what *happened* is counted as it happens ([`Metrics`], fed by [`super::report`]); how things *are* is
//! asked at the moment of the scrape ([`Snapshot`]). Labels are configured names and fixed
//! words only: no SPI, no address that changes, so that a rekey starts no new series. What is counted of the peers of a
//! range has the range's name, for series of counts stay, and anybody in the range may connect.
//!
//! Series that alerts look at begin at zero: Prometheus sees no increase in one that begins at one.

pub use prometheus::TEXT_FORMAT;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder as _, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use super::snapshot::Snapshot;

/// Counts of what happened since the process started.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// By tunnel and reason.
    pub(crate) ike_failures: IntCounterVec,
    /// By tunnel.
    pub(crate) dpd_timeouts: IntCounterVec,
    /// By tunnel, kind (`ike`, `child`) and result.
    pub(crate) rekeys: IntCounterVec,
    /// By session, direction, code and subcode, where these are known ones.
    pub(crate) notifications: IntCounterVec,
    /// By session and reason.
    pub(crate) bfd_failures: IntCounterVec,
    /// By session: times that the peer came near the limit of what it may announce.
    pub(crate) prefix_warnings: IntCounterVec,
    /// By tunnel: times it was lost.
    pub(crate) failovers: IntCounterVec,
    /// By connection and cause: times its traffic moved.
    pub(crate) connection_switches: IntCounterVec,
    /// By result.
    pub(crate) reloads: IntCounterVec,
    /// When the configuration in force was read, in seconds since 1970.
    pub(crate) reload_success_time: IntGauge,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            ike_failures: vec("ike_failures_total", "Failed negotiations by reason.", &["tunnel", "reason"]),
            dpd_timeouts: vec("dpd_timeouts_total", "Peers found dead by a liveness check.", &["tunnel"]),
            rekeys: vec("rekeys_total", "Rekeyed SAs by kind and result.", &["tunnel", "kind", "result"]),
            notifications: vec(
                "bgp_notifications_total",
                "BGP NOTIFICATION messages by direction, code and subcode (RFC 4271 4.5), `other` where they are unknown.",
                &["tunnel", "direction", "code", "subcode"],
            ),
            bfd_failures: vec("bfd_failures_total", "BFD sessions lost by reason.", &["tunnel", "reason"]),
            prefix_warnings: vec(
                "bgp_prefix_warnings_total",
                "Times that a peer has announced nearly as many prefixes as it may.",
                &["tunnel"],
            ),
            failovers: vec("failovers_total", "Times a tunnel in use was lost and its routes moved.", &["tunnel"]),
            connection_switches: vec(
                "connection_switches_total",
                "Times that a connection's traffic moved, by cause.",
                &["connection", "cause"],
            ),
            reloads: vec(
                "config_reload_total",
                "Configuration reloads by result; `partly` is in force, but for tunnels that cannot be made.",
                &["result"],
            ),
            reload_success_time: IntGauge::new(
                name("config_last_reload_success_timestamp_seconds"),
                "When the configuration in force was read, in seconds since 1970.",
            )
            .expect("the name is valid"),
            registry,
        };
        metrics.register();
        for result in ["ok", "partly", "failed"] {
            metrics.reloads.with_label_values(&[result]);
        }
        metrics
    }

    fn register(&self) {
        let vectors = [
            &self.bfd_failures,
            &self.ike_failures,
            &self.dpd_timeouts,
            &self.rekeys,
            &self.notifications,
            &self.failovers,
            &self.prefix_warnings,
            &self.connection_switches,
            &self.reloads,
        ];
        for vector in vectors {
            self.registry.register(Box::new(vector.clone())).expect("every name is registered once");
        }
        self.registry.register(Box::new(self.reload_success_time.clone())).expect("every name is registered once");
    }

    /// Starts a tunnel's counters at zero, so that the first event is an increase Prometheus can see.
    pub(crate) fn know_tunnel(&self, tunnel: &str) {
        self.dpd_timeouts.with_label_values(&[tunnel]);
        self.failovers.with_label_values(&[tunnel]);
        for kind in ["ike", "child"] {
            for result in ["ok", "failed"] {
                self.rekeys.with_label_values(&[tunnel, kind, result]);
            }
        }
    }

    /// The same for a session.
    pub(crate) fn know_session(&self, session: &str) {
        self.prefix_warnings.with_label_values(&[session]);
    }
}

impl Metrics {
    /// The counts so far.
    pub(crate) fn counts(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// What a scrape gets: the counts so far, and `snapshot`, how things are.
    ///
    /// # Errors
    /// When they cannot be written as text.
    pub fn text(&self, snapshot: &Snapshot) -> Result<Vec<u8>, prometheus::Error> {
        let mut families = self.counts();
        // What nothing is known about has no samples, and a family without samples cannot be written.
        families.extend(snapshot.families().into_iter().filter(|family| !family.get_metric().is_empty()));
        let mut body = Vec::new();
        TextEncoder::new().encode(&families, &mut body)?;
        Ok(body)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Every metric has the application's prefix.
pub(super) fn name(suffix: &str) -> String {
    format!("quadspan_{suffix}")
}

fn vec(suffix: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name(suffix), help), labels).expect("names and labels are valid")
}
