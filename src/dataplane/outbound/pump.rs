//! What happens to the packets that the kernel routes into a tunnel.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use esp::SealError;
use wire::ipsec::{Direction, TunnelId};

use super::route::choose;
use super::{Outbound, Route, Worker};
use crate::batch::{Batch, Marks};
use crate::outbox::Outbox;
use crate::packet::icmp::{self, Refusal};
use crate::packet::ip::Ip;
use crate::packet::mss::{self, TcpChecksum};
use crate::packet::segment::Plan;
use crate::packet::virtio::{NEEDS_CSUM, VnetHeader};
use crate::tunnel::Tunnel;
use crate::{Event, Failure, Limit};

/// Reads from one TUN before the next one has its turn.
const READS_PER_TURN: usize = 32;
/// Between two events about packets that no SA carries.
const DEMAND_PAUSE: Duration = Duration::from_secs(1);
/// ICMP answers a second, over all tunnels of a worker.
const ANSWERS_PER_SECOND: u32 = 200;

/// Limits ICMP answers (RFC 1812 4.3.2.8).
#[derive(Debug, Default)]
pub(super) struct AnswerBudget {
    second: Option<Instant>,
    used: u32,
}

impl AnswerBudget {
    fn take(&mut self, now: Instant) -> bool {
        let running = self.second.is_some_and(|start| now.duration_since(start).as_secs() == 0);
        if !running {
            (self.second, self.used) = (Some(now), 0);
        }
        self.used += 1;
        self.used <= ANSWERS_PER_SECOND
    }
}

impl Worker {
    /// Carries what waits at a tunnel's interface.
    pub(super) fn pump(&mut self, token: u32) {
        let Some(outbound) = self.tunnels.get_mut(&token) else { return };
        let now = Instant::now();
        self.batch.begin_turn();
        for route in &mut outbound.routes {
            route.widen(&outbound.tunnel, now);
        }
        let held = outbound.routes.len().saturating_sub(1);
        let (batch, outbox, answers) = (&mut self.batch, &mut self.outbox, &mut self.answers);
        let mut turn = Turn { batch, outbox, answers, held, now };
        for _ in 0..READS_PER_TURN {
            match outbound.tunnel.tun.read(&mut self.read_buffer) {
                Ok(len) => turn.forward(outbound, &mut self.read_buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let name = outbound.tunnel.name.clone();
                    tracing::error!(%error, interface = name, "interface lost");
                    drop(self.poller.remove(&outbound.tunnel.tun));
                    let (tunnel, failure) = (Some(TunnelId(token)), Failure::InterfaceLost(name));
                    turn.outbox.send(Event::Failed { tunnel, failure });
                    break;
                }
            }
        }
        turn.flush(&outbound.tunnel, &mut outbound.routes);
    }
}

/// The worker's means for what waits at one interface.
struct Turn<'a> {
    batch: &'a mut Batch,
    outbox: &'a mut Outbox,
    answers: &'a mut AnswerBudget,
    /// The route that the packets in the batch take.
    held: usize,
    now: Instant,
}

