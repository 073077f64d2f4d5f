//! The replay window (RFC 4303 3.4.3) over 64-bit sequence numbers, and the inference of their high half
//! (RFC 4303 appendix A2).
//!
//! A ring of 64-bit words, one more than the window needs, so that advancing clears whole words (RFC 6479):
//!
//! ```text
//!   word   (top/64 + 1) % n ...                     top/64 % n
//!          [ cleared when top gets there ][ .. ][ seen | top ]
//!                       |<---------------- size ----------->|
//! ```

/// Why a sequence number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayReject {
    /// RFC 4303 2.2: no sender uses it.
    #[error("sequence number 0")]
    Zero,
    /// Marked before.
    #[error("seen before")]
    Duplicate,
    /// Left of the window.
    #[error("older than the window")]
    Old,
    /// Beyond the last 64-bit number.
    #[error("beyond the end of the sequence space")]
    End,
}

/// Which sequence numbers were authenticated.
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    top: u64,
    size: u64,
    enforced: bool,
    words: Box<[u64]>,
}

impl ReplayWindow {
    /// The smallest window kept, even where it is not enforced.
    const LEAST: u32 = 64;
    /// The largest.
    const MOST: u32 = 4096;

    /// A window of `size` packets; 0 keeps track but refuses nothing. `None` for an unsupported size.
    pub(crate) fn new(size: u32) -> Option<Self> {
        let enforced = size != 0;
        let size = if enforced { size } else { Self::LEAST };
        if !(Self::LEAST..=Self::MOST).contains(&size) {
            return None;
        }
        let words = (size as usize).div_ceil(64) + 1;
        Some(Self {
            top: 0,
            size: u64::from(size),
            enforced,
            words: vec![0; words.next_power_of_two()].into_boxed_slice(),
        })
    }

    /// The highest sequence number marked; 0 before the first.
    pub(crate) fn top(&self) -> u64 {
        self.top
    }

