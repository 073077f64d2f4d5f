//! That every plan keeps every rule of both clouds, that what cannot be planned is refused with a remedy, and that each
//! way to spoil a plan is found.

use config::Code;
use ipnet::{IpNet, Ipv4Net};
use profile::Profile;
use proptest::prelude::*;
use wire::{Asn, Secret};

use super::matrix::Custom;
use super::*;
use crate::export::Reveal;

const AZURE: &str = "azure:65000:198.51.100.1,198.51.100.2:10.1.0.0/16";
const AWS: &str = "aws:64512:203.0.113.11,203.0.113.12,203.0.113.13,203.0.113.14:10.2.0.0/16";

fn facts(one: &str, other: &str) -> Facts {
    Facts::of(&[one.to_owned(), other.to_owned()], &[]).unwrap()
}

fn scenario() -> Matrix {
    four_tunnels(facts(AZURE, AWS)).unwrap()
}

fn codes(matrix: &Matrix) -> Vec<Code> {
    check(matrix).into_iter().filter(Remark::is_problem).map(|remark| remark.code).collect()
}

#[test]
fn azure_and_aws_come_out_as_everybody_knows_it() {
    // S4-04, S4-07, S4-18.
    for matrix in [scenario(), four_tunnels(facts(AWS, AZURE)).unwrap()] {
        let plan: Vec<_> = matrix
            .rows
            .iter()
            .map(|row| {
                let custom = row.custom.unwrap();
                let [azure, aws] = row.hosts;
                format!(
                    "{} {} azure {azure} aws {aws} custom {} {}",
                    row.name, row.inside, custom.primary, custom.secondary
                )
            })
            .collect();
        assert_eq!(
            plan,
            [
                "t1-inst0 169.254.21.0/30 azure 169.254.21.2 aws 169.254.21.1 custom 169.254.21.2 169.254.21.6",
                "t2-inst0 169.254.22.0/30 azure 169.254.22.2 aws 169.254.22.1 custom 169.254.22.2 169.254.21.6",
                "t1-inst1 169.254.21.4/30 azure 169.254.21.6 aws 169.254.21.5 custom 169.254.21.2 169.254.21.6",
                "t2-inst1 169.254.22.4/30 azure 169.254.22.6 aws 169.254.22.5 custom 169.254.21.2 169.254.22.6",
            ]
        );
        assert_eq!(check(&matrix), []);
    }
}

#[test]
fn a_plan_is_read_back_as_it_was_written() {
    let matrix = scenario();
    let (facts, read) = read(&texts::plan(&matrix)).unwrap();
    assert_eq!(read, Some(matrix.clone()));
    assert_eq!(facts.sides, matrix.sides);
    // Sides the other way round are the same plan.
    let (_, mirrored) = super::read(&texts::plan(&matrix).replacen("name: \"azure\"", "name: zzz", 1)).unwrap();
    assert_eq!(mirrored.unwrap().rows, matrix.rows);
}

#[test]
fn files_hold_both_ends_and_no_key_in_the_clear() {
    let keys: Vec<_> =
        (0..4).map(|number| Secret::from(format!("inventedKeyNumber{number}xxxxx").as_bytes())).collect();
    let written = write(&scenario(), &keys).unwrap();
    let mut names = Vec::new();
    for file in &written.files {
        match file {
            PlanFile::Text(name, text) => {
                assert!(!text.contains("inventedKey"), "{name}");
                names.push(name.clone());
            }
            PlanFile::Key(name, _) => names.push(name.clone()),
            PlanFile::Export(folder, artifact) => {
                assert!(!artifact.text(Reveal::Masked).contains("inventedKey"), "{folder}");
                names.push(format!("{folder}/{}", artifact.name()));
            }
        }
    }
    for name in ["plan.yaml", "plan.md", "azure.yaml", "aws.yaml", "keys/t2-inst1", "aws/aws-cli/connection-2.json"] {
        assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("azure/azure-terraform/")), "{names:?}");
    assert!(matches!(write(&scenario(), &keys[1..]), Err(PlanError::Keys { keys: 3, tunnels: 4 })));
}

