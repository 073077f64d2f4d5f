//! A peer that answers every first message with an error (RFC 7296 2.21.1).

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto_tests::lab::pair::{Nat, Pair};
use proto_tests::lab::terms::Terms;
use proto_tests::lab::{LabError, Result};

use crate::asking::{ask, finds};

/// IKE_SA_INIT and Notify, an answer, 36 octets in all.
const HEADER: [u8; 12] = [41, 0x20, 34, 0x20, 0, 0, 0, 0, 0, 0, 0, 36];
/// The only payload: INVALID_SYNTAX.
const NOTIFY: [u8; 8] = [0, 0, 0, 8, 0, 0, 0, 7];

pub(crate) fn play() -> Result<()> {
    let terms = Terms::new("aes256-sha256-ecp256", "aes256-sha256", "192.0.2.1", "192.0.2.9");
    let mut pair = Pair::new(Nat::None, terms)?;
    let bind = || UdpSocket::bind(("192.0.2.9", 500));
    let socket = pair.peer_host.enter(bind)?.map_err(LabError::io("bind UDP 500"))?;
    pair.start_daemon(true)?;
    let ours = pair.daemon()?.socket().to_owned();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let refusing = scope.spawn(|| refuse(&socket, &done));
        let outcome = finds("QD0216", "failure", || ask(&pair.us, &ours, &[]));
        done.store(true, Ordering::Relaxed);
        let refused = refusing.join().unwrap_or_else(|_| Err(ErrorKind::Other.into()));
        outcome.and_then(|_| refused.map_err(LabError::io("refuse")))
    })
}

fn refuse(socket: &UdpSocket, done: &AtomicBool) -> std::io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut request = [0; 2048];
    while !done.load(Ordering::Relaxed) {
        match socket.recv_from(&mut request) {
            Ok((length, from)) if length >= 28 => {
                let answer = [&request[..8], &[0; 8], &HEADER, &NOTIFY].concat();
                socket.send_to(&answer, from)?;
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
