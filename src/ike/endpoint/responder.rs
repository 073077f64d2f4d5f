//! What strangers may ask, and what they get: as little as possible until they have proven who they are.

use std::time::Instant;

use certificate::UnixTime;
use handshake::{
    Admission, Candidate, Contents, Incoming, InitRefusal, MAX_REQUEST, Refusal, answer_sa_init, is_meant, names_ppk,
    no_proposal, protocol,
};
use isakmp::{ExchangeType, Frame, Header, Message, NoProposalChosen, Notify, NotifyType, Payload, Version};
use negotiation::{Event, Failure, Output, Owner, Path, Phase as Negotiation, Slot};
use wire::ipsec::IkeSpi;

use super::Endpoint;
use super::tunnel::Tunnel;
use super::will::Will;

impl Endpoint {
    /// Takes a first message.
    pub(super) fn handle_first(&mut self, frame: &Frame<'_>, path: Path, now: Instant) {
        let peer = frame.header.initiator_spi;
        let source = path.remote.ip();
        if frame.datagram().len() > MAX_REQUEST {
            self.counters.dropped += 1;
            return;
        }
        if let Some(half) = self.half_open.repeated(peer, source, frame.datagram()) {
            let datagram = half.response().to_vec();
            self.transmit(path, datagram);
            return;
        }
        let contents = match frame.payloads() {
            Ok(payloads) => Contents::collect(payloads).ok(),
            Err(error) => {
                self.answer_in_the_clear(frame, path, error.notify(), now);
                None
            }
        };
        let Some(contents) = contents.filter(|_| peer != IkeSpi::ZERO) else {
            self.counters.dropped += 1;
            return;
        };
        let expected = self.by_address.contains_key(&(path.local.ip(), source));
        let within_rate = self.rates.take(source, expected, now);
        match self.half_open.admit(&contents, peer, (source, expected, within_rate), now, &mut *self.entropy) {
            Admission::Welcome => {}
            Admission::Full => {
                self.counters.refused_full += 1;
                return;
            }
            // A source that is known to receive what is sent to it answers for its rate, and for nothing that others
            // send in its name.
            Admission::Proven if self.proven_rates.take(source, expected, now) => {}
            Admission::Proven => {
                self.counters.refused_rate += 1;
                return;
            }
            Admission::Cookie(cookie) => {
                self.counters.cookies_sent += 1;
                self.send_notify(frame, path, Notify::with_data(NotifyType::COOKIE, cookie));
                return;
            }
        }
        let slots = self.candidates(path);
        let (mut cx, tunnels, _) = self.split(now);
        let candidates: Vec<_> = slots
            .iter()
            .filter_map(|slot| tunnels.get(slot))
            .map(|tunnel| Candidate { slot: tunnel.slot, config: &tunnel.config })
            .collect();
        if candidates.is_empty() {
            let failure = Failure::UnknownPeer { local: path.local, peer: path.remote };
            self.refuse_stranger(frame, path, Notify::new(NotifyType::NO_PROPOSAL_CHOSEN), failure, now);
            return;
        }
        match answer_sa_init(&mut cx, &candidates, frame, &contents, path) {
            Ok(half) => self.half_open.insert(half),
            Err(InitRefusal::Malformed) => self.counters.dropped += 1,
            Err(InitRefusal::OtherGroup(group)) => {
                self.send_notify(frame, path, Notify::invalid_ke_payload(group.id()));
            }
            Err(InitRefusal::NoProposal(error)) => {
                let slot = candidates[0].slot;
                self.refuse_proposal(frame, path, slot, error, now);
            }
        }
    }

    /// Tunnels that a peer on this path may mean: those configured with both addresses. A peer that comes from
    /// elsewhere, say through a NAT, may mean any at our address; its identity will tell.
    fn candidates(&self, path: Path) -> Vec<Slot> {
        let (local, remote) = (path.local.ip(), path.remote.ip());
        let listens = |slot: &Slot| self.tunnels.get(slot).is_some_and(|tunnel| tunnel.will != Will::Stop);
        let exact = self.by_address.get(&(local, remote)).into_iter().flatten();
        let exact: Vec<_> = exact.copied().filter(listens).collect();
        if !exact.is_empty() {
            return exact;
        }
        let at_ours = self.by_address.iter().filter(|((ours, _), _)| *ours == local);
        at_ours.flat_map(|(_, slots)| slots).copied().filter(listens).collect()
    }

