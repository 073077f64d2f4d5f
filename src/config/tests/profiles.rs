//! What a tunnel gets is what its profile says.

use std::collections::BTreeSet;

use negotiation::IkeVersion;

use super::{GOOD, changed, check};
use crate::Code;
use document::field::Word;
use profile::Profile;
use profile::Side;
use settings::Tunnel;

/// The usual configuration with another profile.
fn text(profile: Profile, more: &str) -> String {
    let third = if profile == Profile::Cloudflare { 241 } else { 21 };
    let side = if profile.cloud().inside.our_host == Some(Side::First) { "first" } else { "second" };
    let text = changed(GOOD, "profile: aws", &format!("profile: {}{more}", profile.as_str()));
    let text = changed(&text, "169.254.21.0/30", &format!("{{prefix: 169.254.{third}.0/30, side: {side}}}"));
    changed(&text, "169.254.22.0/30", &format!("{{prefix: 169.254.{third}.4/30, side: {side}}}"))
}

/// Its first tunnel.
fn tunnel(profile: Profile, more: &str) -> Tunnel {
    let text = text(profile, more);
    let loaded = check(&text).unwrap_or_else(|report| panic!("{}: {}", profile.as_str(), report.render(false)));
    loaded.router.tunnels.into_iter().next().unwrap()
}

fn unwrapped<T: Clone>(words: &[Word<T>]) -> Vec<T> {
    words.iter().map(|word| word.0.clone()).collect()
}

#[test]
fn a_tunnel_has_what_its_profile_says() {
    for profile in Profile::ALL {
        let (tunnel, cloud, name) = (tunnel(profile, ""), profile.cloud(), profile.as_str());
        let ike = &tunnel.ike;
        assert_eq!(ike.ike_proposals, unwrapped(&cloud.suites.ike), "{name}");
        assert_eq!(ike.esp_proposals, unwrapped(&cloud.suites.esp), "{name}");
        assert_eq!(ike.ike_lifetime, cloud.lifetimes.ike.0, "{name}");
        assert_eq!(ike.child_lifetime.time, cloud.lifetimes.child.0, "{name}");
        assert_eq!(ike.child_lifetime.bytes, cloud.lifetimes.child_bytes.map(|word| word.0.0), "{name}");
        assert_eq!((ike.rekey_margin, ike.rekey_fuzz), (cloud.rekey.margin.0, cloud.rekey.fuzz), "{name}");
        assert_eq!((ike.dpd.interval, ike.dpd.timeout), (cloud.dpd.interval.0, cloud.dpd.timeout.0), "{name}");
        assert_eq!((ike.replay_window, ike.start), (cloud.replay.window, cloud.start.ours.0), "{name}");
        let session = tunnel.bgp.unwrap();
        let timers = session.peer.timers;
        assert_eq!((timers.hold, timers.keepalive), (cloud.bgp.hold.0, cloud.bgp.keepalive.0), "{name}");
        assert_eq!(session.policy.max_prefix_in, cloud.routes.inbound, "{name}");
        assert_eq!(session.policy.max_prefix_out, cloud.routes.out, "{name}");
    }
}

#[test]
fn ikev1_has_suites_of_its_own_where_the_cloud_speaks_it() {
    for profile in Profile::ALL.into_iter().filter(|profile| *profile != Profile::Cloudflare) {
        let tunnel = tunnel(profile, "\n  ike: {version: ikev1}");
        assert!(matches!(tunnel.ike.version, IkeVersion::V1(_)));
        assert_eq!(tunnel.ike.ike_proposals, unwrapped(&profile.cloud().suites.ikev1_ike), "{}", profile.as_str());
    }
}

#[test]
fn a_profile_alone_is_without_warnings() {
    for profile in Profile::ALL {
        let found: BTreeSet<_> =
            check(&text(profile, "")).unwrap().warnings.iter().map(crate::Diagnostic::code).collect();
        // Oracle takes no full stop in a key, and the key of these tests has some.
        let expected = [(Profile::Generic, Code::PolicyMissing), (Profile::Oci, Code::PskCloud)];
        let expected = expected.into_iter().filter(|(of, _)| *of == profile).map(|(_, code)| code);
        let expected: BTreeSet<Code> = expected.collect();
        assert_eq!(found, expected, "{}", profile.as_str());
    }
}
