//! What a session does in the course of its life.

use super::support::{OURS, PEERS, Rig, ms, packet};
use crate::{Config, ControlPacket, Diagnostic, DownReason, Event, Obstacle, State, Verdict};

#[test]
fn nothing_is_said_before_the_link_is_there() {
    let now = std::time::Instant::now();
    let mut session = crate::Session::new(Config::default(), OURS, 1, now);
    assert_eq!((session.poll_timeout(), session.poll_output()), (None, None));
    session.start(now);
    assert_eq!(session.poll_timeout(), Some(now));
}

#[test]
fn a_passive_end_is_silent_until_it_is_spoken_to() {
    let mut rig = Rig::new(Config { passive: true, ..Config::default() });
    rig.pass(ms(20_000));
    assert_eq!(rig.sent, []);
    rig.receive(packet(State::Down, 0));
    assert_eq!((rig.last_sent().state, rig.last_sent().your_discriminator), (State::Init, PEERS));
    // And again, when the peer is gone.
    rig.pass(ms(20_000));
    let sent = rig.sent.len();
    rig.pass(ms(20_000));
    assert_eq!(rig.sent.len(), sent);
}

#[test]
fn a_poll_is_answered_at_once_in_every_state_but_the_held_one() {
    for state in State::ALL {
        let mut rig = Rig::in_state(Config::default(), state);
        rig.receive(ControlPacket {
            poll: true,
            ..packet(if state == State::Down { State::Up } else { State::Init }, OURS)
        });
        let finals = rig.sent.iter().filter(|sent| sent.packet.last && !sent.packet.poll).count();
        assert_eq!(finals, usize::from(state != State::AdminDown), "{state}");
    }
}

#[test]
fn a_peer_that_wants_no_packets_gets_none_but_answers() {
    let mut rig = Rig::in_state(Config::default(), State::Up);
    let quiet = ControlPacket { required_min_rx: 0, ..packet(State::Up, OURS) };
    rig.receive(quiet);
    rig.sent.clear();
    rig.pass_heard(ms(5000), quiet);
    assert_eq!(rig.sent, []);
    rig.receive(ControlPacket { poll: true, ..quiet });
    assert_eq!(rig.sent.len(), 1);
    rig.receive(packet(State::Up, OURS));
    rig.pass_heard(ms(1000), packet(State::Up, OURS));
    assert!(rig.sent.len() >= 3, "it wants them again");
}

#[test]
fn a_peer_in_demand_mode_gets_nothing_while_both_are_up() {
    let mut rig = Rig::in_state(Config::default(), State::Up);
    let demanding = ControlPacket { demand: true, ..packet(State::Up, OURS) };
    rig.receive(demanding);
    rig.sent.clear();
    rig.pass_heard(ms(3000), demanding);
    assert_eq!(rig.sent, [], "RFC 5880 6.6");
    assert_eq!(rig.session.state(), State::Up);
    // What we have to ask is asked.
    rig.session.reconfigure(Config { interval: ms(50), ..Config::default() }, rig.now);
    rig.pass_heard(ms(400), demanding);
    assert!(rig.sent.iter().all(|sent| sent.packet.poll) && !rig.sent.is_empty());
    rig.receive(ControlPacket { last: true, ..demanding });
    rig.sent.clear();
    rig.pass_heard(ms(1000), demanding);
    assert_eq!(rig.sent, []);
    // It is not up any more: everything is said again.
    rig.receive(ControlPacket { state: State::Down, ..demanding });
    assert_eq!(rig.last_sent().state, State::Down);
    assert!(rig.session.poll_timeout().is_some());
}

#[test]
fn a_lost_peer_is_forgotten_and_found_again() {
    let mut rig = Rig::in_state(Config::default(), State::Up);
    rig.pass(ms(900));
    assert_eq!(rig.session.state(), State::Down);
    let told = rig.last_sent();
    let diagnostic = Diagnostic::CONTROL_DETECTION_TIME_EXPIRED;
    assert_eq!((told.state, told.diagnostic), (State::Down, diagnostic));
    assert_eq!(rig.verdicts(), [Verdict::Failed(Obstacle::Silent)]);
    let reason = DownReason::Silence { time: ms(900) };
    let changed = Event::StateChanged { from: State::Up, to: State::Down, reason: Some(reason.clone()) };
    assert!(rig.events.contains(&changed), "{:?}", rig.events);
    assert_eq!(rig.session.status().last_down.map(|down| down.reason), Some(reason));
    rig.pass(ms(2000));
    assert_eq!(rig.last_sent().your_discriminator, 0, "RFC 5880 6.8.1, bfd.RemoteDiscr");
    rig.receive(packet(State::Down, 0));
    rig.receive(packet(State::Up, OURS));
    assert_eq!(rig.session.state(), State::Up);
    assert_eq!(rig.verdicts().last(), Some(&Verdict::Usable));
    assert_eq!(rig.session.status().counters.flaps, 1);
}

