//! A stream of numbered packets from one host to another and back: the measure of what a failure costs.
//!
//! The sender keeps an absolute schedule, so that a late wake-up is caught up and the rate is what was asked. Packets go
//! out of several sockets in turn: every router on the way sees as many flows and spreads them over its equal paths. The
//! receiver marks each number once and sends the packet back; the sender's side marks what returns.
//!
//! ```text
//!   packet: flow u16 | number u64 | zeroes up to `size`
//! ```

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::namespace::Namespace;
use super::{LabError, Result, patience, slowness, wait_for};

const HEADER: usize = 10;
const BUFFER: usize = 8 << 20;
/// So many in a row are packets of every flow, each behind whatever was sent before on its way.
const RUN: u64 = 200;

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// The receiving host's address.
    pub destination: Ipv4Addr,
    /// The receiving UDP port.
    pub port: u16,
    /// Source ports to send from in turn.
    pub flows: u16,
    /// Packets per second.
    pub rate: u32,
    /// UDP payload in octets.
    pub size: usize,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Packets sent.
    pub sent: u64,
    /// Packets that reached the other host.
    pub delivered: u64,
    /// Packets that came back.
    pub echoed: u64,
    /// Sent and never delivered.
    pub lost: u64,
    /// Sent and never come back.
    pub lost_round_trip: u64,
    /// Delivered more than once.
    pub duplicated: u64,
    /// Longest time without a delivery while sending, in milliseconds.
    pub longest_gap_ms: u64,
    /// Longest run of consecutive numbers lost on the way there.
    pub longest_burst: u64,
}

/// A stream under way.
#[derive(Debug)]
pub struct Running {
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    delivered: Arc<Mutex<Marks>>,
    echoed: Arc<Mutex<Marks>>,
    threads: Vec<JoinHandle<()>>,
}

/// Which numbers have arrived, and when the last did.
#[derive(Debug)]
struct Marks {
    seen: Vec<u64>,
    count: u64,
    duplicated: u64,
    last: Instant,
    longest_gap: Duration,
}

impl Stream {
    /// A thousand packets per second, as seconds are on a slow machine, over 64 flows to `destination`.
    #[must_use]
    pub fn to(destination: Ipv4Addr) -> Self {
        Self { destination, port: 7007, flows: 64, rate: 1000 / slowness(), size: 64 }
    }

    /// Starts it.
    ///
    /// # Errors
    /// When a socket cannot be opened in either namespace.
    pub fn start(self, from: &Namespace, to: &Namespace) -> Result<Running> {
        let running = Running {
            stop_sending: Arc::default(),
            stop_receiving: Arc::default(),
            sent: Arc::default(),
            delivered: Arc::new(Mutex::new(Marks::new())),
            echoed: Arc::new(Mutex::new(Marks::new())),
            threads: Vec::new(),
        };
        let receiver = to.enter(|| open(SocketAddrV4::new(self.destination, self.port)))??;
        let mut senders = Vec::new();
        for _ in 0..self.flows.max(1) {
            let socket = from.enter(|| open(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)))??;
            socket
                .connect((self.destination, self.port))
                .map_err(LabError::io(format!("connect to {}", self.destination)))?;
            senders.push(socket);
        }
        running.launch(self, receiver, senders)
    }
}

impl Running {
    /// Counts so far; what is on its way counts as lost.
    #[must_use]
    pub fn so_far(&self) -> Report {
        let sent = self.sent.load(Ordering::Acquire);
        let delivered = lock(&self.delivered);
        let echoed = lock(&self.echoed);
        Report {
            sent,
            delivered: delivered.count,
            echoed: echoed.count,
            lost: sent.saturating_sub(delivered.count),
            lost_round_trip: sent.saturating_sub(echoed.count),
            duplicated: delivered.duplicated,
            longest_gap_ms: u64::try_from(delivered.longest_gap.as_millis()).unwrap_or(u64::MAX),
            longest_burst: delivered.longest_burst(sent),
        }
    }