/// Which of our files `check` has advice about, that says so itself.
#[test]
fn what_is_to_be_set_at_azure_alone_is_said_in_the_file() {
    let matrix = scenario();
    let azure = matrix.sides.iter().position(|side| side.profile == Profile::Azure).unwrap();
    let advised = |side: usize| {
        let text = texts::configuration(&matrix, side);
        let loaded = config::parse("x.yaml", &text, &check::Placeholder).unwrap();
        (text.contains("(QS0409)"), loaded.warnings.iter().any(|warning| warning.code() == Code::AzureCustomAddress))
    };
    assert_eq!([advised(azure), advised(1 - azure)], [(false, false), (true, true)]);
}

/// Between routers of one's own, over private lines, any address will do.
#[test]
fn only_a_cloud_must_be_told_public_addresses() {
    let (one, other) = ("generic:65000:10.0.0.1,10.0.0.2:10.1.0.0/16", "generic:65001:10.0.1.1,10.0.1.2:10.2.0.0/16");
    assert_eq!(check(&four_tunnels(facts(one, other)).unwrap()), []);
}

#[test]
fn an_address_given_twice_is_refused_as_that() {
    let sides = [AZURE.replace("198.51.100.2", "198.51.100.1"), AWS.to_owned()];
    let error = Facts::of(&sides, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "outside is `198.51.100.1`, expected each address once: tunnels end at different ones"
    );
}

#[test]
fn what_cannot_be_planned_is_refused_with_a_remedy() {
    let aws_two = "aws:64512:203.0.113.11,203.0.113.12:10.2.0.0/16";
    let cloudflare = "cloudflare:13335:203.0.113.1,203.0.113.2:10.3.0.0/16";
    for (one, other, expected) in [
        (AZURE, aws_two, "four at AWS"),
        (&AZURE.replace("198.51.100.2", "10.0.0.2"), AWS, "azure: AWS must be told a public address, and 10.0.0.2"),
        (AZURE, "generic:65001:203.0.113.1,192.168.1.1:10.2.0.0/16", "must be told a public address, and 192.168.1.1"),
        (AWS, AWS, "two on one of the sides"),
        ("oci:65001:192.0.2.1,192.0.2.2:10.1.0.0/16", &AWS.replace("aws", "azure"), "two at Azure"),
        (AZURE, "azure:65001:203.0.113.1,203.0.113.2:10.2.0.0/16", "second host"),
        (AZURE, cloudflare, "no inside link left"),
        (AZURE, "generic:65000:203.0.113.1,203.0.113.2:10.2.0.0/16", "both ends are AS 65000"),
        (AZURE, "generic:65515:203.0.113.1,203.0.113.2:10.2.0.0/16", "takes AS 65515 from no customer"),
        (AZURE, "generic:65001:203.0.113.1,203.0.113.2:10.1.128.0/17", "overlaps 10.1"),
        (AZURE, "generic:65001:203.0.113.1,127.0.0.1:10.2.0.0/16", "no tunnel can end at 127.0.0.1"),
        (
            "gcp:64512:198.51.100.1,198.51.100.2:10.16.0.0/12",
            "azure:64513:203.0.113.32,203.0.113.33,203.0.113.34,203.0.113.35:172.16.0.0/12",
            "two at Azure",
        ),
        (
            "alibaba:45104:203.0.113.1,203.0.113.2:10.2.0.0/16",
            "generic:65001:100.64.0.1,192.0.2.1:10.1.0.0/16",
            "100.64.0.1",
        ),
    ] {
        let error = four_tunnels(facts(one, other)).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected:?} is not in: {error}");
        assert!(error.remedy().len() > 10, "{error}");
    }
}

