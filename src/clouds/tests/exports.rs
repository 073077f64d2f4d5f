//! Each target's files, with keys masked; where keys are, and that they are nowhere else.

use std::fmt::Write as _;

use config::{FoundSecret, SecretError, SecretReference, SecretSource};
use settings::Router;
use wire::Secret;

use crate::ExportError;
use crate::export::{Exported, Options, Reveal, Target, export};

pub(super) const KEY: &str = "invented.Key_for_exports";

struct Keys;

impl SecretSource for Keys {
    fn unix_time(&self) -> u64 {
        0
    }

    fn fetch(&self, _reference: &SecretReference) -> Result<FoundSecret, SecretError> {
        Ok(FoundSecret { secret: Secret::from(KEY.as_bytes()), mode: Some(0o600) })
    }
}

pub(super) fn router(text: &str) -> Router {
    config::parse("edge.yaml", text, &Keys).unwrap_or_else(|report| panic!("{}", report.render(false))).router
}

/// Four tunnels in the plan of S4-04, from our side toward `profile`.
pub(super) fn four(profile: &str, local: [&str; 2], remote: [&str; 4], side: &str, extra: &str) -> Router {
    let mut text = format!(
        "router: {{name: edge, asn: 65000, router-id: 10.1.0.1, networks: [10.1.0.0/16]}}\n\
         defaults: {{profile: {profile}, psk: {{file: key}}{extra}}}\ntunnels:\n"
    );
    let links = ["21.0", "22.0", "21.4", "22.4"];
    for (index, (link, remote)) in links.into_iter().zip(remote).enumerate() {
        writeln!(
            text,
            "  - {{name: t{}, local: {}, remote: {remote}, inside: {{prefix: 169.254.{link}/30, side: {side}}}}}",
            index + 1,
            local[index / 2],
        )
        .unwrap();
    }
    router(&text)
}

pub(super) fn aws() -> Router {
    let remote = ["203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14"];
    four("aws", ["192.0.2.10", "192.0.2.11"], remote, "second", ", bgp: {asn: 64512}")
}

pub(super) fn azure() -> Router {
    let remote = ["203.0.113.31", "203.0.113.31", "203.0.113.32", "203.0.113.32"];
    // We play AWS: two addresses per instance would be a pair too much, so that ours alternate.
    let text = "router: {name: edge, asn: 64512, router-id: 10.2.0.1, networks: [10.2.0.0/16]}\n\
                defaults: {profile: azure, psk: {file: key}, bgp: {asn: 65010}, ike: {proposals: [aes256gcm16-prfsha384-ecp384]}}\n\
                tunnels:\n";
    let mut text = text.to_owned();
    for (index, (link, remote)) in ["21.0", "22.0", "21.4", "22.4"].into_iter().zip(remote).enumerate() {
        let local = ["192.0.2.11", "192.0.2.12"][index % 2];
        writeln!(text, "  - {{name: t{}, local: {local}, remote: {remote}, inside: 169.254.{link}/30}}", index + 1)
            .unwrap();
    }
    router(&text)
}

/// One pair of tunnels with suites that every device has.
fn plain(extra: &str) -> Router {
    router(&format!(
        "router: {{name: edge, asn: 65000, router-id: 10.1.0.1, networks: [10.1.0.0/16]}}\n\
         defaults: {{local: 192.0.2.10, psk: {{file: key}}, esp: {{proposals: [aes256-sha256-modp2048]}}{extra}}}\n\
         tunnels:\n  \
         - {{name: main-1, remote: 203.0.113.21, inside: {{prefix: 169.254.30.0/30, side: second}}}}\n  \
         - {{name: main-2, remote: 203.0.113.22, inside: {{prefix: 169.254.31.0/30, side: second}}}}\n"
    ))
}

fn common() -> Router {
    plain(", ike: {proposals: [aes256-sha256-modp2048]}, bgp: {asn: 64600}")
}

fn shown(exported: &Exported, reveal: Reveal) -> String {
    let mut text = String::new();
    for file in &exported.files {
        let mode = if file.has_secret() { " (0600)" } else { "" };
        writeln!(text, "=== {}{mode}\n{}", file.name(), *file.text(reveal)).unwrap();
    }
    for note in &exported.notes {
        writeln!(text, "note: {note}").unwrap();
    }
    text
}

