//! That every file is complete, consistent, and what its profile says is what a tunnel gets.

use std::time::Duration;

use crypto::{EspProposal, IkeProposal};

use super::*;
use document::code::Code;
use document::field::Word;

#[test]
fn every_file_is_read_in_full_and_every_section_has_a_source() {
    for profile in Profile::ALL {
        let cloud = facts::read(profile.text()).unwrap_or_else(|error| panic!("{}: {error}", profile.as_str()));
        assert!(!cloud.notes.is_empty() && !cloud.title.is_empty() && !cloud.name.is_empty(), "{}", profile.as_str());
        let sheet = profile.sheet();
        let sections = sheet.as_object().unwrap().iter().filter(|(_, section)| section.is_object());
        for (name, section) in sections {
            let source = section["source"].as_str().unwrap_or_default();
            assert!(source.len() > 5, "{} {name}: where is that from?", profile.as_str());
        }
    }
}

#[test]
fn unknown_and_missing_keys_are_refused() {
    let text = Profile::Generic.text();
    assert!(facts::read(&text.replace("trusted: false", "trusted: maybe")).is_err());
    assert!(facts::read(&text.replace("  trusted: false\n", "")).is_err());
    assert!(facts::read(&format!("{text}\ncolour: red\n")).is_err());
    assert!(facts::read(&text.replace("ike: 28800s", "ike: 28800")).is_err());
}

#[test]
fn names_of_algorithms_are_ones_that_suites_have() {
    for profile in Profile::ALL {
        let Some(accepts) = &profile.cloud().suites.accepts else { continue };
        for (lists, esp) in [
            ([&accepts.ike.encryption, &accepts.ike.integrity, &accepts.ike.groups], false),
            ([&accepts.esp.encryption, &accepts.esp.integrity, &accepts.esp.groups], true),
        ] {
            for encryption in lists[0] {
                let hash = if encryption.contains("gcm") { "" } else { "-sha256" };
                assert!(format!("{encryption}{hash}-modp2048").parse::<EspProposal>().is_ok(), "{encryption}");
            }
            for hash in lists[1] {
                assert!(format!("aes128-{hash}-modp2048").parse::<IkeProposal>().is_ok(), "{hash}");
            }
            for group in lists[2].iter().filter(|group| !esp || *group != "none") {
                assert!(format!("aes128-sha256-{group}").parse::<IkeProposal>().is_ok(), "{group}");
            }
        }
    }
}

#[test]
fn what_a_profile_proposes_its_cloud_accepts() {
    for profile in Profile::ALL {
        let suites = &profile.cloud().suites;
        assert!(!suites.ike.is_empty() && !suites.esp.is_empty(), "{}", profile.as_str());
        let Some(accepts) = &suites.accepts else { continue };
        for suite in suites.ike.iter().chain(&suites.ikev1_ike) {
            assert_eq!(accepts.obstacle_ike(&suite.0), None, "{} {}", profile.as_str(), suite.0);
        }
        for suite in suites.esp.iter().chain(&suites.ikev1_esp) {
            assert_eq!(accepts.obstacle_esp(&suite.0), None, "{} {}", profile.as_str(), suite.0);
        }
    }
}

#[test]
fn numbers_of_a_profile_fit_each_other() {
    for profile in Profile::ALL {
        let (cloud, name) = (profile.cloud(), profile.as_str());
        type Range = Option<(Word<Duration>, Word<Duration>)>;
        let within = |value: Duration, range: &Range| {
            range.as_ref().is_none_or(|(least, most)| (least.0..=most.0).contains(&value))
        };
        let lifetimes = &cloud.lifetimes;
        assert!(within(lifetimes.ike.0, &lifetimes.ike_range), "{name}");
        assert!(within(lifetimes.child.0, &lifetimes.child_range), "{name}");
        assert!(lifetimes.child.0 <= lifetimes.ike.0, "{name}");
        assert!(cloud.rekey.margin.0 * (100 + u32::from(cloud.rekey.fuzz)) / 100 < lifetimes.child.0, "{name}");
        assert!(cloud.dpd.interval.0 < cloud.dpd.timeout.0, "{name}");
        assert!(cloud.bgp.keepalive.0 * 3 <= cloud.bgp.hold.0, "{name}");
        assert!((64..=4096).contains(&cloud.replay.window), "{name}");
        assert!(cloud.replay.cloud_range.is_none_or(|(least, most)| (least..=most).contains(&cloud.replay.window)));
        assert!(cloud.routes.out <= cloud.routes.out_most, "{name}");
        assert!(cloud.asn.cloud_default.is_none_or(|asn| asn != 0), "{name}");
        for row in &cloud.mtu.table {
            assert!(row.mss + 40 <= row.mtu && cloud.mtu.most.is_none_or(|most| row.mtu <= most), "{name} {row:?}");
        }
        assert_eq!(cloud.inside.reserved.len(), 7, "{name}: S0-48");
        assert!(cloud.psk.as_ref().is_none_or(|rule| rule.length.0 >= 1 && rule.length.0 <= rule.length.1), "{name}");
    }
}

#[test]
fn keys_are_those_that_the_clouds_state() {
    let fits = |profile: Profile, key: &str| profile.cloud().psk.as_ref().unwrap().fits(key.as_bytes());
    for (profile, key, expected) in [
        (Profile::Aws, "abcd_1.x", true),
        (Profile::Aws, "abcd_1.", false),
        (Profile::Aws, "0bcd_1.x", false),
        (Profile::Aws, "abcd-1.x", false),
        (Profile::Azure, " any printable~", true),
        (Profile::Azure, "tab\there", false),
        // S1-17.
        (Profile::Alibaba, "~!@#$%^&*()_-+={}[]\\|;:,<>/?", true),
        (Profile::Alibaba, "with space", false),
        (Profile::Alibaba, "\"quoted\"", false),
        (Profile::Oci, "with space", true),
        (Profile::Oci, "with-dash", false),
    ] {
        assert_eq!(fits(profile, key), expected, "{} {key}", profile.as_str());
    }
    assert!(fits(Profile::Alibaba, &"x".repeat(100)) && !fits(Profile::Alibaba, &"x".repeat(101)));
}

/// Whatever comes out at random, and wherever the command stands.
#[test]
fn the_command_for_new_keys_makes_ones_that_every_cloud_takes() {
    let prefix = NEW_KEY.strip_prefix("echo ").and_then(|rest| rest.strip_suffix("$(openssl rand -hex 24)")).unwrap();
    for digit in ["0", "f"] {
        let key = format!("{prefix}{}", digit.repeat(48));
        for profile in Profile::ALL {
            assert_eq!(profile.check_key(key.as_bytes()), Ok(()), "{} {key}", profile.as_str());
        }
    }
    let rules = Code::ALL.iter().filter_map(|code| code.rule()).filter(|rule| rule.remedy.contains("rand -hex 24"));
    let pages: Vec<_> = rules.map(|rule| (&rule.remedy, rule.remedy.contains(NEW_KEY))).collect();
    assert!(pages.len() >= 3 && pages.iter().all(|(_, same)| *same), "{pages:?}");
}
