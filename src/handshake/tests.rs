//! The handshake by itself: an initiator and a responder, datagram by datagram.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use certificate::UnixTime;
use fixtures::Seeded;
use isakmp::{ChildExchange, ExchangeType, Frame, Message, Notify, NotifyType, Payload};
use negotiation::{
    Authentication, ChildLifetime, ChildSelectors, Cx, Dpd, DpdAction, EncapsulationPolicy, Failure, IkeVersion, Names,
    Output, PORT_IKE, Path, Ppk, SelectorLayout, Slot, StartAction, TunnelConfig,
};
use wire::Secret;
use wire::ipsec::TrafficSelector;

use crate::{
    Attempt, AuthAnswer, Candidate, Contents, HalfOpen, Incoming, Opening, Progress, Proven, Refusal, Wish,
    answer_sa_init, header, judge_offer,
};

const WALL: UnixTime = UnixTime(0);
const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2))];

/// One end: what surrounds its operations.
struct End {
    config: TunnelConfig,
    now: Instant,
    entropy: Seeded,
    output: VecDeque<Output>,
    names: Names,
}

impl End {
    fn pair(suite: &str) -> [Self; 2] {
        let [a, b] = ADDRESSES;
        [(a, b, 1), (b, a, 2)].map(|(local, remote, seed)| Self {
            config: config(local, remote, suite),
            now: Instant::now(),
            entropy: Seeded::new(seed),
            output: VecDeque::new(),
            names: Names::default(),
        })
    }

    fn path(&self) -> Path {
        Path { local: (self.config.local, PORT_IKE).into(), remote: (self.config.remote, PORT_IKE).into() }
    }

    fn with<T>(&mut self, operation: impl FnOnce(&mut Cx<'_>, &TunnelConfig) -> T) -> T {
        let Self { config, now, entropy, output, names } = self;
        operation(&mut Cx { now: *now, wall: WALL, entropy, output, names }, config)
    }

    /// What it has sent.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let datagram = |output| if let Output::Transmit { datagram, .. } = output { Some(datagram) } else { None };
        self.output.drain(..).filter_map(datagram).collect()
    }

    fn begin(&mut self) -> Attempt {
        let path = self.path();
        self.with(|cx, config| Attempt::begin(cx, config, Slot(1), path, false)).unwrap()
    }

    fn answer(&mut self, datagram: &[u8]) -> HalfOpen {
        let path = self.path();
        let frame = Frame::decode(datagram).unwrap();
        let contents = Contents::in_the_clear(&frame).unwrap();
        self.with(|cx, config| {
            answer_sa_init(cx, &[Candidate { slot: Slot(2), config }], &frame, &contents, path).unwrap()
        })
    }

    fn handle(&mut self, attempt: Attempt, datagram: &[u8]) -> Progress {
        let selectors = ChildSelectors { local: vec![TrafficSelector::ANY_V4], remote: vec![TrafficSelector::ANY_V4] };
        let wish = Wish { selectors, childless: false, initial_contact: true, extensions: Vec::new() };
        self.with(|cx, config| attempt.handle(cx, config, wish, &Frame::decode(datagram).unwrap()))
    }
}

fn config(local: IpAddr, remote: IpAddr, suite: &str) -> TunnelConfig {
    TunnelConfig {
        name: "t".into(),
        local,
        remote,
        ike_port: PORT_IKE,
        version: IkeVersion::V2,
        local_id: local.into(),
        remote_id: remote.into(),
        auth: Authentication::psk(Secret::from(b"a key of both".as_slice())),
        ppk: None,
        ike_proposals: vec![suite.parse().unwrap()],
        esp_proposals: vec!["aes128gcm16".parse().unwrap()],
        ike_lifetime: Duration::from_secs(3600),
        child_lifetime: ChildLifetime { time: Duration::from_secs(3600), bytes: None, packets: None },
        rekey_margin: Duration::from_secs(300),
        rekey_fuzz: 100,
        local_selectors: vec![TrafficSelector::ANY_V4],
        remote_selectors: vec![TrafficSelector::ANY_V4],
        layout: SelectorLayout::Together,
        start: StartAction::Initiate,
        encapsulation: EncapsulationPolicy::Auto,
        dpd: Dpd { interval: Duration::ZERO, timeout: Duration::from_secs(30), action: DpdAction::None },
        replay_window: 1024,
        early_rekey: false,
    }
}

fn whole(incoming: Incoming) -> (Contents, Vec<u8>, Vec<u8>) {
    let Incoming::Message { contents: Ok(contents), key, inner } = incoming else { panic!("{incoming:?}") };
    (contents, key, inner)
}

