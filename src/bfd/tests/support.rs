//! A session with a hand-driven peer.

use std::time::{Duration, Instant};

use crate::{Config, ControlPacket, Diagnostic, Event, Output, Session, State, Verdict};

pub(super) const OURS: u32 = 0x1111_1111;
pub(super) const PEERS: u32 = 0x2222_2222;

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What a peer with 300 ms, three times, says.
pub(super) fn packet(state: State, your_discriminator: u32) -> ControlPacket<'static> {
    ControlPacket {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        last: false,
        control_plane_independent: false,
        demand: false,
        detect_multiplier: 3,
        my_discriminator: PEERS,
        your_discriminator,
        desired_min_tx: 300_000,
        required_min_rx: 300_000,
        required_min_echo_rx: 0,
        authentication: None,
    }
}

/// What was sent, without what is borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) packet: ControlPacket<'static>,
}

pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) now: Instant,
    pub(super) sent: Vec<Sent>,
    pub(super) events: Vec<Event>,
}

impl Rig {
    pub(super) fn new(config: Config) -> Self {
        let now = Instant::now();
        let mut rig = Self { session: Session::new(config, OURS, 7, now), now, sent: Vec::new(), events: Vec::new() };
        rig.session.start(now);
        rig.drain();
        rig
    }

    /// In `state`, with a peer that fits.
    pub(super) fn in_state(config: Config, state: State) -> Self {
        let mut rig = Self::new(config);
        match state {
            State::AdminDown => rig.session.admin_down(rig.now),
            State::Down => {}
            State::Init => rig.receive(packet(State::Down, 0)),
            State::Up => {
                rig.receive(packet(State::Init, OURS));
                rig.receive(ControlPacket { last: true, ..packet(State::Up, OURS) });
            }
        }
        rig.drain();
        rig.pass(ms(10));
        assert_eq!(rig.session.state(), state);
        rig.sent.clear();
        rig.events.clear();
        rig
    }

    pub(super) fn receive(&mut self, packet: ControlPacket<'_>) {
        let octets = packet.encode();
        // What it makes of it is seen in its state.
        let _ = self.session.handle_packet(&ControlPacket::decode(&octets).unwrap(), &octets, self.now);
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(octets) => {
                    let packet = ControlPacket::decode(&octets).unwrap();
                    self.sent.push(Sent { at: self.now, packet: ControlPacket { authentication: None, ..packet } });
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// Lets time pass, with everything that is due meanwhile.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Lets time pass while the peer sends `packet` each 200 ms.
    pub(super) fn pass_heard(&mut self, time: Duration, packet: ControlPacket<'_>) {
        let end = self.now + time;
        while self.now < end {
            self.pass(ms(200).min(end - self.now));
            self.receive(packet);
        }
    }

    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |event: &Event| match event {
            Event::Verdict(verdict) => Some(*verdict),
            Event::StateChanged { .. } => None,
        };
        self.events.iter().filter_map(verdict).collect()
    }

    pub(super) fn last_sent(&self) -> ControlPacket<'static> {
        self.sent.last().expect("something was sent").packet
    }

    /// Pauses between what was sent.
    pub(super) fn pauses(&self) -> Vec<Duration> {
        self.sent.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}
