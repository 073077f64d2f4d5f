//! Whether two addresses can talk: one datagram there, and one back. Or only whether one arrives.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::namespace::Namespace;
use super::{LabError, Result, ensure};

/// How long a datagram may take.
const PATIENCE: Duration = Duration::from_millis(700);
const QUESTION: &[u8] = b"do you hear me?";
const ANSWER: &[u8] = b"I do";

/// Sends a datagram from `source` in one host to `destination` in another, and one back.
///
/// # Errors
/// With the direction in which none arrived.
pub fn talk(from: &Namespace, source: IpAddr, to: &Namespace, destination: IpAddr) -> Result<()> {
    let ends = Ends::open(from, source, to, destination)?;
    let asking = ends.there()?;
    ends.far.send_to(ANSWER, asking).map_err(LabError::io(format!("answer {}", ends.path)))?;
    receive(&ends.near, ANSWER, &format!("back {}", ends.path)).map(drop)
}

/// Sends a datagram from `source` in one host to `destination` in another; whether it arrives. That tells more than
/// [`talk`] where there may be a way there and none back.
///
/// # Errors
/// When none can be sent.
pub fn arrives(from: &Namespace, source: IpAddr, to: &Namespace, destination: IpAddr) -> Result<bool> {
    match Ends::open(from, source, to, destination)?.there() {
        Ok(_) => Ok(true),
        Err(LabError::Io { source, .. }) if is_silence(&source) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A socket at each end.
struct Ends {
    near: UdpSocket,
    far: UdpSocket,
    path: String,
}

impl Ends {
    fn open(from: &Namespace, source: IpAddr, to: &Namespace, destination: IpAddr) -> Result<Self> {
        let far = to.enter(|| bind(destination))??;
        let near = from.enter(|| bind(source))??;
        Ok(Self { near, far, path: format!("from {source} to {destination}") })
    }

    /// From whom it arrived.
    fn there(&self) -> Result<SocketAddr> {
        let local = |socket: &UdpSocket| socket.local_addr().map_err(LabError::io(format!("look {}", self.path)));
        let (near, far) = (local(&self.near)?, local(&self.far)?);
        self.near.send_to(QUESTION, far).map_err(LabError::io(format!("send {}", self.path)))?;
        let asking = receive(&self.far, QUESTION, &self.path)?;
        ensure(asking == near, "the sender is who it was", || asking.to_string())?;
        Ok(asking)
    }
}

fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn bind(address: IpAddr) -> Result<UdpSocket> {
    let failed = |source| LabError::io(format!("bind to {address}"))(source);
    let socket = UdpSocket::bind((address, 0)).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    Ok(socket)
}

fn receive(socket: &UdpSocket, expected: &[u8], path: &str) -> Result<SocketAddr> {
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).map_err(LabError::io(format!("receive {path}")))?;
    let found = buffer.get(..length).unwrap_or_default();
    ensure(found == expected, "the datagram is whole", || format!("{length} octets {path}"))?;
    Ok(from)
}