#[test]
fn what_is_no_side_is_refused() {
    for side in [
        "",
        "aws",
        "aws:x:203.0.113.1:10.0.0.0/8",
        "amazon:1:203.0.113.1:10.0.0.0/8",
        "aws:1:2001::1:10.0.0.0/8",
        "aws:1:203.0.113.1:10.0.0.1/8",
        "aws:1:203.0.113.1:",
    ] {
        assert!(Facts::of(&[side.to_owned(), AZURE.to_owned()], &[]).is_err(), "{side}");
    }
    assert!(matches!(Facts::of(&[AZURE.to_owned()], &[]), Err(PlanError::Sides { count: 1 })));
    for text in ["", "[]", "sides: []", "sides: [{cloud: aws}]", "sides: 1\ntunnels: x", &"[".repeat(10_000)] {
        assert!(read(text).is_err(), "{}", &text[..text.len().min(40)]);
    }
}

#[test]
fn links_that_others_use_are_avoided() {
    // S4-08.
    let taken: Vec<Ipv4Net> = vec!["169.254.21.0/29".parse().unwrap(), "169.254.22.0/30".parse().unwrap()];
    let matrix = four_tunnels(Facts { avoid: taken, ..facts(AZURE, AWS) }).unwrap();
    let links: Vec<_> = matrix.rows.iter().map(|row| row.inside.to_string()).collect();
    assert_eq!(links, ["169.254.21.8/30", "169.254.22.4/30", "169.254.21.12/30", "169.254.22.8/30"]);
    let all = vec!["169.254.20.0/22".parse().unwrap()];
    assert!(matches!(four_tunnels(Facts { avoid: all, ..facts(AZURE, AWS) }), Err(PlanError::Links { .. })));
}

#[test]
fn each_way_to_spoil_a_plan_is_found() {
    type Spoil = fn(&mut Matrix);
    let spoils: [(Spoil, Code); 10] = [
        (|matrix| matrix.rows[1].inside = matrix.rows[0].inside, Code::InsideAddress),
        (
            |matrix| matrix.rows[0].hosts = ["169.254.21.3".parse().unwrap(), matrix.rows[0].hosts[1]],
            Code::InsideAddress,
        ),
        (|matrix| matrix.rows[0].hosts.reverse(), Code::InsideCloudSide),
        (|matrix| matrix.rows[3].outside[1] = "203.0.113.99".parse().unwrap(), Code::AzureCustomAddress),
        (|matrix| matrix.rows[3].custom = None, Code::AzureCustomAddress),
        (
            // S4-19: the primary is that of another tunnel.
            |matrix| {
                matrix.rows[1].custom =
                    Some(Custom { primary: matrix.rows[0].hosts[0], secondary: matrix.rows[2].hosts[0] });
            },
            Code::AzureCustomAddress,
        ),
        (|matrix| matrix.avoid = vec!["169.254.22.4/30".parse().unwrap()], Code::InsideOverlap),
        (|matrix| matrix.sides[1].networks = vec!["10.1.2.0/24".parse().unwrap()], Code::NetworkOverlap),
        (|matrix| drop(matrix.rows.remove(3)), Code::SingleTunnel),
        (|matrix| matrix.sides[1].asn = Asn(65000), Code::AsnEqual),
    ];
    for (spoil, code) in spoils {
        let mut matrix = scenario();
        spoil(&mut matrix);
        assert!(codes(&matrix).contains(&code), "{code} is not among {:?}", check(&matrix));
    }
    // Azure's range, AWS's reserved links.
    for (link, first, second) in [("169.254.20.0/30", 1, 2), ("169.254.5.0/30", 1, 2)] {
        let mut matrix = scenario();
        let link: Ipv4Net = link.parse().unwrap();
        let host = |number| std::net::Ipv4Addr::from_bits(link.addr().to_bits() + number);
        matrix.rows[0].inside = link;
        matrix.rows[0].hosts = [host(second), host(first)];
        assert!(codes(&matrix).contains(&Code::InsideCloudRange), "{link}");
    }
}

#[test]
fn a_custom_address_of_the_other_instance_may_be_any_of_its_list() {
    let mut matrix = scenario();
    // S4-18: the unused one is any valid default.
    matrix.rows[0].custom = Some(Custom { primary: matrix.rows[0].hosts[0], secondary: matrix.rows[3].hosts[0] });
    assert_eq!(codes(&matrix), []);
}

