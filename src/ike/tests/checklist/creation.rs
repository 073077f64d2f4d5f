//! CHILD SAs are asked for under an IKE SA that is there (RFC 7296 1.3.1), or that began without one (RFC 6023).

use super::act::Act::{Do, Hold, Lose, LoseAll, Wait};
use super::act::Operation::*;
use super::setting::Setting::{Childless, ChildlessBoth, ChildlessGuess, Missing, MissingGuess};
use super::*;

const BESIDE_OTHERS: [Scenario; 7] = [
    row("regular", Missing, &[Do(A, CreateChild)], Flows, &[]),
    row("another group is wanted", MissingGuess, &[Do(A, CreateChild)], Flows, &[(B, OTHER_GROUP)]),
    row("response lost", Missing, &[Lose(B_ANSWERS), Do(A, CreateChild)], Flows, &[]),
    row("collision", Missing, &[Do(A, CreateChild), Do(B, CreateChild)], Flows, &[]),
    row("collision with IKE rekey", Missing, &[Do(A, CreateChild), Do(B, RekeyIke)], Flows, &[(A, BUSY), (B, BUSY)]),
    row(
        "collision with IKE rekey, another group is wanted",
        MissingGuess,
        &[Do(A, CreateChild), Do(B, RekeyIke)],
        Flows,
        &[(A, BUSY), (B, BUSY)],
    ),
    row("collision with IKE deletion", Missing, &[Do(A, CreateChild), Do(B, DeleteIke)], Returns, &[]),
];

const WITHOUT: [Scenario; 6] = [
    row("regular", Childless, &[], Returns, &[]),
    row("another group is wanted", ChildlessGuess, &[], Returns, &[(B, OTHER_GROUP)]),
    row("the first response lost", Childless, &[Lose(B_ANSWERS)], Returns, &[]),
    row("who began asks late, who answered asks", Childless, &[LoseAll(A_ASKS, 3), Hold(A_ASKS, 900)], Returns, &[]),
    row("both begin without", ChildlessBoth, &[], Returns, &[]),
    row("the other end rekeys the IKE SA first", Childless, &[Wait(45), Do(B, RekeyIke)], Returns, &[]),
];

#[test]
fn child_sas_beside_others() {
    play_all(&BESIDE_OTHERS);
}

#[test]
fn ike_sas_that_begin_without_a_child_sa() {
    play_all(&WITHOUT);
}
