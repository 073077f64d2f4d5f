//! Policies in the tables: a new one is applied to what is there, in both directions, and nothing is asked of the peer.

use bgp::{Attributes, Update};
use policy::{
    Action, Amount, Basis, Chain, Condition, Named, Policy, PolicySet, PrefixList, Rule, RuleId, Set, Step, Then,
};
use rib::{LinkState, Output, PeerId, PeerPolicy, Withheld};

use crate::router::{Router, announce, config, net, path, permit, policy, sends, session};

const CLOUD: PeerId = PeerId(0);
const HUB: PeerId = PeerId(1);

/// One rule for a /16 that sets MED and a community, and accepts.
fn chain(prefix: &str, med: u32) -> Chain {
    let list = Named::inline(PrefixList::new(vec![permit(prefix, 32)]));
    let rule = Rule {
        id: RuleId { policy: "p".into(), number: 1, name: None }.into(),
        conditions: vec![Condition::Prefix(vec![list])],
        sets: Some(vec![Set::Med(Amount::To(med)), Set::AddCommunities(vec!["65000:7".parse().unwrap()])].into()),
        then: Then::Do(Action::Accept),
    };
    let set = PolicySet::new(vec![Policy::new("p".into(), vec![rule], Action::Reject)]).unwrap();
    Chain::new(set.into(), vec![Step::Policy(0)], Basis::Written)
}

fn cloud() -> PeerPolicy {
    policy(0, 64512)
}

fn hub() -> PeerPolicy {
    PeerPolicy { export: Chain::everything(), ..policy(1, 65515) }
}

/// What the hub was told.
fn sent(outputs: &[Output]) -> Vec<&Update> {
    sends(outputs).into_iter().filter(|(peer, _)| *peer == HUB).map(|(_, update)| update).collect()
}

/// Both sessions up, 10.2.0.0/16 and 10.3.0.0/16 from the cloud, the hub told of both.
fn started() -> Router {
    let mut router = Router::new(config());
    for (id, policy) in [(CLOUD, cloud()), (HUB, hub())] {
        router.rib.handle_link(policy.link, LinkState::Up);
        router.rib.add_peer(id, policy);
        router.peer_up(id, session(id.0));
    }
    let attributes = Attributes { as_path: path(&[64512]), ..Attributes::default() };
    router.rib.handle_update(CLOUD, announce(&cloud(), attributes, &[net("10.2.0.0/16"), net("10.3.0.0/16")]));
    router.drain();
    router
}

#[test]
fn a_preference_that_policy_gives_one_of_two_prefixes_is_not_that_of_the_other_inside_our_as() {
    let list = Named::inline(PrefixList::new(vec![permit("10.2.0.0/16", 32)]));
    let rule = Rule {
        id: RuleId { policy: "p".into(), number: 1, name: None }.into(),
        conditions: vec![Condition::Prefix(vec![list])],
        sets: Some(vec![Set::LocalPreference(Amount::To(200))].into()),
        then: Then::Do(Action::Accept),
    };
    let set = PolicySet::new(vec![Policy::new("p".into(), vec![rule], Action::Accept)]).unwrap();
    let import = Chain::new(set.into(), vec![Step::Policy(0)], Basis::Written);
    let internal = PeerPolicy { peer_asn: config().asn, ..hub() };
    let cloud = PeerPolicy { import, ..cloud() };
    let mut router = Router::new(config());
    for (id, policy) in [(CLOUD, cloud.clone()), (HUB, internal)] {
        router.rib.handle_link(policy.link, LinkState::Up);
        router.rib.add_peer(id, policy);
        router.peer_up(id, session(id.0));
    }
    router.drain();
    let attributes = Attributes { as_path: path(&[64512]), ..Attributes::default() };
    router.rib.handle_update(CLOUD, announce(&cloud, attributes, &[net("10.2.0.0/16"), net("10.3.0.0/16")]));
    router.drain();
    let preference = |prefix| router.told[&HUB][&net(prefix)].1.local_preference;
    assert_eq!((preference("10.2.0.0/16"), preference("10.3.0.0/16")), (Some(200), Some(100)));
}

