//! `swanctl.conf`: connections with one child each, and the secrets of `ike` sections.
//!
//! strongSwan renews an IKE SA after `rekey_time` and ends it `over_time` later (a tenth by default); a child ends
//! after `life_time`, by default a tenth after its `rekey_time`. Ours are the ends.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crypto::{EspProposal, IkeProposal};
use identity::Identity;
use ipnet::IpNet;
use negotiation::{IkeVersion, PORT_NAT, StartAction, V1Mode};
use profile::Profile;
use wire::Secret;

use super::blocks::{self, Pair, Section};
use super::inherit;
use super::text::Text;
use super::value::{Value, shown_value};
use crate::ImportError;
use crate::note::{Notes, shown};
use crate::site::{Site, SiteTunnel};

/// A pre-shared key and whose it is.
pub(super) struct Key {
    owners: Vec<Identity>,
    secret: Secret,
    place: crate::Place,
}

pub(super) fn read(file: &Text, site: &mut Site, keys: &mut Vec<Key>, notes: &mut Notes) -> Result<(), ImportError> {
    let root = inherit::follow(blocks::parse(file, notes)?, file, notes)?;
    for pair in &root.pairs {
        unknown(file, "", pair, notes);
    }
    for section in &root.sections {
        match section.name.as_str() {
            "connections" => {
                for connection in &section.sections {
                    site.tunnels.push(read_connection(file, connection, notes)?);
                }
            }
            "secrets" => {
                for secret in &section.sections {
                    read_secret(file, secret, keys, notes)?;
                }
            }
            name => notes.unmapped(&file.place(section.line), shown(name), "has no meaning here"),
        }
    }
    Ok(())
}

/// Gives each tunnel the key of its two identities: the one that names most of them.
pub(super) fn hand_out(keys: Vec<Key>, site: &mut Site, notes: &mut Notes) {
    let mut used = vec![false; keys.len()];
    for tunnel in &mut site.tunnels {
        let ends = [
            tunnel.local_id.clone().or(tunnel.local.map(Into::into)),
            tunnel.remote_id.clone().or(tunnel.remote.map(Into::into)),
        ];
        let score = |key: &Key| {
            let named = |end: &Option<Identity>| {
                end.as_ref().is_some_and(|end| key.owners.iter().any(|owner| owner.matches(end)))
            };
            let strangers = key.owners.iter().filter(|owner| !ends.iter().flatten().any(|end| owner.matches(end)));
            (strangers.count() == 0).then(|| ends.iter().filter(|end| named(end)).count())
        };
        let best = keys
            .iter()
            .enumerate()
            .filter_map(|(index, key)| Some((score(key)?, index)))
            .max_by_key(|(s, i)| (*s, usize::MAX - i));
        if let Some((_, index)) = best {
            used[index] = true;
            tunnel.psk = Some(keys[index].secret.clone());
            notes.read(&keys[index].place, format!("{} secret", tunnel.name), "(masked)");
        }
    }
    for (key, _) in keys.iter().zip(used).filter(|(_, used)| !used) {
        notes.unmapped(&key.place, "secret", "is no tunnel's of these");
    }
}

fn read_secret(file: &Text, section: &Section, keys: &mut Vec<Key>, notes: &mut Notes) -> Result<(), ImportError> {
    let place = file.place(section.line);
    if !section.name.starts_with("ike") {
        notes.unmapped(&place, shown(&section.name), "only pre-shared keys (`ike`) have a place here");
        return Ok(());
    }
    let mut key = Key { owners: Vec::new(), secret: Secret::default(), place };
    for pair in &section.pairs {
        let value = pair.value(file);
        match pair.key.as_str() {
            "secret" => key.secret = decoded(&value)?,
            name if name.starts_with("id") => {
                if value.text != "%any" {
                    key.owners.push(value.identity()?);
                }
            }
            _ => unknown(file, "secrets", pair, notes),
        }
    }
    if key.secret.is_empty() {
        return Err(Value::new("secret", "", key.place).wrong("a pre-shared key"));
    }
    keys.push(key);
    Ok(())
}

