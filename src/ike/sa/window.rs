//! Message IDs (RFC 7296 2.2, 2.3): one request of ours under way, one of the peer's answered last.
//!
//! ```text
//!   ours      next_id = 5      5 under way? -> its answer carries 5, everything else is stale
//!   peer's    expected = 9     9 is new, 8 the one answered last (sent again: the same answer again)
//! ```

use negotiation::Retransmit;

/// Requests we send.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    next_id: u32,
    under_way: Option<(u32, Retransmit)>,
}

impl Requests {
    /// The first request will carry `next_id`.
    pub(crate) const fn starting_at(next_id: u32) -> Self {
        Self { next_id, under_way: None }
    }

    /// The ID for a new request; `None` while one is under way or when the IDs are used up.
    pub(crate) fn open(&self) -> Option<u32> {
        // RFC 7296 2.2: an SA is closed before its message IDs wrap.
        (self.under_way.is_none() && self.next_id != u32::MAX).then_some(self.next_id)
    }

    /// A request with the ID of [`Self::open`] was sent.
    pub(crate) fn begin(&mut self, transmission: Retransmit) {
        self.under_way = Some((self.next_id, transmission));
    }

    /// Whether `id` is what an answer must carry now.
    pub(crate) fn awaits(&self, id: u32) -> bool {
        self.under_way.as_ref().is_some_and(|(under_way, _)| *under_way == id)
    }

    /// The answer came.
    pub(crate) fn complete(&mut self) {
        if self.under_way.take().is_some() {
            self.next_id += 1;
        }
    }

    /// The lowest ID that was never used.
    pub(crate) fn next(&self) -> u32 {
        self.next_id.saturating_add(u32::from(self.under_way.is_some()))
    }

    /// What was under way is not awaited any more; the next request carries `next_id`.
    pub(crate) fn resume(&mut self, next_id: u32) {
        *self = Self::starting_at(next_id);
    }

    /// The request under way.
    pub(crate) fn under_way(&self) -> Option<&Retransmit> {
        self.under_way.as_ref().map(|(_, transmission)| transmission)
    }

    /// The request under way.
    pub(crate) fn under_way_mut(&mut self) -> Option<&mut Retransmit> {
        self.under_way.as_mut().map(|(_, transmission)| transmission)
    }
}

/// What a request of the peer is, judged by its ID and bytes before anything is decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one.
    New,
    /// The one answered last, bit by bit: send the answer again.
    Repeated,
    /// It has the ID of the one answered last, and other octets: maybe the same, cut into other fragments.
    Altered,
    /// Neither.
    Stale,
}

/// Requests we answer.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    expected: u32,
    last: Option<Answered>,
}

#[derive(Debug)]
struct Answered {
    request: Vec<u8>,
    response: Vec<Vec<u8>>,
}

impl Responses {
    /// The first request must carry `expected`.
    pub(crate) const fn starting_at(expected: u32) -> Self {
        Self { expected, last: None }
    }

    /// Judges a request. A fragmented one is known by whichever of its fragments completed it.
    pub(crate) fn judge(&self, id: u32, datagram: &[u8]) -> Arrival {
        if id == self.expected {
            return Arrival::New;
        }
        // RFC 7296 2.1: a retransmission is bitwise identical to the original.
        let last = self.last.as_ref().filter(|_| id.checked_add(1) == Some(self.expected));
        match last {
            Some(answered) if answered.request == datagram => Arrival::Repeated,
            Some(_) => Arrival::Altered,
            None => Arrival::Stale,
        }
    }

    /// The ID of the peer's next request.
    pub(crate) const fn expected(&self) -> u32 {
        self.expected
    }

    /// The peer's next request carries `expected`; what came before is not repeated.
    pub(crate) fn resume(&mut self, expected: u32) {
        *self = Self::starting_at(expected);
    }

    /// Keeps the answer to `request`, which had the expected ID.
    pub(crate) fn answered(&mut self, request: &[u8], response: Vec<Vec<u8>>) {
        self.expected = self.expected.saturating_add(1);
        self.last = Some(Answered { request: request.to_vec(), response });
    }

    /// The answer sent last.
    pub(crate) fn last_response(&self) -> &[Vec<u8>] {
        self.last.as_ref().map_or(&[], |answered| &answered.response)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn one_request_at_a_time() {
        let mut requests = Requests::default();
        assert_eq!(requests.open(), Some(0));
        requests.begin(Retransmit::new(vec![vec![0]], Instant::now(), &mut |out: &mut [u8]| out.fill(0)));
        assert_eq!(requests.open(), None);
        assert!(requests.awaits(0) && !requests.awaits(1));
        requests.complete();
        assert!(!requests.awaits(0));
        assert_eq!(requests.open(), Some(1));
    }

    #[test]
    fn only_the_very_same_request_is_a_repetition() {
        let mut responses = Responses::default();
        assert_eq!(responses.judge(0, b"a"), Arrival::New);
        responses.answered(b"a", vec![b"answer".to_vec()]);
        assert_eq!(responses.judge(0, b"a"), Arrival::Repeated);
        assert_eq!(responses.judge(0, b"b"), Arrival::Altered);
        assert_eq!(responses.judge(1, b"b"), Arrival::New);
        assert_eq!(responses.judge(2, b"c"), Arrival::Stale);
        assert_eq!(responses.judge(u32::MAX, b"c"), Arrival::Stale);
    }

    #[test]
    fn a_window_goes_on_elsewhere() {
        let mut requests = Requests::starting_at(4);
        requests.begin(Retransmit::new(vec![vec![0]], Instant::now(), &mut |out: &mut [u8]| out.fill(0)));
        assert_eq!(requests.next(), 5, "what is under way is used");
        requests.resume(9);
        assert!(!requests.awaits(4));
        assert_eq!((requests.open(), requests.next()), (Some(9), 9));
        let mut responses = Responses::default();
        responses.answered(b"a", vec![b"answer".to_vec()]);
        responses.resume(7);
        assert_eq!((responses.judge(7, b"b"), responses.judge(0, b"a")), (Arrival::New, Arrival::Stale));
    }

    #[test]
    fn used_up_ids_open_no_request() {
        assert_eq!(Requests::starting_at(u32::MAX).open(), None);
    }
}
