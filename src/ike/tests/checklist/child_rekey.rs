//! CHILD SAs are rekeyed (RFC 7296 1.3.3, 2.8.1, 2.25.1; RFC 9370 2.2.4).

use super::act::Act::{Do, Hold, Lose, LoseAll, LoseNoMore, Wait};
use super::act::Operation::*;
use super::setting::Setting::{Guess, Hybrid, Plain};
use super::*;

/// One end asks, the other has nothing in mind.
const REGULAR: [Scenario; 16] = [
    row("regular", Plain, &[Do(A, RekeyChild)], Flows, &[]),
    row("regular, several key exchanges", Hybrid, &[Do(A, RekeyChild)], Flows, &[]),
    row("another group is wanted", Guess, &[Do(A, RekeyChild)], Flows, &[(B, OTHER_GROUP)]),
    row("request lost", Plain, &[Lose(A_ASKS), Do(A, RekeyChild)], Flows, &[]),
    row("response lost", Plain, &[Lose(B_ANSWERS), Do(A, RekeyChild)], Flows, &[]),
    row("request late", Plain, &[Hold(A_ASKS, 3_500), Do(A, RekeyChild)], Flows, &[]),
    row("response late", Plain, &[Hold(B_ANSWERS, 3_500), Do(A, RekeyChild)], Flows, &[]),
    row("deletion of the old SA lost", Plain, &[Lose(A_DELETES), Do(A, RekeyChild)], Flows, &[]),
    row("answer to that deletion lost", Plain, &[Lose(B_ANSWERS_DELETION), Do(A, RekeyChild)], Flows, &[]),
    row("further key exchange lost", Hybrid, &[Lose(A_FOLLOWS), Do(A, RekeyChild)], Flows, &[]),
    row("answer to it lost", Hybrid, &[Lose(B_ANSWERS_FOLLOWING), Do(A, RekeyChild)], Flows, &[]),
    row("soft limit at the responder meanwhile", Plain, &[Do(A, RekeyChild), Wait(15), Do(B, SoftLimit)], Flows, &[]),
    row("soft limits of one SA at both ends", Plain, &[Do(A, SoftLimit), Do(B, SoftLimit)], Flows, &[]),
    row(
        "hard limit at the responder meanwhile",
        Plain,
        &[Do(A, RekeyChild), Wait(15), Do(B, DeleteChild)],
        Returns,
        &[],
    ),
    row("an unknown SA is deleted meanwhile", Plain, &[Do(A, RekeyChild), Do(B, DeleteUnknown)], Flows, &[]),
    row("the responder has lost the SA", Plain, &[Do(B, LoseChild), Do(A, RekeyChild)], Returns, &[(B, UNKNOWN)]),
];

