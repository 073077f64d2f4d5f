//! Packets leave (RFC 5880 6.8.7).

use std::time::{Duration, Instant};

use super::timing::Poll;
use super::{Output, Session, Timer};
use crate::packet::{ControlPacket, State};

/// The shortest pause between packets of our own accord that tell of changes.
const PROMPT_GAP: Duration = Duration::from_millis(10);

impl Session {
    /// The timer says that a packet is due.
    pub(super) fn transmit_due(&mut self, now: Instant) {
        if self.may_transmit() {
            self.transmit_now(now);
        }
    }

    /// Sends, and begins the interval anew.
    pub(super) fn transmit_now(&mut self, now: Instant) {
        self.timers.stop(Timer::Transmit);
        self.timers.stop(Timer::Prompt);
        if self.speaks() {
            let poll = matches!(self.poll, Poll::Active { .. });
            self.send(poll, false);
            self.last_transmit = Some(now);
            if self.poll == Poll::Pause {
                self.poll = Poll::Active { outdated: false };
            }
        }
        self.arm_transmit(now);
    }

    /// What we say is no longer what we said: sends at once, or shortly after the last packet. Without that pause two ends
    /// that hear each other's past could answer every change with another, ever faster.
    pub(super) fn transmit_soon(&mut self, now: Instant) {
        if !self.speaks() {
            return;
        }
        let due = self.last_transmit.map_or(now, |last| last + PROMPT_GAP);
        if due <= now {
            self.transmit_now(now);
        } else {
            self.timers.set(Timer::Prompt, due);
        }
    }

    /// RFC 5880 6.8.6: a poll is answered whatever the interval says.
    pub(super) fn transmit_final(&mut self) {
        self.send(false, true);
    }

    /// Sets the timer to the end of the interval, if that is not what it is set to; stops it if nothing is to be sent.
    pub(super) fn arm_transmit(&mut self, now: Instant) {
        if !self.may_transmit() {
            self.timers.stop(Timer::Transmit);
            return;
        }
        let interval = self.transmit_interval();
        if interval == self.armed && self.timers.deadline(Timer::Transmit).is_some() {
            return;
        }
        // RFC 5880 6.8.3: another interval holds from the last packet on.
        self.armed = interval;
        let pause = self.jittered(interval);
        let due = self.last_transmit.map_or(now, |last| (last + pause).max(now));
        self.timers.set(Timer::Transmit, due);
    }

    /// Whether we say anything of our own accord.
    fn speaks(&self) -> bool {
        // RFC 5880 6.8.7: a passive end does not speak first.
        self.linked && !(self.config.passive && self.remote.discriminator == 0)
    }

    /// Whether periodic packets are to be sent.
    fn may_transmit(&self) -> bool {
        // RFC 5880 6.8.7: the peer wants none, or none while all is well and nothing is asked.
        let unwanted = self.remote.timing.required_rx.is_zero();
        let demand = self.remote.demand && self.state == State::Up && self.remote.state == State::Up;
        self.speaks() && !unwanted && !(demand && self.poll == Poll::Idle)
    }

    fn send(&mut self, poll: bool, last: bool) {
        let (desired_min_tx, required_min_rx) = self.announced.to_wire();
        let packet = ControlPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            poll,
            last,
            // We end with the process that speaks BGP.
            control_plane_independent: false,
            demand: false,
            detect_multiplier: self.config.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx,
            required_min_rx,
            required_min_echo_rx: 0,
            authentication: None,
        };
        let octets = match &self.config.authentication {
            Some(authentication) => authentication.seal(&packet, &mut self.sequence),
            None => packet.encode(),
        };
        self.counters.sent += 1;
        self.outputs.push_back(Output::Transmit(octets));
    }
}
