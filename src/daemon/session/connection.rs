//! One TCP connection: a task that reads, a task that writes, both gone with the [`Connection`].
//!
//! Its socket never outlives it. `SO_LINGER` 0 makes the kernel forget the connection when it is closed: a tunnel that
//! died cannot carry the end of a TCP conversation anyway, and where the tunnel lives, [`Connection::finish`] first
//! waits for the peer to hang up, as a peer does that got a NOTIFICATION (RFC 4271 6).

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bgp::ConnectionId;
use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Runs of messages handed to the writing task; more wait in the connection.
const WRITE_QUEUE: usize = 16;
/// Runs written at once.
const WRITE_BATCH: usize = 16;
/// Runs waiting in the connection beyond which the peer is not listened to: more than any update of the routing
/// tables fills, so that only what answers the peer itself gets there.
const FLOODED: usize = 4096;
/// Octets read at once.
const READ_SIZE: usize = 64 * 1024;
/// How long the peer may take to hang up after our last message.
const LINGER: Duration = Duration::from_millis(700);

/// What a connection reports to its session.
#[derive(Debug)]
pub(super) enum IoEvent {
    /// An attempt to connect ended.
    Connected(ConnectionId, io::Result<TcpStream>),
    /// The peer sent something.
    Received(ConnectionId, Bytes),
    /// The connection is over; without an error the peer closed it.
    Closed(ConnectionId, Option<io::Error>),
}

/// How what was queued gets to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// All of it was taken by TCP.
    Done,
    /// Some of it was taken.
    Moving,
    /// None of it was taken.
    Stuck,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    queue: mpsc::Sender<Bytes>,
    backlog: VecDeque<Bytes>,
    /// Runs handed over, runs written, and those written when last looked at.
    queued: u64,
    written: Arc<AtomicU64>,
    seen: u64,
    closing: Option<oneshot::Sender<()>>,
    reader: JoinHandle<()>,
    writer: JoinHandle<Option<OwnedWriteHalf>>,
}

impl Connection {
    pub(super) fn start(id: ConnectionId, stream: TcpStream, io: mpsc::Sender<IoEvent>) -> Self {
        if let Err(error) = stream.set_zero_linger() {
            tracing::debug!(%error, "closed connections linger");
        }
        let (read, write) = stream.into_split();
        let (queue, queued) = mpsc::channel(WRITE_QUEUE);
        let (closing, closed) = oneshot::channel();
        let written = Arc::new(AtomicU64::new(0));
        Self {
            queue,
            backlog: VecDeque::new(),
            queued: 0,
            written: Arc::clone(&written),
            seen: 0,
            closing: Some(closing),
            reader: tokio::spawn(read_until_closed(id, read, io.clone(), closed)),
            writer: tokio::spawn(write_all(id, write, queued, written, io)),
        }
    }

    /// Queues a run of messages.
    pub(super) fn send(&mut self, bytes: Bytes) {
        self.queued += 1;
        if !self.backlog.is_empty() {
            self.backlog.push_back(bytes);
            return;
        }
        match self.queue.try_send(bytes) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(bytes)) => self.backlog.push_back(bytes),
        }
    }

    /// How sending goes, since last asked.
    pub(super) fn sending(&mut self) -> Sending {
        let written = self.written.load(Ordering::Relaxed);
        let before = std::mem::replace(&mut self.seen, written);
        if written >= self.queued {
            Sending::Done
        } else if written > before {
            Sending::Moving
        } else {
            Sending::Stuck
        }
    }

    /// Whether so much waits that what the peer asks for should wait, too.
    pub(super) fn is_flooded(&self) -> bool {
        self.backlog.len() > FLOODED
    }

    /// Whether nothing waits outside the writing task's queue.
    pub(super) fn has_room(&self) -> bool {
        self.backlog.is_empty()
    }

    /// Waits for room and hands over what fits.
    pub(super) async fn flush(&mut self) {
        let Ok(permit) = self.queue.reserve().await else {
            self.backlog.clear();
            return;
        };
        let Some(first) = self.backlog.pop_front() else { return };
        permit.send(first);
        while let Some(bytes) = self.backlog.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(bytes)) = self.queue.try_send(bytes) {
                self.backlog.push_front(bytes);
                return;
            }
        }
    }

    /// Lets what is queued go out (a NOTIFICATION, last of all), waits for the peer to hang up, then closes.
    pub(super) async fn finish(mut self) {
        drop(self.closing.take());
        let hung_up = async {
            while !self.has_room() {
                self.flush().await;
            }
            drop(std::mem::replace(&mut self.queue, mpsc::channel(1).0));
            let write = (&mut self.writer).await;
            drop((&mut self.reader).await);
            if let Ok(Some(write)) = write {
                write.forget();
            }
        };
        // A peer that takes longer finds the connection reset.
        drop(tokio::time::timeout(LINGER, hung_up).await);
    }

    /// [`Connection::finish`] without waiting for it.
    pub(super) fn finish_in_background(self) {
        tokio::spawn(self.finish());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
        self.writer.abort();
    }
}

