//! AWS configuration download, vendor "Generic": prose with sections, and lines `- Key : value` in them.
//!
//! ```text
//!  Your VPN Connection ID : vpn-...
//!  IPSec Tunnel #1
//!  #1: Internet Key Exchange Configuration     suite, key, lifetime, mode
//!  #2: IPSec Configuration                     suite, lifetime, DPD, fragmentation
//!  #3: Tunnel Interface Configuration          Outside IP Addresses:, Inside IP Addresses, MTU
//!  #4: Border Gateway Protocol (BGP) Configuration     or     #4: Static Routing Configuration
//! ```

use std::net::Ipv4Addr;

use crypto::Group;
use negotiation::{IkeVersion, V1Mode};
use profile::Profile;
use wire::ipsec::{Encryption, Integrity};

use super::text::Text;
use super::value::{Value, shown_value};
use crate::note::{Notes, shown};
use crate::site::{Site, SiteLink, SiteSession, SiteTunnel};
use crate::words::{esp_proposal, ike_proposal};
use crate::{ImportError, Place};

pub(super) fn read(texts: &[Text], notes: &mut Notes) -> Result<Site, ImportError> {
    let mut site = Site::default();
    for file in texts {
        let mut reader = Reader { id: "aws".to_owned(), site: &mut site, draft: None, section: Section::None, notes };
        for (place, line) in file.lines() {
            reader.line(place, line)?;
        }
        reader.finish_tunnel()?;
    }
    Ok(site)
}

/// Which part of a tunnel's description a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Ike,
    Ipsec,
    Interface,
    Outside,
    Inside,
    Bgp,
    Static,
}

struct Reader<'a> {
    id: String,
    site: &'a mut Site,
    draft: Option<Draft>,
    section: Section,
    notes: &'a mut Notes,
}

/// A tunnel whose parts come line by line.
struct Draft {
    tunnel: SiteTunnel,
    ike: Parts,
    esp: Parts,
    inside: [Option<Ipv4Addr>; 2],
    inside_place: Option<Place>,
    retries: Option<u32>,
    aggressive: bool,
    v1: Option<bool>,
}

#[derive(Default)]
struct Parts {
    encryption: Option<Encryption>,
    integrity: Option<Integrity>,
    group: Option<Group>,
}

impl Reader<'_> {
    fn line(&mut self, place: Place, line: &str) -> Result<(), ImportError> {
        // Comments of some devices' samples begin with `!` or `#`.
        let bare = line.trim_start_matches(['!', ' ']);
        let lower = bare.to_ascii_lowercase();
        if let Some(number) = lower.strip_prefix("ipsec tunnel #") {
            self.finish_tunnel()?;
            let number: String = number.chars().take_while(char::is_ascii_digit).collect();
            let tunnel = SiteTunnel::new(&format!("{}-{number}", self.id), place, Profile::Aws);
            self.draft = Some(Draft::new(tunnel));
            self.section = Section::None;
        } else if let Some(section) = heading(&lower) {
            self.section = section;
        } else if let Some((key, text)) = pair(bare) {
            self.pair(&Value::new(key, text, place))?;
        }
        Ok(())
    }

    fn pair(&mut self, value: &Value<'_>) -> Result<(), ImportError> {
        let key = value.key.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        let Some(draft) = &mut self.draft else {
            if key == "your vpn connection id" {
                value.text.clone_into(&mut self.id);
            }
            if key.starts_with("your ") && key.ends_with(" id") {
                self.notes.read(&value.place, key, shown(value.text));
            }
            return Ok(());
        };
        let taken = match self.section {
            Section::Ike => draft.ike(&key, value, self.notes)?,
            Section::Ipsec => draft.ipsec(&key, value, self.notes)?,
            Section::Outside => draft.outside(&key, value)?,
            Section::Inside => draft.inside(&key, value)?,
            Section::Interface => draft.interface(&key, value)?,
            Section::Bgp => draft.bgp(&key, value, self.site)?,
            Section::Static => draft.fixed(&key, value)?,
            Section::None => false,
        };
        let what = format!("{} {}", draft.tunnel.name, value.key);
        if taken {
            self.notes.read(&value.place, what, shown_value(&value.key.replace(' ', ""), value.text));
        } else {
            let shown = shown_value(&value.key.replace(' ', ""), value.text);
            self.notes.unmapped(&value.place, format!("{what}: {shown}"), reason(&key));
        }
        Ok(())
    }

    fn finish_tunnel(&mut self) -> Result<(), ImportError> {
        if let Some(draft) = self.draft.take() {
            let tunnel = draft.finish(self.notes)?;
            self.site.tunnels.push(tunnel);
        }
        Ok(())
    }
}