fn golden(router: &Router, target: Target, options: &Options) -> Exported {
    let exported = export(router, target, options).unwrap_or_else(|error| panic!("{error}\n  {}", error.remedy()));
    let text = shown(&exported, Reveal::Masked);
    assert!(!text.contains(KEY), "a key is shown");
    assert!(shown(&exported, Reveal::Shown).contains(KEY), "no key is written");
    assert!(!format!("{exported:?}").contains(KEY), "a key is in Debug");
    insta::assert_snapshot!(target.as_str(), text);
    exported
}

fn with_networks() -> Options {
    Options { networks: vec!["10.2.0.0/16".parse().unwrap()], ..Options::default() }
}

#[test]
fn aws_by_command_line_and_terraform() {
    let files = golden(&aws(), Target::AwsCli, &Options::default()).files;
    for file in files.iter().filter(|file| file.name().ends_with(".json")) {
        serde_json::from_str::<serde_json::Value>(&file.text(Reveal::Shown)).unwrap();
        assert!(file.has_secret());
    }
    golden(&aws(), Target::AwsTerraform, &Options::default());
}

#[test]
fn azure_names_both_custom_addresses_of_every_connection() {
    golden(&azure(), Target::AzureCli, &Options::default());
    let text = shown(&golden(&azure(), Target::AzureTerraform, &Options::default()), Reveal::Masked);
    // S4-18: instance 0 is primary, instance 1 secondary; the other one is filled with the first of its instance.
    let custom: Vec<_> = text
        .lines()
        .filter(|line| line.contains("primary  ") || line.contains("secondary "))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let expected = [
        ["169.254.21.2", "169.254.21.6"],
        ["169.254.22.2", "169.254.21.6"],
        ["169.254.21.2", "169.254.21.6"],
        ["169.254.21.2", "169.254.22.6"],
    ];
    assert_eq!(custom, expected.concat());
}

#[test]
fn the_second_command_line_never_holds_a_key() {
    for (router, target) in [(aws(), Target::AwsCli), (azure(), Target::AzureCli)] {
        let exported = export(&router, target, &Options::default()).unwrap();
        let script = exported.files.iter().find(|file| file.is_script()).unwrap();
        assert!(!script.has_secret());
    }
}

#[test]
fn devices_and_programs() {
    for target in [Target::SwanctlBird, Target::SwanctlFrr, Target::Libreswan, Target::CiscoIosXe, Target::H3c] {
        golden(&common(), target, &with_networks());
    }
}

#[test]
fn alibaba_takes_two_tunnels_and_no_number_of_its_own() {
    let exported = golden(&common(), Target::Alibaba, &Options::default());
    for file in &exported.files {
        serde_json::from_str::<serde_json::Value>(&file.text(Reveal::Shown)).unwrap();
    }
    let remote = ["203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14"];
    let four = four("aws", ["192.0.2.10", "192.0.2.11"], remote, "second", ", bgp: {asn: 64512}");
    let error = export(&four, Target::Alibaba, &Options::default()).unwrap_err();
    assert!(matches!(error, ExportError::Shape { .. }), "{error}");
}

#[test]
fn windows_takes_main_mode_and_networks() {
    let error = export(&common(), Target::Netsh, &with_networks()).unwrap_err();
    assert_eq!(error.to_string(), "tunnel main-1: Windows has no IKEv2; it takes `ike: {version: ikev1, mode: main}`");
    let old = plain(", ike: {version: ikev1, mode: main, proposals: [aes128-sha1-modp1024]}");
    let error = export(&old, Target::Netsh, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("--network PREFIX"), "{error}");
    golden(&old, Target::Netsh, &with_networks());
}

#[test]
fn what_a_target_lacks_is_named_with_what_it_takes() {
    let chacha = plain(", ike: {proposals: [chacha20poly1305-prfsha256-x25519]}, bgp: {asn: 64600}");
    let text = "router: {name: edge, asn: 65000, router-id: 10.1.0.1, networks: [10.1.0.0/16]}\n\
                defaults: {local: 192.0.2.10, psk: {file: key}, profile: aws, bgp: {asn: 64512}, esp: {proposals: [aes256-sha256]}}\n\
                tunnels:\n  - {name: a, remote: 203.0.113.11, inside: 169.254.21.0/30}\n";
    let cases = [
        (
            export(&chacha, Target::H3c, &Options::default()),
            "Comware has no IKE suite chacha20poly1305-prfsha256-x25519",
        ),
        (export(&chacha, Target::Alibaba, &Options::default()), "Alibaba has no IKE suite"),
        (export(&router(text), Target::AwsCli, &Options::default()), "AWS has no ESP suite aes256-sha256"),
        (export(&chacha, Target::AwsCli, &Options::default()), "no tunnel has the profile aws"),
        (
            export(&chacha, Target::H3c, &Options { tunnels: vec!["x".into()], ..Options::default() }),
            "there is no tunnel \"x\"; there are main-1, main-2",
        ),
    ];
    for (result, expected) in cases {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.remedy().is_empty());
    }
}

