//! Two sessions over a network that loses, repeats, delays and reorders.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::support::ms;
use crate::{Config, ControlPacket, Event, Output, Session, State};

/// What the network does to packets: shares in percent, and the longest delay.
#[derive(Clone, Copy, Debug)]
struct Weather {
    lost: u32,
    doubled: u32,
    delay: Duration,
}

struct Network {
    now: Instant,
    ends: [Session; 2],
    weather: Weather,
    /// Nothing passes toward this end.
    cut: [bool; 2],
    under_way: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sequence: u64,
    random: u64,
    downs: [Vec<Instant>; 2],
    heard: [Instant; 2],
}

impl Network {
    fn new(configs: [Config; 2], weather: Weather, seed: u64) -> Self {
        let now = Instant::now();
        let [first, second] = configs;
        let mut network = Self {
            now,
            ends: [Session::new(first, 11, seed, now), Session::new(second, 22, seed ^ 77, now)],
            weather,
            cut: [false; 2],
            under_way: BTreeMap::new(),
            sequence: 0,
            random: seed | 1,
            downs: [Vec::new(), Vec::new()],
            heard: [now; 2],
        };
        for end in [0, 1] {
            network.ends[end].start(now);
            network.drain(end);
        }
        network
    }

    fn random(&mut self, below: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        u32::try_from(self.random >> 32).unwrap() % below
    }

    fn drain(&mut self, end: usize) {
        while let Some(output) = self.ends[end].poll_output() {
            match output {
                Output::Transmit(octets) => self.send(1 - end, octets),
                Output::Event(Event::StateChanged { from: State::Up, .. }) => self.downs[end].push(self.now),
                Output::Event(Event::StateChanged { .. } | Event::Verdict(_)) => {}
            }
        }
    }

    fn send(&mut self, to: usize, octets: Vec<u8>) {
        if self.cut[to] || self.random(100) < self.weather.lost {
            return;
        }
        let copies = if self.random(100) < self.weather.doubled { 2 } else { 1 };
        for _ in 0..copies {
            let delay = self.random(u32::try_from(self.weather.delay.as_micros()).unwrap() + 1);
            self.sequence += 1;
            let at = self.now + Duration::from_micros(delay.into());
            self.under_way.insert((at, self.sequence), (to, octets.clone()));
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = [0, 1].map(|end| self.ends[end].poll_timeout());
            let packet = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let next = timers.into_iter().chain([packet]).flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if packet == Some(next) {
                let (_, (to, octets)) = self.under_way.pop_first().unwrap();
                let packet = ControlPacket::decode(&octets).unwrap();
                if self.ends[to].handle_packet(&packet, &octets, self.now).is_ok() {
                    self.heard[to] = self.now;
                }
                self.drain(to);
            } else {
                for end in [0, 1] {
                    self.ends[end].handle_timeout(self.now);
                    self.drain(end);
                }
            }
        }
        self.now = end;
    }

    /// A Down that was overtaken by an Up may take a young session down once more.
    fn forget_downs(&mut self) {
        self.downs = [Vec::new(), Vec::new()];
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|end| self.ends[end].state())
    }
}

prop_compose! {
    fn any_config()(interval in 20u64..800, min_receive in 20u64..800, multiplier in 3u8..7) -> Config {
        Config { interval: ms(interval), min_receive: ms(min_receive), multiplier, ..Config::default() }
    }
}

prop_compose! {
    fn any_weather()(lost in 0u32..25, doubled in 0u32..20, delay in 0u64..15) -> Weather {
        Weather { lost, doubled, delay: ms(delay) }
    }
}

const FAIR: Weather = Weather { lost: 0, doubled: 10, delay: Duration::from_millis(5) };

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn both_ends_agree_once_the_weather_is_fair(
        configs in (any_config(), any_config()), weather in any_weather(), seed in any::<u64>(),
    ) {
        let mut network = Network::new([configs.0, configs.1], weather, seed);
        network.run(ms(20_000));
        network.weather = FAIR;
        network.run(ms(15_000));
        prop_assert_eq!(network.states(), [State::Up; 2]);
        let lost = [network.downs[0].len(), network.downs[1].len()];
        network.run(ms(60_000));
        prop_assert_eq!(network.states(), [State::Up; 2]);
        prop_assert_eq!([network.downs[0].len(), network.downs[1].len()], lost, "no flap in fair weather");
        // Each end expects of the other what the other does.
        for (end, other) in [(0, 1), (1, 0)] {
            let (own, peer) = (network.ends[end].status(), network.ends[other].status());
            prop_assert_eq!(own.detection_time, peer.transmit_interval * u32::from(peer.multiplier));
            prop_assert_eq!(own.remote_discriminator, peer.discriminator);
        }
    }

    #[test]
    fn a_cut_is_noticed_within_the_detection_time_and_not_before(
        configs in (any_config(), any_config()), one_way in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut network = Network::new([configs.0, configs.1], FAIR, seed);
        network.run(ms(10_000));
        prop_assert_eq!(network.states(), [State::Up; 2]);
        network.forget_downs();
        network.cut = [true, !one_way];
        let detection = network.ends[0].status().detection_time;
        network.run(ms(6_000));
        prop_assert_eq!(network.states()[0], State::Down);
        let [first, ..] = network.downs[0][..] else { return Err(TestCaseError::fail("it was not noticed")) };
        prop_assert_eq!(first, network.heard[0] + detection, "to the microsecond");
        if one_way {
            // The other end hears that we are down, and says so too. Between our last packet and this one are 10 ms, and it is
            // under way for as long as the weather says.
            prop_assert_ne!(network.states()[1], State::Up);
            let heard = first + ms(10) + FAIR.delay;
            prop_assert!(network.downs[1][0] >= first && network.downs[1][0] <= heard);
        }
        network.cut = [false; 2];
        network.run(ms(10_000));
        prop_assert_eq!(network.states(), [State::Up; 2], "and it returns");
    }

    #[test]
    fn timers_change_without_a_flap(
        configs in (any_config(), any_config()), changes in proptest::collection::vec((0usize..2, any_config(), 0u64..3000), 1..12),
        seed in any::<u64>(),
    ) {
        let weather = Weather { lost: 0, doubled: 20, delay: ms(3) };
        let mut network = Network::new([configs.0, configs.1], weather, seed);
        network.run(ms(10_000));
        network.forget_downs();
        for (end, config, pause) in changes {
            network.ends[end].reconfigure(config, network.now);
            network.drain(end);
            network.run(ms(pause));
        }
        network.run(ms(10_000));
        prop_assert_eq!(network.states(), [State::Up; 2]);
        prop_assert!(network.downs.iter().all(Vec::is_empty), "{:?}", network.downs);
        for (end, other) in [(0, 1), (1, 0)] {
            let (own, peer) = (network.ends[end].status(), network.ends[other].status());
            prop_assert_eq!(own.detection_time, peer.transmit_interval * u32::from(peer.multiplier));
        }
    }
}