fn reason(key: &str) -> &'static str {
    match key {
        "tcp mss adjustment" => "computed from the suite, and kept to in both directions",
        _ => "has no meaning here",
    }
}

/// What begins a section. The numbers are those of the document, the words what it is about.
fn heading(line: &str) -> Option<Section> {
    let line = line.trim_start_matches('#');
    if line.starts_with("outside ip addresses") {
        return Some(Section::Outside);
    }
    if line.starts_with("inside ip addresses") {
        return Some(Section::Inside);
    }
    if line.starts_with("configure your tunnel to fragment") {
        return Some(Section::Interface);
    }
    let (number, title) = line.split_once(':')?;
    number.trim().parse::<u8>().ok()?;
    let about = |word: &str| title.contains(word);
    if about("internet key exchange") {
        Some(Section::Ike)
    } else if about("border gateway protocol") {
        Some(Section::Bgp)
    } else if about("static rout") {
        Some(Section::Static)
    } else if about("tunnel interface") {
        Some(Section::Interface)
    } else if about("ipsec") {
        Some(Section::Ipsec)
    } else {
        None
    }
}

/// `- Key : value`; some keys have a colon of their own. The lines of the header have no dash.
fn pair(line: &str) -> Option<(&str, &str)> {
    let bare = line.trim_start_matches(['-', ' ', '\t']);
    let (key, text) = match bare.split_once(" : ") {
        Some(pair) => pair,
        None if line.starts_with('-') => bare.split_once(':')?,
        None => return None,
    };
    let key = key.trim().trim_end_matches(':').trim();
    (!key.is_empty()).then_some((key, text.trim()))
}

impl Draft {
    fn new(tunnel: SiteTunnel) -> Self {
        let (ike, esp) = (Parts::default(), Parts::default());
        Self { tunnel, ike, esp, inside: [None; 2], inside_place: None, retries: None, aggressive: false, v1: None }
    }

    fn ike(&mut self, key: &str, value: &Value<'_>, notes: &mut Notes) -> Result<bool, ImportError> {
        match key {
            "ike version" => self.v1 = Some(value.text.trim_end_matches(|c: char| !c.is_ascii_digit()).ends_with('1')),
            "authentication method" if value.text.eq_ignore_ascii_case("pre-shared key") => {}
            "pre-shared key" => self.tunnel.psk = Some(value.secret()?),
            "lifetime" => self.tunnel.ike_lifetime = value.lifetime()?,
            "phase 1 negotiation mode" => self.aggressive = value.text.eq_ignore_ascii_case("aggressive"),
            _ => return self.ike.take(key, value, notes),
        }
        Ok(true)
    }

    fn ipsec(&mut self, key: &str, value: &Value<'_>, notes: &mut Notes) -> Result<bool, ImportError> {
        let is = |text: &str| value.text.eq_ignore_ascii_case(text);
        match key {
            "protocol" if is("esp") => {}
            "mode" if is("tunnel") => {}
            "lifetime" => self.tunnel.child_lifetime = value.lifetime()?,
            "dpd interval" => self.tunnel.dpd_interval = value.lifetime()?,
            "dpd retries" => self.retries = Some(value.number32()?),
            // Both are so by default, and the second always.
            "clear don't fragment bit" if is("enabled") => {}
            "fragmentation" if is("before encryption") => {}
            _ => return self.esp.take(key, value, notes),
        }
        Ok(true)
    }

