//! What a configuration comes to: profiles, defaults, overrides.

use std::time::Duration;

use bgp::Family;
use crypto::Pfs;
use identity::Identity;
use negotiation::{EncapsulationPolicy, StartAction};
use rib::Inside6;
use wire::ipsec::{TrafficSelector, TunnelId};
use wire::outer::{DontFragment, Dscp, OuterHeader};
use wire::{Asn, Secret};

use super::{GOOD, changed, check};
use profile::Profile;
use settings::{DataplaneChoice, LogFormat, Router, Tunnel};

fn router(text: &str) -> Router {
    check(text).unwrap_or_else(|report| panic!("{}", report.render(false))).router
}

fn first(text: &str) -> Tunnel {
    router(text).tunnels.swap_remove(0)
}

fn with(line: &str) -> Tunnel {
    first(&changed(GOOD, "    inside: 169.254.21.0/30\n", &format!("    inside: 169.254.21.0/30\n    {line}\n")))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_good_configuration_has_no_findings() {
    assert!(check(GOOD).unwrap().warnings.is_empty());
}

#[test]
fn the_router_has_defaults_for_all_but_its_identity() {
    let router = router(GOOD);
    assert_eq!((router.name.as_str(), router.asn, router.table), ("edge", Asn(65000), 254));
    assert_eq!((router.dataplane, router.metric, router.ecmp_width), (DataplaneChoice::Auto, 142, 16));
    assert_eq!(router.api_socket.to_str(), Some("/run/quadspan/edge.sock"));
    assert_eq!((router.metrics_listen, router.log.format), (None, LogFormat::Text));
    assert_eq!(router.rib.originated, vec!["10.1.0.0/16".parse().unwrap()]);
    assert_eq!(router.rib.ecmp_width, 16);
    assert!(router.install, "learned routes go into the kernel");
}

#[test]
fn learned_routes_can_be_kept_out_of_the_kernel() {
    assert!(!router(&changed(GOOD, "  asn: 65000\n", "  asn: 65000\n  install: false\n")).install);
}

#[test]
fn a_ppk_is_required_unless_said_otherwise() {
    let tunnel = |ppk: &str| {
        first(&changed(GOOD, "    inside: 169.254.21.0/30\n", &format!("    inside: 169.254.21.0/30\n    {ppk}\n")))
    };
    let ppk = tunnel("ppk: {id: gw-2031, file: long.ppk}").ike.ppk.unwrap();
    assert_eq!((ppk.id.as_slice(), ppk.required), (b"gw-2031".as_slice(), true));
    assert_eq!(ppk.secret.expose(), b"0123456789abcdef0123456789abcdef");
    assert!(!tunnel("ppk: {id: gw-2031, file: long.ppk, required: false}").ike.ppk.unwrap().required);
    assert_eq!(first(GOOD).ike.ppk, None);
    // Of the defaults, too.
    let defaults = changed(GOOD, "  psk: {file: good.psk}", "  psk: {file: good.psk}\n  ppk: {id: all, env: PPK}");
    assert_eq!(first(&defaults).ike.ppk.unwrap().id, b"all");
}

#[test]
fn further_key_exchanges_are_part_of_a_suite() {
    let suites = "    ike: {proposals: [aes256gcm16-prfsha384-x25519-ke1_mlkem768]}\n    \
                  esp: {proposals: [aes256gcm16-x25519-ke1_mlkem768-ke1_none]}\n";
    let tunnel =
        first(&changed(GOOD, "    inside: 169.254.21.0/30\n", &format!("    inside: 169.254.21.0/30\n{suites}")));
    assert_eq!(tunnel.ike.ike_proposals[0].to_string(), "aes256gcm16-prfsha384-x25519-ke1_mlkem768");
    assert_eq!(tunnel.ike.esp_proposals[0].to_string(), "aes256gcm16-x25519-ke1_mlkem768-ke1_none");
}

#[test]
fn the_aws_profile_fills_what_is_not_written() {
    let tunnel = first(GOOD);
    assert_eq!((tunnel.profile, tunnel.interface.as_str(), tunnel.id), (Profile::Aws, "qs-t1", TunnelId(1)));
    assert_eq!(tunnel.inside.local.to_string(), "169.254.21.2");
    assert_eq!(tunnel.ike.auth.shared_key().unwrap(), &Secret::from(b"Correct.Horse.Battery.Staple".as_slice()));
    assert_eq!(tunnel.ike.local_id, Identity::Ip("192.0.2.10".parse().unwrap()));
    assert_eq!(tunnel.ike.remote_id, Identity::Ip("203.0.113.11".parse().unwrap()));
    assert_eq!((tunnel.ike.ike_proposals.len(), tunnel.ike.esp_proposals.len()), (1, 1));
    assert_eq!((tunnel.ike.ike_lifetime, tunnel.ike.child_lifetime.time), (seconds(28800), seconds(3600)));
    assert_eq!((tunnel.ike.rekey_margin, tunnel.ike.rekey_fuzz), (seconds(270), 100));
    assert_eq!((tunnel.ike.start, tunnel.ike.encapsulation), (StartAction::Initiate, EncapsulationPolicy::Auto));
    assert_eq!((tunnel.ike.dpd.interval, tunnel.ike.dpd.timeout), (seconds(10), seconds(30)));
    assert_eq!(tunnel.ike.local_selectors, vec![TrafficSelector::ANY_V4]);
    assert_eq!(tunnel.ike.replay_window, 1024);
    let session = tunnel.bgp.unwrap();
    assert_eq!((session.peer.timers.hold, session.peer.timers.keepalive), (seconds(30), seconds(10)));
    assert_eq!((session.peer.passive, session.peer.families), (false, vec![Family::Ipv4Unicast]));
    assert_eq!((session.policy.max_prefix_in, session.policy.max_prefix_out), (Some(1000), Some(100)));
    assert_eq!((session.policy.local_preference, session.policy.prepend), (100, 0));
}

#[test]
fn ike_begins_on_500_unless_the_tunnel_says_4500() {
    assert_eq!([first(GOOD), with("profile: azure")].map(|tunnel| tunnel.ike.ike_port), [500; 2]);
    assert_eq!(with("ike: {port: 4500}").ike.ike_port, 4500);
    assert_eq!(first(&changed(GOOD, "  psk: {file", "  ike: {port: 4500}\n  psk: {file")).ike.ike_port, 4500);
}

#[test]
fn the_azure_profile_takes_the_other_host_and_lets_pfs_go() {
    let tunnel = with("profile: azure");
    assert_eq!(tunnel.inside.local.to_string(), "169.254.21.1");
    assert!(matches!(tunnel.ike.esp_proposals[0].pfs, Pfs::Preferred(_)));
    assert_eq!(tunnel.ike.child_lifetime.time, seconds(27000));
    assert_eq!(tunnel.ike.child_lifetime.bytes, Some(102_400_000 * 1024));
    let session = tunnel.bgp.unwrap();
    assert_eq!((session.peer.timers.hold, session.peer.timers.keepalive), (seconds(180), seconds(60)));
    assert_eq!(session.policy.max_prefix_out, Some(4000));
}

#[test]
fn a_tunnel_overrides_defaults_key_by_key() {
    let text = changed(GOOD, "bgp: {asn: 64512}", "bgp: {asn: 64512, hold-time: 9s, local-preference: 200}");
    let tunnel = first(&changed(&text, "22.0/30\n", "22.0/30\n    bgp: {asn: 64513}\n"));
    let session = tunnel.bgp.unwrap();
    assert_eq!((session.policy.peer_asn, session.policy.local_preference), (Asn(64512), 200));
    let second = router(&changed(&text, "22.0/30\n", "22.0/30\n    bgp: {asn: 64513}\n")).tunnels.swap_remove(1);
    let session = second.bgp.unwrap();
    assert_eq!((session.policy.peer_asn, session.policy.local_preference), (Asn(64513), 200));
    assert_eq!((session.peer.timers.hold, session.peer.timers.keepalive), (seconds(9), seconds(3)));
}

#[test]
fn the_outer_header_is_a_matter_of_the_tunnel_or_of_the_defaults() {
    let outer = |text: &str| first(text).outer;
    assert_eq!(outer(GOOD), OuterHeader { dscp: Dscp::Copy, dont_fragment: DontFragment::Clear });
    let text = changed(GOOD, "21.0/30\n", "21.0/30\n    dscp: cs6\n    df: set\n");
    assert_eq!(outer(&text), OuterHeader { dscp: Dscp::Fixed(48), dont_fragment: DontFragment::Set });
    let text = changed(GOOD, "defaults:\n", "defaults:\n  dscp: 10\n  df: copy\n");
    assert_eq!(outer(&text), OuterHeader { dscp: Dscp::Fixed(10), dont_fragment: DontFragment::Copy });
    let text = changed(&text, "21.0/30\n", "21.0/30\n    dscp: clear\n");
    assert_eq!(outer(&text), OuterHeader { dscp: Dscp::Clear, dont_fragment: DontFragment::Copy });
}

#[test]
fn an_unquoted_asdot_number_keeps_its_zeros() {
    // Read as a floating-point number, 1.10 would be 1.1.
    assert_eq!(router(&changed(GOOD, "asn: 65000", "asn: 1.10")).asn, Asn(65546));
    assert_eq!(router(&changed(GOOD, "asn: 65000", "asn: 0.65000")).asn, Asn(65000));
}

#[test]
fn anchors_and_aliases_work() {
    let text = changed(GOOD, "bgp: {asn: 64512}", "bgp: &peer {asn: 64512, med: 7}");
    let text = changed(&text, "22.0/30\n", "22.0/30\n    bgp: *peer\n");
    assert_eq!(router(&text).tunnels[1].bgp.as_ref().unwrap().policy.med, Some(7));
}

#[test]
fn the_inside_link_can_be_written_in_four_ways() {
    for inside in [
        "169.254.21.0/30",
        "{prefix: 169.254.21.0/30}",
        "{local: 169.254.21.2, peer: 169.254.21.1}",
        "{prefix: 169.254.21.0/30, local: 169.254.21.2, peer: 169.254.21.1}",
    ] {
        let link = first(&changed(GOOD, "169.254.21.0/30", inside)).inside;
        assert_eq!(link.prefix.to_string(), "169.254.21.0/30", "{inside}");
        assert_eq!((link.local.to_string(), link.peer.to_string()), ("169.254.21.2".into(), "169.254.21.1".into()));
    }
    let link = first(
        &changed(
            &changed(GOOD, "profile: aws", "profile: generic"),
            "169.254.21.0/30",
            "{prefix: 10.9.0.4/31, side: first}",
        )
        .replace("169.254.22.0/30", "{prefix: 10.9.0.8/30, side: second}"),
    )
    .inside;
    assert_eq!((link.local.to_string(), link.peer.to_string()), ("10.9.0.4".into(), "10.9.0.5".into()));
}

#[test]
fn an_ipv6_link_widens_the_selectors() {
    let text = changed(GOOD, "bgp: {asn: 64512}", "bgp: {asn: 64512, families: [ipv6, ipv4]}");
    let text = changed(&text, "21.0/30\n", "21.0/30\n    inside6: fd00:21::/126\n");
    let tunnel = first(&changed(&text, "22.0/30\n", "22.0/30\n    inside6: fd00:22::/126\n"));
    let link = tunnel.inside6.unwrap();
    assert_eq!((link.local.to_string(), link.peer.to_string()), ("fd00:21::2".into(), "fd00:21::1".into()));
    assert_eq!(tunnel.ike.remote_selectors, vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6]);
    let session = tunnel.bgp.unwrap();
    assert_eq!(session.peer.families, vec![Family::Ipv4Unicast, Family::Ipv6Unicast]);
    assert_eq!(session.policy.inside6, Some(Inside6 { local: link.local, peer: link.peer }));
}

