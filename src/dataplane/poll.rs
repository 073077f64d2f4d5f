//! Waiting for sockets, TUNs and commands at once, and the channel that commands come through.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// The token of the command channel.
const COMMANDS: u64 = u64::MAX;
/// Commands that may wait; a sender waits when there are more.
const COMMAND_CAPACITY: usize = 1024;
/// Tokens taken in one call.
const EVENTS: usize = 32;
/// How long a worker may take to answer; it is never busy for more than a few milliseconds at a time.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Sends commands to a worker and wakes it.
#[derive(Debug)]
pub(crate) struct Mailbox<C> {
    sender: SyncSender<C>,
    wake: Arc<EventFd>,
}

impl<C> Mailbox<C> {
    /// Returns false when the worker has ended.
    pub(crate) fn send(&self, command: C) -> bool {
        self.sender.send(command).is_ok() && self.wake.write(1).is_ok()
    }

    /// Sends a command unless the worker has ended or has too many waiting; then it comes back.
    pub(crate) fn offer(&self, command: C) -> Result<(), C> {
        match self.sender.try_send(command) {
            Ok(()) => {
                // A full counter wakes the worker just as well.
                let _ = self.wake.write(1);
                Ok(())
            }
            Err(TrySendError::Full(command) | TrySendError::Disconnected(command)) => Err(command),
        }
    }

    /// Sends a command that carries the means to answer, and waits for the answer for a short time.
    pub(crate) fn call<R>(&self, command: impl FnOnce(SyncSender<R>) -> C) -> Option<R> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(command(answer)).then(|| answered.recv_timeout(ANSWER_TIME).ok()).flatten()
    }
}

impl<C> Clone for Mailbox<C> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), wake: Arc::clone(&self.wake) }
    }
}

/// A worker's end: what it waits for.
#[derive(Debug)]
pub(crate) struct Poller<C> {
    epoll: Epoll,
    wake: Arc<EventFd>,
    commands: Receiver<C>,
    ready: Vec<u64>,
}

/// A mailbox and the poller it wakes.
pub(crate) fn channel<C>() -> io::Result<(Mailbox<C>, Poller<C>)> {
    let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, COMMANDS))?;
    let (sender, commands) = mpsc::sync_channel(COMMAND_CAPACITY);
    let mailbox = Mailbox { sender, wake: Arc::clone(&wake) };
    Ok((mailbox, Poller { epoll, wake, commands, ready: Vec::with_capacity(EVENTS) }))
}

impl<C> Poller<C> {
    /// Reports `token` whenever `source` is readable.
    pub(crate) fn add(&self, source: impl AsFd, token: u32) -> io::Result<()> {
        Ok(self.epoll.add(source, EpollEvent::new(EpollFlags::EPOLLIN, token.into()))?)
    }

    pub(crate) fn remove(&self, source: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.delete(source)?)
    }

    /// Waits until something is readable, a command arrives or `timeout` passes.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.ready.clear();
        let timeout = timeout.map_or(EpollTimeout::NONE, |timeout| {
            EpollTimeout::try_from(timeout.as_millis()).unwrap_or(EpollTimeout::MAX)
        });
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..count] {
            match event.data() {
                COMMANDS => drop(self.wake.read()),
                token => self.ready.push(token),
            }
        }
        Ok(())
    }

    /// The tokens of what is readable.
    pub(crate) fn take_ready(&mut self) -> impl Iterator<Item = u32> + use<C> {
        let ready: [Option<u32>; EVENTS] =
            std::array::from_fn(|index| self.ready.get(index).and_then(|token| u32::try_from(*token).ok()));
        ready.into_iter().flatten()
    }

    /// The next command, if there is one.
    pub(crate) fn command(&self) -> Option<C> {
        self.commands.try_recv().ok()
    }
}

/// Waits a short time until `socket` takes more. Returns whether it does.
pub(crate) fn wait_writable(socket: impl AsFd, time: u16) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    nix::poll::poll(&mut fds, PollTimeout::from(time)).is_ok_and(|count| count > 0)
}