    fn outside(&mut self, key: &str, value: &Value<'_>) -> Result<bool, ImportError> {
        match key {
            "customer gateway" => self.tunnel.local = value.address_or_blank()?,
            "virtual private gateway" | "transit gateway" => self.tunnel.remote = value.address_or_blank()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn inside(&mut self, key: &str, value: &Value<'_>) -> Result<bool, ImportError> {
        match key {
            "customer gateway" => {
                self.inside[0] = Some(value.address4()?);
                self.inside_place = Some(value.place.clone());
            }
            "virtual private gateway" | "transit gateway" => self.inside[1] = Some(value.address4()?),
            _ => return self.interface(key, value),
        }
        Ok(true)
    }

    fn interface(&mut self, key: &str, value: &Value<'_>) -> Result<bool, ImportError> {
        if key != "tunnel interface mtu" {
            return Ok(false);
        }
        let first = value.text.split_whitespace().next().unwrap_or_default();
        let mtu = Value::new(value.key, first, value.place.clone()).number32()?;
        if !(576..=9200).contains(&mtu) {
            return Err(value.wrong("an MTU from 576 to 9200"));
        }
        self.tunnel.mtu = Some(mtu);
        Ok(true)
    }

    fn bgp(&mut self, key: &str, value: &Value<'_>, site: &mut Site) -> Result<bool, ImportError> {
        let session = self.tunnel.session.get_or_insert_with(SiteSession::default);
        match key {
            "customer gateway asn" if value.is_blank() => {}
            "customer gateway asn" => site.asn = site.asn.or(Some(value.asn()?)),
            "virtual private gateway asn" | "transit gateway asn" => session.asn = Some(value.asn()?),
            "neighbor ip address" => self.inside[1] = self.inside[1].or(Some(value.address4()?)),
            "neighbor hold time" => session.hold_time = value.lifetime()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn fixed(&mut self, key: &str, value: &Value<'_>) -> Result<bool, ImportError> {
        match key {
            "next hop" => self.inside[1] = self.inside[1].or(Some(value.address4()?)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self, notes: &mut Notes) -> Result<SiteTunnel, ImportError> {
        let Self { mut tunnel, ike, esp, inside, inside_place, retries, aggressive, v1 } = self;
        if let (Some(encryption), Some(group)) = (ike.encryption, ike.group) {
            tunnel.ike = vec![ike_proposal(encryption, ike.integrity, group)];
        }
        if let Some(encryption) = esp.encryption {
            tunnel.esp = vec![esp_proposal(encryption, esp.integrity, esp.group)];
        }
        tunnel.version = v1.map(|v1| {
            let mode = if aggressive { V1Mode::Aggressive } else { V1Mode::Main };
            if v1 { IkeVersion::V1(mode) } else { IkeVersion::V2 }
        });
        if let (Some(interval), Some(retries)) = (tunnel.dpd_interval, retries) {
            tunnel.dpd_timeout = Some(interval * retries.clamp(1, 100));
        }
        if let [Some(local), Some(peer)] = inside {
            let place = inside_place.unwrap_or_else(|| tunnel.place.clone());
            let found = format!("{local} and {peer}");
            let wrong = || Value::new("Inside IP Addresses", &found, place).wrong("the two hosts of one /30");
            tunnel.inside = Some(SiteLink::between(local, peer).ok_or_else(wrong)?);
        }
        if tunnel.session.is_none() {
            notes.assumed_at(&tunnel.place, format!("{} bgp", tunnel.name), "none: the connection is a static one");
        }
        Ok(tunnel)
    }
}

impl Parts {
    fn take(&mut self, key: &str, whole: &Value<'_>, notes: &mut Notes) -> Result<bool, ImportError> {
        let (value, rest) = whole.first();
        match key {
            "authentication algorithm" => self.integrity = Some(value.integrity()?),
            "encryption algorithm" => self.encryption = Some(value.encryption()?),
            "diffie-hellman" | "perfect forward secrecy" => self.group = value.group()?,
            _ => return Ok(false),
        }
        if let Some(rest) = rest {
            notes.unmapped(&value.place, value.key, format!("{}: AWS takes the weakest of several", shown(rest)));
        }
        Ok(true)
    }
}
