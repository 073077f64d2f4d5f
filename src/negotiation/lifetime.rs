//! When an SA is renewed.

use std::time::Duration;

use wire::Entropy;

use crate::{TunnelConfig, between};

/// When a rekey starts: a margin before the end, enlarged at random.
#[must_use]
pub fn soft(lifetime: Duration, config: &TunnelConfig, entropy: &mut dyn Entropy) -> Option<Duration> {
    if lifetime.is_zero() {
        return None;
    }
    let margin = config.rekey_margin;
    let most = margin + margin * u32::from(config.rekey_fuzz) / 100;
    // A margin that eats up the lifetime would rekey without pause.
    Some(lifetime.saturating_sub(between(margin, most, entropy)).max(lifetime / 4))
}
