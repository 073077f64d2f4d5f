//! Very many sessions with one real process: all come up and exchange routes; half of them flap and the others' routes stay;
//! a generated full table goes through it, prefix by prefix.
//!
//! `QUADSPAN_LAB_SESSIONS` (500) and `QUADSPAN_LAB_PREFIXES` (100,000) say how many; up to 4,000 and 1,000,000 are sensible.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::{AsPathSegment, Attributes, Nlri, Update};
use ipnet::{IpNet, Ipv4Net};
use proto_tests::lab::feed::{self, Group};
use proto_tests::lab::sessions::{ROUTER, ROUTER_ASN, Sessions, address, announcement, asn, network, speaker};
use proto_tests::lab::speakers::Speaker;
use proto_tests::lab::{LabError, Result, ensure, not_yet, patience, tell, wait_for};
use wire::Asn;

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn play(mut lab: Sessions, scene: impl FnOnce(&mut Sessions) -> Result<()>) {
    if let Err(error) = scene(&mut lab) {
        panic!("{}", lab.explain(&error));
    }
}

/// The two networks of a speaker.
fn networks(speaker: usize) -> [IpNet; 2] {
    let [_, _, high, low] = u32::try_from(speaker).unwrap_or(0).to_be_bytes();
    [64, 128].map(|first| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(20, first + high, low, 0), 24)))
}

/// All of them, and one more who is told everything and says nothing.
fn crowd(count: usize) -> Result<Sessions> {
    let says = |number| networks(number).map(|net| network(number, net)).to_vec();
    let mut speakers: Vec<Speaker> =
        (0..count).map(|number| Speaker { says: says(number), ..speaker(number) }).collect();
    speakers.push(speaker(count));
    let each = |number| {
        if number == count {
            "      export: [0.0.0.0/0 le 32]\n      max-prefix: {out: 100000}\n".to_owned()
        } else {
            String::new()
        }
    };
    Sessions::start(speakers, 0, "", each)
}

/// Succeeds when the observer and the kernel have the networks of just these.
fn expect_networks(lab: &Sessions, observer: usize, of: &[usize]) -> Result<()> {
    let expected: BTreeMap<IpNet, usize> =
        of.iter().flat_map(|number| networks(*number).map(|net| (net, *number))).collect();
    let kernel: BTreeMap<IpNet, String> =
        lab.kernel()?.into_iter().filter_map(|(net, via)| Some((net.parse().ok()?, via))).collect();
    let wanted: BTreeMap<IpNet, String> =
        expected.iter().map(|(net, number)| (*net, address(*number).to_string())).collect();
    if kernel != wanted {
        let wrong = wanted.iter().find(|(net, via)| kernel.get(*net) != Some(*via));
        return not_yet(format!("{} routes in the kernel, {} wanted, such as {wrong:?}", kernel.len(), wanted.len()));
    }
    let heard = lab.speakers.heard();
    let told = &heard[observer].routes;
    ensure(told.len() == expected.len() + 1, "what the observer was told, and our own network", || {
        told.len().to_string()
    })?;
    for (net, number) in expected {
        let (next_hop, attributes) = told.get(&Nlri::from(net)).ok_or_else(|| missing(net))?;
        let path = [AsPathSegment::Sequence(vec![Asn(ROUTER_ASN), asn(number)])];
        let right = *next_hop == IpAddr::V4(ROUTER) && attributes.as_path.0 == path;
        ensure(right, "the observer's route", || format!("{net}: {next_hop} {attributes:?}"))?;
    }
    Ok(())
}

fn missing(net: IpNet) -> LabError {
    LabError::Unexpected { what: "the observer has a route".to_owned(), found: format!("none to {net}") }
}

#[test]
fn five_hundred_sessions_come_up_and_exchange_routes() -> Result<()> {
    let count = number("QUADSPAN_LAB_SESSIONS", 500);
    let start = Instant::now();
    play(crowd(count)?, |lab| {
        wait_for(patience(60), "all sessions are established", || {
            lab.speakers.expect_established(0..=count)?;
            lab.expect_all(count + 1)
        })?;
        let up = start.elapsed();
        let all: Vec<usize> = (0..count).collect();
        wait_for(patience(60), "all routes are everywhere", || expect_networks(lab, count, &all))?;
        let took = start.elapsed();
        // Everybody has our own network, once, and nothing else.
        wait_for(patience(20), "everybody was told of our network", || {
            let heard = lab.speakers.heard();
            let wrong = heard[..count].iter().position(|heard| heard.routes.len() != 1 || !heard.complete);
            ensure(wrong.is_none(), "what a speaker was told", || format!("{wrong:?}"))
        })?;
        let (usage, processor) = lab.load()?;
        tell(&format!(
            "{count} sessions: up after {up:.1?}, {} routes in the kernel and at an observer after {took:.1?}; {usage:?}, \
             processor {processor:.1?}",
            2 * count
        ));
        let idle = lab.daemon.process().processor()?;
        std::thread::sleep(Duration::from_secs(2));
        let used = lab.daemon.process().processor()?.saturating_sub(idle);
        tell(&format!("{count} idle sessions use {used:.1?} of the processor in 2 s"));
        let heard = lab.speakers.heard();
        let troubled = heard.iter().find(|heard| heard.sessions != 1);
        ensure(troubled.is_none(), "no session was lost", || format!("{:?}", troubled.map(|heard| &heard.troubles)))
    });
    Ok(())
}

