//! AWS configuration download, vendor "Microsoft": a section of facts per tunnel, and a netsh script that does it.
//!
//! ```text
//!  vgw-... Tunnel1                                S3-06; also all in one line
//!  Local Tunnel Endpoint:  ours                   MainModeSecMethods:    DHGroup2-AES128-SHA1,...      S3-12
//!  Remote Tunnel Endpoint: theirs                 MainModeKeyLifetime:   480min,0sess    or    480min,0sec
//!  Endpoint 1:             our network            QuickModeSecMethods:   ESP:SHA1-AES128+60min+100000kb
//!  Endpoint 2:             the VPC                QuickModePFS:          DHGroup2
//!  Preshared key:          ...                    netsh advfirewall consec add rule ...                S3-14
//! ```
//!
//! Section and script say the same; what one leaves to the user the other may have. Both are of static connections.

use std::time::Duration;

use crypto::IkeProposal;
use negotiation::{IkeVersion, V1Mode};
use profile::Profile;

use super::netsh;
use super::text::Text;
use super::value::{Value, shown_value};
use crate::note::{Notes, shown};
use crate::site::{Site, SiteTunnel};
use crate::words::{self, esp_proposal, ike_proposal};
use crate::{ImportError, Place};

pub(super) fn read(texts: &[Text], notes: &mut Notes) -> Result<Site, ImportError> {
    let mut site = Site::default();
    for file in texts {
        let mut common = Common::default();
        let mut tunnels = Vec::new();
        sections(file, &mut tunnels, &mut common, notes)?;
        netsh::read(file, &mut tunnels, &mut common, notes)?;
        for draft in tunnels {
            site.tunnels.push(draft.finish(&common, notes));
        }
    }
    Ok(site)
}

/// What is said once for all tunnels of a file.
#[derive(Default)]
pub(super) struct Common {
    pub(super) ike: Vec<IkeProposal>,
    pub(super) ike_lifetime: Option<Duration>,
    pub(super) quick: Quick,
}

/// What quick mode is to do.
#[derive(Clone, Default)]
pub(super) struct Quick {
    pub(super) method: Option<Method>,
    pub(super) group: Option<Option<crypto::Group>>,
}

/// One of the quick mode methods.
#[derive(Clone, Copy)]
pub(super) struct Method {
    encryption: wire::ipsec::Encryption,
    integrity: Option<wire::ipsec::Integrity>,
    lifetime: Option<Duration>,
    bytes: Option<u64>,
}

/// A tunnel that sections and scripts add to.
pub(super) struct Draft {
    pub(super) tunnel: SiteTunnel,
    pub(super) quick: Quick,
}

impl Draft {
    pub(super) fn new(name: &str, place: Place) -> Self {
        Self { tunnel: SiteTunnel::new(name, place, Profile::Aws), quick: Quick::default() }
    }

    fn finish(self, common: &Common, notes: &mut Notes) -> SiteTunnel {
        let Self { mut tunnel, quick } = self;
        let name = tunnel.name.clone();
        tunnel.version = Some(IkeVersion::V1(V1Mode::Main));
        notes.assumed_at(
            &tunnel.place,
            format!("{name} version"),
            "ikev1 in main mode, as Windows speaks in such a rule",
        );
        tunnel.ike.clone_from(&common.ike);
        if tunnel.ike.is_empty() {
            let suite = ike_proposal(
                wire::ipsec::Encryption::AesCbc(128),
                Some(wire::ipsec::Integrity::HmacSha1),
                crypto::Group::Modp1024,
            );
            notes.assumed_at(&tunnel.place, format!("{name} ike"), format!("{suite}, the default of Windows"));
            tunnel.ike = vec![suite];
        }
        tunnel.ike_lifetime = common.ike_lifetime;
        let method = quick.method.or(common.quick.method);
        let group = quick.group.or(common.quick.group).flatten();
        if let Some(method) = method {
            tunnel.esp = vec![esp_proposal(method.encryption, method.integrity, group)];
            tunnel.child_lifetime = method.lifetime;
            tunnel.child_bytes = method.bytes;
        }
        tunnel
    }
}

