//! What a configuration comes to for routes: treatments, aggregates, the choice of the best path.

use rib::{Aggregate, DecisionRules, MultipathPaths, PrivateAs, SendPaths, Treatment};

use super::{GOOD, changed, check};
use settings::Router;

fn router(text: &str) -> Router {
    check(text).unwrap_or_else(|report| panic!("{}", report.render(false))).router
}

fn treatment(keys: &str) -> Treatment {
    let router = router(&changed(GOOD, "{asn: 64512}", &format!("{{asn: 64512, {keys}}}")));
    router.tunnels[0].bgp.clone().unwrap().policy.treatment
}

#[test]
fn what_is_not_said_is_as_bgp_has_it() {
    let session = router(GOOD).tunnels[0].bgp.clone().unwrap();
    // Which paths a peer gets matters only where it takes several.
    assert_eq!(session.policy.treatment, Treatment { send_paths: SendPaths::All, ..Treatment::default() });
    assert_eq!(router(GOOD).rib.decision, DecisionRules::default());
}

#[test]
fn each_key_about_routes_reaches_the_tables() {
    let usual = || Treatment { send_paths: SendPaths::All, ..Treatment::default() };
    let table = [
        ("allowas-in: 2", Treatment { own_as_in: 2, ..usual() }),
        ("as-override: true", Treatment { as_override: true, ..usual() }),
        ("remove-private-as: all", Treatment { private_as: PrivateAs::Remove, ..usual() }),
        ("remove-private-as: replace", Treatment { private_as: PrivateAs::Replace, ..usual() }),
        ("default-originate: true", Treatment { default_originate: true, ..usual() }),
        ("max-prefix: {in: 100, warn: 80}", Treatment { warn_percent: Some(80), ..usual() }),
        ("add-path: both, send-paths: ecmp", Treatment { send_paths: SendPaths::Ecmp, ..usual() }),
        ("add-path: both, send-paths: all", Treatment { send_paths: SendPaths::All, ..usual() }),
        ("add-path: both, send-paths: 3", Treatment { send_paths: SendPaths::First(3), ..usual() }),
    ];
    for (keys, expected) in table {
        assert_eq!(treatment(keys), expected, "{keys}");
    }
}

#[test]
fn aggregates_and_the_choice_of_paths_are_the_routers() {
    let lines = "  networks: [10.1.0.0/16]\n  aggregates:\n    - {prefix: 10.20.0.0/16, summary-only: true}\n    \
                 - prefix: 2001:db8::/32\n  best-path: {always-compare-med: true, multipath-relax: true, link-bandwidth: true}\n";
    let router = router(&changed(GOOD, "  networks: [10.1.0.0/16]\n", lines));
    let aggregate =
        |prefix: &str, summary_only| Aggregate { prefix: prefix.parse().unwrap(), summary_only, as_set: false };
    assert_eq!(router.rib.aggregates, [aggregate("10.20.0.0/16", true), aggregate("2001:db8::/32", false)]);
    let multipath = MultipathPaths::SameLength;
    assert_eq!(router.rib.decision, DecisionRules { always_compare_med: true, multipath, weighted: true });
}

#[test]
fn aggregates_count_against_the_limit_in_place_of_what_they_cover() {
    let over = |limit: u32, summary_only: bool| {
        let lines = format!(
            "  networks: [10.20.1.0/24, 10.20.2.0/24, 10.30.0.0/16]\n  aggregates: [{{prefix: 10.20.0.0/16, summary-only: \
             {summary_only}}}, {{prefix: 10.40.0.0/16}}]\n"
        );
        let text = changed(GOOD, "  networks: [10.1.0.0/16]\n", &lines);
        let text = changed(&text, "{asn: 64512}", &format!("{{asn: 64512, max-prefix: {{out: {limit}}}}}"));
        super::rendered(&text).contains("prefixes to announce")
    };
    assert!(over(3, false) && !over(4, false), "three networks and one aggregate; the other has nothing in it yet");
    assert!(over(1, true) && !over(2, true), "one network and the aggregate around the others");
}
