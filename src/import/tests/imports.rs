//! Each sample becomes a configuration that passes, with everything else the file said among the notes.

use std::fmt::Write as _;

use negotiation::{IkeVersion, V1Mode};
use profile::Profile;
use wire::{Asn, Secret};

use super::*;
use crate::NoteKind;
use crate::Suites;

/// The result as a person sees it.
fn shown(imported: &Imported) -> String {
    let mut text = imported.yaml.clone();
    for key in &imported.keys {
        writeln!(text, "--- {}: {} octets", key.path, key.secret.len()).unwrap();
    }
    for kind in [NoteKind::Assumed, NoteKind::Unmapped] {
        for note in imported.notes.iter().filter(|note| note.kind == kind) {
            let place = note.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            writeln!(text, "{}: {place}{}: {}", kind.as_str(), note.what, note.text).unwrap();
        }
    }
    text
}

fn golden(name: &str, samples: &[Sample], options: &Options) -> Imported {
    let imported = read(samples, options).unwrap_or_else(|error| {
        let report = if let ImportError::Refused(report) = &error { report.render(false) } else { String::new() };
        panic!("{error}\n{report}  {}", error.remedy())
    });
    insta::assert_snapshot!(name, shown(&imported));
    for note in &imported.notes {
        assert!(!note.text.contains("nvented.Key") && !note.what.contains("nvented.Key"), "a key is in {note:?}");
    }
    assert!(!imported.yaml.contains("nvented.Key"), "a key is in the file");
    imported
}

#[test]
fn aws_xml_with_bgp_in_whatever_order() {
    let imported = golden("aws_bgp", &[AWS_BGP], &options());
    let [one, two] = imported.site.tunnels.as_slice() else { panic!("{:?}", imported.site) };
    assert_eq!((one.profile, two.profile), (Profile::Aws, Profile::Aws));
    assert_eq!(one.remote, Some([203, 0, 113, 11].into()));
    assert_eq!(one.psk, Some(Secret::from(b"invented.Key_of_the.first_tunnel".as_slice())));
    assert_eq!(one.session.unwrap().asn, Some(Asn(64512)));
    let unmapped = imported.notes.iter().find(|note| note.what.contains("tunnel_bandwidth")).unwrap();
    assert_eq!((unmapped.kind, unmapped.place.as_ref().unwrap().line), (NoteKind::Unmapped, 84));
}

#[test]
fn aws_xml_with_static_routes() {
    let imported = golden("aws_static", &[AWS_STATIC], &options());
    assert!(imported.site.tunnels.iter().all(|tunnel| tunnel.session.is_none()));
    assert!(imported.yaml.contains("- {prefix: 10.2.0.0/16, via: ["), "{}", imported.yaml);
}

#[test]
fn the_strong_suites_of_the_profile_are_taken_where_asked() {
    let options = Options { suites: Suites::Profile, ..options() };
    let imported = golden("aws_profile_suites", &[AWS_BGP], &options);
    assert!(imported.warnings.is_empty(), "{:?}", imported.warnings);
}

#[test]
fn behind_a_nat_the_peer_is_told_the_address_it_knows() {
    let options = Options { local: Some([10, 0, 0, 5].into()), ..options() };
    let imported = read(&[AWS_BGP], &options).unwrap();
    assert!(
        imported.yaml.contains("local: 10.0.0.5\n    remote: 203.0.113.11\n    local-id: \"192.0.2.10\""),
        "{}",
        imported.yaml
    );
}

#[test]
fn aws_generic_with_bgp_and_with_static_routes() {
    let bgp = golden("aws_generic_bgp", &[GENERIC_BGP], &options());
    assert_eq!(bgp.site.tunnels[0].version, Some(IkeVersion::V2));
    let fixed = golden("aws_generic_static", &[GENERIC_STATIC], &options());
    assert_eq!(fixed.site.tunnels[0].version, Some(IkeVersion::V1(V1Mode::Main)));
    assert_eq!(fixed.site.tunnels[1].routes, options().remote_networks);
}