const KEYS: [&str; 9] = [
    "Local Tunnel Endpoint:",
    "Remote Tunnel Endpoint:",
    "Endpoint 1:",
    "Endpoint 2:",
    "Preshared key:",
    "MainModeSecMethods:",
    "MainModeKeyLifetime:",
    "QuickModeSecMethods:",
    "QuickModePFS:",
];

fn sections(file: &Text, tunnels: &mut Vec<Draft>, common: &mut Common, notes: &mut Notes) -> Result<(), ImportError> {
    // A list of methods may go on in the next line.
    let mut continued: Option<(Place, String)> = None;
    for (place, line) in file.lines() {
        let (place, line) = match continued.take() {
            Some((place, begun)) => (place, format!("{begun} {line}")),
            None => (place, line.to_owned()),
        };
        if line.ends_with(',') && line.contains("SecMethods:") {
            continued = Some((place, line));
            continue;
        }
        if let Some(name) = title(&line) {
            tunnels.push(Draft::new(&name, place.clone()));
        }
        for (key, text) in facts(&line) {
            let value = Value::new(key.trim_end_matches(':'), text, place.clone());
            fact(&value, tunnels, common, notes)?;
        }
    }
    Ok(())
}

/// `vgw-1a2b3c4d Tunnel1`, with a line of dashes behind it or below.
fn title(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (gateway, tunnel) = (words.next()?, words.next()?);
    let number = tunnel.strip_prefix("Tunnel").or(tunnel.strip_prefix("tunnel"))?;
    let number = if number.is_empty() { words.next()? } else { number };
    (gateway.contains('-') && !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit()))
        .then(|| format!("{gateway}-{number}"))
}

/// The known keys of a line, each with what follows up to the next one.
fn facts(line: &str) -> Vec<(&'static str, &str)> {
    let lower = line.to_ascii_lowercase();
    let mut found: Vec<(usize, &'static str)> =
        KEYS.into_iter().filter_map(|key| Some((lower.find(&key.to_ascii_lowercase())?, key))).collect();
    found.sort_unstable();
    let ends = found.iter().skip(1).map(|(at, _)| *at).chain([line.len()]).collect::<Vec<_>>();
    found.iter().zip(ends).map(|((at, key), end)| (*key, line[at + key.len()..end].trim())).collect()
}

fn fact(value: &Value<'_>, tunnels: &mut [Draft], common: &mut Common, notes: &mut Notes) -> Result<(), ImportError> {
    match value.key {
        "MainModeSecMethods" => common.ike = main_methods(value, notes)?,
        "MainModeKeyLifetime" => common.ike_lifetime = main_lifetime(value)?,
        "QuickModeSecMethods" => common.quick.method = quick_methods(value, notes)?,
        "QuickModePFS" => common.quick.group = Some(value.group()?),
        key => {
            let Some(draft) = tunnels.last_mut() else {
                notes.unmapped(&value.place, key, "stands before the first tunnel");
                return Ok(());
            };
            let tunnel = &mut draft.tunnel;
            match key {
                "Local Tunnel Endpoint" => tunnel.local = value.address_or_blank()?,
                "Remote Tunnel Endpoint" => tunnel.remote = value.address_or_blank()?,
                "Endpoint 1" => tunnel.local_networks = value.prefixes()?,
                "Endpoint 2" => tunnel.remote_networks = value.prefixes()?,
                _ => tunnel.psk = Some(value.secret()?),
            }
            let masked = if key == "Preshared key" { "(masked)".to_owned() } else { shown(value.text) };
            notes.read(&value.place, format!("{} {key}", tunnel.name), masked);
            return Ok(());
        }
    }
    notes.read(&value.place, value.key, shown_value(value.key, value.text));
    Ok(())
}

/// `DHGroup2-AES128-SHA1,DHGroup2-3DES-SHA1`: AWS takes the weakest of several, so that only the first is offered.
pub(super) fn main_methods(whole: &Value<'_>, notes: &mut Notes) -> Result<Vec<IkeProposal>, ImportError> {
    const FORM: &str = "suites such as `DHGroup2-AES128-SHA1`";
    let (value, rest) = whole.first();
    let method = value.text.replace(':', "-");
    let mut parts = method.split('-').map(|part| part.replace(' ', ""));
    let mut next = || parts.next().unwrap_or_default();
    let (group, encryption, integrity) = (next(), next(), next());
    let group = words::group(&group).flatten().ok_or_else(|| value.wrong(FORM))?;
    let encryption = words::encryption(&encryption).ok_or_else(|| value.wrong(FORM))?;
    let integrity = words::integrity(&integrity).ok_or_else(|| value.wrong(FORM))?;
    if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
        notes.unmapped(&value.place, value.key, format!("{}: AWS takes the weakest of several", shown(rest)));
    }
    Ok(vec![ike_proposal(encryption, Some(integrity), group)])
}

