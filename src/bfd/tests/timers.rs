//! Which intervals hold when (RFC 5880 6.8.2 to 6.8.4, 6.8.7).

use super::support::{OURS, Rig, ms, packet};
use crate::{Config, ControlPacket, State};

fn config(interval: u64, min_receive: u64, multiplier: u8) -> Config {
    Config { interval: ms(interval), min_receive: ms(min_receive), multiplier, ..Config::default() }
}

#[test]
fn who_is_not_up_says_one_second_and_keeps_to_it() {
    let mut rig = Rig::new(config(50, 50, 3));
    rig.pass(ms(60_000));
    assert!(rig.sent.iter().all(|sent| sent.packet.desired_min_tx == 1_000_000));
    assert!(rig.sent.iter().all(|sent| sent.packet.required_min_rx == 50_000));
    assert!(rig.pauses().iter().all(|pause| (ms(750)..=ms(1000)).contains(pause)), "{:?}", rig.pauses());
    assert!(rig.sent.len() >= 60);
    // A slower configuration stays slower.
    let mut rig = Rig::new(config(5000, 50, 3));
    rig.pass(ms(60_000));
    assert!(rig.pauses().iter().all(|pause| (ms(3750)..=ms(5000)).contains(pause)));
}

#[test]
fn intervals_are_the_slower_of_what_both_want_less_a_quarter_at_most() {
    for (ours, theirs, agreed) in [(300u64, 300u32, 300u32), (50, 700, 700), (700, 50, 700)] {
        let mut rig = Rig::in_state(config(ours, 10, 3), State::Up);
        let heard = ControlPacket { required_min_rx: theirs * 1000, ..packet(State::Up, OURS) };
        rig.receive(heard);
        rig.pass_heard(ms(2000), heard);
        rig.sent.clear();
        rig.pass_heard(ms(60_000), heard);
        let (least, most) = (ms(u64::from(agreed) * 3 / 4), ms(agreed.into()));
        assert!(rig.pauses().iter().all(|pause| (least..=most).contains(pause)), "{:?}", rig.pauses());
        let mean = rig.pauses().iter().sum::<std::time::Duration>() / u32::try_from(rig.pauses().len()).unwrap();
        assert!((most * 84 / 100..most * 91 / 100).contains(&mean), "jitter is spread evenly: {mean:?}");
        assert_eq!(rig.session.status().transmit_interval, most);
    }
}

#[test]
fn a_single_packet_that_decides_is_at_least_a_tenth_early() {
    let mut rig = Rig::in_state(config(300, 300, 1), State::Up);
    rig.pass_heard(ms(60_000), packet(State::Up, OURS));
    assert!(rig.pauses().iter().skip(1).all(|pause| (ms(225)..=ms(270)).contains(pause)), "{:?}", rig.pauses());
}

#[test]
fn the_detection_time_is_the_peers_multiplier_times_the_slower() {
    for (ours, theirs, multiplier, expected) in [(300, 300, 3, 900), (50, 300, 3, 900), (400, 50, 5, 2000)] {
        let mut rig = Rig::in_state(config(300, ours, 7), State::Up);
        let heard =
            ControlPacket { desired_min_tx: theirs * 1000, detect_multiplier: multiplier, ..packet(State::Up, OURS) };
        rig.receive(heard);
        assert_eq!(rig.session.status().detection_time, ms(expected));
        rig.pass(ms(expected - 1));
        assert_eq!(rig.session.state(), State::Up);
        rig.pass(ms(1));
        assert_eq!(rig.session.state(), State::Down);
    }
}

#[test]
fn up_polls_until_the_peer_has_answered() {
    let mut rig = Rig::new(config(50, 50, 3));
    rig.receive(packet(State::Init, OURS));
    assert_eq!(rig.session.state(), State::Up);
    rig.pass_heard(ms(1000), packet(State::Up, OURS));
    assert!(rig.sent.iter().skip(1).all(|sent| sent.packet.poll && sent.packet.desired_min_tx == 50_000));
    rig.receive(ControlPacket { last: true, ..packet(State::Up, OURS) });
    rig.sent.clear();
    rig.pass_heard(ms(1000), packet(State::Up, OURS));
    assert!(!rig.sent.is_empty() && rig.sent.iter().all(|sent| !sent.packet.poll));
}