#[test]
fn aws_windows_text_in_both_variants_and_netsh() {
    let windows = golden("aws_windows", &[WINDOWS], &options());
    assert_eq!(windows.site.tunnels.len(), 2, "section and script are one tunnel");
    let tunnel = &windows.site.tunnels[0];
    // S3-13: a limit in octets beside that in time.
    assert_eq!((tunnel.child_bytes, tunnel.child_lifetime.unwrap().as_secs()), (Some(102_400_000), 3_600));
    let flat = golden("aws_windows_flat", &[WINDOWS_FLAT], &options());
    assert_eq!(flat.site.tunnels[0].ike, tunnel.ike);
    assert_eq!(flat.site.tunnels[0].ike_lifetime, tunnel.ike_lifetime);
    let netsh = golden("netsh", &[NETSH], &options());
    assert_eq!(netsh.site.tunnels[1].esp[0].to_string(), "aes256-sha256-modp2048");
}

#[test]
fn alibaba_with_two_tunnels_and_with_one() {
    let two = golden("alibaba_bgp", &[ALIBABA_BGP], &options());
    assert_eq!(two.site.asn, Some(Asn(65000)));
    // The sessions come in another order than the tunnels, and are told apart by id.
    assert_eq!(two.site.tunnels[0].inside.unwrap().prefix.to_string(), "169.254.10.0/30");
    let one = golden("alibaba_static", &[ALIBABA_STATIC], &Options { local: None, ..options() });
    assert_eq!(one.site.tunnels[0].version, Some(IkeVersion::V1(V1Mode::Aggressive)));
}

#[test]
fn azure_with_four_connections_uses_the_address_of_each() {
    let four = golden("azure_four", &[AZURE_FOUR], &Options { local: None, ..options() });
    let plan: Vec<_> = four
        .site
        .tunnels
        .iter()
        .map(|tunnel| (tunnel.remote.unwrap().to_string(), tunnel.inside.unwrap().peer.to_string()))
        .collect();
    let expected = [
        ("203.0.113.31", "169.254.21.2"),
        ("203.0.113.31", "169.254.22.2"),
        ("203.0.113.32", "169.254.21.6"),
        ("203.0.113.32", "169.254.22.6"),
    ];
    assert_eq!(plan, expected.map(|(remote, peer)| (remote.to_owned(), peer.to_owned())));
}

#[test]
fn azure_without_bgp_needs_what_no_file_has() {
    let options = Options { remote: vec![[203, 0, 113, 31].into()], ..options() };
    let imported = golden("azure_static", &[AZURE_STATIC, AZURE_KEY], &options);
    assert_eq!(imported.keys[0].secret, Secret::from(b"invented key of Azure 1".as_slice()));
}

#[test]
fn azure_with_an_address_of_another_link_is_refused() {
    // S4-19.
    let wrong =
        AZURE_FOUR.1.replace("\"bgpPeeringAddress\": \"169.254.22.1\"", "\"bgpPeeringAddress\": \"169.254.22.9\"");
    let inputs = [Input { name: "four.json", octets: wrong.as_bytes() }];
    let error = import(None, &inputs, &options()).unwrap_err();
    assert!(error.to_string().contains("bgpPeeringAddress is `169.254.22.9`, expected the other host"), "{error}");
}

#[test]
fn strongswan_with_bird_and_with_frr() {
    let options = Options { local: None, ..options() };
    let bird = golden("swanctl_bird", &[SWANCTL, BIRD], &options);
    let frr = golden("swanctl_frr", &[SWANCTL, FRR], &options);
    for site in [&bird.site, &frr.site] {
        assert_eq!(site.tunnels[0].inside.unwrap().prefix.to_string(), "169.254.21.0/30");
        assert_eq!(site.tunnels[1].psk, Some(Secret::from(b"invented.Key_of_the.second_tunnel".as_slice())));
        assert_eq!(site.tunnels[0].ike_lifetime.unwrap().as_secs(), 28_800);
    }
    assert_eq!(frr.site.name.as_deref(), Some("edge-7"));
}