impl Turn<'_> {
    fn forward(&mut self, outbound: &mut Outbound, octets: &mut [u8]) {
        let Outbound { tunnel, routes, last_sent, last_demand } = outbound;
        let counters = &tunnel.counters;
        if routes.is_empty() {
            counters.no_sa_drops.count();
            let due = last_demand.is_none_or(|last| self.now.duration_since(last) >= DEMAND_PAUSE);
            if due && self.outbox.offer(Event::Demand { tunnel: tunnel.id }) {
                *last_demand = Some(self.now);
            }
            return;
        }
        let Some((vnet, packet)) = octets.split_first_chunk_mut() else { return };
        let vnet = VnetHeader::decode(vnet);
        let Some(ip) = Ip::parse(packet).filter(|ip| ip.total_len == packet.len()) else {
            counters.malformed_drops.count();
            return;
        };
        let Some(chosen) = choose(routes, packet) else {
            counters.selector_drops.count();
            // RFC 4301 5.1.1: the sender is told that policy forbids this.
            self.answer(tunnel, &ip, packet, Refusal::Prohibited);
            return;
        };
        self.take(tunnel, routes, chosen);
        let route = &mut routes[chosen];
        if is_own_carrier(&ip, packet, route) {
            counters.loop_drops.count();
            return;
        }
        let pending = if vnet.flags & NEEDS_CSUM != 0 { TcpChecksum::Pending } else { TcpChecksum::Complete };
        mss::clamp(&ip, packet, tunnel.mss(ip.v6), pending);
        let mtu = route.mtu.min(tunnel.mtu() as usize);
        let Ok(mut plan) = Plan::new(&ip, &vnet, packet, mtu) else {
            counters.malformed_drops.count();
            return;
        };
        if plan.fragments() && !route.sa.permits_later_fragment(packet) {
            // The peer would refuse later fragments, which have no ports: only the outer packet may be cut.
            plan = plan.whole_again();
        }
        if plan.len(0) > mtu && ip.dont_fragment {
            counters.too_big_drops.count();
            self.answer(tunnel, &ip, packet, Refusal::TooBig { mtu });
            return;
        }
        self.seal(tunnel, routes, chosen, &plan, packet, Marks::of(tunnel.outer, &ip));
        *last_sent = self.now;
    }

    /// Makes room for packets of another route.
    fn take(&mut self, tunnel: &Tunnel, routes: &mut [Route], chosen: usize) {
        if chosen != self.held {
            if !routes[chosen].same_way(&routes[self.held]) {
                self.flush(tunnel, routes);
            }
            self.held = chosen;
        }
    }

    /// Segments, seals and queues.
    fn seal(&mut self, tunnel: &Tunnel, routes: &mut [Route], chosen: usize, plan: &Plan, packet: &[u8], marks: Marks) {
        let (mut packets, mut bytes) = (0, 0);
        let headroom = routes[chosen].sa.headroom();
        for index in 0..plan.count() {
            let inner = plan.len(index);
            let len = routes[chosen].sa.sealed_len(inner);
            if !self.batch.takes(&routes[chosen].socket, len, marks) {
                self.flush(tunnel, routes);
            }
            let route = &mut routes[chosen];
            let Some(slot) = self.batch.slot(len) else {
                tunnel.counters.too_big_drops.count();
                break;
            };
            plan.write(index, packet, &mut slot[headroom..headroom + inner]);
            match route.sa.seal(slot, inner) {
                Ok(sealed) => {
                    self.batch.commit(sealed.len, marks);
                    packets += 1;
                    bytes += inner as u64;
                    if sealed.soft_limit {
                        self.report(tunnel, route, Limit::Soft);
                    }
                }
                Err(SealError::SequenceExhausted | SealError::Lifetime) => {
                    tunnel.counters.lifetime_drops.count();
                    if !std::mem::replace(&mut route.exhausted, true) {
                        self.report(tunnel, route, Limit::Hard);
                    }
                }
                Err(SealError::Room { .. } | SealError::Cipher) => tunnel.counters.malformed_drops.count(),
            }
        }
        tunnel.counters.packets_out.add(packets);
        tunnel.counters.bytes_out.add(bytes);
    }

    fn flush(&mut self, tunnel: &Tunnel, routes: &mut [Route]) {
        let Some(route) = routes.get_mut(self.held) else { return };
        let loss = self.batch.flush(&route.socket, &route.remote);
        if loss.packets > 0 {
            tunnel.counters.send_drops.add(loss.packets);
        }
        if loss.too_long {
            route.narrow(tunnel, self.now);
        }
    }

    fn report(&mut self, tunnel: &Tunnel, route: &Route, limit: Limit) {
        let spi = route.sa.spi();
        self.outbox.send(Event::SaLimit { tunnel: tunnel.id, direction: Direction::Outbound, spi, limit });
    }

    fn answer(&mut self, tunnel: &Tunnel, ip: &Ip, packet: &[u8], refusal: Refusal) {
        if !self.answers.take(self.now) {
            return;
        }
        if let Some(answer) = icmp::answer(ip, packet, refusal) {
            let header = VnetHeader::default().encode();
            if tunnel.tun.write(&[io::IoSlice::new(&header), io::IoSlice::new(&answer)]).is_err() {
                tunnel.counters.interface_drops.count();
            }
        }
    }
}

/// The tunnel's own outer packets must not enter it: each round would make them longer.
fn is_own_carrier(ip: &Ip, packet: &[u8], route: &Route) -> bool {
    let (source, destination) = if ip.v6 { (8..24, 24..40) } else { (12..16, 16..20) };
    let is = |octets: &[u8], address: IpAddr| match address {
        IpAddr::V4(address) => octets == address.octets(),
        IpAddr::V6(address) => octets == address.octets(),
    };
    route.remote.as_socket().is_some_and(|remote| is(&packet[destination], remote.ip()))
        && is(&packet[source], route.socket.local().ip())
}
