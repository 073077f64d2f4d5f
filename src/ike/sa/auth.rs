//! What `IKE_AUTH` brings the tunnel (RFC 7296 1.2): an IKE SA and the first CHILD SA, or none of both. Who is who is
//! settled in the room `handshake`.

use crypto::{IkeKeys, Nonces, Role};
use handshake::{AuthAnswer, Contents, Disproven, HalfOpen, Opening, Proven, Refusal, judge_offer};
use isakmp::{ChildExchange, ExchangeType, NotifyType, Payload};
use negotiation::{Cx, DownReason};
use wire::ipsec::{IkeSpi, Spi};

use crate::endpoint::Tunnel;
use crate::sa::new_child::NewChild;
use crate::sa::{Phase, Task, sync};

impl Tunnel {
    /// Our authentication was answered.
    pub(super) fn finish_auth(&mut self, cx: &mut Cx<'_>, answer: AuthAnswer) {
        self.note_refused_child(&answer);
        let AuthAnswer { opening, sole, outdated, child, verdict, .. } = answer;
        let Proven { contents, terms } = match verdict {
            Ok(proven) => proven,
            Err(disproven) => {
                self.abandon_auth(cx, opening, child, disproven);
                return;
            }
        };
        let (spi, flow) = (opening.spi, self.asked);
        let keys = opening.first.keys.clone();
        let (nonce_i, nonce_r) = (opening.first.nonce_i.clone(), opening.first.nonce_r.clone());
        self.establish(cx, Role::Initiator, opening);
        self.note_sync(spi, &contents);
        self.note_peer_certificate(&contents);
        self.note_auth_lifetime(cx, spi, &contents);
        self.plan_before_expiry(cx, spi);
        if outdated {
            self.renew_outdated(cx.now, spi);
        }
        let Some((child, terms)) = child.zip(terms) else {
            self.begin_first_child(cx, spi, flow);
            if sole {
                self.forget_older(spi);
            }
            return;
        };
        match terms {
            Ok(terms) => {
                let nonces = Nonces { initiator: &nonce_i, responder: &nonce_r };
                let keys = keys.child(terms.chosen.suite, None, &[], nonces);
                let new = NewChild { flow, terms, spi: child, role: Role::Initiator, group: None, keys };
                self.add_child(cx, spi, new);
                self.plan_early_rekey(cx, child);
                if sole {
                    self.forget_older(spi);
                }
            }
            Err(failure) => {
                // An IKE SA alone is of no use; both ends get rid of it and we try again later.
                cx.names.release_esp(child);
                if self.is_up() || !self.try_other_flow(cx, spi, flow, &failure) {
                    self.close_politely(cx, spi, &DownReason::Failed(failure.clone()));
                    self.fail(cx, failure);
                }
            }
        }
    }

    /// Gives up what the responder may hold for established.
    fn abandon_auth(&mut self, cx: &mut Cx<'_>, opening: Opening, child: Option<Spi>, disproven: Disproven) {
        let Disproven { failure, established } = disproven;
        if let Some(child) = child {
            cx.names.release_esp(child);
        }
        if established {
            // RFC 7296 2.21.2: the responder is told in an exchange of its own.
            let mut sa = self.new_ike(cx, Role::Initiator, opening);
            sa.phase = Phase::Closing;
            sa.enqueue(Task::DeleteIke);
            self.sas.push(sa);
        } else {
            cx.names.release(opening.spi);
        }
        self.fail(cx, failure);
    }

    /// Who asks is who we expect, and may have another IKE SA; whether by our post-quantum pre-shared key, too.
    pub(crate) fn verify_initiator(
        &self,
        half: &HalfOpen,
        contents: &Contents,
        wall: certificate::UnixTime,
    ) -> Result<bool, Refusal> {
        let ppk = half.verify(&self.config, contents, wall)?;
        self.room_for_ike(half.path().remote)?;
        Ok(ppk)
    }

    /// Establishes what an authenticated peer asked for, and answers. `ppk` says whether by our post-quantum pre-shared
    /// key, too; `key` is what the request is known by.
    pub(crate) fn answer_auth(&mut self, cx: &mut Cx<'_>, half: HalfOpen, ppk: bool, contents: &Contents, key: &[u8]) {
        let spi = half.spi();
        let (opening, mut payloads) = match half.prove(&self.config, ppk) {
            Ok(proven) => proven,
            Err(failure) => {
                // The peer hears nothing and tries again.
                cx.names.release(spi);
                self.note_failure(cx, failure);
                return;
            }
        };
        let (path, message_id, keys) = (opening.path, opening.first.next_id(), opening.first.keys.clone());
        let nonces = (opening.first.nonce_i.clone(), opening.first.nonce_r.clone());
        self.establish(cx, Role::Responder, opening);
        self.note_sync(spi, contents);
        self.note_peer_certificate(contents);
        payloads.extend(sync::is_supported(contents).then(sync::supported));
        payloads.extend(self.granted(cx.wall));
        payloads.extend(self.answer_first_child(cx, spi, &keys, (&nonces.0, &nonces.1), contents));
        self.respond(cx, spi, ExchangeType::IKE_AUTH, message_id, path, key, payloads);
        // RFC 7296 2.4: the peer has nothing else of ours. What was authenticated while this was under way is
        // younger than that statement.
        if contents.has(NotifyType::INITIAL_CONTACT) {
            self.forget_older(spi);
        }
        self.yield_attempt(cx);
    }

    fn answer_first_child(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        keys: &IkeKeys,
        nonces: (&[u8], &[u8]),
        contents: &Contents,
    ) -> Vec<Payload> {
        let Some(peer) = self.sa(ike).map(|sa| sa.path.remote) else { return Vec::new() };
        if contents.sa.is_none() {
            self.await_first_child(cx, ike);
            return Vec::new();
        }
        let terms = match judge_offer(&self.config, &self.acceptable(ike), contents, ChildExchange::Auth, peer) {
            Ok(terms) => terms,
            Err(refusal) => {
                let payloads = refusal.payloads();
                self.fail(cx, refusal.failure);
                self.await_another_child(cx.now);
                return payloads;
            }
        };
        let spi = cx.claim_esp_spi();
        let payloads = vec![
            Payload::Sa(vec![terms.chosen.answer(spi)]),
            Payload::TsInitiator(terms.remote_selectors.clone()),
            Payload::TsResponder(terms.local_selectors.clone()),
        ];
        let nonces = Nonces { initiator: nonces.0, responder: nonces.1 };
        let keys = keys.child(terms.chosen.suite, None, &[], nonces);
        let flow = self.flow_for(&terms.selectors());
        self.add_child(cx, ike, NewChild { flow, terms, spi, role: Role::Responder, group: None, keys });
        payloads
    }
}