#[test]
fn a_peer_that_began_anew_is_a_failure() {
    let mut rig = Rig::in_state(Config::default(), State::Up);
    rig.receive(ControlPacket { my_discriminator: 99, ..packet(State::Down, 0) });
    assert_eq!(rig.session.state(), State::Down);
    assert_eq!(rig.verdicts(), [Verdict::Failed(Obstacle::PeerDown)]);
    rig.receive(ControlPacket { my_discriminator: 99, ..packet(State::Down, OURS) });
    assert_eq!((rig.session.state(), rig.last_sent().your_discriminator), (State::Init, 99));
}

#[test]
fn the_peers_operator_is_no_failure() {
    let mut rig = Rig::in_state(Config::default(), State::Up);
    let held = ControlPacket { diagnostic: Diagnostic::ADMINISTRATIVELY_DOWN, ..packet(State::AdminDown, OURS) };
    rig.receive(held);
    assert_eq!((rig.session.state(), rig.verdicts()), (State::Down, vec![]));
    rig.pass(ms(30_000));
    assert_eq!(rig.verdicts(), [], "nor is the silence after it");
    assert_eq!(rig.session.status().counters.flaps, 0);
    // After a failure, it ends that.
    let mut rig = Rig::in_state(Config::default(), State::Up);
    rig.pass(ms(900));
    rig.receive(held);
    assert_eq!(rig.verdicts(), [Verdict::Failed(Obstacle::Silent), Verdict::Usable]);
}

#[test]
fn a_peer_without_bfd_is_let_alone_after_a_minute_unless_strict() {
    for strict in [false, true] {
        let mut rig = Rig::in_state(Config { strict, ..Config::default() }, State::Up);
        rig.pass(ms(900));
        rig.pass(ms(59_900));
        assert_eq!(rig.verdicts(), [Verdict::Failed(Obstacle::Silent)]);
        rig.pass(ms(200));
        assert_eq!(rig.verdicts().len(), if strict { 1 } else { 2 });
    }
    // One that speaks is not without it.
    let mut rig = Rig::in_state(Config::default(), State::Up);
    rig.pass(ms(900));
    rig.pass_heard(ms(120_000), packet(State::Up, OURS));
    assert_eq!(rig.verdicts(), [Verdict::Failed(Obstacle::Silent)]);
}

#[test]
fn strict_means_not_before_bfd_is_up() {
    let mut rig = Rig::new(Config { strict: true, ..Config::default() });
    assert_eq!(rig.verdicts(), [Verdict::Failed(Obstacle::NotUpYet)]);
    rig.receive(packet(State::Init, OURS));
    assert_eq!(rig.verdicts().last(), Some(&Verdict::Usable));
    // The link goes and returns: it has to prove itself again.
    rig.session.stop(rig.now);
    rig.session.start(rig.now);
    rig.drain();
    assert_eq!(rig.verdicts().last(), Some(&Verdict::Failed(Obstacle::NotUpYet)));
    rig.session.reconfigure(Config::default(), rig.now);
    rig.drain();
    assert_eq!(rig.verdicts().last(), Some(&Verdict::Usable), "not strict any more");
}

#[test]
fn a_link_that_goes_takes_the_session_with_it_without_a_word() {
    let mut rig = Rig::in_state(Config::default(), State::Up);
    rig.session.stop(rig.now);
    rig.drain();
    assert_eq!((rig.session.state(), rig.session.poll_timeout()), (State::Down, None));
    assert_eq!((rig.sent.len(), rig.verdicts()), (0, vec![]));
    rig.receive(packet(State::Init, OURS));
    assert_eq!(rig.session.state(), State::Down, "a packet that was under way");
    assert_eq!(rig.session.poll_timeout(), None);
}

#[test]
fn our_operator_is_told_to_the_peer() {
    let mut rig = Rig::in_state(Config::default(), State::Up);
    rig.session.admin_down(rig.now);
    rig.drain();
    let told = rig.last_sent();
    assert_eq!((told.state, told.diagnostic), (State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN));
    let farewell = rig.session.farewell();
    assert_eq!(farewell, ms(3000), "slow again");
    rig.pass(farewell);
    assert!(rig.sent.len() >= 3 && rig.sent.iter().all(|sent| sent.packet.state == State::AdminDown));
}
