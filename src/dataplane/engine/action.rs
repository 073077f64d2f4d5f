//! SA actions, turned into commands for the workers that own the SAs.

use std::net::SocketAddr;
use std::sync::Arc;

use esp::{InboundSa, KeyError, OutboundSa, overhead};
use wire::ipsec::{Direction, Encapsulation, SaAction, SecurityAssociation, TunnelId};

use super::Inner;
use crate::interface::LEAST_MTU;
use crate::outbound::Route;
use crate::socket::Kind;
use crate::tunnel::Tunnel;
use crate::{Event, Failure, control, inbound, outbound};

/// Carries out `action`, or reports why not.
pub(super) fn apply(engine: &Inner, action: SaAction) {
    let (tunnel, result) = match action {
        SaAction::Install { tunnel, direction, sa } => (tunnel, install(engine, tunnel, direction, sa)),
        SaAction::Remove { tunnel, direction: Direction::Outbound, spi } => {
            engine.workers.outbound(tunnel).send(outbound::Command::Remove { tunnel, spi });
            return;
        }
        SaAction::Remove { tunnel, direction: Direction::Inbound, spi } => {
            for worker in &engine.workers.inbound {
                worker.send(inbound::Command::Remove { tunnel, spi });
            }
            return;
        }
        SaAction::Move { tunnel, local, remote } => (tunnel, relocate(engine, tunnel, local, remote)),
    };
    if let Err(failure) = result {
        tracing::warn!(%tunnel, %failure, "SA not usable");
        // A full channel means that the process is behind; the warning stays.
        drop(engine.events.try_send(Event::Failed { tunnel: Some(tunnel), failure }));
    }
}

fn install(engine: &Inner, id: TunnelId, direction: Direction, sa: Box<SecurityAssociation>) -> Result<(), Failure> {
    let tunnel = engine.tunnel(id).ok_or(Failure::NoInterface)?;
    let bad = |reason: KeyError| Failure::BadSa { spi: sa.spi, reason };
    match direction {
        Direction::Inbound => {
            let open = Box::new(InboundSa::new(&sa).map_err(bad)?);
            let worker = &engine.workers.inbound[engine.inbound(sa.local.ip())];
            worker.call(|done| inbound::Command::Install { sa: open, description: sa, tunnel, done });
        }
        Direction::Outbound => {
            let kind = match sa.encapsulation {
                Encapsulation::Udp => Kind::Nat,
                Encapsulation::Esp => Kind::Esp,
            };
            let socket = engine.sockets.find(kind, sa.local.ip()).ok_or(Failure::NoSocket(sa.local))?;
            let port = if kind == Kind::Nat { sa.remote.port() } else { 0 };
            let mtu = overhead::inner_mtu(sa.suite, sa.encapsulation, sa.remote.ip(), engine.outer_mtu);
            let route = Box::new(Route {
                sa: OutboundSa::new(&sa).map_err(bad)?,
                encapsulation: sa.encapsulation,
                socket: Arc::clone(socket),
                remote: SocketAddr::new(sa.remote.ip(), port).into(),
                mtu,
                widest: mtu,
                narrowed: None,
                exhausted: false,
            });
            follow_mtu(engine, &tunnel, mtu);
            // What goes out after this returns, the deletion of the SA before among it, finds all that took the old way gone.
            let worker = engine.workers.outbound(id);
            worker.call(|done| outbound::Command::Install { tunnel: id, route, sa, done });
        }
    }
    Ok(())
}

/// The interface's MTU is that of the SA in use, unless it was fixed.
fn follow_mtu(engine: &Inner, tunnel: &Arc<Tunnel>, mtu: usize) {
    let mtu = u32::try_from(mtu).unwrap_or(u32::MAX).max(LEAST_MTU);
    tunnel.set_carried(mtu);
    if tunnel.fixed_mtu.is_none() && tunnel.set_mtu(mtu) {
        let command = control::Command::SetMtu { tunnel: Arc::clone(tunnel), mtu };
        if engine.control.try_send(command).is_err() {
            tracing::warn!(interface = tunnel.name, mtu, "MTU not changed");
        }
    }
}

fn relocate(engine: &Inner, tunnel: TunnelId, local: SocketAddr, remote: SocketAddr) -> Result<(), Failure> {
    let nat = engine.sockets.find(Kind::Nat, local.ip()).ok_or(Failure::NoSocket(local))?;
    let esp = engine.sockets.find(Kind::Esp, local.ip()).ok_or(Failure::NoSocket(local))?;
    let (nat, esp) = (Arc::clone(nat), Arc::clone(esp));
    engine.workers.outbound(tunnel).send(outbound::Command::Move { tunnel, nat, esp, remote });
    let home = engine.inbound(local.ip());
    for (index, worker) in engine.workers.inbound.iter().enumerate() {
        if index != home {
            let heir = engine.workers.inbound[home].clone();
            worker.send(inbound::Command::Release { tunnel, remote, heir });
        }
    }
    engine.workers.inbound[home].send(inbound::Command::Move { tunnel, remote });
    Ok(())
}
