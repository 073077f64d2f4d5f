//! Quick modes that come to nothing: refused, unanswered, out of time.

use isakmp::v1::{Delete, Notify, NotifyKind, Payload};
use negotiation::{Cx, Failure, Phase, Retransmit, Theirs, Waiting};
use wire::ipsec::IkeSpi;

use crate::children::Selectors;
use crate::quick::{Quick, Stage};
use crate::tunnel::Tunnel;

impl Tunnel {
    /// Our exchange came to nothing.
    pub(crate) fn quick_failed(&mut self, cx: &mut Cx<'_>, quick: &Quick, failure: Failure) {
        cx.names.release_esp(quick.spi);
        if matches!(failure, Failure::NoProposalChosen { .. }) {
            self.esp_turn += 1;
        }
        let is_pair = self.children.iter().any(|child| child.selectors == quick.selectors && child.is_installed());
        if is_pair {
            self.renewal_failed(cx, quick.selectors, failure);
        } else {
            self.pair_failed(cx, quick.selectors, failure);
        }
    }

    /// A notification that may be about an exchange of ours: the one it names, or the only one.
    pub(crate) fn quick_refused(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, notify: &Notify) {
        let ours = |quick: &&Quick| quick.sa == cookie && quick.is_ours();
        let named = |quick: &&Quick| ours(quick) && notify.spi.ends_with(&quick.spi.0.to_be_bytes());
        let found = self.quicks.iter().find(named).or_else(|| self.quicks.iter().find(ours));
        let Some(message_id) = found.map(|quick| quick.message_id) else { return };
        let position = self.quicks.iter().position(|quick| quick.sa == cookie && quick.message_id == message_id);
        let Some(quick) = position.map(|index| self.quicks.remove(index)) else { return };
        let peer = self.path().remote;
        let failure = match notify.kind {
            NotifyKind::NO_PROPOSAL_CHOSEN | NotifyKind::ATTRIBUTES_NOT_SUPPORTED => {
                let ours = self.offers_of_turn().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Failure::NoProposalChosen { phase: Phase::Child, peer, ours, theirs: Theirs::Unknown }
            }
            NotifyKind::INVALID_ID_INFORMATION => {
                let Selectors { local, remote } = quick.selectors;
                let ours = format!("{local} === {remote}");
                Failure::SelectorsUnacceptable { peer, ours, theirs: Theirs::Unknown }
            }
            kind => Failure::RefusedV1 { peer, what: Waiting::QuickMode, notify: kind },
        };
        self.quick_failed(cx, &quick, failure);
    }

    /// Does what is due on the exchanges.
    pub(crate) fn handle_quick_timeouts(&mut self, cx: &mut Cx<'_>) {
        for mut quick in std::mem::take(&mut self.quicks) {
            let sa = self.sas.iter().find(|sa| sa.cookie == quick.sa);
            let path = sa.map(|sa| sa.path);
            if quick.deadline <= cx.now || path.is_none() {
                self.end_quick(cx, quick);
                continue;
            }
            let due = quick.retransmit.as_mut().and_then(|sent| sent.due(cx.now, cx.entropy));
            if let (Some(datagrams), Some(path)) = (due, path) {
                let datagrams = datagrams.to_vec();
                cx.transmit(path, &datagrams);
                self.counters.retransmissions += 1;
            }
            self.quicks.push(quick);
        }
    }

    pub(super) fn end_quick(&mut self, cx: &mut Cx<'_>, quick: Quick) {
        let tries = quick.retransmit.as_ref().map_or(1, Retransmit::tries);
        let (peer, what) = (self.path().remote, Waiting::QuickMode);
        match quick.stage {
            Stage::Answer(_) => self.quick_failed(cx, &quick, Failure::PeerSilent { peer, what, tries }),
            Stage::Confirmation(_) => {
                // Should the peer have it, it must not go on sending with it.
                if let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == quick.sa) {
                    sa.bid_farewell(cx, vec![Payload::Delete(Delete::esp(&[quick.spi]))]);
                }
                let reason = negotiation::DownReason::Failed(Failure::PeerSilent { peer, what, tries });
                self.drop_child(cx, quick.spi, &reason);
            }
            Stage::Done => {}
        }
    }
}