#[test]
fn a_storm_of_flaps_leaves_the_others_alone_and_ends_right() -> Result<()> {
    let count = number("QUADSPAN_LAB_SESSIONS", 500) / 5;
    play(crowd(count)?, |lab| {
        let all: Vec<usize> = (0..count).collect();
        wait_for(patience(60), "all routes are everywhere", || expect_networks(lab, count, &all))?;
        let (calm, wild): (Vec<usize>, Vec<usize>) = all.iter().partition(|number| **number % 2 == 0);
        let start = Instant::now();
        let mut flaps = 0;
        while start.elapsed() < Duration::from_secs(4) {
            for number in &wild {
                lab.speakers.flap(*number);
                flaps += 1;
            }
            std::thread::sleep(Duration::from_millis(60));
            let kernel = lab.kernel()?;
            let there = |net: &IpNet| kernel.iter().any(|(prefix, _)| *prefix == net.to_string());
            let lost = calm.iter().flat_map(|number| networks(*number)).find(|net| !there(net));
            ensure(lost.is_none(), "the routes of those that are calm stay in the kernel", || {
                format!("{lost:?} is gone")
            })?;
        }
        // Half of them stay away.
        let (gone, back): (Vec<usize>, Vec<usize>) = wild.iter().partition(|number| **number % 4 == 1);
        gone.iter().for_each(|number| lab.speakers.stop(*number));
        let left: Vec<usize> = calm.iter().chain(&back).copied().collect();
        wait_for(patience(90), "what is left is right", || {
            back.iter().for_each(|number| lab.speakers.begin(*number));
            expect_networks(lab, count, &left)
        })?;
        let heard = lab.speakers.heard();
        let told = &heard[count];
        ensure(told.sessions == 1, "the observer's session lasted", || format!("{:?}", told.troubles))?;
        let disturbed =
            calm.iter().flat_map(|number| networks(*number)).find(|net| told.withdrawn.contains(&Nlri::from(*net)));
        ensure(disturbed.is_none(), "none of the others' routes was ever withdrawn", || format!("{disturbed:?}"))?;
        let lost = calm.iter().find(|number| heard[**number].sessions != 1);
        ensure(lost.is_none(), "none of the others' sessions was lost", || format!("{lost:?}"))?;
        let sessions: u64 = wild.iter().map(|number| heard[*number].sessions).sum();
        drop(heard);
        let (usage, processor) = lab.load()?;
        tell(&format!(
            "{flaps} cuts and {sessions} sessions of {} speakers: {usage:?}, processor {processor:.1?}",
            wild.len()
        ));
        Ok(())
    });
    Ok(())
}

/// What the receiver is to have of a route that the sender announced with these attributes (RFC 4271 5.1).
fn passed_on(attributes: &Attributes, sender: usize) -> Attributes {
    let mut passed = attributes.clone();
    let path = &mut passed.as_path.0;
    match path.first_mut() {
        Some(AsPathSegment::Sequence(numbers)) => drop(numbers.splice(0..0, [Asn(ROUTER_ASN), asn(sender)])),
        Some(AsPathSegment::Set(_)) | None => {
            path.insert(0, AsPathSegment::Sequence(vec![Asn(ROUTER_ASN), asn(sender)]));
        }
    }
    passed.med = None;
    passed
}

fn say_all(groups: &[Group]) -> Vec<Update> {
    groups.iter().map(|group| announcement(0, &group.attributes, group.prefixes.clone())).collect()
}