    fn refuse_proposal(&mut self, frame: &Frame<'_>, path: Path, slot: Slot, error: NoProposalChosen, now: Instant) {
        self.send_notify(frame, path, Notify::new(NotifyType::NO_PROPOSAL_CHOSEN));
        let failure = no_proposal(error, Negotiation::Ike, path.remote);
        let meant = self.tunnels.get(&slot).is_some_and(|tunnel| tunnel.config.remote == path.remote.ip());
        let tunnel = self.tunnels.get(&slot).filter(|_| meant).map(|tunnel| tunnel.id);
        self.strangers.note(path.remote.ip(), tunnel, &failure, now);
        if meant && self.unauthenticated.take(now) {
            self.with_slot(slot, now, |tunnel, cx| tunnel.note_failure(cx, failure));
        } else if self.unauthenticated.take(now) {
            let (local, remote) = (path.local, path.remote);
            self.output.push_back(Output::Event(Event::Stranger { local, remote, failure }));
        }
    }

    /// Takes a message for a half-open SA.
    pub(super) fn handle_auth(&mut self, spi: IkeSpi, frame: &Frame<'_>, path: Path, now: Instant) {
        let Some(half) = self.half_open.get_mut(spi) else { return };
        if let Some(response) = half.again(frame) {
            let response = response.to_vec();
            self.transmit_all(path, response);
            return;
        }
        if !half.expects(&frame.header) {
            self.counters.dropped += 1;
            return;
        }
        let (contents, key, inner) = match half.open(frame, path) {
            Incoming::Message { contents, key, inner } => (contents, key, inner),
            Incoming::Partial => return,
            Incoming::InTheClear | Incoming::Invalid => {
                self.counters.dropped += 1;
                return;
            }
        };
        let contents = match contents {
            Ok(contents) => contents,
            Err(rejected) => {
                let failure = protocol(path.remote, &rejected.detail);
                let refusal = Refusal { notify: rejected.notify, failure };
                self.refuse_auth(spi, path, &key, refusal, None, now);
                return;
            }
        };
        if frame.header.exchange == ExchangeType::IKE_INTERMEDIATE {
            match half.answer_intermediate(&mut *self.entropy, &contents, key.clone(), &inner) {
                Ok(response) => self.transmit_all(path, response),
                Err(refusal) => self.refuse_auth(spi, path, &key, refusal, None, now),
            }
            return;
        }
        match self.identify(spi, path, &contents, self.clock.at(now)) {
            Ok((slot, ppk)) => self.establish(spi, (slot, ppk), &contents, &key, now),
            Err((slot, refusal)) => self.refuse_auth(spi, path, &key, refusal, slot, now),
        }
    }

    /// Which tunnel the sender of an `IKE_AUTH` request means, if it has proven that it may, and whether by the
    /// tunnel's post-quantum pre-shared key.
    fn identify(
        &self,
        spi: IkeSpi,
        path: Path,
        contents: &Contents,
        wall: UnixTime,
    ) -> Result<(Slot, bool), (Option<Slot>, Refusal)> {
        let unknown = || Refusal {
            notify: Notify::new(NotifyType::AUTHENTICATION_FAILED),
            failure: Failure::UnknownPeer { local: path.local, peer: path.remote },
        };
        let Some(half) = self.half_open.get(spi) else { return Err((None, unknown())) };
        let live = |slot: &&Slot| self.tunnels.get(slot).is_some_and(|tunnel| tunnel.will != Will::Stop);
        let candidates = || half.candidates().iter().filter(live).filter_map(|slot| self.tunnels.get(slot));
        let addressed = |tunnel: &&Tunnel| tunnel.config.remote == path.remote.ip();
        let mut meant: Vec<_> = candidates().filter(|tunnel| is_meant(&tunnel.config, contents)).collect();
        // Of several with these identities, the one whose PPK the peer names.
        meant.sort_by_key(|tunnel| !names_ppk(&tunnel.config, contents));
        let meant = meant.first().copied();
        match meant.or_else(|| candidates().find(addressed)) {
            Some(tunnel) => match tunnel.verify_initiator(half, contents, wall) {
                Ok(ppk) => Ok((tunnel.slot, ppk)),
                Err(refusal) => Err((Some(tunnel.slot), refusal)),
            },
            None => Err((None, unknown())),
        }
    }