#[test]
fn a_session_carries_the_families_its_tunnel_has_links_of_unless_told_otherwise() {
    let families = |line: &str| with(line).bgp.unwrap().peer.families;
    let (v4, v6) = (Family::Ipv4Unicast, Family::Ipv6Unicast);
    assert_eq!(families("mtu: 1400"), [v4]);
    assert_eq!(families("inside6: fd00:21::/126"), [v4, v6]);
    assert_eq!(families("inside6: fd00:21::/126\n    bgp: {families: [ipv4]}"), [v4]);
    assert_eq!(families("inside6: fd00:21::/126\n    bgp: {families: [ipv6]}"), [v6]);
}

#[test]
fn a_short_life_gets_a_short_margin() {
    let tunnel = with("esp: {lifetime: 10s}");
    assert_eq!(tunnel.ike.child_lifetime.time, seconds(10));
    assert_eq!(tunnel.ike.rekey_margin, seconds(1));
    let tunnel = with("ike: {lifetime: 20m}");
    assert_eq!(tunnel.ike.child_lifetime.time, seconds(1200), "a default does not outlive the IKE SA");
}

#[test]
fn ids_stay_with_their_names_over_a_reload() {
    let running = router(GOOD);
    let added =
        changed(GOOD, "tunnels:\n", "tunnels:\n  - {name: t0, remote: 203.0.113.10, inside: 169.254.20.0/30}\n");
    let mut reloaded = router(&added);
    reloaded.keep_ids(&running);
    let ids: Vec<_> = reloaded.tunnels.iter().map(|tunnel| (tunnel.name.as_str(), tunnel.id.0)).collect();
    assert_eq!(ids, [("t0", 3), ("t1", 1), ("t2", 2)]);
    assert!(reloaded.tunnels.iter().all(|tunnel| tunnel.bgp.as_ref().unwrap().policy.link == tunnel.id.into()));
}

