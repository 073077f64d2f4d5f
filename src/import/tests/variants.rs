//! Files that say the same in other words, or more than there is a place for.

use super::*;
use crate::NoteKind;

/// The sample with one place changed.
fn changed((name, text): Sample, from: &str, to: &str) -> Result<Imported, ImportError> {
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    import(None, &[Input { name, octets: text.as_bytes() }], &options())
}

fn notes(imported: &Imported, kind: NoteKind) -> Vec<String> {
    let notes = imported.notes.iter().filter(|note| note.kind == kind);
    notes.map(|note| format!("{}: {}", note.what, note.text)).collect()
}

#[track_caller]
fn has(notes: &[String], what: &str, why: &str) {
    assert!(notes.iter().any(|note| note.contains(what) && note.contains(why)), "{what} .. {why}: {notes:#?}");
}

/// strongSwan: without `dpd_delay`, or with zero, nobody is asked.
#[test]
fn no_interval_for_dead_peers_is_the_profiles() {
    for (from, to, key) in
        [("dpd_delay = 10s", "dpd_delay = 0s", "dpd_delay"), ("dpd_timeout = 30s", "dpd_timeout = 0", "dpd_timeout")]
    {
        let imported = changed(SWANCTL, from, to).unwrap();
        has(&notes(&imported, NoteKind::Assumed), key, "the profile's time");
        let tunnel = &imported.site.tunnels[0];
        assert!(tunnel.dpd_interval.is_none() || tunnel.dpd_timeout.is_none());
    }
}

#[test]
fn an_end_by_name_is_given_by_an_option() {
    let named = SWANCTL.1.replacen("remote_addrs = 203.0.113.11", "remote_addrs = vpn.example.com", 1);
    let named = named.replace("id-2 = 203.0.113.11", "id-2 = %any");
    let inputs = [Input { name: "swanctl.conf", octets: named.as_bytes() }];
    let error = import(None, &inputs, &options()).unwrap_err();
    assert!(error.to_string().contains("outside address of tunnel aws-1: give `--remote"), "{error}");
    let remote = vec![[203, 0, 113, 11].into(), [203, 0, 113, 12].into()];
    let imported = import(None, &inputs, &Options { remote, ..options() }).unwrap();
    has(&notes(&imported, NoteKind::Unmapped), "remote_addrs: vpn.example.com", "`--remote ADDRESS` gives it");
    assert_eq!(imported.site.tunnels[0].remote, Some([203, 0, 113, 11].into()));
    // Mistyped, and not a name.
    let error = changed(SWANCTL, "remote_addrs = 203.0.113.11", "remote_addrs = 203.0.113").unwrap_err();
    assert!(error.to_string().contains("remote_addrs is `203.0.113`, expected an IP address"), "{error}");
}

#[test]
fn default_suites_beside_named_ones_are_told() {
    let imported = changed(SWANCTL, "aes128-sha256-modp2048\n", "default\n").unwrap();
    has(&notes(&imported, NoteKind::Unmapped), "proposals", "`default`");
    let proposals: Vec<_> = imported.site.tunnels[0].ike.iter().map(ToString::to_string).collect();
    assert_eq!(proposals, ["aes256-sha256-modp2048"]);
}

#[test]
fn selectors_with_ports_ranges_and_dynamic_ones_are_told() {
    let selectors = "remote_ts = 10.2.0.0/16[tcp/22], dynamic, 10.4.0.1-10.4.0.9";
    let imported = changed(SWANCTL, "remote_ts = 0.0.0.0/0", selectors).unwrap();
    let unmapped = notes(&imported, NoteKind::Unmapped);
    has(&unmapped, "aws-1 remote_ts 10.2.0.0/16[tcp/22]", "as its whole network");
    has(&unmapped, "aws-1 remote_ts dynamic", "no selector");
    has(&unmapped, "aws-1 remote_ts 10.4.0.1-10.4.0.9", "prefixes");
    assert_eq!(imported.site.tunnels[0].remote_networks, ["10.2.0.0/16".parse().unwrap()]);
}

