//! One TCP connection: a task that reads, a task that writes, both gone with the [`Connection`].
//!
//! Its socket never outlives it. `SO_LINGER` 0 makes the kernel forget the connection when it is closed: a tunnel that
//! died cannot carry the end of a TCP conversation anyway, and where the tunnel lives, [`Connection::finish`] first
//! waits for the peer to hang up, as a peer does that got a NOTIFICATION (RFC 4271 6).

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use peering::ConnectionId;
use socket2::SockRef;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::outbox::Outbox;

/// Octets that may wait in the kernel to be sent for the first time.
const UNSENT: u32 = 256 * 1024;
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
    outbox: Arc<Outbox>,
    /// Octets written when last looked at.
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
        // On a slow path the kernel would take megabytes at a time, and nothing be seen to move in between.
        if let Err(error) = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT) {
            tracing::debug!(%error, "much waits in the kernel");
        }
        let (read, write) = stream.into_split();
        let (closing, closed) = oneshot::channel();
        let outbox = Arc::new(Outbox::default());
        Self {
            outbox: Arc::clone(&outbox),
            seen: 0,
            closing: Some(closing),
            reader: tokio::spawn(read_until_closed(id, read, io.clone(), closed)),
            writer: tokio::spawn(write_all(id, write, outbox, io)),
        }
    }

    /// Queues a run of messages.
    pub(super) fn send(&self, bytes: Bytes) {
        self.outbox.push(bytes);
    }

    /// How sending goes, since last asked.
    pub(super) fn sending(&mut self) -> Sending {
        let (queued, written) = self.outbox.octets();
        let before = std::mem::replace(&mut self.seen, written);
        if written >= queued {
            Sending::Done
        } else if written > before {
            Sending::Moving
        } else {
            Sending::Stuck
        }
    }

    /// Whether so much waits that what the peer asks for should wait, too.
    pub(super) fn is_flooded(&self) -> bool {
        self.outbox.is_flooded()
    }

    /// Whether more may be queued without waiting.
    pub(super) fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// Waits for room.
    pub(super) async fn room(&self) {
        self.outbox.room().await;
    }

    /// Whether the peer is told why it closes.
    pub(super) fn has_farewell(&self) -> bool {
        self.outbox.has_farewell()
    }

    /// Lets what was begun and a NOTIFICATION go out, waits for the peer to hang up, then closes.
    pub(super) async fn finish(mut self) {
        drop(self.closing.take());
        self.outbox.end();
        let hung_up = async {
            let write = (&mut self.writer).await;
            drop((&mut self.reader).await);
            if let Ok(Some(write)) = write {
                write.forget();
            }
        };
        // A peer that takes longer finds the connection reset.
        drop(tokio::time::timeout(LINGER, hung_up).await);
    }

    /// [`Connection::finish`] without waiting for it, but for who wants to.
    pub(super) fn finish_in_background(self) -> JoinHandle<()> {
        tokio::spawn(self.finish())
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
    stream: OwnedWriteHalf,
    outbox: Arc<Outbox>,
    io: mpsc::Sender<IoEvent>,
) -> Option<OwnedWriteHalf> {
    while outbox.filled().await {
        if let Err(error) = write_some(&stream, &outbox).await {
            outbox.close();
            drop(io.send(IoEvent::Closed(id, Some(error))).await);
            return None;
        }
    }
    Some(stream)
}

/// As few system calls as TCP lets pass.
async fn write_some(stream: &OwnedWriteHalf, outbox: &Outbox) -> io::Result<()> {
    stream.writable().await?;
    let batch = outbox.take_in_hand();
    if batch.is_empty() {
        // The end came while TCP had no room.
        return Ok(());
    }
    let slices: Vec<IoSlice<'_>> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let outcome = stream.try_write_vectored(&slices);
    match outcome {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Ok(count) => {
            outbox.note_written(count);
            Ok(())
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            outbox.note_written(0);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const RUNS: usize = 64;
    const SIZE: usize = 65536;

    /// Only a session makes them.
    fn some_id() -> ConnectionId {
        let config = peering::PeerConfig {
            name: "frankfurt".to_owned(),
            local_asn: wire::Asn(65000),
            peer_asn: wire::Asn(64512),
            router_id: wire::RouterId([10, 0, 0, 2].into()),
            local_address: [127, 0, 0, 1].into(),
            peer_address: [127, 0, 0, 2].into(),
            families: vec![bgp::Family::Ipv4Unicast],
            timers: peering::Timers::default(),
            offers: peering::Offers::default(),
            passive: true,
            shutdown: None,
        };
        let mut peer = peering::Peer::new(config, Box::new(|octets: &mut [u8]| octets.fill(7)));
        let now = std::time::Instant::now();
        peer.start(now);
        peer.handle_accepted(now).unwrap()
    }

    /// Our end, which much waits in, and the peer's; TCP holds little of it.
    async fn congested() -> (Connection, TcpStream, mpsc::Receiver<IoEvent>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        SockRef::from(&listener).set_recv_buffer_size(16384).unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (ours, accepted) = tokio::join!(connecting, listener.accept());
        let ours = ours.unwrap();
        SockRef::from(&ours).set_send_buffer_size(16384).unwrap();
        let (io, events) = mpsc::channel(8);
        let connection = Connection::start(some_id(), ours, io);
        for _ in 0..RUNS {
            connection.send(Bytes::from(vec![0; SIZE]));
        }
        (connection, accepted.unwrap().0, events)
    }

    async fn becomes(connection: &mut Connection, wanted: Sending) {
        let looking = async {
            while connection.sending() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), looking).await.unwrap_or_else(|_| panic!("never {wanted:?}"));
    }

    #[tokio::test]
    async fn the_notification_of_a_congested_connection_is_sent_and_what_waits_before_it_is_not() {
        let (mut connection, mut theirs, _events) = congested().await;
        becomes(&mut connection, Sending::Stuck).await;
        assert!(!connection.has_room() && !connection.is_flooded());
        let notification = bgp::message::Notification::cease(bgp::message::CeaseSubcode::HARD_RESET).encode();
        connection.send(notification.clone().into());
        drop(connection.finish_in_background());
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        assert!(received.ends_with(&notification), "{} octets", received.len());
        let runs = received.len() / SIZE;
        assert_eq!(received.len(), runs * SIZE + notification.len(), "runs are whole");
        assert!(runs < RUNS / 4, "{runs}");
    }

    #[tokio::test]
    async fn a_connection_moves_with_every_octet_that_tcp_takes() {
        let (mut connection, mut theirs, _events) = congested().await;
        becomes(&mut connection, Sending::Stuck).await;
        // Far less than what is written at once.
        let mut some = vec![0; SIZE];
        theirs.read_exact(&mut some).await.unwrap();
        becomes(&mut connection, Sending::Moving).await;
        becomes(&mut connection, Sending::Stuck).await;
        let mut rest = vec![0; (RUNS - 1) * SIZE];
        theirs.read_exact(&mut rest).await.unwrap();
        becomes(&mut connection, Sending::Done).await;
        assert!(connection.has_room());
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_the_connection_is_lost() {
        let (connection, theirs, mut events) = congested().await;
        assert!(!connection.has_room());
        drop(theirs);
        tokio::time::timeout(Duration::from_secs(5), connection.room()).await.unwrap();
        assert!(matches!(events.recv().await, Some(IoEvent::Closed(..))));
    }
}
