//! What becomes of a CHILD SA that the peer refuses, or that both ends ask for.
//!
//! ```text
//!  INVALID_KE_PAYLOAD, TS_UNACCEPTABLE   again, with what the peer may want
//!  TEMPORARY_FAILURE, STATE_NOT_FOUND    later, unless the peer makes it
//!  CHILD_SA_NOT_FOUND                    what was to be replaced is gone
//!  anything else                         a failure, told to the user; what there is stays until it ends
//! ```

use std::time::Duration;

use crypto::{Group, KeyPair};
use handshake::refused_child;
use isakmp::{Notify, NotifyType};
use negotiation::{Cx, DownReason, Failure, RekeyKind, Theirs, between, list};
use wire::ipsec::{IkeSpi, Spi};

use crate::endpoint::{FlowId, Tunnel};
use crate::sa::create_child::{Ask, ExpectChildResponse, MAX_GROUP_CHANGES, REKEY_RETRY, TEMPORARY};

impl Tunnel {
    /// The peer's exchange has won over ours. It does so once: if it then does not go on, it never will.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_>, expect: &ExpectChildResponse) {
        if let Some(rival) = &expect.rival {
            self.note_lost(rival.spi);
        }
        self.give_way(cx, expect);
    }

    /// The peer's exchange replaces the same SA and goes on in our stead. Should it not come to an end, we try again.
    fn give_way(&mut self, cx: &mut Cx<'_>, expect: &ExpectChildResponse) {
        match expect.replaces {
            Some(old) => self.await_turn(cx.now, old),
            None => self.try_again(cx, expect, REKEY_RETRY),
        }
    }

    /// Some time `within` the two, what the exchange was for is tried again.
    fn try_again(&mut self, cx: &mut Cx<'_>, expect: &ExpectChildResponse, within: (Duration, Duration)) {
        let at = cx.now + between(within.0, within.1, cx.entropy);
        let up = self.is_up();
        match expect.replaces.and_then(|old| self.child_mut(old)) {
            Some(old) if old.is_live() => old.rekey_at = Some(at),
            Some(_) => {}
            None if up => {
                if let Some(flow) = self.flow_mut(expect.flow) {
                    flow.retry_at = Some(at);
                }
            }
            None => self.retry_at = Some(at),
        }
    }

    pub(super) fn child_refused(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, expect: ExpectChildResponse, notify: &Notify) {
        let Some(peer) = self.sa(ike).map(|sa| sa.path.remote) else { return };
        match notify.kind {
            NotifyType::INVALID_KE_PAYLOAD if expect.group_changes < MAX_GROUP_CHANGES => {
                // RFC 7296 1.3: again, with the group the peer wants if it is one of ours.
                let wanted = notify.wanted_group().and_then(Group::from_id);
                let tried = expect.key.as_ref().map(KeyPair::group);
                let wanted = wanted.filter(|group| self.child_groups().contains(group) && tried != Some(*group));
                let still_wanted = expect
                    .replaces
                    .map_or(!self.has_usable(ike, expect.flow), |old| self.child(old).is_some_and(|old| old.is_live()));
                match wanted {
                    Some(group) if still_wanted => self.ask_for_child(cx, ike, expect.again(Some(group))),
                    Some(_) => {}
                    None => {
                        let failure = self.refused_rekey(&expect, notify, peer);
                        self.child_failed(cx, ike, expect.flow, expect.replaces, failure);
                    }
                }
            }
            NotifyType::TS_UNACCEPTABLE if expect.replaces.is_some() && !expect.widened => {
                let group = expect.key.as_ref().map(KeyPair::group);
                self.ask_for_child(cx, ike, Ask { widened: true, ..expect.again(group) });
            }
            // RFC 7296 2.25: the peer is busy with the same SAs. RFC 9370 2.2.4: it has given our exchange up.
            NotifyType::TEMPORARY_FAILURE | NotifyType::STATE_NOT_FOUND => self.try_child_later(cx, &expect),
            NotifyType::CHILD_SA_NOT_FOUND => {
                // RFC 7296 2.25.1: the peer has no such SA any more. What is missing then is made anew.
                if let Some(old) = expect.replaces {
                    self.retire_child(cx, old, &DownReason::PeerDeleted);
                }
            }
            _ => {
                let failure = self.refused_rekey(&expect, notify, peer);
                self.child_failed(cx, ike, expect.flow, expect.replaces, failure);
            }
        }
    }

    /// What a refusal means. The peer has taken the cipher of an SA that it refuses to rekey: what is left is the
    /// group.
    pub(super) fn refused_rekey(
        &self,
        expect: &ExpectChildResponse,
        notify: &Notify,
        peer: std::net::SocketAddr,
    ) -> Failure {
        let known = expect.replaces.is_some()
            && matches!(notify.kind, NotifyType::NO_PROPOSAL_CHOSEN | NotifyType::INVALID_KE_PAYLOAD);
        if !known {
            return refused_child(&self.config, &expect.offered, notify, peer);
        }
        let wanted =
            notify.wanted_group().map(|id| Group::from_id(id).map_or_else(|| id.0.to_string(), |g| g.to_string()));
        let theirs = wanted.map_or(Theirs::Unknown, Theirs::Listed);
        Failure::PfsMismatch { peer, ours: list(&self.config.esp_proposals), theirs }
    }

    pub(super) fn try_child_later(&mut self, cx: &mut Cx<'_>, expect: &ExpectChildResponse) {
        match &expect.rival {
            // The peer has made what is to come.
            Some(rival) if expect.replaces.is_none() && self.child(rival.spi).is_some() => {}
            // It has, or is about to; should that not come to an end, it is for us again.
            Some(_) => self.give_way(cx, expect),
            None => self.try_again(cx, expect, TEMPORARY),
        }
    }

    /// The SA to be replaced stays in use. Where there is none at all, the IKE SA is of no use: another attempt from
    /// the start negotiates the CHILD SA in another way, without a group.
    pub(super) fn child_failed(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        flow: FlowId,
        replaces: Option<Spi>,
        failure: Failure,
    ) {
        let Some(old) = replaces else {
            if self.is_up() {
                self.flow_failed(cx, flow, failure);
            } else if !self.try_other_flow(cx, ike, flow, &failure) {
                // A peer that insists on `IKE_AUTH` without a CHILD SA says so again.
                self.childless = false;
                self.close_politely(cx, ike, &DownReason::Failed(failure.clone()));
                self.fail(cx, failure);
            }
            return;
        };
        let mut retry_at = cx.now + between(REKEY_RETRY.0, REKEY_RETRY.1, cx.entropy);
        if let Some(old) = self.child_mut(old).filter(|old| old.is_live()) {
            // An early rekey that failed has told what it was for; the rest has time.
            retry_at = old.regular_rekey_at.take().unwrap_or(retry_at);
            old.rekey_at = Some(retry_at);
            let ends = old.expires_at;
            self.renew_before(cx, ends);
        }
        self.rekey_failed(cx, RekeyKind::Child, failure, retry_at);
    }

    /// The peer refuses to rekey what `ends` soon: rather than let the tunnel go down we authenticate anew, which
    /// negotiates everything in another way.
    pub(crate) fn renew_before(&mut self, cx: &mut Cx<'_>, ends: Option<std::time::Instant>) {
        let soon = ends.is_some_and(|ends| ends <= cx.now + self.config.rekey_margin / 2);
        if soon && self.attempt.is_none() && self.is_up() {
            self.begin_attempt(cx, false);
        }
    }
}
