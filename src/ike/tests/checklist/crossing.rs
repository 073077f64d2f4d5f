//! Both ends begin at once, in every order of their messages; and ten thousand of the commonest collisions.

use negotiation::{Event, StartAction};

use fixtures::Seeded;

use super::*;

/// All orders of four messages of each end's attempt: whose message comes next.
fn orders() -> Vec<[usize; 8]> {
    let order = |bits: u32| std::array::from_fn(|place| usize::from(bits >> place & 1 == 1));
    (0..1_u32 << 8).filter(|bits| bits.count_ones() == 4).map(order).collect()
}

/// How long after the beginning the message in each place arrives.
const PACE: Duration = Duration::from_millis(40);

/// Where in an attempt a message has its place.
fn step(packet: &Packet) -> Option<usize> {
    let exchange = match packet.exchange {
        ExchangeType::IKE_SA_INIT => 0,
        ExchangeType::IKE_AUTH => 2,
        _ => return None,
    };
    Some(exchange + usize::from(packet.response))
}

/// Delivers the first messages of both attempts in an order.
fn deliver_in(order: [usize; 8], network: &mut Network) {
    let start = network.now;
    let places = |end| order.iter().enumerate().filter(move |(_, whose)| **whose == end).map(|(place, _)| place);
    let mut places: [Vec<usize>; 2] = [A, B].map(|end| places(end).collect());
    network.fate = Box::new(move |packet| {
        let whose = if packet.response { 1 - packet.from } else { packet.from };
        // A message sent again goes as it would.
        let place = step(packet).and_then(|step| Some(std::mem::replace(places[whose].get_mut(step)?, usize::MAX)));
        let Some(place) = place.filter(|place| *place != usize::MAX) else { return Some(10) };
        let at = start + PACE * (u32::try_from(place).unwrap() + 1);
        Some(u64::try_from(at.saturating_duration_since(packet.sent).as_millis()).unwrap())
    });
}

#[test]
fn both_ends_begin_in_every_order_of_their_messages() {
    let orders = orders();
    assert_eq!(orders.len(), 70);
    for order in orders {
        for line in &LINES {
            for seed in 0..2 {
                let _case = Case(format!("{order:?} over {}, seed {seed}", line.name));
                let mut network = Network::bare(seed);
                (network.loss, network.repeat, network.jitter) = (line.loss, line.repeat, line.jitter);
                deliver_in(order, &mut network);
                for (end, config) in [config_a(), config_b()].into_iter().enumerate() {
                    network.add(end, negotiation::TunnelConfig { start: StartAction::Respond, ..config });
                    network.with(end, |endpoint, now| endpoint.initiate(TUNNEL, now));
                }
                network.run(SPOILT);
                GOOD.spoil(&mut network, Fates::default());
                network.run(QUIET);
                network.assert_settled();
                network.assert_nothing_half_open();
                for end in [A, B] {
                    assert_eq!(network.downs(end), []);
                    assert_eq!(network.count(end, |event| matches!(event, Event::TunnelUp { .. })), 1);
                }
            }
        }
    }
}

#[test]
fn ten_thousand_crossing_rekeys_lose_nothing() {
    const ROUNDS: u64 = 10_000;
    let (mut a, mut b) = (config_a(), config_b());
    for config in [&mut a, &mut b] {
        // No group: it is the exchanges that are tried here.
        config.esp_proposals = vec!["aes128gcm16".parse().unwrap()];
        config.child_lifetime.time = Duration::from_secs(86_400 * 365);
        config.ike_lifetime = Duration::from_secs(86_400 * 365);
    }
    let mut network = Network::up_with(1, a, b);
    let mut random = Seeded::new(7);
    let (mut rekeyed, mut most) = (0, 0);
    for round in 0..ROUNDS {
        network.jitter = 1 + round % 50;
        let rekey = if round % 50 == 49 { crate::Endpoint::rekey_ike } else { crate::Endpoint::rekey_child };
        let first = usize::from(random.percent(50));
        network.with(first, |endpoint, now| rekey(endpoint, TUNNEL, now));
        network.run(Duration::from_millis(random.number() % 25));
        network.with(1 - first, |endpoint, now| rekey(endpoint, TUNNEL, now));
        network.run(Duration::from_millis(7_000));
        assert!(network.is_up(), "round {round}");
        network.assert_no_flap();
        most = most.max(network.ends.iter().map(|end| end.data.inbound.len()).max().unwrap());
        rekeyed += network.count(A, |event| matches!(event, Event::ChildRekeyed { .. } | Event::IkeRekeyed { .. }));
        network.forget();
    }
    network.run(Duration::from_secs(60));
    network.assert_settled();
    println!(
        "{ROUNDS} crossing rekeys: {rekeyed} SAs replaced, at most {most} inbound SAs at a time, no flap, none left"
    );
    assert!(rekeyed > usize::try_from(ROUNDS).unwrap(), "most of them cross");
    assert!(most <= 6, "{most} inbound SAs");
}
