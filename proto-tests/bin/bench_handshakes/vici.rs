//! The little of strongSwan's control protocol that begins and ends a tunnel, over one connection that stays open.
//!
//! ```text
//!   length (4) | packet type (1) | name length (1), name | elements: 3 key-value, 1 section start, 2 section end ...
//! ```

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use proto_tests::lab::{LabError, Result, ensure};

const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;
const KEY_VALUE: u8 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// One control connection.
#[derive(Debug)]
pub(crate) struct Vici(UnixStream);

impl Vici {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let io = || LabError::io(format!("talk to charon at {}", socket.display()));
        let stream = UnixStream::connect(socket).map_err(io())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io())?;
        Ok(Self(stream))
    }

    /// Begins a CHILD SA and its IKE SA; returns when both are there.
    pub(crate) fn initiate(&mut self, name: &str) -> Result<()> {
        self.order("initiate", &[("ike", name), ("child", name), ("timeout", "20000"), ("loglevel", "-1")])
    }

    /// Ends an IKE SA; returns when the peer has agreed.
    pub(crate) fn terminate(&mut self, name: &str) -> Result<()> {
        self.order("terminate", &[("ike", name), ("timeout", "20000"), ("loglevel", "-1")])
    }

    fn order(&mut self, command: &str, arguments: &[(&str, &str)]) -> Result<()> {
        let io = || LabError::io(format!("vici {command}"));
        let mut packet = vec![REQUEST];
        short(&mut packet, command);
        for (key, value) in arguments {
            packet.push(KEY_VALUE);
            short(&mut packet, key);
            packet.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
            packet.extend(value.as_bytes());
        }
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        self.0.write_all(&[&length.to_be_bytes()[..], &packet].concat()).map_err(io())?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length).map_err(io())?;
        let mut answer = vec![0; u32::from_be_bytes(length).min(1 << 20) as usize];
        self.0.read_exact(&mut answer).map_err(io())?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        ensure(
            answer.first() == Some(&RESPONSE) && text.contains("success\0\u{3}yes"),
            &format!("vici {command}"),
            || text.clone(),
        )
    }
}

fn short(packet: &mut Vec<u8>, text: &str) {
    packet.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    packet.extend(text.as_bytes());
}
