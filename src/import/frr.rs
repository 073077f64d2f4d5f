//! FRR's configuration, as far as sessions and announced prefixes go: `router bgp` and what is in it.

use std::collections::BTreeMap;

use super::strongswan::Speaker;
use super::text::Text;
use super::value::{Value, shown_line};
use crate::ImportError;
use crate::note::{Notes, shown};
use crate::site::Site;

pub(super) fn read(
    file: &Text,
    site: &mut Site,
    speakers: &mut Vec<Speaker>,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let first = speakers.len();
    let mut in_bgp = false;
    let mut asn = None;
    let groups = groups(file);
    for (place, line) in file.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let value = |key: &'static str, text| Value::new(key, text, place.clone());
        match words.as_slice() {
            [] | ["!", ..] | ["end" | "exit" | "exit-address-family"] => continue,
            ["frr", ..] | ["log", ..] | ["line", ..] | ["service", ..] => continue,
            ["hostname", name] => site.name = Some((*name).to_owned()),
            ["router", "bgp", number] => {
                in_bgp = true;
                asn = Some(value("router bgp", number).asn()?);
                site.asn = site.asn.or(asn);
            }
            ["router", "bgp", number, ..] => {
                notes.unmapped(&place, shown_line(line), "routers in a VRF have no place here");
                asn = Some(value("router bgp", number).asn()?);
                in_bgp = true;
                continue;
            }
            ["bgp", "router-id", id] if in_bgp => site.router_id = Some(value("bgp router-id", id).address4()?),
            // What we do anyway: nothing is announced or accepted that was not asked for.
            ["no", "bgp", "ebgp-requires-policy" | "network"] | ["no", "bgp", "network", "import-check"] => continue,
            ["address-family", "ipv4" | "ipv6", "unicast"] if in_bgp => continue,
            ["network", prefix] if in_bgp => site.networks.push(value("network", prefix).prefix()?),
            ["neighbor", peer, rest @ ..] if in_bgp => {
                let Ok(address) = peer.parse::<std::net::Ipv4Addr>() else {
                    // What is said of a group counts where its members are.
                    if !groups.contains_key(peer) || !(neighbour(rest, &place, &mut Speaker::new(peer, place.clone()))?)
                    {
                        notes.unmapped(
                            &place,
                            shown_line(line),
                            "has no place here, or is said of a neighbour by interface",
                        );
                    }
                    continue;
                };
                let known = speakers[first..].iter().position(|speaker| speaker.peer == Some(address));
                let index = known.map_or(speakers.len(), |index| first + index);
                if known.is_none() {
                    let mut speaker = Speaker::new(peer, place.clone());
                    (speaker.peer, speaker.local_asn) = (Some(address), asn);
                    inherit(file, peer, &groups, &mut speaker)?;
                    speakers.push(speaker);
                }
                if !neighbour(rest, &place, &mut speakers[index])? {
                    notes.unmapped(&place, shown_line(line), "how routes are judged is not translated");
                    continue;
                }
            }
            _ => {
                notes.unmapped(&place, shown_line(line), "has no meaning here");
                continue;
            }
        }
        notes.read(&place, words[0], shown(&words[1..].join(" ")));
    }
    // FRR derives our end from the interface; on a /30 it is the other host.
    for speaker in &mut speakers[first..] {
        if let (None, Some(peer)) = (speaker.local, speaker.peer) {
            let link = ipnet::Ipv4Net::new(peer, 30).ok().map(|net| net.trunc());
            speaker.local = link.and_then(|net| net.hosts().find(|host| *host != peer && net.contains(&peer)));
            let what = format!("bgp {peer} local address");
            notes.assumed_at(&speaker.place, what, "the other host of the /30: there is no `update-source`");
        }
    }
    Ok(())
}

/// The peer groups, and who is in each.
fn groups(file: &Text) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (_, line) in file.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["neighbor", group, "peer-group"] => drop(groups.entry(group).or_default()),
            ["neighbor", member, "peer-group", group] => groups.entry(group).or_default().push(member),
            _ => {}
        }
    }
    groups
}

/// What is said of the groups that a neighbour is in. What it says itself comes later, and counts more.
fn inherit(file: &Text, peer: &str, groups: &BTreeMap<&str, Vec<&str>>, to: &mut Speaker) -> Result<(), ImportError> {
    let name = to.name.clone();
    for (place, line) in file.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["neighbor", group, rest @ ..] = words.as_slice()
            && groups.get(group).is_some_and(|members| members.contains(&peer))
        {
            neighbour(rest, &place, to)?;
        }
    }
    to.name = name;
    Ok(())
}

/// Whether what is said of a neighbour has a place here.
fn neighbour(words: &[&str], place: &crate::Place, speaker: &mut Speaker) -> Result<bool, ImportError> {
    let value = |key: &'static str, text| Value::new(key, text, place.clone());
    match words {
        ["remote-as", asn] => speaker.session.asn = Some(value("remote-as", asn).asn()?),
        ["update-source", source] => match source.parse() {
            Ok(address) => speaker.local = Some(address),
            Err(_) => speaker.interface = Some((*source).to_owned()),
        },
        ["timers", "connect", _] => {}
        ["timers", keepalive, hold] => {
            speaker.session.keepalive = Some(value("timers", keepalive).seconds()?);
            speaker.session.hold_time = Some(value("timers", hold).seconds()?);
        }
        ["passive"] => speaker.session.passive = true,
        // A name, which decides whose session it is; spaces have no place in one.
        ["description", name] => (*name).clone_into(&mut speaker.name),
        ["peer-group"]
        | ["peer-group", _]
        | ["description", ..]
        | ["activate"]
        | ["advertisement-interval", _]
        | ["disable-connected-check"] => {}
        _ => return Ok(false),
    }
    Ok(true)
}