/// `0x` hexadecimal, `0s` base 64, or the text itself.
fn decoded(value: &Value<'_>) -> Result<Secret, ImportError> {
    let octets = if let Some(digits) = value.behind("0x") {
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let octets: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        octets
            .filter(|octets| rest.is_empty() && !octets.is_empty())
            .ok_or_else(|| value.wrong("pairs of hexadecimal digits behind `0x`"))?
    } else if let Some(text) = value.behind("0s") {
        base64(text).ok_or_else(|| value.wrong("base 64 behind `0s`"))?
    } else {
        return value.secret();
    };
    Ok(Secret::new(octets))
}

/// RFC 4648 4.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0x00ff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (!octets.is_empty()).then_some(octets)
}

#[derive(Default)]
struct Clock {
    rekey: Option<Duration>,
    over: Option<Duration>,
    life: Option<Duration>,
}

impl Clock {
    fn end(&self) -> Option<Duration> {
        self.life.or_else(|| {
            let rekey = self.rekey.filter(|rekey| !rekey.is_zero())?;
            Some(rekey + self.over.unwrap_or(rekey / 10))
        })
    }
}

fn read_connection(file: &Text, section: &Section, notes: &mut Notes) -> Result<SiteTunnel, ImportError> {
    let mut tunnel = SiteTunnel::new(&section.name, file.place(section.line), Profile::Generic);
    let (mut version, mut aggressive, mut clock) = (0, false, Clock::default());
    for pair in &section.pairs {
        let value = pair.value(file);
        match (pair.key.as_str(), value.text) {
            ("version", _) => version = value.number()?,
            ("aggressive", _) => aggressive = value.boolean()?,
            ("local_addrs", _) => tunnel.local = single(&value, "--local", notes)?,
            ("remote_addrs", _) => tunnel.remote = single(&value, "--remote", notes)?,
            ("proposals", text) if text != "default" => tunnel.ike = proposals::<IkeProposal>(&value, notes)?,
            ("encap", _) => tunnel.always_udp = value.boolean()?,
            ("remote_port", "4500") => tunnel.ike_port = Some(PORT_NAT),
            // A connection that begins on 4500 leaves from there; from 500 to 4500 nothing could be told apart.
            ("local_port", "4500") | ("local_port" | "remote_port", "500") => {}
            ("dpd_delay", _) => tunnel.dpd_interval = dead_peer(&value, &tunnel.name, notes)?,
            ("dpd_timeout", _) => tunnel.dpd_timeout = dead_peer(&value, &tunnel.name, notes)?,
            ("rekey_time", _) => clock.rekey = duration(&value)?,
            ("over_time", _) => clock.over = duration(&value)?,
            // What an end of ours does by itself, or has no need of.
            ("mobike" | "reauth_time" | "fragmentation" | "keyingtries" | "unique" | "rand_time", _) => {}
            ("if_id_in" | "if_id_out", _) => {
                let why = "each tunnel has an interface of its own";
                notes.unmapped(&value.place, format!("{} {}", tunnel.name, pair.key), why);
                continue;
            }
            _ => {
                unknown(file, &tunnel.name, pair, notes);
                continue;
            }
        }
        notes.read(&value.place, format!("{} {}", tunnel.name, pair.key), shown(value.text));
    }
    tunnel.version = match (version, aggressive) {
        (0, _) => None,
        (1, false) => Some(IkeVersion::V1(V1Mode::Main)),
        (1, true) => Some(IkeVersion::V1(V1Mode::Aggressive)),
        (_, _) => Some(IkeVersion::V2),
    };
    tunnel.ike_lifetime = clock.end();
    for part in &section.sections {
        match part.name.as_str() {
            "children" => read_children(file, part, &mut tunnel, notes)?,
            name if name.starts_with("local") => tunnel.local_id = read_end(file, part, &tunnel, notes)?,
            name if name.starts_with("remote") => tunnel.remote_id = read_end(file, part, &tunnel, notes)?,
            name => notes.unmapped(&file.place(part.line), format!("{} {name}", tunnel.name), "has no meaning here"),
        }
    }
    let is = |id: &Option<Identity>, address: Option<IpAddr>| *id == address.map(Identity::Ip);
    if is(&tunnel.local_id, tunnel.local) {
        tunnel.local_id = None;
    }
    if is(&tunnel.remote_id, tunnel.remote) {
        tunnel.remote_id = None;
    }
    Ok(tunnel)
}