fn goes(progress: Progress) -> Attempt {
    let Progress::Goes(attempt) = progress else { panic!("{progress:?}") };
    attempt
}

fn answered(progress: Progress) -> AuthAnswer {
    let Progress::Answered(answer) = progress else { panic!("{progress:?}") };
    *answer
}

/// Both ends, where the initiator's `IKE_AUTH` was opened by the responder: that, and what it is known by.
fn up_to_auth(ends: &mut [End; 2]) -> (Attempt, HalfOpen, Contents, Vec<u8>) {
    let [a, b] = ends;
    let mut attempt = a.begin();
    let mut half = b.answer(&a.sent()[0]);
    assert_eq!(b.sent(), [half.response()]);
    attempt = goes(a.handle(attempt, half.response()));
    loop {
        let mut opened = Incoming::Partial;
        for request in a.sent() {
            let frame = Frame::decode(&request).unwrap();
            assert!(half.again(&frame).is_none() && half.expects(&frame.header));
            opened = half.open(&frame, b.path());
        }
        let (contents, key, inner) = whole(opened);
        if attempt.is_proving() {
            return (attempt, half, contents, key);
        }
        let response = half.answer_intermediate(&mut b.entropy, &contents, key.clone(), &inner).unwrap();
        assert_eq!(half.again(&Frame::decode(&key).unwrap()), Some(response.as_slice()));
        for datagram in response {
            attempt = goes(a.handle(attempt, &datagram));
        }
    }
}

/// A whole handshake: what either end has of it, and what the initiator was told.
fn complete(ends: &mut [End; 2]) -> (Opening, Opening, Proven) {
    let (attempt, half, contents, _) = up_to_auth(ends);
    let [a, b] = ends;
    let ppk = half.verify(&b.config, &contents, WALL).unwrap();
    let any = ChildSelectors { local: vec![TrafficSelector::ANY_V4], remote: vec![TrafficSelector::ANY_V4] };
    let peer = b.path().remote;
    let terms = judge_offer(&b.config, &[any], &contents, ChildExchange::Auth, peer).unwrap();
    let (mut theirs, mut payloads) = half.prove(&b.config, ppk).unwrap();
    payloads.push(Payload::Sa(vec![terms.chosen.answer(wire::ipsec::Spi(0x1234_5678))]));
    payloads.push(Payload::TsInitiator(terms.remote_selectors));
    payloads.push(Payload::TsResponder(terms.local_selectors));
    let head = header((theirs.peer_spi, theirs.spi), ExchangeType::IKE_AUTH, false, true, theirs.first.next_id());
    let response = theirs.protection.seal(head, payloads, peer, &mut b.entropy);
    let AuthAnswer { opening, verdict, child, .. } = answered(a.handle(attempt, &response[0]));
    assert!(child.is_some());
    (opening, theirs, verdict.unwrap())
}

fn ppk() -> Ppk {
    Ppk { id: b"branch-7".to_vec(), secret: Secret::from([7; 32].as_slice()), required: true }
}

#[test]
fn both_ends_settle_the_same_in_any_kind_of_handshake() {
    for (suite, with_ppk) in [
        ("aes128gcm16-prfsha256-x25519", false),
        ("aes128gcm16-prfsha256-x25519", true),
        ("aes256gcm16-prfsha384-x25519-ke1_mlkem768", false),
        ("aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke2_ecp256", true),
    ] {
        let mut ends = End::pair(suite);
        ends.iter_mut().for_each(|end| end.config.ppk = with_ppk.then(ppk));
        let (ours, theirs, proven) = complete(&mut ends);
        assert_eq!((ours.spi, ours.peer_spi), (theirs.peer_spi, theirs.spi));
        assert_eq!((ours.first.suite, ours.first.ppk), (theirs.first.suite, theirs.first.ppk));
        assert_eq!(ours.first.ppk, with_ppk);
        assert_eq!(ours.first.next_id(), theirs.first.next_id());
        assert_eq!(proven.terms.unwrap().unwrap().chosen.spi, wire::ipsec::Spi(0x1234_5678));
        let nonces = || crypto::Nonces { initiator: &ours.first.nonce_i, responder: &theirs.first.nonce_r };
        let suite = "aes128gcm16".parse::<crypto::EspProposal>().unwrap();
        let child = |opening: &Opening| opening.first.keys.child(suite.suite, None, &[], nonces());
        let keys = |opening: &Opening| child(opening).initiator.encryption;
        assert_eq!(keys(&ours), keys(&theirs), "what comes of the keys is the same");
        // What one end seals from here on, the other one opens.
        let [mut ours, mut theirs] = [ours, theirs];
        let head = header((ours.spi, ours.peer_spi), ExchangeType::INFORMATIONAL, true, false, 9);
        let peer = ours.path.remote;
        let sealed = ours.protection.seal(head, vec![Payload::Nonce(vec![3; 16])], peer, &mut Seeded::new(4));
        let opened = theirs.protection.open(&Frame::decode(&sealed[0]).unwrap());
        assert_eq!(whole(opened).0.nonce, Some(vec![3; 16]));
    }
}