    /// The number of the next packet.
    #[must_use]
    pub fn checkpoint(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// How many of the packets between two checkpoints have not been delivered.
    #[must_use]
    pub fn lost_between(&self, from: u64, to: u64) -> u64 {
        let delivered = lock(&self.delivered);
        (from..to).filter(|&number| !delivered.has(number)).map(|_| 1).sum()
    }

    /// How many of the packets between two checkpoints have not come back.
    #[must_use]
    pub fn unreturned_between(&self, from: u64, to: u64) -> u64 {
        let echoed = lock(&self.echoed);
        (from..to).filter(|&number| !echoed.has(number)).map(|_| 1).sum()
    }

    /// Waits until packets come back again with none missing, and so whatever was sent before is back or lost. How many of
    /// those sent since the checkpoint `from` have not been delivered, and have not come back.
    ///
    /// # Errors
    /// [`LabError::Timeout`] when packets go on being lost.
    pub fn lost_since(&self, from: u64) -> Result<(u64, u64)> {
        let start = self.checkpoint();
        let end = wait_for(patience(10), &format!("{RUN} packets in a row come back"), || {
            let run = lock(&self.echoed).run(start, self.checkpoint());
            run.map_or_else(|| super::not_yet(self.so_far().to_string()), Ok)
        })?;
        Ok((self.lost_between(from, end), self.unreturned_between(from, end)))
    }

    /// Succeeds once `packets` more have been delivered with none missing among the last of them.
    ///
    /// # Errors
    /// [`LabError::Timeout`] when deliveries do not go on.
    pub fn flows_again(&self, packets: u64, limit: Duration) -> Result<()> {
        let start = self.so_far();
        wait_for(limit, "the stream is delivered", || {
            let now = self.so_far();
            let (sent, delivered) = (now.sent - start.sent, now.delivered - start.delivered);
            if delivered >= packets { Ok(()) } else { super::not_yet(format!("{delivered} delivered of {sent} sent")) }
        })
    }

    /// Stops sending, waits for what is on its way, and counts.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.stop_sending.store(true, Ordering::Release);
        let mut settled = self.so_far();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(50));
            let now = self.so_far();
            if now == settled && now.lost_round_trip == 0 {
                break;
            }
            settled = now;
        }
        self.end();
        self.so_far()
    }

    fn launch(mut self, stream: Stream, receiver: UdpSocket, senders: Vec<UdpSocket>) -> Result<Self> {
        let returning: Vec<UdpSocket> = senders
            .iter()
            .map(UdpSocket::try_clone)
            .collect::<std::io::Result<_>>()
            .map_err(LabError::io("clone sockets"))?;
        let (stop, marks) = (Arc::clone(&self.stop_receiving), Arc::clone(&self.delivered));
        self.threads.push(std::thread::spawn(move || receive(&receiver, &stop, &marks)));
        let (stop, marks) = (Arc::clone(&self.stop_receiving), Arc::clone(&self.echoed));
        self.threads.push(std::thread::spawn(move || collect(&returning, &stop, &marks)));
        let (stop, sent) = (Arc::clone(&self.stop_sending), Arc::clone(&self.sent));
        self.threads.push(std::thread::spawn(move || send(&senders, stream, &stop, &sent)));
        Ok(self)
    }

    fn end(&mut self) {
        self.stop_sending.store(true, Ordering::Release);
        self.stop_receiving.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            let _joined = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} sent, {} delivered, {} lost, {} lost on the round trip, longest gap {} ms",
            self.sent, self.delivered, self.lost, self.lost_round_trip, self.longest_gap_ms
        )
    }
}

impl Marks {
    fn new() -> Self {
        Self { seen: Vec::new(), count: 0, duplicated: 0, last: Instant::now(), longest_gap: Duration::ZERO }
    }

