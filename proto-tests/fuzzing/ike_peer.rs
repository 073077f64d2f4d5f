//! An endpoint and a peer that has its keys and no manners: it completes `IKE_SA_INIT`, proves the pre-shared key or
//! does not, and then says whatever the input says, encrypted and authentic (RFC 7296 1.2 to 1.4).
//!
//! Without the proof nothing comes up. With it anything may happen to this tunnel, but the data plane is told a story
//! that makes sense, the endpoint falls silent, and its timers do not spin.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crypto::{AuthInput, Group, IkeKeys, Nonces, Role, SkCipher, SkCiphers};
use identity::Identity;
use ike::Endpoint;
use isakmp::{ExchangeType, Frame, HEADER_LEN, Message, Payload, PayloadType};
use negotiation::{Event, Output, StartAction};
use wire::Secret;
use wire::ipsec::{Direction, IkeSpi, SaAction, Spi, TunnelId};

use super::datagrams::{
    ADDRESS_A, ADDRESS_B, NONCE, authentication_payloads, config, encode, first_request_with, header, later_requests,
    suite,
};
use super::entropy::Seeded;
use super::input::{Input, Script};

const TUNNEL: TunnelId = TunnelId(3);
const SPI: IkeSpi = IkeSpi(0x0102_0304_0506_0708);
const STEPS: usize = 48;
/// Datagrams that one of the peer's may cause.
const MOST_ANSWERS: usize = 80;
/// Timer expiries in a day without a peer: retransmissions, attempts, rekeys.
const MOST_TIMERS: usize = 4000;

/// Octets: whether the peer proves itself (odd), then steps.
///
/// A step is a way to send, an exchange type, a message ID (or how far it is off the expected one), the kind of the
/// first payload, and the payload chain.
pub fn body(octets: &[u8]) {
    let mut input = Input::new(octets);
    let proves = input.u8() % 2 == 1;
    let Some(mut peer) = Peer::begin() else { panic!("an IKE_SA_INIT request of ours is answered") };
    if proves {
        peer.authenticate();
        assert!(peer.world.is_up(), "a peer that proves the key is let in");
    }
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        peer.step(&mut input);
        assert!(proves || !peer.world.is_up(), "nobody comes in without the key");
    }
    peer.world.wait_a_day();
}