#[test]
fn a_file_made_by_a_program_is_understood() {
    let text = "router:\n  name: router\n  asn: 65000\n  router-id: 198.51.100.1\n  networks:\n    - 10.1.0.0/16\n  \
                dataplane: userspace\n  api:\n    socket: /tmp/lab/router.sock\n  metrics:\n    listen: 10.1.0.1:9179\n\
                tunnels:\n  - name: aws1\n    local: 198.51.100.1\n    remote: 203.0.113.11\n    psk: {file: good.psk}\n    \
                inside: {prefix: 169.254.21.0/30, side: second}\n    start: respond\n    encapsulation: always\n    \
                ike: {proposals: [aes128gcm16-prfsha256-x25519], lifetime: 28800s}\n    \
                esp: {proposals: [aes128gcm16], lifetime: 10s}\n    rekey: {margin: 3s, fuzz: 0}\n    \
                dpd: {interval: 2s, timeout: 6s}\n    bgp: {asn: 64512, hold-time: 9s}\n";
    let router = router(text);
    assert_eq!((router.dataplane, router.tunnels.len()), (DataplaneChoice::Userspace, 1));
    assert_eq!(router.metrics_listen, Some("10.1.0.1:9179".parse().unwrap()));
    assert!(!router.dataplane.is_kernel());
    let kernel = self::router(&text.replace("userspace", "kernel"));
    assert!(kernel.dataplane.is_kernel() && kernel.tunnels == router.tunnels);
    let tunnel = &router.tunnels[0];
    assert_eq!((tunnel.ike.start, tunnel.ike.encapsulation), (StartAction::Respond, EncapsulationPolicy::Always));
    assert_eq!((tunnel.ike.rekey_margin, tunnel.ike.rekey_fuzz), (seconds(3), 0));
    assert_eq!(tunnel.inside.local.to_string(), "169.254.21.2");
    let session = tunnel.bgp.as_ref().unwrap();
    assert_eq!((session.peer.timers.hold, session.peer.timers.keepalive), (seconds(9), seconds(3)));
    assert_eq!(session.policy.max_prefix_out, None);
}