    fn mark(&mut self, number: u64) {
        let Ok(word) = usize::try_from(number / 64) else { return };
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let bit = 1_u64 << (number % 64);
        if self.seen[word] & bit != 0 {
            self.duplicated += 1;
            return;
        }
        self.seen[word] |= bit;
        let now = Instant::now();
        if self.count > 0 {
            self.longest_gap = self.longest_gap.max(now - self.last);
        }
        self.last = now;
        self.count += 1;
    }

    fn has(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.seen.get(word));
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// The first of [`RUN`] numbers in a row that have all arrived.
    fn run(&self, from: u64, sent: u64) -> Option<u64> {
        let mut run = from..from;
        for number in from..sent {
            run = if self.has(number) { run.start..number + 1 } else { number + 1..number + 1 };
            if run.end - run.start == RUN {
                return Some(run.start);
            }
        }
        None
    }

    fn longest_burst(&self, sent: u64) -> u64 {
        let (mut longest, mut burst) = (0_u64, 0_u64);
        for number in 0..sent {
            burst = if self.has(number) { 0 } else { burst + 1 };
            longest = longest.max(burst);
        }
        longest
    }
}

fn lock(marks: &Mutex<Marks>) -> std::sync::MutexGuard<'_, Marks> {
    marks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn open(address: SocketAddrV4) -> Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)
        .map_err(LabError::io("open a UDP socket"))?;
    let _best_effort = socket.set_recv_buffer_size(BUFFER);
    socket.bind(&SocketAddr::V4(address).into()).map_err(LabError::io(format!("bind {address}")))?;
    socket.set_read_timeout(Some(Duration::from_millis(50))).map_err(LabError::io("set a time limit"))?;
    Ok(socket.into())
}

fn send(sockets: &[UdpSocket], stream: Stream, stop: &AtomicBool, sent: &AtomicU64) {
    let interval = Duration::from_secs(1) / stream.rate.max(1);
    let mut packet = vec![0_u8; stream.size.max(HEADER)];
    let mut due = Instant::now();
    for (flow, socket, number) in (0_u64..).map(|number| {
        let flow = usize::try_from(number).unwrap_or(0) % sockets.len();
        (flow, &sockets[flow], number)
    }) {
        if stop.load(Ordering::Acquire) {
            return;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += interval;
        packet[..2].copy_from_slice(&u16::try_from(flow).unwrap_or(0).to_be_bytes());
        packet[2..HEADER].copy_from_slice(&number.to_be_bytes());
        // A connected socket reports an ICMP error of an earlier packet instead of sending this one: ask twice.
        if socket.send(&packet).is_err() {
            let _unreachable = socket.send(&packet);
        }
        sent.store(number + 1, Ordering::Release);
    }
}

fn receive(socket: &UdpSocket, stop: &AtomicBool, marks: &Mutex<Marks>) {
    let mut packet = [0_u8; 2048];
    while !stop.load(Ordering::Acquire) {
        match socket.recv_from(&mut packet) {
            Ok((length, from)) => {
                if let Some(number) = number_of(&packet[..length]) {
                    lock(marks).mark(number);
                    let _unreachable = socket.send_to(&packet[..length], from);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_icmp) => {}
        }
    }
}

fn collect(sockets: &[UdpSocket], stop: &AtomicBool, marks: &Mutex<Marks>) {
    let mut packet = [0_u8; 2048];
    for socket in sockets {
        let _still_blocking = socket.set_read_timeout(Some(Duration::from_millis(1)));
    }
    while !stop.load(Ordering::Acquire) {
        let mut ready: Vec<PollFd<'_>> =
            sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        if poll(&mut ready, PollTimeout::from(50_u8)).is_err() {
            continue;
        }
        for (socket, poll) in sockets.iter().zip(&ready) {
            if poll.any() == Some(true)
                && let Ok(length) = socket.recv(&mut packet)
                && let Some(number) = number_of(&packet[..length])
            {
                lock(marks).mark(number);
            }
        }
    }
}

fn number_of(packet: &[u8]) -> Option<u64> {
    packet.get(2..HEADER)?.try_into().ok().map(u64::from_be_bytes)
}
