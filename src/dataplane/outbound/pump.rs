//! What happens to the packets that the kernel routes into a tunnel.

use std::io;
use std::net::IpAddr;
use std::time::Instant;

use esp::SealError;
use wire::ipsec::{Direction, TunnelId};

use super::{Outbound, Route, Worker};
use crate::batch::Batch;
use crate::outbox::Outbox;
use crate::packet::ip::Ip;
use crate::packet::mss::{self, TcpChecksum};
use crate::packet::segment::Plan;
use crate::packet::virtio::{NEEDS_CSUM, VnetHeader};
use crate::packet::{ecn, too_big};
use crate::tunnel::Tunnel;
use crate::{Event, Failure, Limit};

/// Reads from one TUN before the next one has its turn.
const READS_PER_TURN: usize = 32;
/// "Too big" answers a second, over all tunnels of a worker.
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
        for _ in 0..READS_PER_TURN {
            match outbound.tunnel.tun.read(&mut self.read_buffer) {
                Ok(len) => {
                    let mut turn = Turn { batch: &mut self.batch, outbox: &mut self.outbox, now };
                    turn.forward(outbound, &mut self.read_buffer[..len], &mut self.answers);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let name = outbound.tunnel.name.clone();
                    tracing::error!(%error, interface = name, "interface lost");
                    drop(self.poller.remove(&outbound.tunnel.tun));
                    let (tunnel, failure) = (Some(TunnelId(token)), Failure::InterfaceLost(name));
                    self.outbox.send(Event::Failed { tunnel, failure });
                    break;
                }
            }
        }
        if let Some(route) = outbound.routes.last() {
            flush(&mut self.batch, &outbound.tunnel, route);
        }
    }
}

/// The worker's means for one read.
struct Turn<'a> {
    batch: &'a mut Batch,
    outbox: &'a mut Outbox,
    now: Instant,
}

impl Turn<'_> {
    fn forward(&mut self, outbound: &mut Outbound, octets: &mut [u8], answers: &mut AnswerBudget) {
        let tunnel = &outbound.tunnel;
        let counters = &tunnel.counters;
        let Some(route) = outbound.routes.last_mut() else {
            counters.no_sa_drops.count();
            return;
        };
        let Some((vnet, packet)) = octets.split_first_chunk_mut() else { return };
        let vnet = VnetHeader::decode(vnet);
        let Some(ip) = Ip::parse(packet).filter(|ip| ip.total_len == packet.len()) else {
            counters.malformed_drops.count();
            return;
        };
        if !route.sa.permits(packet) {
            counters.selector_drops.count();
            return;
        }
        if is_own_carrier(&ip, packet, route) {
            counters.loop_drops.count();
            return;
        }
        let pending = if vnet.flags & NEEDS_CSUM != 0 { TcpChecksum::Pending } else { TcpChecksum::Complete };
        mss::clamp(&ip, packet, tunnel.mss(ip.v6), pending);
        let mtu = route.mtu.min(tunnel.mtu() as usize);
        let Ok(plan) = Plan::new(&ip, &vnet, packet, mtu) else {
            counters.malformed_drops.count();
            return;
        };
        if plan.len(0) > mtu && ip.dont_fragment {
            counters.too_big_drops.count();
            if answers.take(self.now) {
                answer_too_big(tunnel, &ip, packet, mtu);
            }
            return;
        }
        self.seal(tunnel, route, &plan, packet, ecn::encapsulate(ip.tos));
        outbound.last_sent = self.now;
    }

    /// Segments, seals and queues.
    fn seal(&mut self, tunnel: &Tunnel, route: &mut Route, plan: &Plan, packet: &[u8], tos: u8) {
        let (mut packets, mut bytes) = (0, 0);
        let headroom = route.sa.headroom();
        for index in 0..plan.count() {
            let inner = plan.len(index);
            let len = route.sa.sealed_len(inner);
            if !self.batch.takes(&route.socket, len, tos) {
                flush(self.batch, tunnel, route);
            }
            let Some(slot) = self.batch.slot(len) else {
                tunnel.counters.too_big_drops.count();
                break;
            };
            plan.write(index, packet, &mut slot[headroom..headroom + inner]);
            match route.sa.seal(slot, inner) {
                Ok(sealed) => {
                    self.batch.commit(sealed.len, tos);
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

    fn report(&mut self, tunnel: &Tunnel, route: &Route, limit: Limit) {
        let spi = route.sa.spi();
        self.outbox.send(Event::SaLimit { tunnel: tunnel.id, direction: Direction::Outbound, spi, limit });
    }
}

fn flush(batch: &mut Batch, tunnel: &Tunnel, route: &Route) {
    let lost = batch.flush(&route.socket, &route.remote);
    if lost > 0 {
        tunnel.counters.send_drops.add(lost);
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

fn answer_too_big(tunnel: &Tunnel, ip: &Ip, packet: &[u8], mtu: usize) {
    if let Some(answer) = too_big::answer(ip, packet, mtu) {
        let header = VnetHeader::default().encode();
        if tunnel.tun.write(&[io::IoSlice::new(&header), io::IoSlice::new(&answer)]).is_err() {
            tunnel.counters.interface_drops.count();
        }
    }
}