#[test]
fn what_no_file_holds_is_asked_for_all_at_once() {
    let error = read(&[GENERIC_STATIC], &Options::default()).unwrap_err();
    let text = error.to_string();
    for option in ["--router-id 192.0.2.10", "--local 192.0.2.10", "--remote-network 10.2.0.0/16"] {
        assert!(text.contains(option), "{option} is not in: {text}");
    }
    assert!(error.remedy().contains("options"));
}

#[test]
fn formats_that_do_not_belong_together_are_refused() {
    let error = read(&[AWS_BGP, ALIBABA_BGP], &options()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "aws-bgp.xml is aws-xml, and alibaba-bgp.json is alibaba: these do not belong together"
    );
}

#[test]
fn what_the_check_says_is_said_without_showing_a_key() {
    let wrong = AWS_BGP.1.replace("invented.Key_of_the.first_tunnel", "0nvented-Key");
    let imported = import(None, &[Input { name: "x.xml", octets: wrong.as_bytes() }], &options()).unwrap();
    let text: String = imported.warnings.iter().map(|warning| warning.render(false)).collect();
    assert!(text.contains("8 to 64 letters") && !text.contains("nvented"), "{text}");
}

#[test]
fn a_result_that_would_not_pass_the_check_is_refused() {
    let wrong = AWS_BGP.1.replace("169.254.21.", "169.254.0.");
    let error = import(None, &[Input { name: "x.xml", octets: wrong.as_bytes() }], &options()).unwrap_err();
    let ImportError::Refused(report) = &error else { panic!("{error}") };
    assert!(report.render(false).contains("169.254.0.0/30 is reserved by the clouds"));
}

#[test]
fn every_note_about_what_was_read_has_its_place() {
    for sample in SAMPLES {
        let Ok(imported) = read(&[*sample], &options()) else { continue };
        let read = imported.notes.iter().filter(|note| note.kind == NoteKind::Read);
        assert!(read.clone().count() > 5, "{}", sample.0);
        read.for_each(|note| assert!(note.place.is_some(), "{note:?}"));
    }
}

#[test]
fn networks_of_both_sides_become_protected_flows() {
    let bare = || Options { remote_networks: Vec::new(), ..options() };
    for (sample, local) in [(WINDOWS, options().local), (NETSH, options().local), (ALIBABA_STATIC, None)] {
        let imported = read(&[sample], &Options { local, ..bare() }).unwrap();
        let tunnels = &imported.site.tunnels;
        assert!(tunnels.iter().all(|tunnel| tunnel.protected && tunnel.routes.is_empty()), "{}", sample.0);
        assert_eq!(imported.yaml.matches("routing: protected").count(), tunnels.len(), "{}", imported.yaml);
        assert!(!imported.yaml.contains("static:"), "{}", imported.yaml);
        let noted = imported.notes.iter().filter(|note| note.what.ends_with(" routing"));
        assert_eq!(noted.count(), tunnels.len());
    }
    // Whoever names a prefix wants a route.
    let routed = read(&[WINDOWS], &options()).unwrap();
    assert!(routed.yaml.contains("static:") && !routed.yaml.contains("routing:"), "{}", routed.yaml);
}

/// The text of a sample with something else in it.
fn with(sample: Sample, from: &str, to: &str) -> String {
    assert!(sample.1.contains(from), "{from}");
    sample.1.replace(from, to)
}

fn unmapped(imported: &Imported) -> String {
    let notes = imported.notes.iter().filter(|note| note.kind == NoteKind::Unmapped);
    notes.map(|note| format!("{}: {}\n", note.what, note.text)).collect()
}

