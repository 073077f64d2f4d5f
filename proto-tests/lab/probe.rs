//! Whether two addresses can talk: one datagram there, and one back.

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
    let far = to.enter(|| bind(destination))??;
    let near = from.enter(|| bind(source))??;
    let path = format!("from {source} to {destination}");
    let address = far.local_addr().map_err(LabError::io(format!("look {path}")))?;
    near.send_to(QUESTION, address).map_err(LabError::io(format!("send {path}")))?;
    let asking = receive(&far, QUESTION, &path)?;
    ensure(asking.ip() == source, "the sender is who it was", || asking.to_string())?;
    far.send_to(ANSWER, asking).map_err(LabError::io(format!("answer {path}")))?;
    receive(&near, ANSWER, &format!("back {path}")).map(drop)
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
