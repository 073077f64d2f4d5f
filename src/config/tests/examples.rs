//! The examples of `configs/`.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use super::{Keys, changed};
use crate::{Loaded, parse};
use settings::Router;

fn example(name: &str) -> (String, Loaded) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let loaded = parse(name, &text, &Keys).unwrap_or_else(|report| panic!("{}", report.render(false)));
    (text, loaded)
}

fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    names
}

#[test]
fn every_example_is_without_findings() {
    let names = names();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let (text, loaded) = example(&name);
        // What has to be remembered at the other end is no fault of the file.
        let findings = loaded.warnings.iter().filter(|warning| warning.severity() != crate::Severity::Advice);
        let findings: Vec<_> = findings.map(crate::Diagnostic::brief).collect();
        assert!(findings.is_empty(), "{name}: {findings:#?}");
        assert!(text.starts_with("# yaml-language-server: $schema=quadspan.schema.json\n"), "{name}");
    }
}

/// What stands in comments there works without them.
#[test]
fn the_pool_of_the_branch_router_is_without_findings() {
    let (text, loaded) = example("branch-router.yaml");
    assert!(loaded.router.pools.is_empty());
    let (before, pools) = text.split_once("# pools:\n").unwrap();
    let (pools, after) = pools.split_once("\n\n").unwrap();
    let pools = pools.lines().map(|line| line.strip_prefix("# ").unwrap()).collect::<Vec<_>>().join("\n");
    let loaded = parse("branch-router.yaml", &format!("{before}pools:\n{pools}\n\n{after}"), &Keys);
    let loaded = loaded.unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert_eq!(loaded.warnings.iter().map(crate::Diagnostic::brief).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(loaded.router.pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>(), ["staff"]);
}

#[test]
fn every_example_stays_valid_after_an_unrelated_comment() {
    for name in names() {
        let (text, _) = example(&name);
        let text = changed(&text, "router:\n", "# ü – a comment\nrouter:\n");
        assert!(parse(&name, &text, &Keys).is_ok(), "{name}");
    }
}

#[test]
fn the_two_sides_of_the_four_tunnel_plan_mirror_each_other() {
    let (router, aws) = (example("four-tunnel-router.yaml").1.router, example("four-tunnel-aws-side.yaml").1.router);
    assert_eq!((router.tunnels.len(), aws.tunnels.len()), (4, 4));
    for (one, other) in router.tunnels.iter().zip(&aws.tunnels) {
        assert_eq!(one.name, other.name);
        assert_eq!((one.ike.local, one.ike.remote), (other.ike.remote, other.ike.local));
        assert_eq!((one.inside.local, one.inside.peer), (other.inside.peer, other.inside.local));
        assert_eq!(one.inside.prefix, other.inside.prefix);
        assert_eq!(one.ike.auth, other.ike.auth);
        assert!(one.ike.ike_proposals.iter().any(|suite| other.ike.ike_proposals.contains(suite)));
        assert!(
            one.ike
                .esp_proposals
                .iter()
                .any(|suite| { other.ike.esp_proposals.iter().any(|theirs| theirs.suite == suite.suite) })
        );
        let (one, other) = (one.bgp.as_ref().unwrap(), other.bgp.as_ref().unwrap());
        assert_eq!((one.peer.local_asn, one.peer.peer_asn), (other.peer.peer_asn, other.peer.local_asn));
        assert_ne!(one.peer.router_id, other.peer.router_id);
    }
}

#[test]
fn the_four_tunnel_plan_is_the_one_of_the_scenario() {
    // S4-04, S4-07: AWS on the first host, the router on the second.
    let plan = |router: &Router| {
        let mut plan = Vec::new();
        for tunnel in &router.tunnels {
            plan.push((
                tunnel.inside.prefix.to_string(),
                tunnel.inside.peer.to_string(),
                tunnel.inside.local.to_string(),
            ));
        }
        plan
    };
    let expected = [
        ("169.254.21.0/30", "169.254.21.1", "169.254.21.2"),
        ("169.254.22.0/30", "169.254.22.1", "169.254.22.2"),
        ("169.254.21.4/30", "169.254.21.5", "169.254.21.6"),
        ("169.254.22.4/30", "169.254.22.5", "169.254.22.6"),
    ];
    let router = example("four-tunnel-router.yaml").1.router;
    let expected: Vec<_> = expected.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string())).collect();
    assert_eq!(plan(&router), expected);
    let outside: Vec<IpAddr> = vec!["198.51.100.1".parse().unwrap(), "198.51.100.2".parse().unwrap()];
    assert_eq!(router.local_addresses(), outside);
    assert_eq!(router.rib.protected.len(), 4);
}