fn read_end(
    file: &Text,
    section: &Section,
    tunnel: &SiteTunnel,
    notes: &mut Notes,
) -> Result<Option<Identity>, ImportError> {
    let mut id = None;
    for pair in &section.pairs {
        let value = pair.value(file);
        match (pair.key.as_str(), value.text) {
            ("id", "%any") => {}
            ("id", _) => id = Some(value.identity()?),
            ("auth", "psk") => {}
            ("auth", _) => {
                let what = format!("{} {}.auth {}", tunnel.name, section.name, shown(value.text));
                notes.unmapped(&value.place, what, "only pre-shared keys are imported: add `certificate` by hand");
                continue;
            }
            _ => {
                unknown(file, &tunnel.name, pair, notes);
                continue;
            }
        }
        notes.read(&value.place, format!("{} {}.{}", tunnel.name, section.name, pair.key), shown(value.text));
    }
    Ok(id)
}

fn read_children(
    file: &Text,
    section: &Section,
    tunnel: &mut SiteTunnel,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    for (index, child) in section.sections.iter().enumerate() {
        if index > 0 {
            let what = format!("{} child {}", tunnel.name, shown(&child.name));
            notes.unmapped(&file.place(child.line), what, "one child is read per connection: give this one a tunnel");
            continue;
        }
        let mut clock = Clock::default();
        for pair in &child.pairs {
            child_key(file, pair, tunnel, &mut clock, notes)?;
        }
        tunnel.child_lifetime = clock.end();
        for part in &child.sections {
            notes.unmapped(
                &file.place(part.line),
                format!("{} {}", tunnel.name, shown(&part.name)),
                "has no meaning here",
            );
        }
    }
    Ok(())
}

fn child_key(
    file: &Text,
    pair: &Pair,
    tunnel: &mut SiteTunnel,
    clock: &mut Clock,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let value = pair.value(file);
    match (pair.key.as_str(), value.text) {
        ("esp_proposals", text) if text != "default" => tunnel.esp = proposals::<EspProposal>(&value, notes)?,
        ("local_ts", text) if text != "dynamic" => tunnel.local_networks = selectors(&value, &tunnel.name, notes)?,
        ("remote_ts", text) if text != "dynamic" => tunnel.remote_networks = selectors(&value, &tunnel.name, notes)?,
        ("mode", "tunnel") => {}
        ("rekey_time", _) => clock.rekey = duration(&value)?,
        ("life_time", _) => clock.life = duration(&value)?.filter(|life| !life.is_zero()),
        ("life_bytes", _) => tunnel.child_bytes = Some(value.number()?).filter(|bytes| *bytes > 0),
        ("replay_window", _) => tunnel.replay_window = Some(value.number32()?),
        ("start_action", action) => {
            tunnel.start = Some(if action.contains("start") {
                StartAction::Initiate
            } else if action.contains("trap") {
                StartAction::OnDemand
            } else {
                StartAction::Respond
            });
        }
        // Follow from `start`, or are kept to by themselves.
        ("close_action" | "dpd_action" | "rand_time" | "rekey_bytes" | "rekey_packets", _) => {}
        ("if_id_in" | "if_id_out" | "mark_in" | "mark_out" | "set_mark_in" | "set_mark_out", _) => {
            let what = format!("{} {}", tunnel.name, pair.key);
            notes.unmapped(&value.place, what, "each tunnel has an interface of its own");
            return Ok(());
        }
        _ => {
            unknown(file, &tunnel.name, pair, notes);
            return Ok(());
        }
    }
    notes.read(&value.place, format!("{} {}", tunnel.name, pair.key), shown(value.text));
    Ok(())
}

