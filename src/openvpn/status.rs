//! Answers to `state` and `status 3`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Clients listed; what is beyond is counted.
const MOST_CLIENTS: usize = 10_000;
/// Characters of a name, an address or a cipher; longer ones are cut off.
const LONGEST: usize = 128;

/// How far a server has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It serves, with these addresses inside, if it says any.
    Connected(Option<Ipv4Addr>, Option<Ipv6Addr>),
    /// It does not yet, or no more: `WAIT`, `RECONNECTING`, `EXITING` and so on.
    Other(String),
}

impl State {
    /// `1700000000,CONNECTED,SUCCESS,10.8.0.1,,,,,fd08::1`: seconds, name, details, address inside, two addresses outside
    /// with their ports, and, if there is one, the IPv6 address inside.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        fields.next()?.parse::<u64>().ok()?;
        Some(match fields.next()? {
            "CONNECTED" => {
                let address = fields.nth(1).and_then(|address| address.parse().ok());
                Self::Connected(address, fields.nth(4).and_then(|address| address.parse().ok()))
            }
            other => Self::Other(cut(other)),
        })
    }
}

/// One connected client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its certificate's common name.
    pub common_name: String,
    /// Its outside address and port, in the server's words.
    pub real_address: String,
    /// Its address of the pool.
    pub virtual_address: String,
    /// Octets received from it.
    pub bytes_in: u64,
    /// Octets sent to it.
    pub bytes_out: u64,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// The negotiated cipher of its packets (S2-24).
    pub cipher: String,
}

/// What `status 3` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The server's clock, in seconds since 1970.
    pub time: Option<u64>,
    /// Connected clients.
    pub clients: Vec<Client>,
    /// Clients beyond those listed.
    pub unlisted: usize,
    /// Columns of the client list by name: they differ between versions.
    columns: BTreeMap<String, usize>,
}

impl Status {
    /// How many clients are connected, listed or not.
    #[must_use]
    pub const fn connected(&self) -> usize {
        self.clients.len() + self.unlisted
    }

    /// Takes one line of it: fields between tabs.
    pub fn read(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["TIME", _, seconds, ..] => self.time = seconds.parse().ok(),
            ["HEADER", "CLIENT_LIST", columns @ ..] => {
                self.columns = columns.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at)).collect();
            }
            ["CLIENT_LIST", values @ ..] => self.client(values),
            _ => {}
        }
    }

    fn client(&mut self, values: &[&str]) {
        let text = |name: &str| self.columns.get(name).and_then(|at| values.get(*at)).map_or("", |text| *text);
        let number = |name: &str| text(name).parse().unwrap_or(0);
        // Who is not through the handshake has no address yet.
        if text("Virtual Address").is_empty() {
            return;
        }
        if self.clients.len() >= MOST_CLIENTS {
            self.unlisted += 1;
            return;
        }
        self.clients.push(Client {
            common_name: cut(text("Common Name")),
            real_address: cut(text("Real Address")),
            virtual_address: cut(text("Virtual Address")),
            bytes_in: number("Bytes Received"),
            bytes_out: number("Bytes Sent"),
            since: number("Connected Since (time_t)"),
            cipher: cut(text("Data Channel Cipher")),
        });
    }
}

/// As much of a text as anybody needs.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
