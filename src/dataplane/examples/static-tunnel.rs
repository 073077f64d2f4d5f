//! One end of a tunnel with fixed keys, for measurements: `static-tunnel LOCAL REMOTE INTERFACE INSIDE SUITE CARRIER
//! a|b`, until standard input ends. Then it prints its counters.
//!
//! SUITE is `gcm128`, `gcm256`, `cbc128-sha1` or `cbc256-sha256`, CARRIER is `udp` or `esp`. The keys are known to
//! everybody: never use this on a network.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};

use dataplane::{Config, Dataplane, TunnelInterface};
use wire::Secret;
use wire::ipsec::{
    Direction, Encapsulation, Encryption, EspSuite, Integrity, SaAction, SaKeys, SaLifetime, SecurityAssociation, Spi,
    TrafficSelector, TunnelId,
};
use wire::outer::OuterHeader;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [local, remote, interface, inside, suite, carrier, side] = &arguments[..] else {
        return Err("usage: static-tunnel LOCAL REMOTE INTERFACE INSIDE SUITE CARRIER a|b".into());
    };
    let (local, remote): (IpAddr, IpAddr) = (local.parse()?, remote.parse()?);
    let (suite, carrier) = (parse_suite(suite)?, parse_carrier(carrier)?);
    let (events, mut log) = tokio::sync::mpsc::channel(64);
    let dataplane = Dataplane::start(Config::new(vec![local]), events)?;
    tokio::spawn(async move { while log.recv().await.is_some() {} });
    let name = interface.clone();
    let interface = TunnelInterface {
        name,
        addresses: vec![inside.parse()?],
        peer: None,
        mtu: None,
        outer: OuterHeader::default(),
    };
    let tunnel = TunnelId(1);
    dataplane.add_tunnel(tunnel, interface).await?;
    let (inbound, outbound) = if side == "a" { (0xa0a0, 0xb0b0) } else { (0xb0b0, 0xa0a0) };
    for (direction, spi) in [(Direction::Inbound, inbound), (Direction::Outbound, outbound)] {
        let sa = association(spi, suite, carrier, local, remote);
        dataplane.apply(SaAction::Install { tunnel, direction, sa: Box::new(sa) });
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    writeln!(std::io::stdout(), "{:?}", dataplane.counters(tunnel))?;
    dataplane.stop().await;
    Ok(())
}

fn association(
    spi: u32,
    suite: EspSuite,
    encapsulation: Encapsulation,
    local: IpAddr,
    remote: IpAddr,
) -> SecurityAssociation {
    let key = |len: usize| Secret::new(spi.to_be_bytes().repeat(len.div_ceil(4))[..len].to_vec());
    SecurityAssociation {
        spi: Spi(spi),
        suite,
        keys: SaKeys {
            encryption: key(suite.encryption.key_material_len()),
            integrity: key(suite.integrity.map_or(0, Integrity::key_len)),
        },
        local: SocketAddr::new(local, dataplane::NAT_PORT),
        remote: SocketAddr::new(remote, dataplane::NAT_PORT),
        encapsulation,
        replay_window: 1024,
        lifetime: SaLifetime::default(),
        local_selectors: vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
        remote_selectors: vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
    }
}

fn parse_suite(name: &str) -> Result<EspSuite, String> {
    let (encryption, integrity) = match name {
        "gcm128" => (Encryption::gcm16(128), None),
        "gcm256" => (Encryption::gcm16(256), None),
        "cbc128-sha1" => (Encryption::AesCbc(128), Some(Integrity::HmacSha1)),
        "cbc256-sha256" => (Encryption::AesCbc(256), Some(Integrity::HmacSha256)),
        _ => return Err(format!("unknown suite {name}")),
    };
    Ok(EspSuite { encryption, integrity, esn: true })
}

fn parse_carrier(name: &str) -> Result<Encapsulation, String> {
    match name {
        "udp" => Ok(Encapsulation::Udp),
        "esp" => Ok(Encapsulation::Esp),
        _ => Err(format!("unknown carrier {name}")),
    }
}
