//! A profile as rows of a table, for people.

use std::fmt::Display;

use negotiation::StartAction;

use super::Profile;
use super::facts::{Begins, Characters, Cloud, DefaultPfs, DefaultRoute, OfSeveral, Side};
use document::field::Word;
use document::scalar::IkeGeneration;

/// One thing that is known about a cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The section of the profile.
    pub section: &'static str,
    /// What it is about.
    pub name: &'static str,
    /// What it is.
    pub value: String,
    /// Where that is from.
    pub source: &'static str,
}

impl Profile {
    /// What is known about the cloud, in the order of the file.
    #[must_use]
    pub fn facts(self) -> Vec<Fact> {
        let cloud = self.cloud();
        [ipsec(cloud), timing(cloud), speaker(cloud), addresses(cloud)].concat()
    }

    /// What is worth knowing and is not a number.
    #[must_use]
    pub fn notes(self) -> &'static [String] {
        &self.cloud().notes
    }
}

/// The rows of one section.
struct Section(&'static str, &'static str);

impl Section {
    fn rows<const N: usize>(&self, rows: [(&'static str, Option<String>); N]) -> Vec<Fact> {
        let Self(section, source) = *self;
        let fact = |(name, value): (_, Option<String>)| Some(Fact { section, name, value: value?, source });
        rows.into_iter().filter_map(fact).collect()
    }
}

fn ipsec(cloud: &'static Cloud) -> Vec<Fact> {
    let suites = &cloud.suites;
    let all = |words: &[String]| Some(words.join(" "));
    let accepts = suites.accepts.as_ref();
    let suite_rows = Section("suites", &suites.source).rows([
        ("IKE, proposed", Some(words(&suites.ike))),
        ("ESP, proposed", Some(words(&suites.esp))),
        ("IKEv1, proposed", some(words(&suites.ikev1_ike))),
        ("IKEv1 ESP, proposed", some(words(&suites.ikev1_esp))),
        (
            "of several",
            Some(String::from(match suites.of_several {
                OfSeveral::Weakest => "the weakest that both have is used",
                OfSeveral::Theirs => "the cloud's order decides",
                OfSeveral::Ours => "ours decides",
            })),
        ),
        (
            "PFS by default",
            Some(String::from(match suites.default_pfs {
                DefaultPfs::Always => "at every rekey",
                DefaultPfs::MayBeAbsent => "may be absent where the cloud rekeys",
            })),
        ),
        ("IKE encryption, accepted", accepts.and_then(|accepts| all(&accepts.ike.encryption))),
        ("IKE integrity, accepted", accepts.and_then(|accepts| all(&accepts.ike.integrity))),
        ("IKE groups, accepted", accepts.and_then(|accepts| all(&accepts.ike.groups))),
        ("ESP encryption, accepted", accepts.and_then(|accepts| all(&accepts.esp.encryption))),
        ("ESP integrity, accepted", accepts.and_then(|accepts| all(&accepts.esp.integrity))),
        ("ESP groups, accepted", accepts.and_then(|accepts| all(&accepts.esp.groups))),
        ("ESN", accepts.map(|accepts| yes(accepts.esp.esn))),
    ]);
    let versions = cloud.ike.versions.iter().map(|Word(version)| match version {
        IkeGeneration::V2 => "ikev2",
        IkeGeneration::V1 => "ikev1",
    });
    let ike_rows = Section("ike", &cloud.ike.source).rows([
        ("versions", Some(versions.collect::<Vec<_>>().join(" "))),
        ("modes of IKEv1", some(words(&cloud.ike.ikev1_modes))),
        ("identities that are names", Some(yes(cloud.ike.fqdn_identities))),
    ]);
    [suite_rows, ike_rows].concat()
}

fn timing(cloud: &'static Cloud) -> Vec<Fact> {
    let seconds = |Word(time): &Word<std::time::Duration>| format!("{} s", time.as_secs());
    let range = |range: &Option<(Word<_>, Word<_>)>| {
        range.as_ref().map(|(least, most)| format!("{} to {}", seconds(least), seconds(most)))
    };
    let lifetimes = &cloud.lifetimes;
    let lifetime_rows = Section("lifetimes", &lifetimes.source).rows([
        ("IKE SA", Some(seconds(&lifetimes.ike))),
        ("IKE SA, accepted", range(&lifetimes.ike_range)),
        ("CHILD SA", Some(seconds(&lifetimes.child))),
        ("CHILD SA, accepted", range(&lifetimes.child_range)),
        ("CHILD SA, octets", lifetimes.child_bytes.map(|Word(bytes)| format!("{} KiB", bytes.0 / 1024))),
    ]);
    let rekey_rows = Section("rekey", &cloud.rekey.source)
        .rows([("margin", Some(seconds(&cloud.rekey.margin))), ("fuzz", Some(format!("{} %", cloud.rekey.fuzz)))]);
    let dpd_rows = Section("dpd", &cloud.dpd.source).rows([
        ("interval", Some(seconds(&cloud.dpd.interval))),
        ("timeout", Some(seconds(&cloud.dpd.timeout))),
        ("timeout of the cloud", cloud.dpd.cloud_timeout.as_ref().map(seconds)),
    ]);
    let replay_rows = Section("replay", &cloud.replay.source).rows([
        ("window", Some(format!("{} packets", cloud.replay.window))),
        ("window, accepted", cloud.replay.cloud_range.map(|(least, most)| format!("{least} to {most} packets"))),
    ]);
    let start_rows = Section("start", &cloud.start.source).rows([
        (
            "we",
            Some(String::from(match cloud.start.ours.0 {
                StartAction::Initiate => "initiate",
                StartAction::OnDemand => "on demand",
                StartAction::Respond => "respond",
            })),
        ),
        (
            "the cloud begins",
            Some(String::from(match cloud.start.cloud {
                Begins::Always => "yes",
                Begins::IfTold => "if it is told to",
                Begins::Never => "never",
            })),
        ),
    ]);
    [lifetime_rows, rekey_rows, dpd_rows, replay_rows, start_rows].concat()
}

fn speaker(cloud: &'static Cloud) -> Vec<Fact> {
    let (bgp, routes) = (&cloud.bgp, &cloud.routes);
    let bgp_rows = Section("bgp", &bgp.source).rows([
        ("opens sessions", Some(String::from(if bgp.cloud_opens { "both ends" } else { "only we" }))),
        ("hold time", Some(format!("{} s", bgp.hold.0.as_secs()))),
        ("keepalive", Some(format!("{} s", bgp.keepalive.0.as_secs()))),
        ("keeps to its timers", Some(yes(bgp.cloud_keeps_to_its_timers))),
        ("BFD", Some(yes(bgp.bfd))),
    ]);
    let route_rows = Section("routes", &routes.source).rows([
        ("in, at most", routes.inbound.map(|limit| limit.to_string())),
        ("out, at most", routes.out.map(|limit| limit.to_string())),
        ("out, any gateway", routes.out_most.map(|limit| limit.to_string())),
        ("above that", Some(routes.above.clone())),
        (
            "accepted of it",
            Some(String::from(if routes.trusted { "everything but a default route" } else { "what `import` says" })),
        ),
        (
            "default route to it",
            Some(String::from(match routes.default_route {
                DefaultRoute::Accepted => "accepted",
                DefaultRoute::Refused => "refused",
            })),
        ),
        ("refused", some(listed(&routes.refuses))),
    ]);
    let asn = &cloud.asn;
    let reserved = asn.reserved.iter().map(|Word(range)| range.to_string());
    let asn_rows = Section("asn", &asn.source).rows([
        ("the cloud's, by default", asn.cloud_default.map(|asn| asn.to_string())),
        ("taken from nobody", some(reserved.collect::<Vec<_>>().join(" "))),
        ("best", Some(asn.take.clone())),
    ]);
    [bgp_rows, route_rows, asn_rows].concat()
}

fn addresses(cloud: &'static Cloud) -> Vec<Fact> {
    let mtu = Section("mtu", &cloud.mtu.source);
    let mut mtu_rows = mtu.rows([("tunnel interface, at most", cloud.mtu.most.map(|most| most.to_string()))]);
    for row in &cloud.mtu.table {
        let udp = if row.in_udp { ", in UDP" } else { "" };
        let value = format!("{}{udp}: MTU {}, TCP MSS {}", row.suite, row.mtu, row.mss);
        mtu_rows.extend(mtu.rows([("over 1,500 octets", Some(value))]));
    }
    let inside = &cloud.inside;
    let host = inside.our_host.map(|side| match side {
        Side::First => "the first",
        Side::Second => "the second",
    });
    let fixed = if inside.our_host_is_fixed { ", always" } else { ", unless told otherwise" };
    let lengths = inside.lengths.iter().map(|length| format!("/{length}")).collect::<Vec<_>>().join(" ");
    let inside_rows = Section("inside", &inside.source).rows([
        ("ranges", Some(listed(&inside.ranges))),
        ("lengths", some(lengths)),
        ("our host", host.map(|host| format!("{host}{fixed}"))),
        ("reserved", Some(listed(&inside.reserved))),
        (
            "IPv6",
            inside.ipv6.as_ref().map(|ipv6| format!("{}, /{} to /{}", ipv6.within, ipv6.lengths.0, ipv6.lengths.1)),
        ),
    ]);
    let psk_rows = cloud.psk.as_ref().map(|rule| {
        let characters = match rule.characters {
            Characters::Alphanumeric => "letters and digits",
            Characters::Printable => "printable ASCII",
        };
        Section("psk", &rule.source)
            .rows([("accepted", Some(rule.text.clone())), ("characters", Some(characters.to_owned()))])
    });
    let outside_rows = Section("outside", &cloud.outside.source).rows([(
        "not for us",
        Some(some(listed(&cloud.outside.customer_forbidden)).unwrap_or_else(|| "-".to_owned())),
    )]);
    [mtu_rows, inside_rows, psk_rows.unwrap_or_default(), outside_rows].concat()
}

fn words<T: Display>(words: &[Word<T>]) -> String {
    words.iter().map(|word| word.0.to_string()).collect::<Vec<_>>().join(" ")
}

fn listed<T: Display>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn yes(fact: bool) -> String {
    String::from(if fact { "yes" } else { "no" })
}