/// Succeeds when the receiver has just this table, prefix by prefix.
fn expect_table(lab: &Sessions, groups: &[Group]) -> Result<()> {
    let count: usize = groups.iter().map(|group| group.prefixes.len()).sum();
    let heard = lab.speakers.heard();
    let told = &heard[1].routes;
    if told.len() != count + 1 {
        return not_yet(format!("{} of {count} routes; {:?}", told.len(), heard[0].troubles));
    }
    for group in groups {
        let expected = passed_on(&group.attributes, 0);
        for nlri in &group.prefixes {
            let right = told
                .get(nlri)
                .is_some_and(|(next_hop, attributes)| *next_hop == IpAddr::V4(ROUTER) && **attributes == expected);
            let found: Option<&(IpAddr, Arc<Attributes>)> = told.get(nlri);
            ensure(right, "a route of the table", || format!("{nlri}: {found:?}, expected {expected:?}"))?;
        }
    }
    Ok(())
}

#[test]
fn a_full_table_goes_through_prefix_by_prefix() -> Result<()> {
    let count = number("QUADSPAN_LAB_PREFIXES", 100_000);
    let groups = feed::table(count, 20_261_122);
    let roomy = "      max-prefix: {in: 2000000, out: 2000000}\n      export: [0.0.0.0/0 le 32]\n";
    let lab = Sessions::start(vec![speaker(0), speaker(1)], 0, "  install: false\n", |_| roomy.to_owned())?;
    play(lab, |lab| {
        wait_for(patience(20), "both sessions are established", || lab.speakers.expect_established(0..2))?;
        let start = Instant::now();
        lab.speakers.say(0, say_all(&groups));
        let limit = 60 + count as u64 / 5000;
        wait_for(patience(limit), "the whole table is there", || expect_table(lab, &groups))?;
        let (took, (usage, processor)) = (start.elapsed(), lab.load()?);
        tell(&format!(
            "{count} prefixes with {} sets of attributes went through in {took:.1?}; {usage:?}, processor {processor:.1?}",
            groups.len()
        ));
        // A third changes, a third goes.
        let third = groups.len() / 3;
        let mut after = feed::changed(&groups[..third], 7);
        let withdrawn: Vec<Nlri> = groups[third..2 * third].iter().flat_map(|group| group.prefixes.clone()).collect();
        let mut says = say_all(&after);
        says.push(Update { withdrawn, ..Update::default() });
        after.extend_from_slice(&groups[2 * third..]);
        let start = Instant::now();
        lab.speakers.say(0, says);
        wait_for(patience(limit), "and what has changed", || expect_table(lab, &after))?;
        tell(&format!("a third of them changed and a third withdrawn: {:.1?}", start.elapsed()));
        lab.speakers.stop(0);
        wait_for(patience(limit), "nothing outlives its session", || expect_table(lab, &[]))
    });
    Ok(())
}

/// Who has connected stays while the socket that took it in gives way to one with other keys; who has to sign, and does not,
/// gets no answer.
#[test]
fn a_key_comes_and_goes_at_an_address_that_others_are_connected_to() -> Result<()> {
    const KEY: &str = "      md5: {inline: only-for-the-stranger}\n";
    let each = |number: usize| if number == 1 { KEY.to_owned() } else { String::new() };
    // Neither a connection nor a refusal.
    let silent = |lab: &Sessions| {
        let attempt = lab.attempt(1, None, Duration::from_secs(2));
        let silent = match &attempt {
            Err(LabError::Io { source, .. }) => matches!(source.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            Ok(_) | Err(_) => false,
        };
        ensure(silent, "no answer to who does not sign", || format!("{attempt:?}"))
    };
    play(Sessions::start(vec![speaker(0)], 1, "", each)?, |lab| {
        wait_for(patience(20), "the session is established", || lab.speakers.expect_established(0..1))?;
        silent(lab)?;
        let mut signed = String::new();
        lab.reconfigure(|text| {
            text.clone_into(&mut signed);
            text.replace(KEY, "")
        })?;
        let mut stranger = lab.stranger(1, None)?;
        let mut open = [0; 19];
        stranger.set_read_timeout(Some(patience(10))).map_err(LabError::io("set a timeout"))?;
        stranger.read_exact(&mut open).map_err(LabError::io("read our OPEN"))?;
        ensure(open[18] == 1, "an OPEN", || format!("{open:?}"))?;
        lab.reconfigure(|_| signed)?;
        wait_for(patience(10), "the key holds again", || silent(lab))?;
        ensure(lab.speakers.heard()[0].sessions == 1, "nobody else was cut off", || {
            format!("{:?}", lab.speakers.heard()[0].troubles)
        })?;
        lab.speakers.flap(0);
        wait_for(patience(20), "it connects again", || {
            let heard = lab.speakers.heard()[0].clone();
            if heard.established && heard.sessions == 2 { Ok(()) } else { not_yet(format!("{heard:?}")) }
        })
    });
    Ok(())
}
