//! Texts and patterns of communities.

use proptest::prelude::*;

use super::*;

fn community(text: &str) -> Community {
    text.parse().unwrap()
}

#[test]
fn texts_and_values_are_the_same_both_ways() {
    let cases = [
        ("64512:100", Community::Standard(64512 << 16 | 100)),
        ("0:0", Community::Standard(0)),
        ("no-export", Community::Standard(0xffff_ff01)),
        ("graceful-shutdown", Community::Standard(0xffff_0000)),
        ("blackhole", Community::Standard(0xffff_029a)),
        ("4200000000:1:4294967295", Community::Large([4_200_000_000, 1, u32::MAX])),
        ("rt:64512:100", Community::Extended([0, 2, 0xfc, 0, 0, 0, 0, 100])),
        ("rt:4200000000:7", Community::Extended([2, 2, 0xfa, 0x56, 0xea, 0, 0, 7])),
        ("soo:192.0.2.1:5", Community::Extended([1, 3, 192, 0, 2, 1, 0, 5])),
        ("link-bandwidth:64512:125000000", Community::Extended([0x40, 4, 0xfc, 0, 0x4c, 0xee, 0x6b, 0x28])),
        ("0x0611223344556677", Community::Extended([6, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77])),
    ];
    for (text, value) in cases {
        assert_eq!(text.parse(), Ok(value), "{text}");
        assert_eq!(value.to_string(), text);
    }
    assert_eq!(community("65535:666"), community("blackhole"));
    assert_eq!(community("link-bandwidth:64512:1Gbps"), community("link-bandwidth:64512:125000000"));
    assert_eq!(community("link-bandwidth:64512:2.5Mbps"), community("link-bandwidth:64512:312500"));
}

#[test]
fn patterns_stand_for_many() {
    let cases = [
        ("64512:*", "64512:7", "64513:7"),
        ("*:7", "64512:7", "64512:8"),
        ("64512:100-200", "64512:150", "64512:201"),
        ("64512:100-", "64512:65535", "64512:99"),
        ("*:*", "1:1", "1:1:1"),
        ("64512:*:*", "64512:1:2", "64512:1"),
        ("64512:1:*", "64512:1:2", "64512:2:2"),
        ("rt:*", "rt:192.0.2.1:5", "soo:64512:1"),
        ("rt:64512:*", "rt:64512:1", "rt:64513:1"),
        ("soo:*:7", "soo:64512:7", "soo:64512:8"),
        ("link-bandwidth:*", "link-bandwidth:1:5", "rt:1:5"),
        ("0x0002fc0000000064", "rt:64512:100", "rt:64512:101"),
        ("no-export", "no-export", "no-advertise"),
    ];
    for (pattern, yes, no) in cases {
        let parsed: CommunityPattern = pattern.parse().unwrap();
        assert!(parsed.matches(community(yes)), "{pattern} {yes}");
        assert!(!parsed.matches(community(no)), "{pattern} {no}");
        // Octets that mean something are shown as what they mean.
        let shown: CommunityPattern = parsed.to_string().parse().unwrap();
        assert!(shown.matches(community(yes)) && !shown.matches(community(no)), "{pattern}");
    }
    assert_eq!("64512:*".parse::<Community>(), Err(PatternError::Wildcard("64512:*".into())));
}

#[test]
fn what_is_no_community_is_refused() {
    for text in [
        "",
        "1",
        "no-exports",
        "1:2:3:4",
        "1:",
        ":1",
        "1:x",
        "65536:1",
        "1:65536",
        "1:9-7",
        "rt:1",
        "rt:x:1",
        "rt:1:x",
        "rt:4200000000:65536",
        "link-bandwidth:1:-5",
        "link-bandwidth:1:x",
        "link-bandwidth:1:inf",
        "link-bandwidth:65536:1",
        "0x12",
        "0x00112233445566778",
        "0xg011223344556677",
        "4294967296:1:1",
        "**:1",
        "1:*-5",
    ] {
        assert!(text.parse::<CommunityPattern>().is_err(), "{text}");
    }
}

#[test]
fn a_route_is_searched_by_kind() {
    let attributes = Attributes {
        communities: vec![64512 << 16 | 1],
        rare: bgp::Rare::from(bgp::RareAttributes {
            large_communities: vec![[64512, 1, 2]],
            extended_communities: vec![[0, 2, 0xfc, 0, 0, 0, 0, 9]],
            ..Default::default()
        }),
        ..Attributes::default()
    };
    let is_in = |pattern: &str| pattern.parse::<CommunityPattern>().unwrap().is_in(&attributes);
    assert!(is_in("64512:1") && is_in("64512:1:*") && is_in("rt:64512:9"));
    assert!(!is_in("64512:2") && !is_in("64512:2:*") && !is_in("soo:64512:9"));
    assert_eq!(texts(&attributes).collect::<Vec<_>>(), ["64512:1", "64512:1:2", "rt:64512:9"]);
}

proptest! {
    #[test]
    fn every_community_has_a_text_that_means_it(kind in 0..3, octets in any::<[u8; 8]>(), more in any::<u32>()) {
        let [one, two] = [[0, 1, 2, 3], [4, 5, 6, 7]].map(|at| u32::from_be_bytes(at.map(|at: usize| octets[at])));
        let community = match kind {
            0 => Community::Standard(one),
            1 => Community::Large([one, two, more]),
            _ => Community::Extended(octets),
        };
        let pattern: CommunityPattern = community.to_string().parse().unwrap();
        // A link bandwidth may be not a number, or of the other transitivity: those keep their octets.
        let same = pattern.matches(community);
        prop_assert!(same || community.to_string().starts_with("link-bandwidth"), "{}", community);
    }

    #[test]
    fn no_text_panics(text in "[0-9a-z:*.x-]{0,30}|.{0,30}") {
        drop(text.parse::<CommunityPattern>());
    }
}