/// `480min,0sess`, also printed `480min,0sec` (S3-12): the second part limits sessions, and is none at 0.
pub(super) fn main_lifetime(value: &Value<'_>) -> Result<Option<Duration>, ImportError> {
    let (minutes, sessions) = value.text.split_once(',').unwrap_or((value.text, "0sess"));
    let sessions = sessions.trim();
    if !["0sess", "0sec"].contains(&sessions.to_ascii_lowercase().as_str()) {
        return Err(value.wrong("`0sess`, no limit of sessions, behind the minutes"));
    }
    let minutes = minutes.trim().strip_suffix("min").unwrap_or("?");
    Value::new(value.key, minutes, value.place.clone())
        .lifetime()
        .map(|minutes| minutes.map(|minutes| minutes * 60))
        .map_err(|_| value.wrong("a lifetime such as `480min,0sess`"))
}

/// `ESP:SHA1-AES128+60min+100000kb`, whichever limit comes first (S3-13).
pub(super) fn quick_methods(whole: &Value<'_>, notes: &mut Notes) -> Result<Option<Method>, ImportError> {
    const FORM: &str = "a method such as `ESP:SHA1-AES128+60min+100000kb`";
    let mut chosen = None;
    for text in whole.text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let value = Value::new(whole.key, text, whole.place.clone());
        let mut parts = text.split('+').map(|part| part.replace(' ', ""));
        let suite = parts.next().unwrap_or_default();
        let (protocol, suite) = suite.split_once(':').ok_or_else(|| value.wrong(FORM))?;
        if !protocol.eq_ignore_ascii_case("esp") {
            notes.unmapped(&value.place, value.key, format!("{}: only ESP is spoken here", shown(text)));
            continue;
        }
        let (hash, cipher) = suite.split_once('-').ok_or_else(|| value.wrong(FORM))?;
        let encryption = words::encryption(cipher).ok_or_else(|| value.wrong(FORM))?;
        let integrity = words::integrity(hash);
        if integrity.is_none() && !encryption.is_aead() {
            return Err(value.wrong(FORM));
        }
        let mut method = Method { encryption, integrity, lifetime: None, bytes: None };
        for limit in parts {
            method.limit(&limit.to_ascii_lowercase(), &value)?;
        }
        if chosen.is_none() {
            chosen = Some(method);
        } else {
            notes.unmapped(&value.place, value.key, format!("{}: AWS takes the weakest of several", shown(text)));
        }
    }
    Ok(chosen)
}

impl Method {
    fn limit(&mut self, text: &str, value: &Value<'_>) -> Result<(), ImportError> {
        const FORM: &str = "limits such as `60min+100000kb`";
        let number = |text: &str| text.parse::<u32>().map(u64::from).map_err(|_| value.wrong(FORM));
        if let Some(minutes) = text.strip_suffix("min") {
            self.lifetime = Some(Duration::from_secs(number(minutes)? * 60)).filter(|time| !time.is_zero());
        } else if let Some(kilobytes) = text.strip_suffix("kb") {
            self.bytes = Some(number(kilobytes)? * 1024).filter(|bytes| *bytes > 0);
        } else {
            return Err(value.wrong(FORM));
        }
        Ok(())
    }
}