#[test]
fn a_cloud_is_told_a_public_address() {
    let text = "router: {name: edge, asn: 65000, router-id: 10.1.0.1, networks: [10.1.0.0/16]}\n\
                defaults: {local: 10.0.0.5, psk: {file: key}, profile: aws, bgp: {asn: 64512}}\n\
                tunnels:\n  - {name: a, remote: 203.0.113.11, inside: 169.254.21.0/30}\n";
    let router = router(text);
    let error = export(&router, Target::AwsCli, &Options::default()).unwrap_err();
    assert!(error.remedy().contains("--public-address"), "{error}");
    let options = Options { public_address: Some([192, 0, 2, 10].into()), ..Options::default() };
    let exported = export(&router, Target::AwsCli, &options).unwrap();
    assert!(shown(&exported, Reveal::Masked).contains("--ip-address 192.0.2.10"));
}

#[test]
fn networks_that_a_device_is_not_told_of_are_named() {
    let networks = vec!["10.2.0.0/16".parse().unwrap(), "2001:db8:2::/48".parse().unwrap()];
    for (target, file) in
        [(Target::CiscoIosXe, "ios-xe.txt"), (Target::H3c, "comware.txt"), (Target::SwanctlFrr, "frr.conf")]
    {
        let exported =
            export(&common(), target, &Options { networks: networks.clone(), ..Options::default() }).unwrap();
        let told = format!("2001:db8:2::/48: add IPv6 networks to {file} by hand");
        assert!(exported.notes.contains(&told), "{target:?}: {:?}", exported.notes);
        let silent = export(&common(), target, &Options::default()).unwrap();
        assert!(silent.notes.iter().any(|note| note.contains("announces nothing")), "{target:?}: {:?}", silent.notes);
    }
}

#[test]
fn a_speaker_that_would_be_in_two_as_is_refused() {
    let text = "router: {name: edge, asn: 65000, router-id: 10.1.0.1, networks: [10.1.0.0/16]}\n\
                defaults: {local: 192.0.2.10, psk: {file: key}, ike: {proposals: [aes256-sha256-modp2048]}, \
                esp: {proposals: [aes256-sha256-modp2048]}}\ntunnels:\n  \
                - {name: a, remote: 203.0.113.21, inside: {prefix: 169.254.30.0/30, side: second}, bgp: {asn: 64600}}\n  \
                - {name: b, remote: 203.0.113.22, inside: {prefix: 169.254.31.0/30, side: second}, bgp: {asn: 64601}}\n";
    for target in [Target::CiscoIosXe, Target::H3c, Target::SwanctlFrr] {
        let error = export(&router(text), target, &Options::default()).unwrap_err();
        assert!(error.to_string().contains("a and b end in different AS"), "{target:?}: {error}");
    }
}

#[test]
fn a_number_of_more_than_31_bits_has_an_argument_of_its_own() {
    let text = |asn: u32| {
        format!(
            "router: {{name: edge, asn: {asn}, router-id: 10.1.0.1, networks: [10.1.0.0/16]}}\n\
             defaults: {{profile: aws, local: 192.0.2.10, psk: {{file: key}}, bgp: {{asn: 64512}}}}\ntunnels:\n  \
             - {{name: a, remote: 203.0.113.11, inside: 169.254.21.0/30}}\n  \
             - {{name: b, remote: 203.0.113.12, inside: 169.254.22.0/30}}\n"
        )
    };
    let exported =
        |asn, target| shown(&export(&router(&text(asn)), target, &Options::default()).unwrap(), Reveal::Shown);
    let terraform = exported(4_200_000_001, Target::AwsTerraform);
    assert!(terraform.contains("bgp_asn_extended = \"4200000001\"") && !terraform.contains("bgp_asn "), "{terraform}");
    let script = exported(4_200_000_001, Target::AwsCli);
    assert!(script.contains("--bgp-asn-extended 4200000001 ") && !script.contains("--bgp-asn "), "{script}");
    assert!(exported(2_147_483_647, Target::AwsCli).contains("--bgp-asn 2147483647 "));
}