#[test]
fn the_custom_addresses_that_are_due_are_taken_in_any_order_of_the_tunnels() {
    let mut matrix = scenario();
    matrix.rows.reverse();
    assert_eq!(codes(&matrix), []);
    for (row, due) in links::custom(&matrix.sides, &matrix.rows).into_iter().enumerate() {
        matrix.rows[row].custom = due;
    }
    assert_eq!(codes(&matrix), []);
}

/// Some that YAML takes for something else than text.
const NAMES: [[&str; 8]; 2] = [
    ["one", "2024", "true", "null", "1e3", "0x1f", "12.30", "2024-01-01"],
    ["two", "2025", "no", "Null", "1.5", "0o17", "_", "off"],
];

fn side(instances: bool) -> impl Strategy<Value = Side> {
    let clouds: &[Profile] = if instances {
        &[Profile::Azure, Profile::Gcp, Profile::Alibaba, Profile::Oci, Profile::Cloudflare, Profile::Generic]
    } else {
        &Profile::ALL
    };
    let (third, network) = if instances { (100, 10) } else { (113, 172) };
    let asn = prop_oneof![64_512_u32..65_535, 1_u32..70_000, Just(45_104_u32), Just(65_515_u32)];
    let name = prop::sample::select(NAMES[usize::from(!instances)].to_vec());
    (prop::sample::select(clouds.to_vec()), asn, 1_u8..200, 16_u8..20, 12_u8..25, name).prop_map(
        move |(profile, asn, first, second, length, name)| {
            let count = if !instances && (profile.is_aws() || first % 2 == 0) { 4 } else { 2 };
            let base = if instances { [198, 51, third] } else { [203, 0, third] };
            let outside = (0..count).map(|step| [base[0], base[1], base[2], first + step].into()).collect();
            let net = Ipv4Net::new([network, second, 0, 0].into(), length).unwrap().trunc();
            Side { name: name.to_owned(), profile, asn: Asn(asn), outside, networks: vec![IpNet::V4(net)] }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_keeps_every_rule_of_both_clouds(
        instances in side(true),
        endpoints in side(false),
        avoid in prop::collection::vec((20_u8..24, 0_u8..64), 0..40),
    ) {
        let avoid: Vec<_> =
            avoid.into_iter().map(|(third, number)| Ipv4Net::new([169, 254, third, number * 4].into(), 30).unwrap()).collect();
        match four_tunnels(Facts { sides: [instances, endpoints], avoid: avoid.clone() }) {
            Ok(matrix) => {
                prop_assert_eq!(codes(&matrix), vec![]);
                prop_assert_eq!(matrix.rows.len(), 4);
                prop_assert_eq!(read(&texts::plan(&matrix)).unwrap().1, Some(matrix.clone()));
                for (index, row) in matrix.rows.iter().enumerate() {
                    prop_assert!(matrix.sides.iter().all(|side| side.profile.takes_link(row.inside)), "{:?}", row);
                    let others = matrix.rows[..index].iter().map(|other| other.inside).chain(avoid.iter().copied());
                    prop_assert!(others.into_iter().all(|other| !other.contains(&row.inside)), "{:?}", row);
                }
                for side in 0..2 {
                    let text = texts::configuration(&matrix, side);
                    let source = check::Placeholder;
                    let loaded = config::parse("plan.yaml", &text, &source);
                    prop_assert!(loaded.is_ok(), "{}", loaded.unwrap_err().render(false));
                    let warnings = loaded.unwrap().warnings;
                    let bad = warnings.iter().find(|one| one.severity() != config::Severity::Advice);
                    prop_assert!(bad.is_none(), "{}", bad.unwrap().render(false));
                }
                let keys = [1, 2, 3, 4].map(|number| Secret::from(format!("inventedKeyNumber{number}").as_bytes()));
                prop_assert!(write(&matrix, &keys).is_ok());
            }
            Err(error) => prop_assert!(error.remedy().len() > 10, "{}", error),
        }
    }
}
