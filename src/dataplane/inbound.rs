//! The inbound worker: socket to TUN. It owns the replay windows of the SAs on its sockets.
//!
//! ```text
//!   receive batch --> each datagram: keepalive | IKE --> process | ESP --> SaDb --> open in place --> coalesce
//!                                                                    |            one TUN write per group <--+
//!                                                                    +--> unknown SPI: kept a while for its SA (early)
//! ```

mod deliver;
mod early;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use esp::{Entry, InboundSa, SaDb};
use wire::ipsec::{Direction, Encapsulation, SecurityAssociation, Spi, TunnelId};

use crate::counters::RunningEngineCounters;
use crate::message::{RECEIVE_BATCH, RECEIVE_LEN, Received, Surroundings};
use crate::outbox::Outbox;
use crate::packet::coalesce::Coalescer;
use crate::poll::{Mailbox, Poller};
use crate::socket::Socket;
use crate::tunnel::Tunnel;

/// Unknown SPIs are reported at most this often.
const UNKNOWN_SPI_INTERVAL: Duration = Duration::from_secs(1);

/// What an inbound worker is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Install {
        sa: Box<InboundSa>,
        description: Box<SecurityAssociation>,
        tunnel: Arc<Tunnel>,
        done: SyncSender<()>,
    },
    Remove {
        tunnel: TunnelId,
        spi: Spi,
    },
    RemoveTunnel {
        tunnel: TunnelId,
        done: SyncSender<()>,
    },
    /// The peer is somewhere else from now on.
    Move {
        tunnel: TunnelId,
        remote: SocketAddr,
    },
    /// Hands the SAs of a tunnel to the worker that serves its local address now.
    Release {
        tunnel: TunnelId,
        remote: SocketAddr,
        heir: Mailbox<Self>,
    },
    Adopt {
        entries: Vec<Entry<Owner>>,
    },
    Stop,
}

/// Whose an inbound SA is, and where its packets come from.
#[derive(Debug)]
pub(crate) struct Owner {
    tunnel: Arc<Tunnel>,
    encapsulation: Encapsulation,
    /// Where the peer is, as far as the process knows.
    remote: SocketAddr,
    /// Where it is according to the last event.
    reported: Option<SocketAddr>,
    exhausted: bool,
}

/// What the worker is given at its start.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) poller: Poller<Command>,
    pub(crate) outbox: Outbox,
    pub(crate) counters: Arc<RunningEngineCounters>,
    pub(crate) sockets: Vec<Arc<Socket>>,
    pub(crate) start: Instant,
}

/// The worker.
#[derive(Debug)]
pub(crate) struct Worker {
    poller: Poller<Command>,
    outbox: Outbox,
    counters: Arc<RunningEngineCounters>,
    sockets: Vec<Arc<Socket>>,
    start: Instant,
    db: SaDb<Owner>,
    buffer: Box<[u8]>,
    surroundings: Surroundings,
    received: Vec<Received>,
    coalescer: Coalescer<Arc<Tunnel>>,
    unknown_spi_reported: Option<Instant>,
    early: early::Early,
}

impl Worker {
    pub(crate) fn new(setup: Setup) -> Self {
        let Setup { poller, outbox, counters, sockets, start } = setup;
        Self {
            poller,
            outbox,
            counters,
            sockets,
            start,
            db: SaDb::new(),
            buffer: vec![0; RECEIVE_BATCH * RECEIVE_LEN].into_boxed_slice(),
            surroundings: Surroundings::new(),
            received: Vec::with_capacity(RECEIVE_BATCH),
            coalescer: Coalescer::new(),
            unknown_spi_reported: None,
            early: early::Early::default(),
        }
    }

    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        for (token, socket) in (0..).zip(&self.sockets) {
            if let Err(error) = self.poller.add(socket, token) {
                tracing::error!(%error, local = %socket.local(), "cannot wait for the socket");
            }
        }
        loop {
            let retry = self.outbox.flush();
            if let Err(error) = self.poller.wait(retry) {
                tracing::error!(%error, "inbound worker ends");
                return;
            }
            while let Some(command) = self.poller.command() {
                if !self.handle(command) {
                    return;
                }
            }
            for token in self.poller.take_ready() {
                self.pump(token as usize);
            }
        }
    }

    /// Returns false to stop.
    fn handle(&mut self, command: Command) -> bool {
        match command {
            Command::Install { sa, description, tunnel, done } => {
                self.install(*sa, &description, tunnel);
                let _ = done.send(());
                self.deliver_early(description.spi);
            }
            Command::Remove { tunnel, spi } => {
                if self.db.get_mut(spi).is_some_and(|entry| entry.owner.tunnel.id == tunnel)
                    && let Some(removed) = self.db.remove(spi)
                {
                    removed.owner.tunnel.sas.strike(Direction::Inbound, spi);
                }
            }
            Command::RemoveTunnel { tunnel, done } => {
                self.db.retain(|entry| entry.owner.tunnel.id != tunnel);
                let _ = done.send(());
            }
            Command::Move { tunnel, remote } => self.relocate(tunnel, remote),
            Command::Release { tunnel, remote, heir } => {
                self.relocate(tunnel, remote);
                let entries = self.db.extract(|entry| entry.owner.tunnel.id == tunnel);
                if !entries.is_empty() {
                    self.bequeath(&heir, entries);
                }
            }
            Command::Adopt { entries } => self.adopt(entries),
            Command::Stop => return false,
        }
        true
    }

    fn relocate(&mut self, tunnel: TunnelId, remote: SocketAddr) {
        self.db.retain(|entry| {
            if entry.owner.tunnel.id == tunnel {
                entry.owner.remote = remote;
                entry.owner.reported = None;
            }
            true
        });
    }

    /// An SA exists once, with its replay window: either the heir has it or it stays here.
    fn bequeath(&mut self, heir: &Mailbox<Command>, entries: Vec<Entry<Owner>>) {
        if let Err(Command::Adopt { entries }) = heir.offer(Command::Adopt { entries }) {
            tracing::error!(sas = entries.len(), "SAs stay with the worker of the former local address");
            self.adopt(entries);
        }
    }

    fn adopt(&mut self, entries: Vec<Entry<Owner>>) {
        for entry in entries {
            self.db.insert(entry.sa, entry.owner);
        }
    }

    fn install(&mut self, sa: InboundSa, description: &SecurityAssociation, tunnel: Arc<Tunnel>) {
        // An SA installed twice must keep its replay window.
        let known = self
            .db
            .get_mut(description.spi)
            .is_some_and(|entry| entry.owner.tunnel.id == tunnel.id && entry.sa.is_same(description));
        if known {
            return;
        }
        let id = tunnel.id;
        tunnel.sas.enter(Direction::Inbound, description.spi, sa.usage());
        let owner = Owner {
            tunnel,
            encapsulation: description.encapsulation,
            remote: description.remote,
            reported: None,
            exhausted: false,
        };
        if let Some(replaced) = self.db.insert(sa, owner) {
            let former = &replaced.owner.tunnel;
            tracing::warn!(spi = %description.spi, tunnel = %former.id, "SPI taken over by another SA");
            if former.id != id {
                former.sas.strike(Direction::Inbound, description.spi);
            }
        }
    }
}
