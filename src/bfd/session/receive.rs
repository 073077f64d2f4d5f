//! A packet arrives (RFC 5880 6.8.6).

use std::time::Instant;

use super::timing::{Poll, Timing};
use super::{DownReason, Remote, Session, Step, Timer, step};
use crate::discard::Discard;
use crate::packet::{ControlPacket, Diagnostic, State};
use crate::verdict::{SILENCE, Verdict};

impl Session {
    /// Applies a packet that was found to be for this session; `octets` are what it was decoded from.
    ///
    /// # Errors
    /// [`Discard`]: it proves nothing, or we are held down; it does not count as a sign of life.
    pub fn handle_packet(&mut self, packet: &ControlPacket<'_>, octets: &[u8], now: Instant) -> Result<(), Discard> {
        let outcome = self.authenticate(packet, octets).and_then(|()| self.apply(packet, now));
        match outcome {
            Ok(()) => self.counters.received += 1,
            Err(_) => self.counters.discarded += 1,
        }
        outcome
    }

    fn authenticate(&mut self, packet: &ControlPacket<'_>, octets: &[u8]) -> Result<(), Discard> {
        match (&self.config.authentication, packet.authentication) {
            (None, None) => Ok(()),
            (None, Some(section)) => Err(Discard::AuthUnexpected { kind: section.kind }),
            (Some(authentication), _) => authentication.check(packet, octets, &mut self.sequence),
        }
    }

    fn apply(&mut self, packet: &ControlPacket<'_>, now: Instant) -> Result<(), Discard> {
        self.remote = Remote {
            discriminator: packet.my_discriminator,
            state: packet.state,
            diagnostic: packet.diagnostic,
            timing: Timing::from_wire(packet.desired_min_tx, packet.required_min_rx),
            multiplier: packet.detect_multiplier,
            demand: packet.demand,
            control_plane_independent: packet.control_plane_independent,
        };
        if packet.last {
            self.finish_poll();
        }
        if self.state == State::AdminDown || !self.linked {
            return Err(Discard::HeldDown);
        }
        // What the packet says holds before the state that follows from it is told.
        self.arm_detection(now);
        self.follow(packet, now);
        // The peer's interval may have become shorter, its demand mode may have begun or ended.
        self.arm_transmit(now);
        self.arm_detection(now);
        if packet.poll {
            self.transmit_final();
        }
        Ok(())
    }

    fn follow(&mut self, packet: &ControlPacket<'_>, now: Instant) {
        match step(self.state, packet.state) {
            Step::Stay => {}
            Step::Rise(to) => self.enter(to, Diagnostic::NONE, None, now),
            Step::Fall => {
                let reason = match packet.state {
                    State::AdminDown => DownReason::PeerAdminDown,
                    State::Down | State::Init | State::Up => DownReason::PeerDown { diagnostic: packet.diagnostic },
                };
                self.enter(State::Down, Diagnostic::NEIGHBOR_SIGNALED_SESSION_DOWN, Some(reason), now);
            }
        }
        match (self.verdict, packet.state) {
            // RFC 5882 3.2: the peer's operator took BFD down, so BFD says nothing against the path.
            (Verdict::Failed(_), State::AdminDown) => self.judge(Verdict::Usable, now),
            (Verdict::Failed(_), State::Down | State::Init | State::Up) if !self.config.strict => {
                self.timers.set(Timer::Silence, now + SILENCE);
            }
            (Verdict::Failed(_), State::Down | State::Init | State::Up) | (Verdict::Usable, _) => {}
        }
    }

    fn finish_poll(&mut self) {
        match self.poll {
            Poll::Active { outdated: false } => {
                self.poll = Poll::Idle;
                self.in_force = self.announced;
            }
            // It may answer what we said before: ask again.
            Poll::Active { outdated: true } => self.poll = Poll::Pause,
            Poll::Idle | Poll::Pause => {}
        }
    }

    fn arm_detection(&mut self, now: Instant) {
        let time = self.detection_time();
        self.timers.set(Timer::Detect, now + time);
        self.timers.set(Timer::Forget, now + time * 2);
    }
}