/// Reports what comes until we close; then waits for the peer to do the same.
async fn read_until_closed(
    id: ConnectionId,
    mut stream: OwnedReadHalf,
    io: mpsc::Sender<IoEvent>,
    closed: oneshot::Receiver<()>,
) {
    tokio::select! {
        biased;
        _ = closed => {}
        () = read_all(id, &mut stream, io) => return,
    }
    let mut unread = [0; 4096];
    while matches!(stream.read(&mut unread).await, Ok(count) if count > 0) {}
}

async fn read_all(id: ConnectionId, stream: &mut OwnedReadHalf, io: mpsc::Sender<IoEvent>) {
    let mut buffer = BytesMut::new();
    let end = loop {
        buffer.reserve(READ_SIZE);
        match stream.read_buf(&mut buffer).await {
            Ok(0) => break None,
            Ok(_) => {
                acknowledge(stream);
                if io.send(IoEvent::Received(id, buffer.split().freeze())).await.is_err() {
                    return;
                }
            }
            Err(error) => break Some(error),
        }
    };
    drop(io.send(IoEvent::Closed(id, end)).await);
}

/// Acknowledges at once, where the kernel would wait for 40 ms: a peer with Nagle's algorithm (RFC 896) holds back the
/// rest of its table as long.
fn acknowledge(stream: &OwnedReadHalf) {
    if let Err(error) = SockRef::from(stream.as_ref()).set_tcp_quickack(true) {
        tracing::trace!(%error, "acknowledged later");
    }
}

/// Writes until there will be no more, and gives the open half back.
async fn write_all(
    id: ConnectionId,
    mut stream: OwnedWriteHalf,
    mut queued: mpsc::Receiver<Bytes>,
    written: Arc<AtomicU64>,
    io: mpsc::Sender<IoEvent>,
) -> Option<OwnedWriteHalf> {
    let mut batch = Vec::with_capacity(WRITE_BATCH);
    while queued.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        if let Err(error) = write_batch(&mut stream, &batch).await {
            drop(io.send(IoEvent::Closed(id, Some(error))).await);
            return None;
        }
        written.fetch_add(u64::try_from(batch.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        batch.clear();
    }
    Some(stream)
}

/// As few system calls as TCP lets pass.
async fn write_batch(stream: &mut OwnedWriteHalf, batch: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        let count = stream.write_vectored(left).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut left, count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// More than the writing task's queue takes.
    const MESSAGES: usize = 600;
    const SIZE: usize = 4096;

    /// Only a session makes them.
    fn some_id() -> ConnectionId {
        let config = bgp::PeerConfig {
            name: "frankfurt".to_owned(),
            local_asn: wire::Asn(65000),
            peer_asn: wire::Asn(64512),
            router_id: wire::RouterId([10, 0, 0, 2].into()),
            local_address: [127, 0, 0, 1].into(),
            peer_address: [127, 0, 0, 2].into(),
            families: vec![bgp::Family::Ipv4Unicast],
            timers: bgp::Timers::default(),
            offers: bgp::Offers::default(),
            passive: true,
            shutdown: None,
        };
        let mut peer = bgp::Peer::new(config, Box::new(|octets: &mut [u8]| octets.fill(7)));
        let now = std::time::Instant::now();
        peer.start(now);
        peer.handle_accepted(now).unwrap()
    }

    #[tokio::test]
    async fn the_last_message_of_a_congested_connection_is_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (ours, accepted) = tokio::join!(connecting, listener.accept());
        let (io, _events) = mpsc::channel(8);
        let id = some_id();
        let mut connection = Connection::start(id, ours.unwrap(), io);
        for _ in 0..MESSAGES {
            connection.send(Bytes::from(vec![0; SIZE]));
        }
        assert!(!connection.has_room() && !connection.is_flooded());
        connection.send(Bytes::from_static(b"last"));
        connection.finish_in_background();
        let mut received = vec![0; MESSAGES * SIZE + 4];
        let mut theirs = accepted.unwrap().0;
        theirs.read_exact(&mut received).await.unwrap();
        assert!(received.ends_with(b"last"));
    }
}
