//! Scapy as an independent reader and writer of packets: the scripts in `proto-tests/scapy`, which exchange octets in
//! hexadecimal over their standard input and output.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Debian's Python: the one that has Debian's Scapy.
const PYTHON: &str = "/usr/bin/python3";

/// Has a script answer.
///
/// # Panics
/// With the script's complaint, if it has one.
#[must_use]
pub fn ask(script: &str, requests: &Value) -> Value {
    let mut child = Command::new(PYTHON)
        .arg(format!("{}/scapy/{script}", env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`sudo ./scripts/setup-test` installs python3-scapy");
    let mut input = child.stdin.take().expect("it was asked for");
    input.write_all(requests.to_string().as_bytes()).expect("the script reads");
    drop(input);
    let output = child.wait_with_output().expect("the script ends");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {complaint}"))
}

/// Octets as the scripts take them.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Octets as the scripts give them.
///
/// # Panics
/// If these are no digits.
#[must_use]
pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("digits")).collect()
}
