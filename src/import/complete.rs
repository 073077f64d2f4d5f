//! What no file holds: taken from options, assumed where only one thing makes sense, or asked for, all at once.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use negotiation::IkeVersion;
use profile::Profile;
use settings::{LONGEST_NAME, name_of};
use wire::Asn;

use super::{Options, Suites};
use crate::note::Notes;
use crate::site::{Site, SiteLink, SiteTunnel};
use crate::words::is_broken;
use crate::{ImportError, MissingValue};

pub(super) fn complete(mut site: Site, options: &Options, notes: &mut Notes) -> Result<Site, ImportError> {
    let mut asked = Asked::default();
    unique_names(&mut site.tunnels);
    router(&mut site, options, notes, &mut asked);
    for (index, tunnel) in site.tunnels.iter_mut().enumerate() {
        ends(tunnel, index, options, notes, &mut asked);
        suites(tunnel, options.suites, notes);
    }
    links(&mut site, options, notes, &mut asked);
    networks(&mut site, options, notes, &mut asked);
    if asked.0.is_empty() { Ok(site) } else { Err(ImportError::Missing(asked.0)) }
}

#[derive(Default)]
struct Asked(Vec<MissingValue>);

impl Asked {
    fn ask(&mut self, what: impl Into<String>, option: &str) {
        let missing = MissingValue { what: what.into(), option: option.to_owned() };
        if !self.0.contains(&missing) {
            self.0.push(missing);
        }
    }
}

/// Two tunnels of one name become `NAME` and `NAME-2`.
fn unique_names(tunnels: &mut [SiteTunnel]) {
    let mut taken = BTreeSet::new();
    for tunnel in tunnels {
        let base = tunnel.name.clone();
        let mut number = 2;
        while !taken.insert(tunnel.name.clone()) {
            let suffix = format!("-{number}");
            tunnel.name = base.chars().take(LONGEST_NAME - suffix.len()).chain(suffix.chars()).collect();
            number += 1;
        }
    }
}

fn router(site: &mut Site, options: &Options, notes: &mut Notes, asked: &mut Asked) {
    if let Some(name) = &options.name {
        site.name = Some(name.clone());
    }
    let name = site.name.take().unwrap_or_else(|| {
        notes.assumed("router name", "`edge`: `--name NAME` gives another");
        "edge".to_owned()
    });
    site.name = Some(name_of(&name));
    site.asn = options.asn.or(site.asn);
    if site.asn.is_none() {
        if site.tunnels.iter().any(|tunnel| tunnel.session.is_some()) {
            asked.ask("our AS number", "--asn 65000");
        } else {
            notes.assumed("router asn", "65000: no tunnel speaks BGP, so that nobody sees it");
            site.asn = Some(Asn(65000));
        }
    }
    site.router_id = options.router_id.or(site.router_id);
    if site.router_id.is_none() {
        asked.ask("our BGP identifier, an IPv4 address of this router", "--router-id 192.0.2.10");
    }
}

fn ends(tunnel: &mut SiteTunnel, index: usize, options: &Options, notes: &mut Notes, asked: &mut Asked) {
    if let Some(local) = options.local {
        if let Some(said) = tunnel.local.filter(|said| *said != local) {
            // Behind a NAT the peer knows the translated address, and expects it as our identity.
            notes.assumed(
                format!("{} local-id", tunnel.name),
                format!("{said}: the peer knows us by this address, not by {local}"),
            );
            tunnel.local_id = tunnel.local_id.take().or(Some(said.into()));
        }
        tunnel.local = Some(local);
    }
    let nth = |list: &[IpAddr]| list.get(index).or(list.last()).copied();
    tunnel.remote = nth(&options.remote).or(tunnel.remote);
    if tunnel.local.is_none() {
        asked.ask("our outside address", "--local 192.0.2.10");
    }
    if tunnel.remote.is_none() {
        asked.ask(format!("the peer's outside address of tunnel {}", tunnel.name), "--remote 203.0.113.11");
    }
    if let Some(key) = options.keys.get(index).or(options.keys.last()) {
        tunnel.psk = Some(key.clone());
    }
    if tunnel.psk.is_none() {
        asked.ask(format!("the pre-shared key of tunnel {}", tunnel.name), "--psk-file FILE");
    }
}

fn suites(tunnel: &mut SiteTunnel, suites: Suites, notes: &mut Notes) {
    match suites {
        Suites::Profile => {
            if !tunnel.ike.is_empty() || !tunnel.esp.is_empty() {
                let what = format!("{} suites", tunnel.name);
                notes.unmapped(&tunnel.place, what, "`--suites profile` takes the profile's and IKEv2 in their place");
            }
            tunnel.ike.clear();
            tunnel.esp.clear();
            tunnel.version = Some(IkeVersion::V2);
        }
        Suites::File => {
            if tunnel.ike.is_empty() {
                notes.assumed(format!("{} ike", tunnel.name), "the suites of the profile: the input names none");
            }
            if tunnel.esp.is_empty() {
                notes.assumed(format!("{} esp", tunnel.name), "the suites of the profile: the input names none");
            }
            if tunnel.version.is_none() {
                notes.assumed(format!("{} version", tunnel.name), "ikev2: the input does not say which IKE is spoken");
                tunnel.version = Some(IkeVersion::V2);
            }
            if tunnel.profile.is_aws() && !tunnel.ike.is_empty() {
                let why = "those of the file, which names the weakest that AWS takes: `--suites profile` takes the strong one";
                notes.assumed(format!("{} suites", tunnel.name), why);
            }
            if is_broken(&tunnel.ike, &tunnel.esp) {
                let what = format!("{} legacy", tunnel.name);
                notes.assumed(what, "allow: the input names algorithms that protect nothing any more");
            }
        }
    }
}