#[test]
fn what_connections_of_strongswan_stand_on_is_followed() {
    let rest = with(SWANCTL, "    aws-1 {\n        version = 2\n", "    aws-1 : base {\n")
        .replace("        local_addrs = 192.0.2.10\n        remote_addrs = 203.0.113.11\n", "");
    let text = format!("base {{\n version = 2\n local_addrs = 192.0.2.10\n remote_addrs = 203.0.113.11\n}}\n{rest}");
    let inputs = [("swanctl.conf", text.as_str()), BIRD].map(|(name, text)| Input { name, octets: text.as_bytes() });
    let options = Options { local: None, ..options() };
    let imported = import(None, &inputs, &options).unwrap();
    let plain = read(&[SWANCTL, BIRD], &options).unwrap();
    assert_eq!(imported.yaml, plain.yaml);
    assert!(!unmapped(&imported).contains("base"), "{}", unmapped(&imported));
}

#[test]
fn sessions_of_bird_take_over_templates_and_constants() {
    let text = "define MYAS = 65000;\ndefine PEER=64512;\nrouter id 10.1.0.1;\ndefine PASS = \"invented.Key\";\n\
                template bgp BASE { local as MYAS; hold time 30; password \"invented.Key\"; }\n\
                template bgp CLOUD from BASE { keepalive time 10; ipv4 { import all; }; }\n\
                protocol bgp aws_1 from CLOUD { source address 169.254.21.2; neighbor 169.254.21.1 as PEER; }\n\
                protocol bgp aws_2 from CLOUD { local 169.254.22.2; neighbor 169.254.22.1 as PEER; hold time 40; }\n\
                protocol static { ipv4; route 10.1.0.0/16 blackhole; }\n";
    let inputs = [SWANCTL, ("bird.conf", text)].map(|(name, text)| Input { name, octets: text.as_bytes() });
    let imported = import(None, &inputs, &Options { local: None, ..options() }).unwrap();
    assert_eq!(imported.site.asn, Some(Asn(65000)));
    let sessions: Vec<_> = imported.site.tunnels.iter().map(|tunnel| tunnel.session.unwrap()).collect();
    let hold = |index: usize| sessions[index].hold_time.unwrap().as_secs();
    assert_eq!((sessions[1].asn, hold(0), hold(1)), (Some(Asn(64512)), 30, 40));
    let told = unmapped(&imported);
    assert!(
        told.contains("BASE password (masked)") && told.contains("define PASS") && !told.contains("nvented"),
        "{told}"
    );
}

#[test]
fn neighbours_of_frr_take_over_their_groups() {
    let text = "frr version 8.4\nenable password invented.Key\nrouter bgp 65000\n bgp router-id 10.1.0.1\n \
                neighbor CLOUD peer-group\n neighbor CLOUD remote-as 64512\n neighbor CLOUD timers 10 30\n \
                neighbor CLOUD password invented.Key\n neighbor 169.254.21.1 timers 5 15\n \
                neighbor 169.254.21.1 peer-group CLOUD\n neighbor 169.254.21.1 description aws-1\n \
                neighbor 169.254.22.1 peer-group CLOUD\n neighbor 169.254.22.1 description aws-2\n \
                neighbor OTHER timers 1 3\n address-family ipv4 unicast\n  network 10.1.0.0/16\n exit-address-family\n";
    let inputs = [SWANCTL, ("frr.conf", text)].map(|(name, text)| Input { name, octets: text.as_bytes() });
    let imported = import(None, &inputs, &Options { local: None, ..options() }).unwrap();
    let sessions: Vec<_> = imported.site.tunnels.iter().map(|tunnel| tunnel.session.unwrap()).collect();
    let hold = |index: usize| sessions[index].hold_time.unwrap().as_secs();
    assert_eq!((sessions[0].asn, sessions[1].asn), (Some(Asn(64512)), Some(Asn(64512))));
    assert_eq!((hold(0), hold(1)), (15, 30), "its own words count more");
    let told = unmapped(&imported);
    assert!(told.contains("neighbor CLOUD password (masked)") && told.contains("neighbor OTHER timers 1 3"), "{told}");
    assert!(!told.contains("nvented"), "{told}");
}
