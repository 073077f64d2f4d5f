//! Both ends replace the same SA at the same time (RFC 7296 2.8.1, 2.8.2), or begin at the same time.
//!
//! ```text
//!   A --- rekey C, nonce 7 --->  <--- rekey C, nonce 3 --- B     requests cross
//!   A <--- answer, nonce 9 ----  ---- answer, nonce 5 ---> B     both make both SAs
//!         {7, 9}                         {3, 5}                  3 is the lowest of the four
//!   A deletes C                          B deletes its own new SA
//! ```
//!
//! The SA whose exchange holds the lowest of the four nonces is redundant, and deleted by the end that began
//! it. The other end deletes the SA that was to be replaced. Each end knows all four nonces, so both agree.

use wire::ipsec::Spi;

use crate::endpoint::{Cx, DownReason, Tunnel};
use crate::message::IkeSpi;
use crate::sa::{IkeSa, Task};

/// What the peer made in the meantime out of the SA that we are replacing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rival<Name> {
    pub(crate) spi: Name,
    pub(crate) low_nonce: Vec<u8>,
}

/// Whether our exchange, with the nonces `ours`, made the redundant SA.
pub(crate) fn loses<Name>(ours: (&[u8], &[u8]), rival: &Rival<Name>) -> bool {
    // RFC 7296 2.8.1: octets are compared from the left; where one nonce is the beginning of another, it is
    // the lower.
    ours.0.min(ours.1) < rival.low_nonce.as_slice()
}

/// Two IKE SAs of one tunnel: the one that stays, the other, and who deletes it.
struct Duplicate {
    stays: IkeSpi,
    goes: IkeSpi,
    ours_to_delete: bool,
}

impl Tunnel {
    /// Two IKE SAs where one is enough: both ends began at once, or the peer began anew. The one that stays is
    /// the younger; of two that were under way at the same time, the one without the lowest nonce, as above.
    ///
    /// Traffic moves over once the peer is known to have the SA that stays; only then the other is deleted.
    pub(crate) fn resolve_duplicates(&mut self, cx: &mut Cx<'_>) {
        let Some(Duplicate { stays, goes, ours_to_delete }) = self.find_duplicate() else { return };
        let Some(sa) = self.sa_mut(stays) else { return };
        if !sa.confirmed {
            if sa.is_idle() {
                sa.enqueue(Task::Liveness);
            }
            return;
        }
        let heir = self.children.iter().filter(|child| child.parent == stays && child.is_live());
        let Some(heir) = heir.max_by_key(|child| child.established_at).map(|child| child.spi) else { return };
        self.switch_outbound(cx, heir);
        let forgotten = self.sa(goes).is_some_and(|sa| sa.forgotten);
        if forgotten {
            self.close(cx, goes, &DownReason::PeerRestarted);
        } else if ours_to_delete {
            self.close_politely(cx, goes, &DownReason::Superseded);
        }
    }

    fn find_duplicate(&self) -> Option<Duplicate> {
        let serves = |sa: &&IkeSa| {
            sa.is_current() && self.children.iter().any(|child| child.parent == sa.spi && child.is_live())
        };
        let mut serving = self.sas.iter().filter(serves);
        let (one, two) = (serving.next()?, serving.next()?);
        let (a, b) = (&one.origin, &two.origin);
        let (stays, goes, sequential) = if a.authenticated <= b.began {
            (two, one, true)
        } else if b.authenticated <= a.began {
            (one, two, true)
        } else if a.low_nonce < b.low_nonce {
            (two, one, false)
        } else {
            (one, two, false)
        };
        Some(Duplicate { stays: stays.spi, goes: goes.spi, ours_to_delete: sequential || goes.origin.ours })
    }

    /// Marks a CHILD SA as the one that its initiator deletes.
    pub(crate) fn mark_redundant(&mut self, cx: &Cx<'_>, spi: Spi) {
        let at = cx.now + crate::sa::create_child::OVERDUE;
        if let Some(child) = self.child_mut(spi) {
            child.redundant = true;
            child.rekey_at = None;
            child.switch_at = None;
            child.expires_at = Some(child.expires_at.map_or(at, |expires| expires.min(at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_of_four_nonces_loses() {
        let rival = Rival { spi: (), low_nonce: vec![5, 0] };
        assert!(loses((&[9], &[4, 255]), &rival));
        assert!(loses((&[5], &[9]), &rival), "a prefix is lower");
        assert!(!loses((&[6], &[5, 1]), &rival));
    }
}
