//! Connections: modes, members and their priorities, failback.

use std::time::Duration;

use steering::{Failback, Mode};

use super::name_finding;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, Leaf, OneOf, Word};
use document::named::Named;
use document::scalar::{Text, WayBack};
use document::source::{At, Span};
use schema::{ConnectionSection, FailbackSection, HealthSection, MemberSection};
use settings::{Connection, ConnectionMember};

/// What could be made out of one entry of `connections`.
#[derive(Clone, Debug)]
pub struct ConnectionDraft {
    /// Its name.
    pub name: At<String>,
    /// How it uses its tunnels.
    pub mode: Option<At<Mode>>,
    /// Its tunnels.
    pub members: Vec<MemberDraft>,
    /// Where the list of members is.
    pub list: Span,
    pub(super) health: Field<HealthSection>,
    way_back: rib::WayBack,
    failback: Failback,
}

/// One of its tunnels.
#[derive(Clone, Debug)]
pub struct MemberDraft {
    /// Name of the tunnel.
    pub tunnel: At<String>,
    /// What was written.
    pub written: Option<At<u16>>,
    /// What it comes to.
    pub priority: u16,
}

pub(super) fn resolve(written: Field<Named<ConnectionSection>>, findings: &Findings) -> Vec<ConnectionDraft> {
    let entries = written.at().map(|named| named.value.into_entries()).unwrap_or_default();
    entries.into_iter().filter_map(|(name, section)| Some(one(name, section.at()?, findings))).collect()
}

fn one(name: At<String>, section: At<ConnectionSection>, findings: &Findings) -> ConnectionDraft {
    let At { value: section, span: at } = section;
    if let Some(finding) = name_finding(&name.value, name.span) {
        findings.push(finding);
    }
    let mode = section.mode.require(
        "mode",
        at,
        "say how it uses its tunnels: `active-active`, `primary-standby` or `med-steered`",
        findings,
    );
    // A longer AS path would overrule the MEDs at the peer, too.
    let steered = mode.as_ref().is_some_and(|mode| mode.value == Mode::MedSteered);
    let list = section.tunnels.span();
    if list.is_none() {
        findings.push(document::field::missing("tunnels", at, "list its tunnels by name, the primary first"));
    }
    let in_order = mode.as_ref().is_some_and(|mode| mode.value == Mode::PrimaryStandby);
    let entries = section.tunnels.at().map(|list| list.value).unwrap_or_default().into_iter().filter_map(Field::at);
    let members = (1..).zip(entries);
    ConnectionDraft {
        name,
        mode,
        members: members
            .filter_map(|(place, entry)| member(entry, if in_order { place } else { 1 }, findings))
            .collect(),
        list: list.unwrap_or(at),
        health: section.health,
        way_back: way_back(section.way_back.value().unwrap_or(if steered { WayBack::Med } else { WayBack::Both })),
        failback: failback(section.failback.section(at).value, findings),
    }
}

fn member(entry: At<OneOf<Text, MemberSection>>, place: u16, findings: &Findings) -> Option<MemberDraft> {
    let At { value, span } = entry;
    let section = match value {
        OneOf::Short(Word(name)) => {
            MemberSection { tunnel: Leaf::written(Word(name), span), ..MemberSection::default() }
        }
        OneOf::Long(section) => section,
    };
    let tunnel = section.tunnel.require("tunnel", span, "name the tunnel", findings)?;
    let written = section.priority.scalar().and_then(|at| Some(At::new(u16::try_from(at.value.0).ok()?, at.span)));
    let priority = written.as_ref().map_or(place, |at| at.value);
    Some(MemberDraft { tunnel: At::new(tunnel.value.0, tunnel.span), written, priority })
}

const fn way_back(word: WayBack) -> rib::WayBack {
    match word {
        WayBack::Both => rib::WayBack { med: true, prepend: true },
        WayBack::Med => rib::WayBack { med: true, prepend: false },
        WayBack::Prepend => rib::WayBack { med: false, prepend: true },
        WayBack::Free => rib::WayBack { med: false, prepend: false },
    }
}

fn failback(section: FailbackSection, findings: &Findings) -> Failback {
    let usual = Failback::default();
    let (hold, max_hold, forget) = (section.hold.scalar(), section.max_hold.scalar(), section.forget.scalar());
    let failback = Failback {
        hold: hold.as_ref().map_or(usual.hold, |at| at.value),
        max_hold: max_hold
            .as_ref()
            .map_or(usual.max_hold.max(hold.as_ref().map_or(usual.hold, |at| at.value)), |at| at.value),
        forget: forget.as_ref().map_or(usual.forget, |at| at.value),
    };
    if let Some(at) = hold.filter(|at| at.value.is_zero()) {
        findings.push(
            Finding::warning(Code::Failback, at.span, "a tunnel that flaps moves traffic with every flap")
                .label("no hold-down")
                .remedy("leave `hold` out, or give `10s`"),
        );
    }
    if let Some(at) = max_hold.filter(|at| at.value < failback.hold) {
        findings.push(
            Finding::error(Code::Failback, at.span, "the longest hold-down is shorter than the first")
                .label(format!("`hold` is {:?}", failback.hold))
                .remedy("give at least as much as `hold`"),
        );
    }
    if let Some(at) = forget.filter(|at| at.value < Duration::from_secs(1)) {
        findings.push(
            Finding::error(Code::Failback, at.span, "failures would be forgotten at once")
                .label("less than a second")
                .remedy("give `10m`; hold-downs grow only while failures are remembered"),
        );
    }
    failback
}

impl ConnectionDraft {
    /// The connection; `None` if a part is missing, which was reported.
    pub(super) fn finish(self) -> Option<Connection> {
        let member = |member: MemberDraft| ConnectionMember { tunnel: member.tunnel.value, priority: member.priority };
        Some(Connection {
            name: self.name.value,
            mode: self.mode?.value,
            members: self.members.into_iter().map(member).collect(),
            failback: self.failback,
            way_back: self.way_back,
        })
    }
}
