//! A strongSwan host: `swanctl.conf`, and BIRD's or FRR's configuration that speaks BGP over its tunnels.
//!
//! The files are told apart by what is in them. A session belongs to the tunnel of the same name or interface; where
//! there are as many of both and no names agree, the order decides, and that is told.

use wire::Asn;

use super::text::Text;
use super::{bird, frr, swanctl};
use crate::note::Notes;
use crate::site::{Site, SiteLink, SiteSession};
use crate::{ImportError, Place};

/// Which of the files it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Swanctl,
    Bird,
    Frr,
}

impl Part {
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
        for line in code {
            let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
            if begins(&["connections", "secrets", "pools", "authorities"]) {
                return Some(Self::Swanctl);
            }
            if begins(&["protocol ", "router id ", "log stderr", "template bgp", "filter ", "function "]) {
                return Some(Self::Bird);
            }
            if begins(&["router bgp ", "frr version", "frr defaults", "hostname "]) {
                return Some(Self::Frr);
            }
        }
        None
    }
}

/// A BGP session as a speaker's configuration has it.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) interface: Option<String>,
    pub(super) local: Option<std::net::Ipv4Addr>,
    pub(super) peer: Option<std::net::Ipv4Addr>,
    pub(super) local_asn: Option<Asn>,
    pub(super) session: SiteSession,
}

impl Speaker {
    pub(super) fn new(name: &str, place: Place) -> Self {
        Self {
            name: name.to_owned(),
            place,
            interface: None,
            local: None,
            peer: None,
            local_asn: None,
            session: SiteSession::default(),
        }
    }
}

pub(super) fn read(texts: &[Text], notes: &mut Notes) -> Result<Site, ImportError> {
    let mut site = Site::default();
    let mut speakers = Vec::new();
    let mut keys = Vec::new();
    for file in texts {
        match Part::of(&file.text) {
            Some(Part::Swanctl) => swanctl::read(file, &mut site, &mut keys, notes)?,
            Some(Part::Bird) => bird::read(file, &mut site, &mut speakers, notes)?,
            Some(Part::Frr) => frr::read(file, &mut site, &mut speakers, notes)?,
            None => return Err(ImportError::Unrecognised { file: file.name.clone() }),
        }
    }
    swanctl::hand_out(keys, &mut site, notes);
    attach(speakers, &mut site, notes)?;
    Ok(site)
}

fn attach(speakers: Vec<Speaker>, site: &mut Site, notes: &mut Notes) -> Result<(), ImportError> {
    let in_order = speakers.len() == site.tunnels.len();
    for (index, speaker) in speakers.into_iter().enumerate() {
        site.asn = site.asn.or(speaker.local_asn);
        let speaks = folded(&speaker.name);
        // `qs_` is in front of the names that we export.
        let same = |name: &str| folded(name) == speaks.strip_prefix("qs_").unwrap_or(&speaks);
        let by_name = site.tunnels.iter().position(|tunnel| same(&tunnel.name));
        let by_interface = || {
            let interface = speaker.interface.as_deref()?;
            site.tunnels.iter().position(|tunnel| folded(interface).ends_with(&folded(&tunnel.name)))
        };
        let found = by_name.or_else(by_interface);
        if found.is_none() && in_order {
            let what = format!("bgp {}", speaker.name);
            notes.assumed_at(
                &speaker.place,
                what,
                "belongs to the tunnel in the same place of the order: no names agree",
            );
        }
        let Some(tunnel) = found.or(in_order.then_some(index)).and_then(|index| site.tunnels.get_mut(index)) else {
            notes.unmapped(&speaker.place, format!("bgp {}", speaker.name), "belongs to no tunnel that is known here");
            continue;
        };
        tunnel.session = Some(speaker.session);
        if let (Some(local), Some(peer)) = (speaker.local, speaker.peer) {
            tunnel.inside = SiteLink::between(local, peer);
            if tunnel.inside.is_none() {
                let what = format!("bgp {} {local} to {peer}", speaker.name);
                notes.unmapped(&speaker.place, what, "these are not the two hosts of one /30 or /31");
            }
        }
    }
    Ok(())
}

/// Names as BIRD takes them: letters, digits and `_`.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}