#[test]
fn a_longer_interval_waits_for_the_peer_a_shorter_does_not() {
    let heard = ControlPacket { required_min_rx: 10_000, ..packet(State::Up, OURS) };
    let mut rig = Rig::in_state(config(300, 300, 3), State::Up);
    rig.receive(heard);
    // Longer: announced at once, kept to after the answer.
    rig.session.reconfigure(config(2000, 300, 3), rig.now);
    rig.pass_heard(ms(3000), heard);
    assert!(rig.sent.iter().skip(1).all(|sent| sent.packet.desired_min_tx == 2_000_000 && sent.packet.poll));
    assert!(rig.pauses().iter().all(|pause| *pause <= ms(300)));
    rig.receive(ControlPacket { last: true, ..heard });
    assert_eq!(rig.session.status().transmit_interval, ms(2000));
    rig.sent.clear();
    rig.pass_heard(ms(20_000), heard);
    assert!(rig.pauses().iter().all(|pause| *pause >= ms(1500)));
    // Shorter: at once.
    rig.session.reconfigure(config(100, 300, 3), rig.now);
    assert_eq!(rig.session.status().transmit_interval, ms(100));
    assert_eq!(rig.session.state(), State::Up, "none of this took the session down");
}

#[test]
fn hearing_faster_waits_for_the_peer_hearing_slower_does_not() {
    let heard = ControlPacket { desired_min_tx: 10_000, ..packet(State::Up, OURS) };
    let mut rig = Rig::in_state(config(300, 300, 3), State::Up);
    rig.session.reconfigure(config(300, 100, 3), rig.now);
    rig.receive(heard);
    assert_eq!(rig.session.status().detection_time, ms(900), "the peer may not have heard of it");
    rig.receive(ControlPacket { last: true, ..heard });
    assert_eq!(rig.session.status().detection_time, ms(300));
    rig.session.reconfigure(config(300, 500, 3), rig.now);
    rig.receive(heard);
    assert_eq!(rig.session.status().detection_time, ms(1500));
}

#[test]
fn an_answer_to_an_older_question_does_not_count() {
    let heard = packet(State::Up, OURS);
    let mut rig = Rig::in_state(config(300, 300, 3), State::Up);
    rig.session.reconfigure(config(1000, 300, 3), rig.now);
    rig.pass(ms(10));
    rig.session.reconfigure(config(2000, 300, 3), rig.now);
    rig.receive(ControlPacket { last: true, ..heard });
    assert_eq!(rig.session.status().transmit_interval, ms(300));
    rig.sent.clear();
    rig.pass_heard(ms(600), heard);
    // One packet between the polls has no P bit, so that the peer's answers can be told apart.
    let polls: Vec<bool> = rig.sent.iter().map(|sent| sent.packet.poll).collect();
    assert_eq!((polls[0], polls[1]), (false, true), "{polls:?}");
    rig.receive(ControlPacket { last: true, ..heard });
    assert_eq!(rig.session.status().transmit_interval, ms(2000));
}

#[test]
fn a_peer_that_can_hear_more_gets_more_at_once() {
    let slow = ControlPacket { required_min_rx: 10_000_000, ..packet(State::Up, OURS) };
    let mut rig = Rig::in_state(config(300, 300, 3), State::Up);
    rig.receive(slow);
    rig.pass_heard(ms(5000), slow);
    rig.sent.clear();
    rig.receive(packet(State::Up, OURS));
    rig.pass(ms(1));
    assert_eq!(rig.sent.len(), 1, "RFC 5880 6.8.3: the new interval has gone by already");
}
