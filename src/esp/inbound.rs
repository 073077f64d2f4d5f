//! Opening: the receiver's side of an SA (RFC 4303 3.4).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use wire::ipsec::{Direction, EspSuite, SaKeys, SecurityAssociation, Spi};

use crate::inner::{self, next_header};
use crate::lifetime::Meter;
use crate::replay::ReplayWindow;
use crate::transform::{Layout, Opener};
use crate::{HEADER_LEN, KeyError, Malformed, OpenError, Selectors, Usage};

/// An SA that protects packets from the peer.
pub struct InboundSa {
    spi: Spi,
    suite: EspSuite,
    keys: SaKeys,
    opener: Opener,
    layout: Layout,
    window: ReplayWindow,
    meter: Meter,
    selectors: Selectors,
}

/// An authentic packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where the inner packet lies in the buffer given; `None` for a dummy (RFC 4303 2.6).
    pub inner: Option<Range<usize>>,
    /// Whether its sequence number is the highest so far.
    pub newest: bool,
    /// Said once: a soft limit is reached. Time to rekey.
    pub soft_limit: bool,
}

impl InboundSa {
    /// Prepares the ciphers and the replay window.
    ///
    /// # Errors
    /// When the keys do not fit the suite or the window has an unsupported size.
    pub fn new(sa: &SecurityAssociation) -> Result<Self, KeyError> {
        Ok(Self {
            spi: sa.spi,
            suite: sa.suite,
            keys: sa.keys.clone(),
            opener: Opener::new(sa.suite, &sa.keys)?,
            layout: Layout::of(sa.suite),
            window: ReplayWindow::new(sa.replay_window).ok_or(KeyError::ReplayWindow(sa.replay_window))?,
            meter: Meter::new(sa.lifetime),
            selectors: Selectors::new(&sa.local_selectors, &sa.remote_selectors),
        })
    }

    /// Our SPI.
    #[must_use]
    pub fn spi(&self) -> Spi {
        self.spi
    }

    /// The algorithms.
    #[must_use]
    pub fn suite(&self) -> EspSuite {
        self.suite
    }

    /// Whether `sa` is this very SA, so that installing it again must change nothing.
    #[must_use]
    pub fn is_same(&self, sa: &SecurityAssociation) -> bool {
        self.spi == sa.spi
            && self.suite == sa.suite
            && self.keys.encryption == sa.keys.encryption
            && self.keys.integrity == sa.keys.integrity
    }

    /// The highest sequence number authenticated so far.
    #[must_use]
    pub fn highest_sequence(&self) -> u64 {
        self.window.top()
    }

    /// What it has carried, to be read from anywhere.
    #[must_use]
    pub fn usage(&self) -> Arc<Usage> {
        Arc::clone(self.meter.usage())
    }

    /// Opens the ESP packet `packet` where it lies.
    ///
    /// # Errors
    /// Why it must be dropped. The octets of `packet` are then undefined, and the replay window has moved only if
    /// the packet was authentic.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let text = self.text_range(packet.len())?;
        let sequence = self.sequence(packet)?;
        // RFC 4303 3.4.3: check before the ICV, so that replays are cheap to drop; mark only after it.
        self.window.check(sequence)?;
        self.opener.open(packet, sequence, self.layout).map_err(|_| OpenError::Integrity)?;
        let newest = self.window.mark(sequence);
        let (inner, next) = payload(packet, text)?;
        // Only now: what a stranger sends must neither use up a limit nor claim that it is reached.
        if !self.meter.admits(inner.len()) {
            return Err(OpenError::Lifetime);
        }
        let soft_limit = self.meter.count(inner.len(), false);
        if next == next_header::DUMMY {
            return Ok(Opened { inner: None, newest, soft_limit });
        }
        let length = inner::length(&packet[inner.clone()], next)?;
        let inner = inner.start..inner.start + length;
        if !self.selectors.permit(&packet[inner.clone()], Direction::Inbound) {
            return Err(OpenError::Selector);
        }
        Ok(Opened { inner: Some(inner), newest, soft_limit })
    }

    fn text_range(&self, len: usize) -> Result<Range<usize>, Malformed> {
        let start = HEADER_LEN + self.layout.iv;
        let need = start + self.layout.block + self.layout.icv;
        if len < need {
            return Err(Malformed::Short { got: len, need });
        }
        let text = start..len - self.layout.icv;
        if text.len().is_multiple_of(self.layout.block) { Ok(text) } else { Err(Malformed::Blocks(text.len())) }
    }

    fn sequence(&self, packet: &[u8]) -> Result<u64, OpenError> {
        let low = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        Ok(if self.layout.esn { self.window.infer(low)? } else { u64::from(low) })
    }
}

impl fmt::Debug for InboundSa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundSa").field("spi", &self.spi).field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// Takes the trailer off the plaintext.
fn payload(packet: &[u8], text: Range<usize>) -> Result<(Range<usize>, u8), Malformed> {
    let (padding, next) = (packet[text.end - 2], packet[text.end - 1]);
    let end = (text.end - 2).checked_sub(usize::from(padding)).filter(|end| *end >= text.start);
    Ok((text.start..end.ok_or(Malformed::Padding(padding))?, next))
}