/// A message with an encrypted payload around `plaintext`: SPIs with version, exchange, flags and message ID zero or
/// behind them in `start`, kinds of the encrypted and of its first payload, what precedes the initialisation vector.
pub(super) fn sealed(
    cipher: &mut SkCipher,
    start: &[u8],
    (kind, first): (PayloadType, PayloadType),
    numbering: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let body = 4 + numbering.len() + cipher.sealed_len(plaintext.len());
    let mut message = vec![0; HEADER_LEN];
    let known = start.len().min(24);
    message[17] = 0x20;
    message[..known].copy_from_slice(&start[..known]);
    message[16] = kind.0;
    message[24..].copy_from_slice(&u32::try_from(HEADER_LEN + body).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(&[first.0, 0]);
    message.extend_from_slice(&u16::try_from(body).unwrap_or(u16::MAX).to_be_bytes());
    message.extend_from_slice(numbering);
    cipher.seal(&mut message, plaintext, &mut Seeded::new(5));
    message
}

/// The endpoint, and what it has told its surroundings.
struct World {
    endpoint: Endpoint,
    now: Instant,
    inbound: BTreeSet<Spi>,
    up: bool,
    /// Headers of what it sent last.
    sent: Vec<Vec<u8>>,
}

impl World {
    fn is_up(&self) -> bool {
        self.up
    }

    fn deliver(&mut self, port: u16, datagram: &[u8]) {
        let (local, remote) = (SocketAddr::new(ADDRESS_B, port), SocketAddr::new(ADDRESS_A, port));
        self.endpoint.handle_datagram(local, remote, datagram, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        self.sent.clear();
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { datagram, .. } => self.sent.push(datagram),
                Output::Sa(action) => self.apply(&action),
                Output::Event(Event::TunnelUp { inbound, .. }) => {
                    assert!(!std::mem::replace(&mut self.up, true), "up twice");
                    assert!(self.inbound.contains(&inbound), "up without its inbound SA");
                }
                Output::Event(Event::TunnelDown { .. }) => {
                    assert!(std::mem::replace(&mut self.up, false), "down twice");
                }
                Output::Event(_) => {}
            }
        }
        assert!(self.sent.len() <= MOST_ANSWERS, "{} datagrams at once", self.sent.len());
        assert!(self.inbound.len() <= 64, "{} inbound SAs", self.inbound.len());
    }

    fn apply(&mut self, action: &SaAction) {
        match action {
            SaAction::Install { direction: Direction::Inbound, sa, .. } => {
                assert!(self.inbound.insert(sa.spi), "{} installed twice", sa.spi);
            }
            SaAction::Remove { direction: Direction::Inbound, spi, .. } => {
                assert!(self.inbound.remove(spi), "{spi} removed and not there");
            }
            SaAction::Install { .. } | SaAction::Remove { .. } | SaAction::Move { .. } => {}
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
        self.drain();
    }

    /// Without a peer every SA ends, and no timer fires at one moment for ever.
    fn wait_a_day(&mut self) {
        let end = self.now + Duration::from_secs(86_400);
        for _ in 0..MOST_TIMERS {
            let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) else {
                assert!(self.inbound.is_empty() && !self.up, "SAs outlive a dead peer: {:?}", self.inbound);
                return;
            };
            self.now = due.max(self.now);
            self.endpoint.handle_timeout(self.now);
            self.drain();
            assert!(self.endpoint.poll_timeout().is_none_or(|next| next > self.now), "a timer spins");
        }
        panic!("timers fire {MOST_TIMERS} times in a day");
    }
}

struct Peer {
    world: World,
    keys: IkeKeys,
    ciphers: SkCiphers,
    first_request: Vec<u8>,
    responder_nonce: Vec<u8>,
    responder: IkeSpi,
    next_id: u32,
}

impl Peer {
    /// An endpoint that waits, and `IKE_SA_INIT` with it.
    fn begin() -> Option<Self> {
        let now = Instant::now();
        let mut endpoint = Endpoint::new(Box::new(Seeded::new(1)));
        endpoint.add_tunnel(TUNNEL, config(ADDRESS_B, ADDRESS_A, StartAction::Respond), now);
        let mut world = World { endpoint, now, inbound: BTreeSet::new(), up: false, sent: Vec::new() };
        let pair = Group::X25519.generate(&mut Seeded::new(2));
        let first_request = first_request_with(SPI, pair.public().to_vec());
        world.deliver(500, &first_request);
        let answer = Message::decode(world.sent.first()?).ok()?;
        let responder = answer.header.responder_spi;
        let (mut public, mut nonce) = (None, None);
        for payload in answer.payloads {
            if let Payload::KeyExchange(exchange) = payload {
                public = Some(exchange.data);
            } else if let Payload::Nonce(value) = payload {
                nonce = Some(value);
            }
        }
        let (shared, responder_nonce): (Secret, Vec<u8>) = (pair.agree(&public?).ok()?, nonce?);
        let nonces = Nonces { initiator: &NONCE, responder: &responder_nonce };
        let keys = IkeKeys::derive(&suite(), &shared, nonces, SPI, responder);
        let ciphers = keys.ciphers(Role::Initiator);
        Some(Self { world, keys, ciphers, first_request, responder_nonce, responder, next_id: 1 })
    }

