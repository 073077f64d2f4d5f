//! One TCP connection of a speaker, which never blocks.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};

use peering::{ConnectionId, PeerConfig};
use socket2::{Domain, Socket, Type};

const BGP: u16 = 179;
/// `EINPROGRESS` of Linux: the connection is being opened.
const IN_PROGRESS: i32 = 115;
/// Taken at most at once, so that others have their turn.
const BITE: usize = 1 << 18;

/// One connection, or an attempt at it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) stream: TcpStream,
    pub(super) connecting: bool,
    outgoing: Vec<u8>,
    sent: usize,
}

/// What was there.
#[derive(Debug, Default)]
pub(super) struct Served {
    pub(super) connected: bool,
    pub(super) octets: Vec<u8>,
}

impl Connection {
    /// Begins to connect from the session's own address to its peer's.
    pub(super) fn open(id: ConnectionId, config: &PeerConfig) -> Result<Self> {
        let to = SocketAddr::new(config.peer_address, BGP);
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(config.local_address, 0).into())?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Self { id, stream: socket.into(), connecting: true, outgoing: Vec::new(), sent: 0 })
    }

    pub(super) const fn has_more(&self) -> bool {
        self.sent < self.outgoing.len()
    }

    pub(super) fn send(&mut self, octets: &[u8]) {
        self.outgoing.extend_from_slice(octets);
    }

    /// Sends what can be sent and takes what is there.
    pub(super) fn serve(&mut self) -> Result<Served> {
        let mut served = Served::default();
        if self.connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            if self.stream.peer_addr().is_err() {
                return Ok(served);
            }
            self.connecting = false;
            served.connected = true;
            return Ok(served);
        }
        self.write()?;
        let mut buffer = vec![0; BITE];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(Error::from(ErrorKind::UnexpectedEof)),
            Ok(count) => {
                buffer.truncate(count);
                served.octets = buffer;
                Ok(served)
            }
            Err(error) if is_patient(&error) => Ok(served),
            Err(error) => Err(error),
        }
    }

    /// Whether this is the one to close; what fits is sent first.
    pub(super) fn close(&mut self, id: ConnectionId) -> bool {
        if self.id == id && !self.connecting {
            let _nobody_reads = self.write();
        }
        self.id == id
    }

    fn write(&mut self) -> Result<()> {
        while self.has_more() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if is_patient(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(())
    }
}

fn is_patient(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