fn links(site: &mut Site, options: &Options, notes: &mut Notes, asked: &mut Asked) {
    let taken: Vec<Ipv4Net> = site.tunnels.iter().filter_map(|tunnel| Some(tunnel.inside?.prefix)).collect();
    let mut taken: Vec<Ipv4Net> = taken.into_iter().chain(options.inside.iter().copied()).collect();
    for (index, tunnel) in site.tunnels.iter_mut().enumerate() {
        if let Some(prefix) = options.inside.get(index) {
            tunnel.inside = link(*prefix, tunnel.profile);
        } else if tunnel.inside.is_none() && tunnel.session.is_none() {
            // Nobody speaks over it: any link that the clouds leave free will do.
            tunnel.inside = free(&taken, tunnel.profile).and_then(|prefix| link(prefix, tunnel.profile));
            if let Some(link) = tunnel.inside {
                taken.push(link.prefix);
                let why = format!("{}: no BGP is spoken over it, the peer need not know it", link.prefix);
                notes.assumed(format!("{} inside", tunnel.name), why);
            }
        }
        if tunnel.inside.is_none() {
            asked.ask(format!("the link inside tunnel {}", tunnel.name), "--inside 169.254.21.0/30");
        }
        if let Some(session) = &mut tunnel.session {
            session.asn = options.peer_asn.or(session.asn);
            if tunnel.profile == Profile::Generic {
                let why = "everything but a default route is accepted: without `import` nothing would be (RFC 8212)";
                notes.assumed(format!("{} import", tunnel.name), why);
            }
            if session.asn.is_none() {
                asked.ask(format!("the AS number of the peer of tunnel {}", tunnel.name), "--peer-asn 64512");
            }
        }
    }
}

/// A link that no tunnel has, as far from those that people give as the cloud lets it be (S4-06).
fn free(taken: &[Ipv4Net], profile: Profile) -> Option<Ipv4Net> {
    let thirds = [250, 22];
    let links = thirds.into_iter().flat_map(|third| {
        (0..64_u8).rev().filter_map(move |number| Ipv4Net::new([169, 254, third, number * 4].into(), 30).ok())
    });
    links.into_iter().find(|prefix| profile.takes_link(*prefix) && !taken.contains(prefix))
}

/// S4-07: AWS has the first host, and so do we toward Azure.
fn link(prefix: Ipv4Net, profile: Profile) -> Option<SiteLink> {
    let mut hosts = prefix.hosts();
    let (first, second) = (hosts.next()?, hosts.next()?);
    let (local, peer) = if profile.takes_first_host() == Some(true) { (first, second) } else { (second, first) };
    Some(SiteLink { prefix, local, peer })
}

fn networks(site: &mut Site, options: &Options, notes: &mut Notes, asked: &mut Asked) {
    if !options.networks.is_empty() {
        site.networks.clone_from(&options.networks);
    }
    let sessions = site.tunnels.iter().any(|tunnel| tunnel.session.is_some());
    if site.networks.is_empty() && sessions {
        notes.assumed("router networks", "none, so that nothing is announced: `--network PREFIX` gives some");
    }
    for tunnel in &mut site.tunnels {
        if tunnel.session.is_some() {
            continue;
        }
        // S0-11: what has networks on both sides is routed by both. Another prefix asked for is a route.
        tunnel.protected =
            options.remote_networks.is_empty() && specific(&tunnel.local_networks) && specific(&tunnel.remote_networks);
        if tunnel.protected {
            let what = format!("{} routing", tunnel.name);
            notes.assumed(what, "protected: only what is between its networks enters the tunnel");
            tunnel.routes.clear();
            continue;
        }
        if !options.remote_networks.is_empty() {
            tunnel.routes.clone_from(&options.remote_networks);
        } else if tunnel.routes.is_empty() {
            tunnel.routes.clone_from(&tunnel.remote_networks);
        }
        tunnel.routes.retain(|route| !route.prefix_len().eq(&0));
        if tunnel.routes.is_empty() {
            asked.ask(
                format!("what is behind the peer of tunnel {}, which speaks no BGP", tunnel.name),
                "--remote-network 10.2.0.0/16",
            );
        }
    }
    distinct(&mut site.networks);
}

/// Networks are named, and none of them is everything.
fn specific(networks: &[IpNet]) -> bool {
    !networks.is_empty() && networks.iter().all(|network| network.prefix_len() > 0)
}

fn distinct(networks: &mut Vec<IpNet>) {
    let mut seen = BTreeSet::new();
    networks.retain(|network| seen.insert(*network));
}