#[test]
fn neighbours_without_one_ipv4_address_are_left_out() {
    for neighbour in ["neighbor fe80::1%eth0 as 64512", "neighbor range 169.254.21.0/24 as 64512"] {
        let bird = BIRD.1.replacen("neighbor 169.254.21.1 as 64512", neighbour, 1);
        let inputs =
            [Input { name: SWANCTL.0, octets: SWANCTL.1.as_bytes() }, Input { name: BIRD.0, octets: bird.as_bytes() }];
        let imported = import(None, &inputs, &options()).unwrap();
        has(&notes(&imported, NoteKind::Unmapped), &format!("aws_1 {neighbour}"), "IPv4 neighbour");
        let sessions: Vec<_> = imported.site.tunnels.iter().map(|tunnel| tunnel.session.is_some()).collect();
        assert_eq!(sessions, [false, true]);
    }
}

/// What stands between quotation marks is the key, blanks and all; and how it is written begins with its first character.
#[test]
fn blanks_around_a_quoted_key_are_its_own() {
    let key = |(name, text): Sample, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let (local, text) = (options().local.filter(|_| name != ALIBABA_STATIC.0), text.replacen(from, to, 1));
        let imported = import(None, &[Input { name, octets: text.as_bytes() }], &Options { local, ..options() });
        String::from_utf8(imported.unwrap().keys[0].secret.expose().to_vec()).unwrap()
    };
    let first = "\"invented.Key_of_the.first_tunnel\"";
    for to in [" invented key ", "invented.Key\t", " 0x4142"] {
        assert_eq!(key(SWANCTL, first, &format!("\"{to}\"")), to);
    }
    assert_eq!(key(SWANCTL, first, "  invented.Key   # bare"), "invented.Key");
    let json = key(ALIBABA_STATIC, "\"invented.Key_of_the.first_tunnel\"", "\" invented key \"");
    assert_eq!(json, " invented key ");
    // Around what is not quoted they are the file's.
    assert_eq!(key(AWS_BGP, ">invented.Key_of_the.first_tunnel<", ">\n  invented.Key\n<"), "invented.Key");
}

#[test]
fn alibabas_sessions_go_by_id_and_never_by_a_wrong_one() {
    let wrong = |text: &str| {
        let error = import(None, &[Input { name: "x", octets: text.as_bytes() }], &options()).unwrap_err();
        error.to_string()
    };
    let sessions = ALIBABA_BGP.1.find("BgpConfigs").unwrap();
    let within = |from: &str, to: &str| {
        let (tunnels, bgp) = ALIBABA_BGP.1.split_at(sessions);
        assert!(bgp.contains(from), "{from}");
        format!("{tunnels}{}", bgp.replace(from, to))
    };
    for (from, to) in [("tun-invented", "tun-x"), ("tun-invented2", "tun-x2"), ("tun-invented2", "tun-invented1")] {
        let error = wrong(&within(from, to));
        assert!(error.contains("TunnelId is `tun-"), "{error}");
        assert!(error.contains("expected one of the tunnels' (tun-invented1, tun-invented2), each once"), "{error}");
    }
    // Nobody names any: the order is what there is, and that is told.
    let nameless = within("\"TunnelId\": \"tun-invented2\",", "").replace("\"TunnelId\": \"tun-invented1\",", "");
    let imported = import(None, &[Input { name: "x", octets: nameless.as_bytes() }], &options()).unwrap();
    let links: Vec<_> = imported.site.tunnels.iter().map(|tunnel| tunnel.inside.unwrap().prefix.to_string()).collect();
    assert_eq!(links, ["169.254.20.0/30", "169.254.10.0/30"]);
    let assumed = notes(&imported, NoteKind::Assumed);
    let by_order = assumed.iter().filter(|note| note.contains("the same place of the order"));
    assert_eq!(by_order.count(), 2, "{assumed:#?}");
}
