//! Each thing that `quadspan doctor` can find is brought about for real, found by its code, and undone.
//!
//! ```text
//!   us 192.0.2.1 ---- wan ---- 192.0.2.9 peer (203.0.113.9 on its loopback): a route leads there     ward
//!   us 192.0.2.1 ---- wan ---- 192.0.2.9 peer, each with terms of its own                           pairs
//!   us 192.0.2.1 ---- wan ---- 192.0.2.9 somebody who says no to everything                         refusal
//!   a host alone                                                                                    alone
//! ```
//!
//! What was found is noted, and in the end every code that there is must have been, but for [`NOT_PROVOKED`].

mod alone;
mod asking;
mod certificates;
mod machine;
mod pairs;
mod refusal;
mod routes;
mod session;
mod tunnel;
mod ward;

use std::collections::BTreeSet;

use doctor::Code;
use proto_tests::lab::{LabError, Result};

/// Codes that no laboratory brings about, each with the reason.
const NOT_PROVOKED: &[(Code, &str)] =
    &[(Code::ClockLoose, "the kernel has one clock for all namespaces; it is found where nobody keeps the machine's")];

/// What is done to one laboratory after the other, by its name.
type Story = (&'static str, fn() -> Result<()>);

#[test]
fn every_code_is_found_where_its_cause_is() {
    let stories: [Story; 6] = [
        ("machine", machine::play),
        ("routes and packets", routes::play),
        ("session", session::play),
        ("tunnel", tunnel::play),
        ("alone", alone::play),
        ("refusal", refusal::play),
    ];
    let mut complaints: Vec<String> = Vec::new();
    std::thread::scope(|scope| {
        let stories: Vec<_> = stories.iter().map(|(name, play)| (*name, scope.spawn(play))).collect();
        complaints.extend(pairs::play());
        for (name, story) in stories {
            let outcome = story
                .join()
                .unwrap_or_else(|_| Err(LabError::Unexpected { what: name.to_owned(), found: "a panic".to_owned() }));
            complaints.extend(outcome.err().map(|error| format!("{name}: {error}")));
        }
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let found = asking::found_so_far();
    let excepted: BTreeSet<&str> = NOT_PROVOKED.iter().map(|(code, _)| code.as_str()).collect();
    let missing: Vec<_> =
        Code::ALL.iter().filter(|it| !found.contains(it.as_str()) && !excepted.contains(it.as_str())).collect();
    assert_eq!(missing, Vec::<&Code>::new(), "provoke them, or say in NOT_PROVOKED why not");
}
