//! Where IKEv1 comes in: the tunnels that speak it, and what peers that speak the other version are told.
//!
//! ```text
//!  first message, by the pair of addresses --+--> main mode: the tunnel of the pair
//!                                            +--> aggressive mode: the tunnel whose peer has this identity
//!  any other, by the cookie that is ours ----+--> the tunnel
//! ```
//!
//! A stranger gets no answer: IKEv1 has nothing like a cookie to tell a forged address from a real one. First messages are
//! taken at a rate for each source, and who is refused is remembered by source, as for IKEv2.

use std::time::Instant;

use ikev1::{Contents, Tunnel};
use isakmp::v1::{Exchange, Frame as FrameV1};
use isakmp::{Frame, Notify, NotifyType};
use negotiation::{Event, Failure, IkeVersion, Output, Owner, Path, Slot, V1Mode};
use wire::ipsec::{IkeSpi, TunnelId};

use super::Endpoint;

impl Endpoint {
    /// Takes an IKEv1 message.
    pub(super) fn handle_v1(&mut self, frame: &FrameV1<'_>, path: Path, now: Instant) {
        if self.note_v1_answer(frame, path, now) {
            return;
        }
        let header = &frame.header;
        if header.responder == IkeSpi::ZERO {
            self.handle_v1_first(frame, path, now);
            return;
        }
        for cookie in [header.responder, header.initiator] {
            if let Some(Owner::Tunnel(slot)) = self.names.owner(cookie)
                && self.v1.contains_key(&slot)
            {
                self.with_v1(slot, now, |tunnel, cx| tunnel.handle_datagram(cx, cookie, frame, path));
                return;
            }
        }
        self.counters.dropped += 1;
    }

    fn handle_v1_first(&mut self, frame: &FrameV1<'_>, path: Path, now: Instant) {
        let header = frame.header;
        if header.exchange == Exchange::INFORMATIONAL
            && let Some(Owner::Tunnel(slot)) = self.names.owner(header.initiator)
        {
            // An error in answer to our first message, from an end that made no cookie.
            self.with_v1(slot, now, |tunnel, cx| tunnel.handle_datagram(cx, header.initiator, frame, path));
            return;
        }
        let mode = match header.exchange {
            Exchange::IDENTITY_PROTECTION => V1Mode::Main,
            Exchange::AGGRESSIVE => V1Mode::Aggressive,
            _ => {
                self.counters.dropped += 1;
                return;
            }
        };
        let Some(contents) = Contents::of_first(frame) else {
            self.counters.dropped += 1;
            return;
        };
        let source = path.remote.ip();
        let expected = self.by_address.contains_key(&(path.local.ip(), source));
        if !self.rates.take(source, expected, now) {
            self.counters.refused_rate += 1;
            return;
        }
        let Some(slot) = self.v1_meant(mode, &contents, path) else {
            self.refuse_v1(frame, path, now);
            return;
        };
        let mut repeated = false;
        self.with_v1(slot, now, |tunnel, cx| repeated = tunnel.repeat_first(cx, frame, path));
        // Aggressive mode has us compute, and all refusals are told: as often as the bucket allows.
        let answered = self.v1.get(&slot).is_some_and(|tunnel| tunnel.would_answer_main(&contents));
        let quiet = mode == V1Mode::Main && answered;
        if repeated || !(quiet || self.unauthenticated.take(now)) {
            return;
        }
        self.with_v1(slot, now, |tunnel, cx| tunnel.handle_first(cx, frame, contents, path));
    }

    /// The tunnel that a first message means.
    fn v1_meant(&self, mode: V1Mode, contents: &Contents, path: Path) -> Option<Slot> {
        let (local, remote) = (path.local.ip(), path.remote.ip());
        let identity = contents.identity();
        let is_named = |slot: &&Slot| {
            self.v1.get(slot).is_some_and(|tunnel| {
                tunnel.mode() == mode && identity.as_ref().is_some_and(|id| tunnel.config.remote_id.matches(id))
            })
        };
        let listens = |slot: &&Slot| self.v1.get(slot).is_some_and(Tunnel::listens);
        let at_pair = || self.by_address.get(&(local, remote)).into_iter().flatten().filter(listens);
        let same_mode = |slot: &&Slot| self.v1.get(slot).is_some_and(|tunnel| tunnel.mode() == mode);
        let by_pair = at_pair().find(is_named).or_else(|| at_pair().find(same_mode)).or_else(|| at_pair().next());
        if by_pair.is_some() || mode == V1Mode::Main {
            return by_pair.copied();
        }
        // A peer that comes from elsewhere, say through a NAT, is known by the identity it sends in the clear.
        let at_ours = self.by_address.iter().filter(|((ours, _), _)| *ours == local);
        at_ours.flat_map(|(_, slots)| slots).filter(listens).find(is_named).copied()
    }