#[test]
fn bfd_is_off_unless_asked_for_and_has_usual_values() {
    let bfd = |bgp: &str| first(&changed(GOOD, "{asn: 64512}", bgp)).bgp.unwrap().bfd;
    assert_eq!(bfd("{asn: 64512}"), None);
    assert_eq!(bfd("{asn: 64512, bfd: false}"), None);
    assert_eq!(bfd("{asn: 64512, bfd: true}"), Some(bfd::Config::default()));
    let written =
        bfd("{asn: 64512, bfd: {interval: 100ms, min-receive: 200ms, multiplier: 5, passive: true, strict: true, \
                       authentication: {key-id: 7, file: bfd.key}}}");
    let kind = bfd::AuthKind::MeticulousKeyedSha1;
    let expected = bfd::Config {
        interval: Duration::from_millis(100),
        min_receive: Duration::from_millis(200),
        multiplier: 5,
        passive: true,
        strict: true,
        authentication: Some(bfd::Authentication { kind, key_id: 7, key: Secret::from(b"S3cret.1234".as_slice()) }),
    };
    assert_eq!(written, Some(expected));
    let plain = bfd("{asn: 64512, bfd: {authentication: {kind: sha1, key-id: 0, env: bfd.key}}}").unwrap();
    assert_eq!(plain.authentication.unwrap().kind, bfd::AuthKind::KeyedSha1);
    // A tunnel may do without what all have.
    let text = changed(GOOD, "{asn: 64512}", "{asn: 64512, bfd: true}");
    let text = changed(&text, "    inside: 169.254.21.0/30\n", "    inside: 169.254.21.0/30\n    bgp: {bfd: false}\n");
    let bfd: Vec<bool> =
        router(&text).tunnels.iter().map(|tunnel| tunnel.bgp.as_ref().unwrap().bfd.is_some()).collect();
    assert_eq!(bfd, [false, true]);
}
