//! Message IDs after a failover of B (RFC 6311). What exactly is answered is in [`super::super::failover`].

use super::act::Act::{Do, Lose, Wait};
use super::act::Operation::*;
use super::setting::Setting::{Aged, AgedHybrid};
use super::*;

const ROWS: [Scenario; 9] = [
    row("regular", Aged, &[Do(B, FailOver), Do(A, RekeyChild), Do(B, RekeyIke)], Flows, &[]),
    row("twice", Aged, &[Do(B, FailOver), Do(B, FailOver), Do(A, RekeyChild)], Flows, &[]),
    row("of both ends, one after the other", Aged, &[Do(B, FailOver), Do(A, FailOver), Do(B, RekeyChild)], Flows, &[]),
    row("with IDs that are used", Aged, &[Do(B, FailOverBehind), Do(A, RekeyChild)], Flows, &[]),
    row("a sign of life is asked for meanwhile", Aged, &[Do(A, Probe), Do(B, FailOver)], Flows, &[]),
    row("a CHILD SA is rekeyed meanwhile", Aged, &[Do(A, RekeyChild), Do(B, FailOver), Do(B, RekeyChild)], Flows, &[]),
    row(
        "of the end that rekeys a CHILD SA",
        Aged,
        &[Lose(A_ANSWERS), Do(B, RekeyChild), Wait(15), Do(B, FailOver)],
        Flows,
        &[],
    ),
    row("the IKE SA is rekeyed meanwhile", Aged, &[Do(A, RekeyIke), Do(B, FailOver), Wait(100)], Flows, &[]),
    row("further key exchanges meanwhile", AgedHybrid, &[Do(A, RekeyChild), Wait(15), Do(B, FailOver)], Flows, &[]),
];

#[test]
fn message_ids_after_a_failover() {
    play_all(&ROWS);
}
