//! Message IDs after a failover of the peer (RFC 6311): what a gateway that is no cluster owes one that is.
//!
//! ```text
//!  the member that took over                                     we
//!  SK { N(IKEV2_MESSAGE_ID_SYNC: nonce, M1, P1) }, ID 0 ------>  M1 must be beyond all we have seen
//!        <------ SK { N(IKEV2_MESSAGE_ID_SYNC: nonce, P2, M2) }  P2 = max(P1, our next), M2 = M1
//! ```
//!
//! The member that took over knows the IKE SA as it was some messages ago. It has skipped what may have been used since,
//! and so do we: what we had asked before is asked again under an ID that it can know. Replay counters of ESP are not
//! synchronised (the other half of the RFC, negotiated by itself): ours go on, and a window that lags behind takes them.

use crypto::Role;
use handshake::{Contents, header};
use isakmp::{ExchangeType, Frame, MessageIdSync, Notify, NotifyType, Payload};
use negotiation::{Cx, Path};
use wire::ipsec::IkeSpi;

use crate::endpoint::Tunnel;
use crate::sa::create_child::REKEY_RETRY;
use crate::sa::exchange::release;
use crate::sa::{Pending, Task};

/// What both ends know about failovers of one IKE SA.
#[derive(Clone, Debug, Default)]
pub(crate) struct Synchronisation {
    /// Both ends said in `IKE_AUTH` that they can.
    agreed: bool,
    /// The last one that was answered.
    answered: Option<Answered>,
}

#[derive(Clone, Debug)]
struct Answered {
    /// M1: the highest ID of the peer's own that it spoke of.
    send: u32,
    request: Vec<u8>,
    response: Vec<Vec<u8>>,
}

/// "I can", for `IKE_AUTH`.
pub(crate) fn supported() -> Payload {
    Payload::Notify(Notify::new(NotifyType::IKEV2_MESSAGE_ID_SYNC_SUPPORTED))
}

/// Whether the peer's part of `IKE_AUTH` says so.
pub(crate) fn is_supported(contents: &Contents) -> bool {
    contents.has(NotifyType::IKEV2_MESSAGE_ID_SYNC_SUPPORTED)
}

impl Synchronisation {
    pub(crate) const fn agreed(agreed: bool) -> Self {
        Self { agreed, answered: None }
    }

    /// The same for the IKE SA that replaces this one; its IDs begin anew.
    pub(crate) const fn inherited(&self) -> Self {
        Self::agreed(self.agreed)
    }

    /// Whether a message may be a synchronisation: it stands outside of the window.
    pub(crate) fn concerns(&self, frame: &Frame<'_>) -> bool {
        let header = &frame.header;
        self.agreed
            && header.exchange == ExchangeType::INFORMATIONAL
            && header.message_id == 0
            && !header.flags.response
    }

    /// The answer to this very request, if it was the last one.
    fn repeated(&self, datagram: &[u8]) -> Option<&[Vec<u8>]> {
        let answered = self.answered.as_ref().filter(|answered| answered.request == datagram);
        answered.map(|answered| answered.response.as_slice())
    }

    /// RFC 6311 5.1: a message whose M1 is not higher than all that was seen of the peer, former synchronisations
    /// included, is dropped. `expected` is what the window expects next.
    fn is_new(&self, send: u32, expected: u32) -> bool {
        send >= expected && send != u32::MAX && self.answered.as_ref().is_none_or(|answered| send > answered.send)
    }
}

impl Tunnel {
    /// What the peer's part of `IKE_AUTH` says about failovers. Our part says that we can.
    pub(crate) fn note_sync(&mut self, spi: IkeSpi, contents: &Contents) {
        if let Some(sa) = self.sa_mut(spi) {
            sa.sync = Synchronisation::agreed(is_supported(contents));
        }
    }

    /// Takes a message that may be a synchronisation; whether it was one.
    pub(crate) fn handle_sync(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, frame: &Frame<'_>, path: Path) -> bool {
        let Some(sa) = self.sa_mut(spi).filter(|sa| !sa.is_ending()) else { return false };
        if let Some(response) = sa.sync.repeated(frame.datagram()) {
            cx.transmit(path, response);
            return true;
        }
        let contents = sa.protection.open_whole(frame);
        let Some(asked) = contents
            .and_then(|contents| contents.notify(NotifyType::IKEV2_MESSAGE_ID_SYNC).and_then(MessageIdSync::of))
        else {
            return false;
        };
        // RFC 7296 2.2: an SA is closed before its message IDs wrap; the last one of all serves nobody.
        if !sa.sync.is_new(asked.send, sa.responses.expected()) || asked.receive == u32::MAX {
            return true;
        }
        // RFC 6311 5.1: the higher of what the peer says and one more than the highest we used.
        let next = sa.requests.next().max(asked.receive);
        sa.requests.resume(next);
        sa.responses.resume(asked.send);
        let answer = MessageIdSync { nonce: asked.nonce, send: next, receive: asked.send };
        let header = header(sa.spis(), ExchangeType::INFORMATIONAL, sa.role == Role::Initiator, true, 0);
        let payloads = vec![Payload::Notify(answer.into())];
        let response = sa.protection.seal(header, payloads, path.remote, cx.entropy);
        cx.transmit(path, &response);
        sa.sync.answered = Some(Answered { send: asked.send, request: frame.datagram().to_vec(), response });
        let pending = sa.pending.take();
        self.forget_answers(spi);
        self.heard(cx, spi, path);
        if let Some(pending) = pending {
            self.ask_again(cx, spi, pending);
        }
        true
    }

    /// The member that took over may not know of a request of ours: it is made anew. Should the one before have answered
    /// it, the newest of two SAs is used, as always.
    fn ask_again(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, pending: Pending) {
        release(cx, &pending);
        let task = match pending {
            // It has just shown that it is there.
            Pending::Liveness => return,
            Pending::DeleteChild(child) => Task::DeleteChild(child),
            Pending::DeleteIke => Task::DeleteIke,
            // The peer asked for the same, and was answered.
            Pending::Child(expect) if expect.rival.is_some() => return self.try_child_later(cx, &expect),
            Pending::Child(expect) => expect.replaces.map_or(Task::CreateChild(expect.flow), Task::RekeyChild),
            Pending::RekeyIke(expect) if expect.is_contested() => return self.rekey_ike_later(cx, spi, REKEY_RETRY),
            Pending::RekeyIke(_) => Task::RekeyIke,
        };
        if let Some(sa) = self.sa_mut(spi) {
            sa.enqueue(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_beyond_all_that_was_seen_is_new() {
        let mut sync = Synchronisation::agreed(true);
        assert!(sync.is_new(0, 0) && sync.is_new(7, 7) && sync.is_new(u32::MAX - 1, 7));
        assert!(!sync.is_new(6, 7) && !sync.is_new(u32::MAX, 7));
        sync.answered = Some(Answered { send: 9, request: b"a".to_vec(), response: vec![b"b".to_vec()] });
        assert!(!sync.is_new(9, 9), "it speaks of nothing that is not known");
        assert!(sync.is_new(10, 9));
        assert_eq!(sync.repeated(b"a"), Some(&[b"b".to_vec()][..]));
        assert_eq!(sync.repeated(b"c"), None);
        assert!(sync.inherited().is_new(0, 0) && sync.inherited().agreed);
    }
}