/// Everything is what a tunnel of ours carries without selectors.
fn selectors(value: &Value<'_>, tunnel: &str, notes: &mut Notes) -> Result<Vec<IpNet>, ImportError> {
    let mut prefixes = Vec::new();
    for text in value.text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        // `10.2.0.0/16[tcp/22]`.
        let (network, narrowed) = text.split_once('[').map_or((text, false), |(network, _)| (network.trim_end(), true));
        let what = format!("{tunnel} {} {}", value.key, shown(text));
        if network == "dynamic" {
            notes.unmapped(&value.place, what, "is the address outside, which needs no selector");
            continue;
        }
        if network.contains('-') {
            notes.unmapped(&value.place, what, "is a range of addresses: write prefixes into `selectors`");
            continue;
        }
        prefixes.push(Value::new(value.key, network, value.place.clone()).prefix()?);
        if narrowed {
            notes.unmapped(&value.place, what, "is read as its whole network: `selectors` name no protocols and ports");
        }
    }
    Ok(if prefixes.iter().any(|prefix| prefix.prefix_len() == 0) { Vec::new() } else { prefixes })
}

fn proposals<T: FromStr<Err: Display>>(value: &Value<'_>, notes: &mut Notes) -> Result<Vec<T>, ImportError> {
    let mut proposals = Vec::new();
    for text in value.text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        if text == "default" {
            notes.unmapped(&value.place, value.key, "`default`: what strongSwan adds by itself is not read");
            continue;
        }
        let wrong = |error: T::Err| Value::new(value.key, text, value.place.clone()).wrong(error.to_string());
        proposals.push(text.parse().map_err(wrong)?);
    }
    Ok(proposals)
}

/// An address; nothing for a name, a range or whatever comes, which `option` has to give.
fn single(value: &Value<'_>, option: &str, notes: &mut Notes) -> Result<Option<IpAddr>, ImportError> {
    let (first, rest) = value.first();
    if let Some(rest) = rest {
        notes.unmapped(&value.place, value.key, format!("{}: a tunnel has one address at each end", shown(rest)));
    }
    if first.text.starts_with('%') {
        return Ok(None);
    }
    // Digits and points alone are an address that somebody mistyped.
    if first.text.parse::<IpAddr>().is_err() && first.text.contains(|c: char| !c.is_ascii_digit() && c != '.') {
        let why = format!("{}: is no address: `{option} ADDRESS` gives it", shown(first.text));
        notes.unmapped(&value.place, value.key, why);
        return Ok(None);
    }
    first.address().map(Some)
}

/// Zero looks for no dead peer (`dpd_delay`), or leaves the time to retransmission (`dpd_timeout`).
fn dead_peer(value: &Value<'_>, tunnel: &str, notes: &mut Notes) -> Result<Option<Duration>, ImportError> {
    let time = duration(value)?.filter(|time| !time.is_zero());
    if time.is_none() {
        let what = format!("{tunnel} {}", value.key);
        notes.assumed_at(&value.place, what, "the profile's time: a dead peer is always looked for");
    }
    Ok(time)
}

/// `30s`, `5m`, `8h`, `1d`, or seconds.
fn duration(value: &Value<'_>) -> Result<Option<Duration>, ImportError> {
    let unit = value.text.trim_start_matches(|c: char| c.is_ascii_digit());
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(value.wrong("a time such as `30s`, `5m`, `8h` or `1d`")),
    };
    let number = &value.text[..value.text.len() - unit.len()];
    let seconds = Value::new(value.key, number, value.place.clone()).seconds()?;
    if seconds.as_secs() > 10 * 366 * 86_400 / factor {
        return Err(value.wrong("less than ten years"));
    }
    Ok(Some(seconds * u32::try_from(factor).unwrap_or(1)))
}

fn unknown(file: &Text, owner: &str, pair: &Pair, notes: &mut Notes) {
    let what = format!("{owner} {} = {}", pair.key, shown_value(&pair.key, &pair.text));
    notes.unmapped(&file.place(pair.line), what.trim_start().to_owned(), "has no meaning here");
}