    /// Nobody speaks IKEv1 with this peer. If somebody speaks IKEv2 with it, both ends are told.
    fn refuse_v1(&mut self, frame: &FrameV1<'_>, path: Path, now: Instant) {
        self.counters.dropped += 1;
        if !self.unauthenticated.take(now) {
            return;
        }
        let peer = path.remote;
        let pair = (path.local.ip(), path.remote.ip());
        let other =
            self.by_address.get(&pair).into_iter().flatten().find(|slot| self.tunnels.contains_key(slot)).copied();
        let Some(slot) = other else {
            let failure = Failure::UnknownPeer { local: path.local, peer };
            self.strangers.note(peer.ip(), None, &failure, now);
            self.output.push_back(Output::Event(Event::Stranger { local: path.local, remote: peer, failure }));
            return;
        };
        self.with_slot(slot, now, |tunnel, cx| {
            let answer = ikev1::invalid_version(frame, cx);
            cx.transmit(path, &[answer]);
            tunnel.note_failure(cx, Failure::Version { peer, ours: IkeVersion::V2, theirs: Some(1) });
        });
    }

    /// RFC 7296 2.5: a first message of IKEv2 where only IKEv1 is configured. Whether it was, and was told so.
    pub(super) fn refuse_v2(&mut self, frame: &Frame<'_>, path: Path, now: Instant) -> bool {
        let pair = (path.local.ip(), path.remote.ip());
        let slots = || self.by_address.get(&pair).into_iter().flatten();
        if slots().any(|slot| self.tunnels.contains_key(slot)) {
            return false;
        }
        let Some(slot) = slots().find(|slot| self.v1.contains_key(slot)).copied() else { return false };
        if self.unauthenticated.take(now) {
            self.send_notify(frame, path, Notify::new(NotifyType::INVALID_MAJOR_VERSION));
            self.with_v1(slot, now, |tunnel, cx| {
                let (peer, ours) = (path.remote, tunnel.config.version);
                tunnel.note_failure(cx, Failure::Version { peer, ours, theirs: Some(2) });
            });
        }
        true
    }

    /// An answer of another version to our first message of IKEv2. Not authentic: the real answer stays welcome.
    pub(super) fn note_v1_answer(&mut self, frame: &FrameV1<'_>, path: Path, now: Instant) -> bool {
        let Some(Owner::Tunnel(slot)) = self.names.owner(frame.header.initiator) else { return false };
        if !self.tunnels.contains_key(&slot) {
            return false;
        }
        let spi = frame.header.initiator;
        self.with_slot(slot, now, |tunnel, cx| {
            if let Some(attempt) = tunnel.attempt.as_mut().filter(|attempt| attempt.spi() == spi) {
                let ours = IkeVersion::V2;
                attempt.doubt(Failure::Version { peer: path.remote, ours, theirs: Some(1) }, cx.now);
            }
        });
        true
    }

    /// The same, by the number that the process gave.
    pub(super) fn with_v1_id(
        &mut self,
        id: TunnelId,
        now: Instant,
        operation: impl FnOnce(&mut Tunnel, &mut negotiation::Cx<'_>),
    ) {
        if let Some(slot) = self.slots.get(&id).copied() {
            self.with_v1(slot, now, operation);
        }
    }

    #[cfg(test)]
    pub(crate) fn v1_tunnel(&self, id: TunnelId) -> Option<&Tunnel> {
        self.slots.get(&id).and_then(|slot| self.v1.get(slot))
    }

    /// Runs an operation on a tunnel of IKEv1 and brings the tunnel back to what it should be.
    pub(super) fn with_v1(
        &mut self,
        slot: Slot,
        now: Instant,
        operation: impl FnOnce(&mut Tunnel, &mut negotiation::Cx<'_>),
    ) {
        let (mut cx, _, tunnels) = self.split(now);
        let Some(tunnel) = tunnels.get_mut(&slot) else { return };
        operation(tunnel, &mut cx);
        tunnel.settle(&mut cx);
        let (id, deadline, is_gone) = (tunnel.id, tunnel.next_deadline(), tunnel.is_gone());
        let refused = std::mem::take(&mut tunnel.refused);
        for (source, failure) in refused {
            self.counters.auth_failures += u64::from(failure.is_about_identity());
            self.strangers.note(source, Some(id), &failure, now);
        }
        let gone = is_gone && self.slots.get(&id) != Some(&slot);
        self.deadlines.set(slot, deadline.filter(|_| !gone));
        if gone && let Some(tunnel) = self.v1.remove(&slot) {
            tunnel.cookies().for_each(|cookie| self.names.release(cookie));
        }
    }
}
