//! The fifth peer: counts distinct prefixes, and knows whose path each has.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto_tests::lab::{LabError, Result};

use crate::feed::position;
use crate::site::{ROUTER_ASN, Seat};
use crate::talker::Talker;

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Every prefix, by whatever path.
    All,
    /// Every prefix, by this sender's path.
    From(Seat),
    /// Every prefix, none by this sender's path.
    Without(Seat),
    /// Every prefix, with [`MARK`].
    Marked,
}

/// The MED that is looked for.
pub(crate) const MARK: u32 = 77;

/// A session whose announcements are counted.
#[derive(Debug)]
pub(crate) struct Receiver {
    shared: Arc<(Mutex<Tally>, Condvar)>,
    _talker: Talker,
}

#[derive(Debug)]
struct Tally {
    prefixes: u32,
    /// By sender; nobody's at 0.
    held: [u32; 8],
    marked: u32,
    goal: Option<Goal>,
    reached: Option<Instant>,
    last: Instant,
    ended: Option<String>,
}

impl Receiver {
    /// Begins to count.
    pub(crate) fn start(talker: Talker, prefixes: u32) -> Result<Self> {
        let tally =
            Tally { prefixes, held: [0; 8], marked: 0, goal: None, reached: None, last: Instant::now(), ended: None };
        let shared = Arc::new((Mutex::new(tally), Condvar::new()));
        let (stream, theirs) = (talker.reader()?, Arc::clone(&shared));
        std::thread::spawn(move || listen(stream, &theirs, prefixes));
        Ok(Self { shared, _talker: talker })
    }

    /// From now on this is waited for.
    pub(crate) fn aim(&self, goal: Goal) {
        let mut tally = self.tally();
        tally.goal = Some(goal);
        tally.reached = tally.holds(goal).then(Instant::now);
    }

    /// When it was reached.
    pub(crate) fn reached(&self, limit: Duration) -> Result<Instant> {
        let (_, condition) = &*self.shared;
        let wanted = |tally: &mut Tally| tally.reached.is_none() && tally.ended.is_none();
        let (tally, _) =
            condition.wait_timeout_while(self.tally(), limit, wanted).unwrap_or_else(PoisonError::into_inner);
        match (tally.reached, &tally.ended) {
            (Some(at), _) => Ok(at),
            (None, Some(why)) => {
                Err(LabError::Unexpected { what: "the receiver's session".to_owned(), found: why.clone() })
            }
            (None, None) => Err(LabError::Timeout {
                what: format!("{:?}", tally.goal),
                waited: limit,
                seen: format!("{} of {} prefixes, by sender {:?}", tally.total(), tally.prefixes, tally.held),
            }),
        }
    }

    /// How long nothing has come.
    pub(crate) fn quiet(&self) -> Duration {
        self.tally().last.elapsed()
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn total(&self) -> u32 {
        self.held[1..].iter().sum()
    }

    fn holds(&self, goal: Goal) -> bool {
        self.total() == self.prefixes
            && match goal {
                Goal::All => true,
                Goal::From(seat) => self.held[usize::from(seat.0)] == self.prefixes,
                Goal::Without(seat) => self.held[usize::from(seat.0)] == 0,
                Goal::Marked => self.marked == self.prefixes,
            }
    }
}

/// The receiver's table: one octet per prefix, the sender's number and whether the MED is the mark.
struct Table {
    entries: Vec<u8>,
    held: [u32; 8],
    marked: u32,
}

const MARKED: u8 = 0x80;

impl Table {
    fn set(&mut self, position: u32, entry: u8) {
        let Some(slot) = usize::try_from(position).ok().and_then(|index| self.entries.get_mut(index)) else { return };
        let before = std::mem::replace(slot, entry);
        self.held[usize::from(before & 7)] -= 1;
        self.held[usize::from(entry & 7)] += 1;
        self.marked -= u32::from(before & MARKED != 0);
        self.marked += u32::from(entry & MARKED != 0);
    }
}

fn listen(mut stream: TcpStream, shared: &(Mutex<Tally>, Condvar), prefixes: u32) {
    let (tally, condition) = shared;
    let mut table = Table { entries: vec![0; prefixes as usize], held: [0; 8], marked: 0 };
    table.held[0] = prefixes;
    let (mut buffer, mut filled) = (vec![0; 1 << 20], 0);
    let why = loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break "the router closed it".to_owned(),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => break error.to_string(),
        }
        let Some(used) = take(&buffer[..filled], &mut table) else { break "NOTIFICATION, or no BGP at all".to_owned() };
        buffer.copy_within(used..filled, 0);
        filled -= used;
        let at = Instant::now();
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        (tally.held, tally.marked, tally.last) = (table.held, table.marked, at);
        if tally.reached.is_none() && tally.goal.is_some_and(|goal| tally.holds(goal)) {
            tally.reached = Some(at);
            condition.notify_all();
        }
    };
    tally.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(why);
    condition.notify_all();
}

/// Applies all whole messages; how many octets they had. None where it makes no sense.
fn take(octets: &[u8], table: &mut Table) -> Option<usize> {
    const UPDATE: u8 = 2;
    const NOTIFICATION: u8 = 3;
    let mut used = 0;
    while let Some(header) = octets.get(used..used + 19) {
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        if length < 19 || header[18] == NOTIFICATION {
            return None;
        }
        let Some(message) = octets.get(used..used + length) else { break };
        if header[18] == UPDATE {
            update(&message[19..], table)?;
        }
        used += length;
    }
    Some(used)
}

fn update(body: &[u8], table: &mut Table) -> Option<()> {
    let (withdrawn, rest) = counted(body)?;
    let (attributes, nlri) = counted(rest)?;
    prefixes(withdrawn, |position| table.set(position, 0))?;
    if nlri.is_empty() {
        return Some(());
    }
    let entry = entry(attributes)?;
    prefixes(nlri, |position| table.set(position, entry))
}

fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes(*octets.first_chunk()?));
    octets.get(2..)?.split_at_checked(length)
}

fn prefixes(mut octets: &[u8], mut each: impl FnMut(u32)) -> Option<()> {
    while let Some((&bits, rest)) = octets.split_first() {
        let (prefix, rest) = rest.split_at_checked(usize::from(bits).div_ceil(8))?;
        let mut address = [0; 4];
        address.get_mut(..prefix.len())?.copy_from_slice(prefix);
        if let Some(position) = position(u32::from_be_bytes(address)) {
            each(position);
        }
        octets = rest;
    }
    Some(())
}

fn entry(mut attributes: &[u8]) -> Option<u8> {
    const EXTENDED_LENGTH: u8 = 0x10;
    const AS_PATH: u8 = 2;
    const MULTI_EXIT_DISC: u8 = 4;
    let (mut sender, mut marked) = (0, 0);
    while let [flags, kind, rest @ ..] = attributes {
        let (length, rest) = if flags & EXTENDED_LENGTH == 0 {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        } else {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        match *kind {
            // One sequence: the router, the sender, and so on.
            AS_PATH => sender = u32::from_be_bytes(*value.get(6..)?.first_chunk()?).checked_sub(ROUTER_ASN)?,
            MULTI_EXIT_DISC if value == MARK.to_be_bytes() => marked = MARKED,
            _ => {}
        }
        attributes = rest;
    }
    Some(u8::try_from(sender).ok().filter(|sender| (1..=4).contains(sender))? | marked)
}