    fn establish(&mut self, spi: IkeSpi, (slot, ppk): (Slot, bool), contents: &Contents, key: &[u8], now: Instant) {
        let Some(half) = self.half_open.remove(spi) else { return };
        self.names.claim(spi, Owner::Tunnel(slot));
        self.with_slot(slot, now, |tunnel, cx| tunnel.answer_auth(cx, half, ppk, contents, key));
    }

    /// Refuses an `IKE_INTERMEDIATE` or `IKE_AUTH` request. The entry stays for its time, to repeat the refusal.
    fn refuse_auth(&mut self, spi: IkeSpi, path: Path, key: &[u8], refusal: Refusal, slot: Option<Slot>, now: Instant) {
        let Some(half) = self.half_open.get_mut(spi) else { return };
        let response = half.refuse(key, &refusal, &mut *self.entropy);
        self.transmit_all(path, response);
        let tunnel = slot.and_then(|slot| self.tunnels.get_mut(&slot));
        self.strangers.note(path.remote.ip(), tunnel.as_ref().map(|tunnel| tunnel.id), &refusal.failure, now);
        if refusal.failure.is_about_identity() {
            self.counters.auth_failures += 1;
            tunnel.into_iter().for_each(|tunnel| tunnel.counters.auth_failures += 1);
        }
        if !self.unauthenticated.take(now) {
            return;
        }
        match slot {
            Some(slot) => self.with_slot(slot, now, |tunnel, cx| tunnel.note_failure(cx, refusal.failure)),
            None => {
                let (local, remote, failure) = (path.local, path.remote, refusal.failure);
                self.output.push_back(Output::Event(Event::Stranger { local, remote, failure }));
            }
        }
    }

    fn refuse_stranger(&mut self, frame: &Frame<'_>, path: Path, notify: Notify, failure: Failure, now: Instant) {
        self.strangers.note(path.remote.ip(), None, &failure, now);
        if self.unauthenticated.take(now) {
            self.send_notify(frame, path, notify);
            let (local, remote) = (path.local, path.remote);
            self.output.push_back(Output::Event(Event::Stranger { local, remote, failure }));
        }
    }

    /// RFC 7296 2.5: a request of a higher version is told ours; anything else is ignored.
    pub(super) fn answer_version(&mut self, frame: &Frame<'_>, path: Path, now: Instant) {
        self.counters.dropped += 1;
        if frame.header.version.major > Version::V2.major {
            self.answer_in_the_clear(frame, path, Notify::new(NotifyType::INVALID_MAJOR_VERSION), now);
        }
    }

    /// RFC 7296 2.21.4: a request under an SPI that is not ours may be told so, at a limited rate.
    pub(super) fn answer_unknown_spi(&mut self, frame: &Frame<'_>, path: Path, now: Instant) {
        self.counters.dropped += 1;
        if frame.header.exchange != ExchangeType::IKE_SA_INIT {
            self.answer_in_the_clear(frame, path, Notify::new(NotifyType::INVALID_IKE_SPI), now);
        }
    }

    fn answer_in_the_clear(&mut self, frame: &Frame<'_>, path: Path, notify: Notify, now: Instant) {
        if !frame.header.flags.response && self.unauthenticated.take(now) {
            self.send_notify(frame, path, notify);
        }
    }

    pub(super) fn send_notify(&mut self, frame: &Frame<'_>, path: Path, notify: Notify) {
        let mut header: Header = frame.header;
        header.version = Version::V2;
        header.flags.response = true;
        header.flags.higher_version = false;
        // RFC 7296 2.21: the flags of a response come from the other end.
        header.flags.initiator = !frame.header.flags.initiator;
        let message = Message { header, payloads: vec![Payload::Notify(notify)] };
        if let Ok(datagram) = message.encode() {
            self.transmit(path, datagram);
        }
    }

    fn transmit_all(&mut self, path: Path, datagrams: Vec<Vec<u8>>) {
        datagrams.into_iter().for_each(|datagram| self.transmit(path, datagram));
    }

    fn transmit(&mut self, path: Path, datagram: Vec<u8>) {
        self.output.push_back(Output::Transmit { local: path.local, remote: path.remote, datagram });
    }
}
