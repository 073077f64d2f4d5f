//! A BGP speaker that is as little work as can be: OPEN, what was prepared, and a drain for whatever comes back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{LabError, Result, not_yet, wait_for};

use crate::dut::Duty;
use crate::feed::message;
use crate::site::{HOLD, Seat};

const OPEN: u8 = 1;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;

/// An established session.
#[derive(Debug)]
pub(crate) struct Talker {
    seat: Seat,
    stream: TcpStream,
    /// Why the router ended it, if it did.
    ended: Arc<Mutex<Option<String>>>,
}

impl Talker {
    /// Calls the router from the peer's host until it lets us in.
    pub(crate) fn connect(host: &Namespace, seat: Seat, duty: Duty) -> Result<Self> {
        let stream = wait_for(Duration::from_secs(30), &format!("session {} is established", seat.0), || {
            host.enter(|| introduce(seat, duty))?.or_else(|error| not_yet(error.to_string()))
        })?;
        Ok(Self { seat, stream, ended: Arc::default() })
    }

    /// The connection, to be read by the caller.
    pub(crate) fn reader(&self) -> Result<TcpStream> {
        self.stream.try_clone().map_err(LabError::io("share a connection"))
    }

    /// Reads and forgets from now on.
    pub(crate) fn drain(&self) -> Result<()> {
        let (mut stream, ended) = (self.reader()?, Arc::clone(&self.ended));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 18];
            let mut last = String::new();
            let why = loop {
                match stream.read(&mut buffer) {
                    Ok(0) => break format!("it closed the connection {last}"),
                    Ok(count) => last = farewell(&buffer[..count]).unwrap_or(last),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => break format!("{error} {last}"),
                }
            };
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        });
        Ok(())
    }

    /// Succeeds while the session stands.
    pub(crate) fn expect_alive(&self) -> Result<()> {
        match self.ended.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            None => Ok(()),
            Some(why) => {
                Err(LabError::Unexpected { what: format!("session {} stands", self.seat.0), found: why.clone() })
            }
        }
    }

    /// Ends it, as a speaker that dies does: its kernel closes the connection.
    pub(crate) fn die(&self) -> Result<()> {
        self.stream.shutdown(std::net::Shutdown::Both).map_err(LabError::io("close a connection"))
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _already_gone = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// All speak at once; returns when the first octet was sent. What is left is sent meanwhile.
pub(crate) fn speak(talkers: &[Talker], feeds: Vec<Vec<u8>>) -> Result<Instant> {
    let barrier = Arc::new(Barrier::new(talkers.len() + 1));
    for (talker, feed) in talkers.iter().zip(feeds) {
        let (mut stream, barrier) = (talker.reader()?, Arc::clone(&barrier));
        std::thread::spawn(move || {
            barrier.wait();
            // A failure shows as an end of the session.
            let _failed = stream.write_all(&feed);
        });
    }
    let start = Instant::now();
    barrier.wait();
    Ok(start)
}

fn introduce(seat: Seat, duty: Duty) -> std::io::Result<TcpStream> {
    let router = SocketAddr::from((seat.router_address(), 179));
    let mut stream = TcpStream::connect_timeout(&router, Duration::from_secs(2))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(&open(seat, duty))?;
    expect(&mut stream, OPEN)?;
    stream.write_all(&message(KEEPALIVE, &[]))?;
    expect(&mut stream, KEEPALIVE)?;
    stream.set_read_timeout(None)?;
    Ok(stream)
}

/// IPv4 unicast, route refresh, four-octet AS numbers.
fn open(seat: Seat, duty: Duty) -> Vec<u8> {
    let [a, b, c, d] = seat.asn(duty).to_be_bytes();
    let capabilities = [1, 4, 0, 1, 0, 1, 2, 0, 65, 4, a, b, c, d];
    let mut body = vec![4, c, d];
    body.extend(HOLD.to_be_bytes());
    body.extend(seat.address().octets());
    body.extend([16, 2, 14]);
    body.extend(capabilities);
    message(OPEN, &body)
}

fn expect(stream: &mut TcpStream, wanted: u8) -> std::io::Result<()> {
    let mut header = [0; 19];
    stream.read_exact(&mut header)?;
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    let mut body = vec![0; length.saturating_sub(header.len())];
    stream.read_exact(&mut body)?;
    if header[18] == wanted {
        return Ok(());
    }
    Err(std::io::Error::other(format!("message of type {} with {body:02x?}, not of type {wanted}", header[18])))
}

/// A NOTIFICATION at the end of what was read.
fn farewell(octets: &[u8]) -> Option<String> {
    let at = octets.windows(16).rposition(|window| window == [0xff; 16])?;
    let message = octets.get(at + 18..)?;
    (*message.first()? == NOTIFICATION).then(|| format!("with NOTIFICATION {:02x?}", &message[1..]))
}
