//! IKE SAs are rekeyed (RFC 7296 1.3.2, 2.8.2, 2.25.2; RFC 9370 2.2.4).

use super::act::Act::{Do, Hold, Lose, Wait};
use super::act::Operation::*;
use super::setting::Setting::{Guess, Hybrid, Plain};
use super::*;

/// One end asks, the other has nothing in mind.
const REGULAR: [Scenario; 9] = [
    row("regular", Plain, &[Do(A, RekeyIke)], Flows, &[]),
    row("regular, several key exchanges", Hybrid, &[Do(A, RekeyIke)], Flows, &[]),
    row("another group is wanted", Guess, &[Do(A, RekeyIke)], Flows, &[(B, OTHER_GROUP)]),
    row("request lost", Plain, &[Lose(A_ASKS), Do(A, RekeyIke)], Flows, &[]),
    row("response lost", Plain, &[Lose(B_ANSWERS), Do(A, RekeyIke)], Flows, &[]),
    row("response late", Plain, &[Hold(B_ANSWERS, 3_500), Do(A, RekeyIke)], Flows, &[]),
    row("deletion of the old SA lost", Plain, &[Lose(A_DELETES), Do(A, RekeyIke)], Flows, &[]),
    row("answer to that deletion lost", Plain, &[Lose(B_ANSWERS_DELETION), Do(A, RekeyIke)], Flows, &[]),
    row("a sign of life is asked for meanwhile", Plain, &[Do(B, Probe), Do(A, RekeyIke)], Flows, &[]),
];

/// Both rekey it.
const COLLISION: [Scenario; 12] = [
    row("collision", Plain, &[Do(A, RekeyIke), Do(B, RekeyIke)], Flows, &[]),
    row("collision, several key exchanges", Hybrid, &[Do(A, RekeyIke), Do(B, RekeyIke)], Flows, &[]),
    row("collision, a response late", Plain, &[Hold(B_ANSWERS, 400), Do(A, RekeyIke), Do(B, RekeyIke)], Flows, &[]),
    row(
        "collision, a response late, several key exchanges",
        Hybrid,
        &[Hold(B_ANSWERS, 400), Do(A, RekeyIke), Do(B, RekeyIke)],
        Flows,
        &[],
    ),
    row("collision, a request lost", Plain, &[Lose(A_ASKS), Do(A, RekeyIke), Do(B, RekeyIke)], Flows, &[]),
    row(
        "collision, a request later than the response",
        Plain,
        &[Hold(A_ASKS, 25), Do(A, RekeyIke), Do(B, RekeyIke)],
        Flows,
        &[(B, BUSY)],
    ),
    row(
        "collision, a request and the deletion late",
        Plain,
        &[Hold(A_ASKS, 25), Hold(B_DELETES, 300), Do(A, RekeyIke), Do(B, RekeyIke)],
        Flows,
        &[(B, BUSY)],
    ),
    row(
        "collision, a request late, several key exchanges",
        Hybrid,
        &[Hold(A_ASKS, 25), Do(A, RekeyIke), Do(B, RekeyIke)],
        Flows,
        &[],
    ),
    row(
        "collision, a further key exchange late",
        Hybrid,
        &[Hold(A_FOLLOWS, 900), Hold(B_FOLLOWS, 300), Do(A, RekeyIke), Do(B, RekeyIke)],
        Flows,
        &[],
    ),
    row("collision, another group is wanted", Guess, &[Do(A, RekeyIke), Do(B, RekeyIke)], Flows, &[(B, OTHER_GROUP)]),
    row(
        "collision, another group is wanted, the retry late",
        Guess,
        &[Do(A, RekeyIke), Do(B, RekeyIke), Wait(15), Hold(A_ASKS, 800)],
        Flows,
        &[(B, OTHER_GROUP)],
    ),
    row(
        "collision, two times in a row",
        Plain,
        &[Do(A, RekeyIke), Do(B, RekeyIke), Wait(300), Do(B, RekeyIke), Do(A, RekeyIke)],
        Flows,
        &[],
    ),
];

/// The other end has something else in mind.
const OTHERS: [Scenario; 7] = [
    row("collision with IKE deletion", Plain, &[Do(A, RekeyIke), Do(B, DeleteIke)], Returns, &[]),
    row(
        "collision with IKE deletion, several key exchanges",
        Hybrid,
        &[Do(A, RekeyIke), Do(B, DeleteIke)],
        Returns,
        &[],
    ),
    row(
        "collision with IKE deletion, which is lost",
        Plain,
        &[Lose(B_DELETES), Do(A, RekeyIke), Do(B, DeleteIke)],
        Returns,
        &[],
    ),
    row(
        "collision with IKE deletion, the rekey is lost",
        Plain,
        &[Lose(A_ASKS), Do(A, RekeyIke), Do(B, DeleteIke)],
        Returns,
        &[],
    ),
    row("collision with child deletion", Plain, &[Do(A, RekeyIke), Do(B, DeleteChild)], Returns, &[]),
    row(
        "a CHILD SA is rekeyed under the old one by whom the answer has not reached",
        Plain,
        &[Hold(B_ANSWERS, 300), Do(A, RekeyIke), Wait(20), Do(B, RekeyChild), Do(A, RekeyChild)],
        Flows,
        &[],
    ),
    row("the new one is rekeyed at once", Plain, &[Do(A, RekeyIke), Wait(25), Do(B, RekeyIke)], Flows, &[]),
];

#[test]
fn ike_rekeys_that_nobody_crosses() {
    play_all(&REGULAR);
}

#[test]
fn ike_rekeys_that_cross_each_other() {
    play_all(&COLLISION);
}

#[test]
fn ike_rekeys_that_cross_something_else() {
    play_all(&OTHERS);
}