#[test]
fn a_peer_with_another_key_is_refused_and_told_so_whenever_it_asks_again() {
    let mut ends = End::pair("aes128gcm16-prfsha256-x25519");
    ends[0].config.auth = Authentication::psk(Secret::from(b"another key".as_slice()));
    let (attempt, mut half, contents, key) = up_to_auth(&mut ends);
    let [a, b] = &mut ends;
    let refusal = half.verify(&b.config, &contents, WALL).unwrap_err();
    assert!(matches!(refusal.failure, Failure::WrongPsk { .. }), "{:?}", refusal.failure);
    let response = half.refuse(&key, &refusal, &mut b.entropy);
    let request = Frame::decode(&key).unwrap();
    assert_eq!(half.again(&request), Some(response.as_slice()));
    assert!(matches!(half.open(&request, b.path()), Incoming::Partial), "nothing more is taken of it");
    let disproven = answered(a.handle(attempt, &response[0])).verdict.unwrap_err();
    assert!(matches!(disproven.failure, Failure::AuthenticationFailed { .. }), "{:?}", disproven.failure);
    assert!(!disproven.established, "it has refused itself");
}

#[test]
fn a_responder_that_is_not_who_we_expect_may_hold_us_for_established() {
    let mut ends = End::pair("aes128gcm16-prfsha256-x25519");
    let (attempt, half, contents, _) = up_to_auth(&mut ends);
    let [a, b] = &mut ends;
    half.verify(&b.config, &contents, WALL).unwrap();
    b.config.local_id = IpAddr::from([203, 0, 113, 9]).into();
    let (mut opening, payloads) = half.prove(&b.config, false).unwrap();
    let head = header((opening.peer_spi, opening.spi), ExchangeType::IKE_AUTH, false, true, 1);
    let response = opening.protection.seal(head, payloads, b.path().remote, &mut b.entropy);
    let disproven = answered(a.handle(attempt, &response[0])).verdict.unwrap_err();
    assert!(matches!(disproven.failure, Failure::IdentityMismatch { .. }), "{:?}", disproven.failure);
    assert!(disproven.established, "it has to be told");
}

#[test]
fn an_error_that_anyone_may_have_sent_ends_nothing_while_the_real_answer_may_come() {
    let [mut a, mut b] = End::pair("aes128gcm16-prfsha256-x25519");
    let attempt = a.begin();
    let (patience, spi) = (attempt.deadline(), attempt.spi());
    let half = b.answer(&a.sent()[0]);
    let head = header((spi, wire::ipsec::IkeSpi(5)), ExchangeType::IKE_SA_INIT, false, true, 0);
    let error = Payload::Notify(Notify::new(NotifyType::NO_PROPOSAL_CHOSEN));
    let forged = Message { header: head, payloads: vec![error] }.encode().unwrap();
    let attempt = goes(a.handle(attempt, &forged));
    assert_eq!(attempt.deadline(), a.now + Duration::from_secs(1));
    assert!(matches!(attempt.failure(), Failure::NoProposalChosen { .. }), "{:?}", attempt.failure());
    let attempt = goes(a.handle(attempt, half.response()));
    assert!(attempt.is_proving());
    assert_eq!(attempt.deadline(), patience);
    assert!(matches!(attempt.failure(), Failure::PeerSilent { .. }), "{:?}", attempt.failure());
}

#[test]
fn a_refusal_is_fatal_only_for_what_breaks_the_rules() {
    let peer = (ADDRESSES[1], PORT_IKE).into();
    let refusal = Refusal::syntax(peer, "two nonces");
    assert!(refusal.is_fatal());
    let busy = Refusal { notify: Notify::new(NotifyType::TEMPORARY_FAILURE), failure: refusal.failure };
    assert!(!busy.is_fatal());
    assert_eq!(busy.payloads(), [Payload::Notify(Notify::new(NotifyType::TEMPORARY_FAILURE))]);
}