#[test]
fn a_new_import_policy_changes_what_was_received_without_asking_for_it() {
    let mut router = started();
    router.rib.set_policy(CLOUD, PeerPolicy { import: chain("10.2.0.0/16", 5), ..cloud() });
    let outputs = router.drain();
    assert!(!outputs.iter().any(|output| matches!(output, Output::RequestRefresh { .. })));
    let told = sent(&outputs);
    assert!(told.iter().any(|update| update.withdrawn.iter().any(|nlri| nlri.prefix == net("10.3.0.0/16"))));
    let new = told.iter().find(|update| !update.announced.is_empty()).unwrap();
    assert_eq!(new.attributes.communities, vec![65000 << 16 | 7]);
    let view = router.rib.route(&net("10.2.0.0/16")).unwrap();
    assert_eq!(view.candidates[0].attributes.med, None, "as received");
    assert_eq!(view.candidates[0].changed.unwrap().med, Some(5));
    let refused = router.rib.adj_in(CLOUD).find(|route| route.prefix == net("10.3.0.0/16")).unwrap().refusal;
    assert_eq!(refused.unwrap().to_string(), "rejected by the default of policy p");
    // And back: what was received is still there.
    router.rib.set_policy(CLOUD, cloud());
    let told = router.drain();
    assert!(sent(&told).iter().any(|update| update.announced.iter().any(|a| a.prefixes.len() == 2)));
    assert!(router.rib.route(&net("10.2.0.0/16")).unwrap().candidates[0].changed.is_none());
}

#[test]
fn a_new_export_policy_corrects_what_was_sent_and_says_nothing_twice() {
    let mut router = started();
    router.rib.set_policy(HUB, PeerPolicy { export: chain("10.2.0.0/16", 5), ..hub() });
    let outputs = router.drain();
    let told = sent(&outputs);
    let new = told.iter().find(|update| !update.announced.is_empty()).unwrap();
    assert_eq!((new.attributes.med, new.announced[0].prefixes.len()), (Some(5), 1));
    let why = router.rib.export_verdict(HUB, &net("10.3.0.0/16")).unwrap().unwrap_err();
    assert!(matches!(why, Withheld::Policy(_)));
    assert_eq!(why.to_string(), "rejected by the default of policy p");
    router.rib.set_policy(HUB, PeerPolicy { export: chain("10.2.0.0/16", 5), ..hub() });
    assert!(router.drain().is_empty(), "a policy that says the same changes nothing");
}

#[test]
fn hits_are_counted_when_routes_pass_and_not_when_somebody_asks() {
    let mut router = started();
    let import = chain("10.2.0.0/16", 5);
    router.rib.set_policy(CLOUD, PeerPolicy { import: import.clone(), ..cloud() });
    router.drain();
    let hits = || import.policies()[0].hits().collect::<Vec<_>>();
    assert_eq!(hits(), [1, 1]);
    let asked = (router.rib.routes().count(), router.rib.adj_in(CLOUD).count(), router.rib.withheld(HUB).count());
    assert_eq!(asked, (3, 2, 1));
    assert_eq!(hits(), [1, 1]);
    let attributes = Attributes { as_path: path(&[64512, 7]), ..Attributes::default() };
    router.rib.handle_update(CLOUD, announce(&cloud(), attributes, &[net("10.2.1.0/24")]));
    router.drain();
    assert_eq!(hits(), [2, 1]);
}

#[test]
fn draining_a_session_moves_traffic_and_stopping_it_moves_it_back() {
    let mut router = started();
    router.rib.set_draining(CLOUD, true);
    router.drain();
    assert_eq!(router.rib.route(&net("10.2.0.0/16")).unwrap().candidates[0].local_preference, 0);
    router.rib.set_draining(HUB, true);
    let outputs = router.drain();
    let told = sent(&outputs);
    let all: usize = told.iter().flat_map(|update| &update.announced).map(|announced| announced.prefixes.len()).sum();
    assert!(all >= 2 && told.iter().all(|update| update.attributes.communities.contains(&0xffff_0000)));
    router.rib.set_draining(HUB, false);
    router.rib.set_draining(CLOUD, false);
    let outputs = router.drain();
    assert!(sent(&outputs).iter().all(|update| update.attributes.communities.is_empty()));
    assert_eq!(router.rib.route(&net("10.2.0.0/16")).unwrap().candidates[0].local_preference, 100);
}
