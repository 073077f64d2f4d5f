//! One TCP connection: a task that reads, a task that writes, both gone with the [`Connection`].

use std::collections::VecDeque;
use std::io;

use bgp::ConnectionId;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Messages handed to the writing task; more wait in the connection.
const WRITE_QUEUE: usize = 256;
/// Octets read at once.
const READ_SIZE: usize = 64 * 1024;
/// How long a closing connection may take to hand its last messages to the peer.
const LINGER: std::time::Duration = std::time::Duration::from_secs(1);

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

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    queue: mpsc::Sender<Bytes>,
    backlog: VecDeque<Bytes>,
    reader: JoinHandle<()>,
    writer: Option<JoinHandle<()>>,
}

impl Connection {
    pub(super) fn start(id: ConnectionId, stream: TcpStream, io: mpsc::Sender<IoEvent>) -> Self {
        let (read, write) = stream.into_split();
        let (queue, queued) = mpsc::channel(WRITE_QUEUE);
        Self {
            queue,
            backlog: VecDeque::new(),
            reader: tokio::spawn(read_all(id, read, io.clone())),
            writer: Some(tokio::spawn(write_all(id, write, queued, io))),
        }
    }

    /// Queues a message.
    pub(super) fn send(&mut self, bytes: Bytes) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(bytes);
            return;
        }
        match self.queue.try_send(bytes) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(bytes)) => self.backlog.push_back(bytes),
        }
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

    /// Lets what is queued go out (a NOTIFICATION, last of all), then closes.
    pub(super) async fn finish(mut self) {
        self.reader.abort();
        let writer = self.writer.take();
        drop(std::mem::replace(&mut self.queue, mpsc::channel(1).0));
        if let Some(mut writer) = writer
            && tokio::time::timeout(LINGER, &mut writer).await.is_err()
        {
            writer.abort();
        }
    }

    /// [`Connection::finish`] without waiting for it.
    pub(super) fn finish_in_background(self) {
        tokio::spawn(self.finish());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
        if let Some(writer) = &self.writer {
            writer.abort();
        }
    }
}

async fn read_all(id: ConnectionId, mut stream: OwnedReadHalf, io: mpsc::Sender<IoEvent>) {
    let mut buffer = BytesMut::new();
    let end = loop {
        buffer.reserve(READ_SIZE);
        match stream.read_buf(&mut buffer).await {
            Ok(0) => break None,
            Ok(_) => {
                if io.send(IoEvent::Received(id, buffer.split().freeze())).await.is_err() {
                    return;
                }
            }
            Err(error) => break Some(error),
        }
    };
    drop(io.send(IoEvent::Closed(id, end)).await);
}

async fn write_all(
    id: ConnectionId,
    mut stream: OwnedWriteHalf,
    mut queued: mpsc::Receiver<Bytes>,
    io: mpsc::Sender<IoEvent>,
) {
    while let Some(bytes) = queued.recv().await {
        if let Err(error) = stream.write_all(&bytes).await {
            drop(io.send(IoEvent::Closed(id, Some(error))).await);
            return;
        }
    }
    drop(stream.shutdown().await);
}
