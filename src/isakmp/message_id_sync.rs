//! Where the window of message IDs stands after a failover (RFC 6311 3.1, 5.1).
//!
//! ```text
//! | nonce of the one who asks, 4 octets | ID of the sender's next request | ID it expects in the other's next request |
//! ```

use super::code_points::NotifyType;
use super::notify::Notify;

/// The data of an `IKEV2_MESSAGE_ID_SYNC`, as its sender sees the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageIdSync {
    /// Made by the one who asks, sent back by the one who answers.
    pub nonce: [u8; 4],
    /// The ID of the sender's next request.
    pub send: u32,
    /// The ID that the sender expects in the next request of the other end.
    pub receive: u32,
}

impl MessageIdSync {
    /// What a notification says; `None` if it is another one or has not the length of this one.
    #[must_use]
    pub fn of(notify: &Notify) -> Option<Self> {
        if notify.kind != NotifyType::IKEV2_MESSAGE_ID_SYNC {
            return None;
        }
        let data: [u8; 12] = notify.data.as_slice().try_into().ok()?;
        let [n0, n1, n2, n3, s0, s1, s2, s3, r0, r1, r2, r3] = data;
        Some(Self {
            nonce: [n0, n1, n2, n3],
            send: u32::from_be_bytes([s0, s1, s2, s3]),
            receive: u32::from_be_bytes([r0, r1, r2, r3]),
        })
    }
}

impl From<MessageIdSync> for Notify {
    fn from(sync: MessageIdSync) -> Self {
        let data = [sync.nonce, sync.send.to_be_bytes(), sync.receive.to_be_bytes()].concat();
        Self::with_data(NotifyType::IKEV2_MESSAGE_ID_SYNC, data)
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    const SYNC: MessageIdSync = MessageIdSync { nonce: [1, 2, 3, 4], send: 0x0102, receive: 0xffff_fffe };

    #[test]
    fn a_sync_is_these_octets_both_ways() {
        let notify = Notify::from(SYNC);
        assert_eq!((notify.kind.0, notify.data.as_slice()), (16422, &hex!("01020304 00000102 fffffffe")[..]));
        assert_eq!(MessageIdSync::of(&notify), Some(SYNC));
    }

    #[test]
    fn what_is_of_another_length_or_kind_is_none() {
        let notify = Notify::from(SYNC);
        for len in (0..12).chain(13..20) {
            let data = notify.data.iter().copied().chain([0; 8]).take(len).collect();
            assert_eq!(MessageIdSync::of(&Notify { data, ..notify.clone() }), None, "{len}");
        }
        let other = Notify { kind: NotifyType::COOKIE, ..notify };
        assert_eq!(MessageIdSync::of(&other), None);
    }
}
