//! The socket that changes things: batches of operations.
//!
//! The kernel works through the messages of one datagram in order before `send` returns, goes on after a refusal, and
//! answers only refusals and what asks for an acknowledgement. So the last message of a batch alone asks for one:
//! a batch of hundreds costs one send and, if all goes well, one receive.

use std::time::Duration;

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_REQUEST, NetlinkHeader, NetlinkPayload, NlasIterator,
};

use super::Marks;
use super::message::{Request, append, messages};
use super::socket::{Socket, at};
use crate::FibError;
use crate::plan::Refusal;

/// Octets of requests in one datagram; half of what an unprivileged send buffer takes.
const DATAGRAM: usize = 64 * 1024;

/// The kernel answers before `send` returns, or never.
const PATIENCE: Duration = Duration::from_secs(10);

/// `nlmsghdr` of the request that an error repeats.
const REPEATED_HEADER: usize = 16;

const NLMSGERR_ATTR_MSG: u16 = 1;

/// The socket that changes things.
pub(crate) struct Requests {
    socket: Socket,
    marks: Marks,
    sequence: u32,
}

impl Requests {
    /// Opens the socket.
    ///
    /// # Errors
    /// [`FibError::Open`].
    pub(crate) fn open(marks: Marks) -> Result<Self, FibError> {
        let socket = Socket::open()?;
        socket.raw().set_ext_ack(true).map_err(at("NETLINK_EXT_ACK"))?;
        socket.raw().set_cap_ack(true).map_err(at("NETLINK_CAP_ACK"))?;
        Ok(Self { socket, marks, sequence: 0 })
    }

    /// Our address on notifications that these requests cause.
    pub(crate) fn port(&self) -> u32 {
        self.socket.port
    }

    /// Executes operations in order. The results correspond to them.
    ///
    /// # Errors
    /// When it is unknown what the kernel did: only a fresh dump can tell.
    pub(crate) async fn execute<T: Request>(&mut self, ops: &[T]) -> Result<Vec<Result<(), Refusal>>, FibError> {
        let mut results = Vec::with_capacity(ops.len());
        while let Some(rest) = ops.get(results.len()..).filter(|rest| !rest.is_empty()) {
            let (datagram, count) = self.compose(rest);
            results.extend(self.exchange(&datagram, count).await?);
        }
        Ok(results)
    }

    /// As many operations as fit one datagram, at least one.
    fn compose<T: Request>(&mut self, ops: &[T]) -> (Vec<u8>, usize) {
        let mut datagram = Vec::with_capacity(ops.len().min(512) * 96);
        let mut count = 0;
        let mut last = 0;
        for op in ops {
            let (message, flags) = op.encode(&self.marks);
            last = datagram.len();
            self.sequence = self.sequence.wrapping_add(1);
            append(&mut datagram, message, NLM_F_REQUEST | flags, self.sequence);
            count += 1;
            if datagram.len() > DATAGRAM {
                break;
            }
        }
        ask_for_acknowledgement(&mut datagram, last);
        (datagram, count)
    }

    async fn exchange(&mut self, datagram: &[u8], count: usize) -> Result<Vec<Result<(), Refusal>>, FibError> {
        let last = self.sequence;
        self.socket.send(datagram).await?;
        let mut results = vec![Ok(()); count];
        loop {
            let received = tokio::time::timeout(PATIENCE, self.socket.receive()).await;
            let received = received.map_err(|_| FibError::Silent { seconds: PATIENCE.as_secs() })??;
            for message in messages(received) {
                let NetlinkPayload::Error(error) = &message.payload else { continue };
                let behind = usize::try_from(last.wrapping_sub(message.header.sequence_number)).unwrap_or(usize::MAX);
                // Anything else answers an earlier batch that was given up.
                let Some(index) = count.checked_sub(behind.saturating_add(1)) else { continue };
                results[index] = outcome(&message.header, error);
                if behind == 0 {
                    return Ok(results);
                }
            }
        }
    }
}

/// Sets `NLM_F_ACK` in the header at `start`.
fn ask_for_acknowledgement(datagram: &mut [u8], start: usize) {
    const FLAGS: std::ops::Range<usize> = 6..8;
    if let Some(flags) = datagram.get_mut(start + FLAGS.start..start + FLAGS.end) {
        let asked = u16::from_ne_bytes([flags[0], flags[1]]) | NLM_F_ACK;
        flags.copy_from_slice(&asked.to_ne_bytes());
    }
}

fn outcome(header: &NetlinkHeader, error: &ErrorMessage) -> Result<(), Refusal> {
    let Some(code) = error.code else { return Ok(()) };
    let attributes = error.header.get(REPEATED_HEADER..).filter(|_| header.flags & NLM_F_ACK_TLVS != 0);
    let text = attributes.and_then(|attributes| {
        let mut attributes = NlasIterator::new(attributes).flatten();
        let found = attributes.find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)?;
        let text = found.value().split(|octet| *octet == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    });
    Err(Refusal { errno: code.get().saturating_abs(), text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::Rtnl;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_refusal_carries_the_kernels_words() {
        let mut datagram = vec![
            0, 0, 0, 0, 2, 0, 0, 2, 7, 0, 0, 0, 1, 0, 0, 0, // NLMSG_ERROR, NLM_F_ACK_TLVS, sequence 7
            0x9c, 0xff, 0xff, 0xff, // -ENETDOWN
            40, 0, 0, 0, 104, 0, 5, 0, 7, 0, 0, 0, 1, 0, 0, 0, // the request's header
            12, 0, 1, 0, b'n', b'o', b' ', b'l', b'i', b'n', b'k', 0,
        ];
        datagram[0] = u8::try_from(datagram.len()).unwrap();
        let message = messages(&datagram).next().unwrap();
        let NetlinkPayload::<Rtnl>::Error(error) = &message.payload else { panic!("{message:?}") };
        let refusal = outcome(&message.header, error).unwrap_err();
        assert_eq!((refusal.errno, refusal.text.as_deref()), (libc::ENETDOWN, Some("no link")));
        assert_eq!(refusal.to_string(), "no link (Network is down (os error 100))");
    }
}
