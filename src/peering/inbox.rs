//! Messages out of a byte stream, however it is cut. Holds at most the one message that is incomplete.

use bgp::message::{HEADER_LEN, HeaderError, frame_len};

/// The incomplete message at the end of what was received.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    /// Whether the message in the buffer was handed out.
    taken: bool,
}

impl Inbox {
    /// Takes the next whole message off `input`, header included and of at most `longest` octets; `None` once `input`
    /// is used up.
    pub(super) fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        longest: usize,
    ) -> Result<Option<&'a [u8]>, HeaderError> {
        if self.taken {
            self.buffer.clear();
            self.taken = false;
        }
        if self.buffer.is_empty()
            && let Some(length) = frame_len(input, longest)?
            && let Some((frame, rest)) = input.split_at_checked(length)
        {
            *input = rest;
            return Ok(Some(frame));
        }
        self.fill(HEADER_LEN, input);
        let Some(length) = frame_len(&self.buffer, longest)? else { return Ok(None) };
        self.fill(length, input);
        self.taken = self.buffer.len() == length;
        Ok(self.taken.then_some(self.buffer.as_slice()))
    }

    /// Moves octets over until there are `wanted`.
    fn fill(&mut self, wanted: usize, input: &mut &[u8]) {
        let missing = wanted.saturating_sub(self.buffer.len()).min(input.len());
        let (moved, rest) = input.split_at(missing);
        self.buffer.extend_from_slice(moved);
        *input = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use bgp::Family;
    use bgp::message::{KEEPALIVE, MAX_MESSAGE_LEN, Notification, RouteRefresh};

    fn stream() -> (Vec<Vec<u8>>, Vec<u8>) {
        let notification = Notification::decode(&[6; 4077]).unwrap().encode();
        let refresh = RouteRefresh::request(Family::Ipv4Unicast).encode();
        let messages = vec![KEEPALIVE.to_vec(), notification, KEEPALIVE.to_vec(), refresh, KEEPALIVE.to_vec()];
        let octets = messages.concat();
        (messages, octets)
    }

    fn read(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut inbox = Inbox::default();
        let mut messages = Vec::new();
        for chunk in chunks {
            let mut input = *chunk;
            while let Some(message) = inbox.next(&mut input, MAX_MESSAGE_LEN).unwrap() {
                messages.push(message.to_vec());
            }
            assert!(input.is_empty());
            assert!(inbox.buffer.len() < MAX_MESSAGE_LEN);
        }
        messages
    }

    #[test]
    fn one_octet_at_a_time_gives_the_same_messages_as_all_at_once() {
        let (messages, octets) = stream();
        assert_eq!(read(&[&octets]), messages);
        assert_eq!(read(&octets.chunks(1).collect::<Vec<_>>()), messages);
    }

    #[test]
    fn a_wrong_header_is_told_before_the_message_is_whole() {
        let mut inbox = Inbox::default();
        let mut input: &[u8] = &[0xff; 10];
        assert_eq!(inbox.next(&mut input, MAX_MESSAGE_LEN), Ok(None));
        let mut input: &[u8] = &[0xff, 0];
        assert_eq!(inbox.next(&mut input, MAX_MESSAGE_LEN), Err(HeaderError::Marker));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(cuts in proptest::collection::vec(1_usize..600, 1..40)) {
            let (messages, octets) = stream();
            let mut rest = octets.as_slice();
            let mut chunks = Vec::new();
            for cut in cuts.iter().cycle() {
                let (chunk, tail) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = tail;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(read(&chunks), messages);
        }
    }
}