    /// The 64-bit number that a packet with these low bits most likely has.
    pub(crate) fn infer(&self, low: u32) -> Result<u64, ReplayReject> {
        let bytes = self.top.to_be_bytes();
        let (top_high, top_low) = (
            u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        );
        let width = u32::try_from(self.size - 1).expect("a window is at most 4096 packets");
        let bottom = top_low.wrapping_sub(width);
        let high = if top_low >= width {
            // RFC 4303 A2.1, case A: the window lies in one subspace.
            if low >= bottom { Some(top_high) } else { top_high.checked_add(1) }
        } else {
            // RFC 4303 A2.1, case B: the window spans two subspaces.
            if low >= bottom { Some(top_high.checked_sub(1).ok_or(ReplayReject::Old)?) } else { Some(top_high) }
        };
        let high = high.ok_or(ReplayReject::End)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Whether `sequence` may still be accepted. Changes nothing: the packet is not authenticated yet.
    pub(crate) fn check(&self, sequence: u64) -> Result<(), ReplayReject> {
        if !self.enforced {
            return Ok(());
        }
        if sequence == 0 {
            return Err(ReplayReject::Zero);
        }
        if sequence > self.top {
            return Ok(());
        }
        if self.top - sequence >= self.size {
            return Err(ReplayReject::Old);
        }
        let (word, bit) = self.position(sequence);
        if self.words[word] & bit == 0 { Ok(()) } else { Err(ReplayReject::Duplicate) }
    }

    /// Notes that `sequence` was authenticated. Returns whether it is the highest so far.
    pub(crate) fn mark(&mut self, sequence: u64) -> bool {
        let newest = sequence > self.top;
        if newest {
            self.advance(sequence);
        } else if self.top - sequence >= self.size {
            return false;
        }
        let (word, bit) = self.position(sequence);
        self.words[word] |= bit;
        newest
    }

    fn advance(&mut self, sequence: u64) {
        let steps = (sequence / 64 - self.top / 64).min(self.words.len() as u64);
        for step in 1..=steps {
            let (word, _) = self.position((self.top / 64 + step).wrapping_mul(64));
            self.words[word] = 0;
        }
        self.top = sequence;
    }

    fn position(&self, sequence: u64) -> (usize, u64) {
        let mask = self.words.len() as u64 - 1;
        let word = usize::try_from((sequence / 64) & mask).expect("masked by a length");
        (word, 1 << (sequence % 64))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unsupported_sizes_are_refused() {
        assert!(ReplayWindow::new(63).is_none());
        assert!(ReplayWindow::new(4097).is_none());
        assert!(ReplayWindow::new(0).is_some());
        assert!(ReplayWindow::new(64).is_some());
        assert!(ReplayWindow::new(4096).is_some());
    }

    #[test]
    fn zero_is_never_a_sequence_number() {
        assert_eq!(ReplayWindow::new(64).unwrap().check(0), Err(ReplayReject::Zero));
    }

    #[test]
    fn checking_marks_nothing() {
        let window = ReplayWindow::new(64).unwrap();
        assert_eq!(window.check(5), Ok(()));
        assert_eq!(window.check(5), Ok(()));
        assert_eq!(window.top(), 0);
    }

    #[test]
    fn the_window_is_as_wide_as_asked() {
        let mut window = ReplayWindow::new(100).unwrap();
        window.mark(1000);
        assert_eq!(window.check(1000), Err(ReplayReject::Duplicate));
        assert_eq!(window.check(901), Ok(()));
        assert_eq!(window.check(900), Err(ReplayReject::Old));
    }

    #[test]
    fn an_unenforced_window_refuses_nothing() {
        let mut window = ReplayWindow::new(0).unwrap();
        assert!(window.mark(1000));
        assert!(!window.mark(1));
        assert_eq!(window.check(1000), Ok(()));
        assert_eq!(window.check(1), Ok(()));
    }

    #[test]
    fn high_bits_follow_the_wrap_of_the_low_bits() {
        let mut window = ReplayWindow::new(64).unwrap();
        window.mark(0xffff_fff0);
        assert_eq!(window.infer(0xffff_ffff), Ok(0xffff_ffff));
        assert_eq!(window.infer(3), Ok(0x1_0000_0003));
        window.mark(0x1_0000_0003);
        assert_eq!(window.infer(0xffff_fff8), Ok(0xffff_fff8), "still in the window, one subspace back");
        assert_eq!(window.infer(4), Ok(0x1_0000_0004));
        assert_eq!(window.infer(0xffff_0000), Ok(0x1_ffff_0000), "outside the window means ahead");
    }

    #[test]
    fn there_is_no_subspace_before_the_first() {
        let window = ReplayWindow::new(64).unwrap();
        assert_eq!(window.infer(1), Ok(1));
        assert_eq!(window.infer(0xffff_ffff), Err(ReplayReject::Old));
    }

    #[test]
    fn there_is_no_subspace_after_the_last() {
        let mut window = ReplayWindow::new(64).unwrap();
        window.mark(u64::MAX - 5);
        assert_eq!(window.infer(u32::MAX), Ok(u64::MAX));
        assert_eq!(window.infer(1), Err(ReplayReject::End));
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(
            size in prop_oneof![Just(64u32), Just(65), Just(128), Just(1000), Just(1024), Just(4096)],
            base in prop_oneof![Just(0u64), Just(u64::from(u32::MAX) - 3000), any::<u64>().prop_map(|n| n >> 8)],
            steps in prop::collection::vec((0u64..6000, any::<bool>()), 1..300),
        ) {
            let mut window = ReplayWindow::new(size).unwrap();
            let mut seen = BTreeSet::new();
            for (offset, wide) in steps {
                let sequence = base + if wide { offset } else { offset % 200 } + 1;
                let top = seen.last().copied().unwrap_or(0);
                let expected = if sequence > top {
                    Ok(())
                } else if top - sequence >= u64::from(size) {
                    Err(ReplayReject::Old)
                } else if seen.contains(&sequence) {
                    Err(ReplayReject::Duplicate)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(sequence), expected);
                if expected.is_ok() {
                    prop_assert_eq!(window.mark(sequence), sequence > top);
                    seen.insert(sequence);
                }
            }
        }

        /// RFC 4303 A2.1 in one sentence: of all numbers with these low bits, the one that is not left of the window
        /// and less than one round beyond its left edge.
        #[test]
        fn inference_is_that_of_the_standard(
            size in 64_u32..=4096,
            round in prop_oneof![Just(0_u64), Just(1), Just(u64::from(u32::MAX)), 0..=u64::from(u32::MAX)],
            place in prop_oneof![0_u32..5000, u32::MAX - 5000..=u32::MAX, any::<u32>()],
            low in prop_oneof![0_u32..5000, u32::MAX - 5000..=u32::MAX, any::<u32>()],
        ) {
            let mut window = ReplayWindow::new(size).unwrap();
            let top = round << 32 | u64::from(place);
            window.mark(top);
            let left = i128::from(top) - i128::from(size) + 1;
            let number = left + (i128::from(low) - left).rem_euclid(1 << 32);
            let expected = match u64::try_from(number) {
                Ok(number) => Ok(number),
                Err(_) if number < 0 => Err(ReplayReject::Old),
                Err(_) => Err(ReplayReject::End),
            };
            prop_assert_eq!(window.infer(low), expected);
        }

        #[test]
        fn inference_is_right_within_half_the_space(top in 1u64..u64::MAX / 2, ahead in 0u64..0x7fff_ffff) {
            let mut window = ReplayWindow::new(64).unwrap();
            window.mark(top);
            let sequence = top + ahead;
            let low = u32::try_from(sequence & 0xffff_ffff).unwrap();
            prop_assert_eq!(window.infer(low), Ok(sequence));
        }
    }
}
