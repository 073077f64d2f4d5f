//! The control thread: makes and removes interfaces, and ends the workers. It was started in the network namespace
//! that the sockets live in, and so are its TUNs, netlink socket and sysctls.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rtnetlink::Handle;
use tokio::sync::{mpsc, oneshot};
use wire::ipsec::TunnelId;

use crate::crew::Crew;
use crate::outbox::Outbox;
use crate::tun::Tun;
use crate::tunnel::Tunnel;
use crate::{Error, Event, Failure, InterfaceInfo, TunnelInterface, inbound, netlink, outbound};

/// Requests that may wait.
pub(crate) const CAPACITY: usize = 1024;

/// What the control thread is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Add { id: TunnelId, interface: TunnelInterface, mtu: u32, done: oneshot::Sender<Result<InterfaceInfo, Error>> },
    Remove { id: TunnelId, done: oneshot::Sender<Result<(), Error>> },
    SetMtu { tunnel: Arc<Tunnel>, mtu: u32 },
    Stop { done: oneshot::Sender<()> },
}

/// All tunnels by number.
pub(crate) type Registry = RwLock<BTreeMap<TunnelId, Arc<Tunnel>>>;

/// The thread's state.
pub(crate) struct Control {
    pub(crate) registry: Arc<Registry>,
    pub(crate) crew: Crew,
    pub(crate) outbox: Outbox,
}

impl Control {
    /// Works until told to stop, or until nobody can tell any more.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> io::Result<()> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let connection = tokio::spawn(connection);
        let mut stopped = None;
        while let Some(command) = commands.recv().await {
            match command {
                Command::Add { id, interface, mtu, done } => {
                    let _ = done.send(self.add(&handle, id, interface, mtu).await);
                }
                Command::Remove { id, done } => {
                    let _ = done.send(self.remove(&handle, id).await);
                }
                Command::SetMtu { tunnel, mtu } => self.set_mtu(&handle, &tunnel, mtu).await,
                Command::Stop { done } => {
                    stopped = Some(done);
                    break;
                }
            }
        }
        self.end(&handle).await;
        connection.abort();
        if let Some(done) = stopped {
            let _ = done.send(());
        }
        Ok(())
    }

    async fn add(
        &self,
        handle: &Handle,
        id: TunnelId,
        interface: TunnelInterface,
        mtu: u32,
    ) -> Result<InterfaceInfo, Error> {
        if self.find(id).is_some() {
            return Err(Error::TunnelExists(id));
        }
        let name = interface.name.clone();
        let failed = |action| move |source| Error::Interface { action, name, source };
        // If anything fails, the TUN is closed, and with it everything is gone.
        let tun = Tun::create(&interface.name).map_err(failed("create"))?;
        let name = interface.name.clone();
        let failed = |action| move |source| Error::Interface { action, name, source };
        let ifindex = netlink::set_up(handle, &interface, mtu).await.map_err(failed("set up"))?;
        let tunnel = Arc::new(Tunnel::new(id, interface, ifindex, tun, mtu));
        let info = tunnel.info();
        self.registry.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&tunnel));
        let worker = self.crew.workers().outbound(id);
        if worker.call(|done| outbound::Command::Add { tunnel, done }).is_none() {
            // The worker may still get to it: it is told to forget the tunnel next.
            drop(self.remove(handle, id).await);
            return Err(Error::Unresponsive);
        }
        Ok(info)
    }

    async fn remove(&self, handle: &Handle, id: TunnelId) -> Result<(), Error> {
        let removed = self.registry.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let tunnel = removed.ok_or(Error::TunnelUnknown(id))?;
        self.crew.workers().outbound(id).call(|done| outbound::Command::RemoveTunnel { tunnel: id, done });
        for worker in &self.crew.workers().inbound {
            worker.call(|done| inbound::Command::RemoveTunnel { tunnel: id, done });
        }
        netlink::remove(handle, tunnel.ifindex).await.map_err(|source| Error::Interface {
            action: "remove",
            name: tunnel.name.clone(),
            source,
        })
    }

    async fn set_mtu(&mut self, handle: &Handle, tunnel: &Tunnel, mtu: u32) {
        if let Err(error) = netlink::set_mtu(handle, tunnel.ifindex, mtu).await {
            let failure = Failure::Mtu { name: tunnel.name.clone(), mtu, reason: error.to_string() };
            self.outbox.send(Event::Failed { tunnel: Some(tunnel.id), failure });
        }
    }

    /// Ends the workers, then removes what they used.
    async fn end(self, handle: &Handle) {
        drop(self.crew);
        let tunnels = std::mem::take(&mut *self.registry.write().unwrap_or_else(PoisonError::into_inner));
        for tunnel in tunnels.values() {
            if let Err(error) = netlink::remove(handle, tunnel.ifindex).await {
                tracing::warn!(%error, interface = tunnel.name, "cannot remove the interface");
            }
        }
    }

    fn find(&self, id: TunnelId) -> Option<Arc<Tunnel>> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner).get(&id).map(Arc::clone)
    }
}