/// Both rekey it.
const COLLISION: [Scenario; 15] = [
    row("collision", Plain, &[Do(A, RekeyChild), Do(B, RekeyChild)], Flows, &[]),
    row("collision, several key exchanges", Hybrid, &[Do(A, RekeyChild), Do(B, RekeyChild)], Flows, &[]),
    row("collision, second a little later", Plain, &[Do(A, RekeyChild), Wait(5), Do(B, RekeyChild)], Flows, &[]),
    row("collision, a response late", Plain, &[Hold(B_ANSWERS, 400), Do(A, RekeyChild), Do(B, RekeyChild)], Flows, &[]),
    row(
        "collision, a response late, several key exchanges",
        Hybrid,
        &[Hold(B_ANSWERS, 400), Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[],
    ),
    row(
        "collision, a request later than the response",
        Plain,
        &[Hold(A_ASKS, 300), Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[],
    ),
    row(
        "collision, a request later than the deletion",
        Plain,
        &[Hold(A_ASKS, 900), Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[(B, UNKNOWN)],
    ),
    row(
        "collision, a request and the deletion late",
        Plain,
        &[Hold(A_ASKS, 900), Hold(B_DELETES, 900), Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[(B, BUSY)],
    ),
    row(
        "collision, a request late, several key exchanges",
        Hybrid,
        &[Hold(A_ASKS, 25), Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[],
    ),
    row(
        "collision, a request later than everything, several key exchanges",
        Hybrid,
        &[Hold(A_ASKS, 950), Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[],
    ),
    row(
        "collision, a further key exchange late",
        Hybrid,
        &[Hold(A_FOLLOWS, 950), Hold(B_FOLLOWS, 300), Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[],
    ),
    row(
        "collision, another group is wanted",
        Guess,
        &[Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[(B, OTHER_GROUP)],
    ),
    row(
        "collision, another group is wanted, the retry late",
        Guess,
        &[Do(A, RekeyChild), Do(B, RekeyChild), Wait(15), Hold(A_ASKS, 800)],
        Flows,
        &[(B, OTHER_GROUP)],
    ),
    row(
        "collision, all first requests lost",
        Plain,
        &[Lose(A_ASKS), Lose(B_ASKS), Do(A, RekeyChild), Do(B, RekeyChild)],
        Flows,
        &[],
    ),
    row(
        "collision, three times in a row",
        Plain,
        &[
            Do(A, RekeyChild),
            Do(B, RekeyChild),
            Wait(900),
            Do(B, RekeyChild),
            Do(A, RekeyChild),
            Wait(900),
            Do(A, RekeyChild),
            Do(B, RekeyChild),
        ],
        Flows,
        &[],
    ),
];

/// The other end has something else in mind.
const OTHERS: [Scenario; 12] = [
    row("collision with deletion", Plain, &[Do(A, RekeyChild), Do(B, DeleteChild)], Returns, &[]),
    row(
        "collision with deletion, several key exchanges",
        Hybrid,
        &[Do(A, RekeyChild), Do(B, DeleteChild)],
        Returns,
        &[],
    ),
    row(
        "collision with deletion, which is lost",
        Plain,
        &[Lose(B_DELETES), Do(A, RekeyChild), Do(B, DeleteChild)],
        Returns,
        &[],
    ),
    row(
        "collision with deletion, the rekey is lost",
        Plain,
        &[Lose(A_ASKS), Do(A, RekeyChild), Do(B, DeleteChild)],
        Returns,
        &[],
    ),
    row(
        "the new SA is deleted before its initiator hears of it",
        Plain,
        &[Hold(B_ANSWERS, 900), Do(A, RekeyChild), Wait(20), Do(B, DeleteNewest)],
        Returns,
        &[],
    ),
    row("collision with IKE rekey", Plain, &[Do(A, RekeyChild), Do(B, RekeyIke)], Flows, &[(A, BUSY), (B, BUSY)]),
    row(
        "collision with IKE rekey, several key exchanges",
        Hybrid,
        &[Do(A, RekeyChild), Do(B, RekeyIke)],
        Flows,
        &[(A, BUSY), (B, BUSY)],
    ),
    row(
        "IKE rekey while further key exchanges are under way",
        Hybrid,
        &[Hold(A_FOLLOWS, 500), Do(A, RekeyChild), Wait(30), Do(B, RekeyIke)],
        Flows,
        &[],
    ),
    row("collision with IKE deletion", Plain, &[Do(A, RekeyChild), Do(B, DeleteIke)], Returns, &[]),
    row(
        "collision with IKE deletion, which is lost",
        Plain,
        &[Lose(B_DELETES), Do(A, RekeyChild), Do(B, DeleteIke)],
        Returns,
        &[],
    ),
    row("both kinds of rekey at both ends", Plain, &[Do(A, RekeyBoth), Do(B, RekeyBoth)], Flows, &[]),
    row("both kinds, several key exchanges", Hybrid, &[Do(A, RekeyBoth), Do(B, RekeyBoth)], Flows, &[]),
];

/// B begins, A makes the SA, and no answer of A's gets through for a while.
const UNFINISHED: [Scenario; 7] = [
    row("every answer lost for a while", Plain, &[LOST, Do(B, RekeyChild), Wait(12_000), LoseNoMore], Flows, &[]),
    row(
        "every answer lost until the other end's turn",
        Plain,
        &[LOST, Do(B, RekeyChild), Wait(28_000), LoseNoMore],
        Flows,
        &[],
    ),
    row(
        "every answer lost until the other end's turn, several key exchanges",
        Hybrid,
        &[LOST, Do(B, RekeyChild), Wait(28_000), LoseNoMore],
        Flows,
        &[],
    ),
    row(
        "forgotten by whom no answer reached, the other end's turn",
        Plain,
        &[LOST, Do(B, RekeyChild), Wait(3_000), Do(B, Forget), Wait(60_000), LoseNoMore, Do(A, RekeyIke)],
        Flows,
        &[],
    ),
    row(
        "forgotten, then IKE rekey",
        Plain,
        &[LOST, Do(B, RekeyChild), Wait(3_000), Do(B, Forget), LoseNoMore, Do(A, RekeyIke)],
        Flows,
        &[],
    ),
    row(
        "forgotten, IKE rekey on its way",
        Plain,
        &[LOST, Do(B, RekeyChild), Wait(3_000), Do(A, RekeyIke), Do(B, Forget), LoseNoMore],
        Flows,
        &[],
    ),
    row(
        "forgotten, then IKE rekey, then once more",
        Plain,
        &[
            LOST,
            Do(B, RekeyChild),
            Wait(3_000),
            Do(B, Forget),
            LoseNoMore,
            Do(A, RekeyIke),
            Wait(900),
            Do(B, RekeyChild),
        ],
        Flows,
        &[],
    ),
];

const LOST: Act = LoseAll(A_ANSWERS, 100);

#[test]
fn child_rekeys_that_the_end_which_began_does_not_finish() {
    play_all(&UNFINISHED);
}

#[test]
fn child_rekeys_that_nobody_crosses() {
    play_all(&REGULAR);
}

#[test]
fn child_rekeys_that_cross_each_other() {
    play_all(&COLLISION);
}

#[test]
fn child_rekeys_that_cross_something_else() {
    play_all(&OTHERS);
}