    fn authenticate(&mut self) {
        let id = Identity::from(ADDRESS_A).to_payload().body();
        let input = AuthInput {
            message: &self.first_request,
            peer_nonce: &self.responder_nonce,
            id_body: &id,
            intermediate: &[],
        };
        let auth = config(ADDRESS_A, ADDRESS_B, StartAction::Initiate).auth;
        let psk = auth.shared_key().expect("a key for both ends");
        let auth = self.keys.psk_auth(Role::Initiator, psk, input).expose().to_vec();
        let spis = (SPI, self.responder);
        let message = encode(header(spis, ExchangeType::IKE_AUTH, 1), authentication_payloads(auth));
        self.say(&message[17..24], PayloadType(message[16]), &message[HEADER_LEN..]);
        self.next_id = 2;
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (way, exchange, offset) = (input.u8(), input.u8(), u32::from(input.u8()));
        let (first, chain) = (PayloadType(input.u8()), input.piece());
        let answered = self.world.sent.last().and_then(|datagram| Frame::decode(datagram).ok());
        let request = answered.map(|frame| frame.header).filter(|header| !header.flags.response);
        match way % 8 {
            // A request, in its turn or not.
            0..=3 => {
                let id = self.next_id.wrapping_add(offset);
                self.say(&start(exchange, 0x08, id), first, chain);
                self.next_id += u32::from(offset == 0);
            }
            // A response, to what was asked last or to nothing.
            4 | 5 => {
                let (exchange, id) =
                    request.map_or((exchange, offset), |header| (header.exchange.0, header.message_id));
                self.say(&start(exchange, 0x28, id), first, chain);
            }
            6 => self.world.pass(Duration::from_secs(u64::from(offset) * 4)),
            _ => {
                let now = self.world.now;
                match offset % 4 {
                    0 => self.world.endpoint.rekey_child(TUNNEL, now),
                    1 => self.world.endpoint.rekey_ike(TUNNEL, now),
                    2 => self.world.endpoint.terminate(TUNNEL, now),
                    _ => self.world.endpoint.initiate(TUNNEL, now),
                }
                self.world.drain();
            }
        }
    }

    /// `start` is what stands in a header from the version to the message ID.
    fn say(&mut self, start: &[u8], first: PayloadType, chain: &[u8]) {
        let spis = [SPI.to_be_bytes(), self.responder.to_be_bytes()].concat();
        let start = [&spis, &[0][..], start].concat();
        let kinds = (PayloadType::ENCRYPTED, first);
        let datagram = sealed(&mut self.ciphers.outbound, &start, kinds, &[], chain);
        self.world.deliver(4500, &datagram);
    }
}

fn start(exchange: u8, flags: u8, message_id: u32) -> Vec<u8> {
    [&[0x20, exchange, flags][..], &message_id.to_be_bytes()].concat()
}

/// Every request there is from a peer that proved itself, alone and in a row; answers to what we ask; an `IKE_AUTH`
/// without a proof.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let step = |script: Script, way: u8, message: &[u8]| {
        script.octets(&[way, message[18], 0, message[16]]).piece(&message[HEADER_LEN..])
    };
    let order = |script: Script, which: u8| script.octets(&[7, 0, which, 0]).piece(&[]);
    let requests = later_requests();
    let proven = || Script::default().octets(&[1]);
    let mut seeds: Vec<Vec<u8>> = requests.iter().map(|message| step(proven(), 0, message).done()).collect();
    seeds.push(requests.iter().fold(proven(), |script, message| step(script, 0, message)).done());
    let answers = [(0, &requests[5]), (1, &requests[4]), (2, &requests[0])];
    seeds.extend(answers.map(|(which, answer)| step(order(proven(), which), 4, answer).done()));
    let unproven = encode(header((SPI, SPI), ExchangeType::IKE_AUTH, 1), authentication_payloads(vec![0; 32]));
    seeds.push(step(Script::default().octets(&[0]), 0, &unproven).done());
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_of_the_seeds_are_granted() {
        let mut peer = Peer::begin().unwrap();
        peer.authenticate();
        let requests = later_requests();
        for (message, sas) in [(&requests[0], 1), (&requests[3], 2)] {
            let script =
                Script::default().octets(&[0, message[18], 0, message[16]]).piece(&message[HEADER_LEN..]).done();
            peer.step(&mut Input::new(&script));
            assert_eq!(peer.world.sent.len(), 1, "answered");
            assert_eq!(peer.world.inbound.len(), sas, "exchange {}", message[18]);
        }
        assert!(peer.world.is_up());
    }
}
