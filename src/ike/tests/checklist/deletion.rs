//! CHILD SAs and IKE SAs are deleted (RFC 7296 1.4.1, 2.25).

use super::act::Act::{Do, Lose, Wait};
use super::act::Operation::*;
use super::setting::Setting::Plain;
use super::*;

const CHILD: [Scenario; 6] = [
    row("regular", Plain, &[Do(A, DeleteChild)], Returns, &[]),
    row("answer lost", Plain, &[Lose(B_ANSWERS_DELETION), Do(A, DeleteChild)], Returns, &[]),
    row("collision", Plain, &[Do(A, DeleteChild), Do(B, DeleteChild)], Returns, &[]),
    row("collision with its rekey", Plain, &[Do(A, DeleteChild), Wait(5), Do(B, RekeyChild)], Returns, &[]),
    row("collision with IKE rekey", Plain, &[Do(A, DeleteChild), Do(B, RekeyIke)], Returns, &[]),
    row("collision with IKE deletion", Plain, &[Do(A, DeleteChild), Do(B, DeleteIke)], Returns, &[]),
];

const IKE: [Scenario; 4] = [
    row("regular", Plain, &[Do(A, DeleteIke)], Returns, &[]),
    row("request lost", Plain, &[Lose(A_DELETES), Do(A, DeleteIke)], Returns, &[]),
    row("answer lost", Plain, &[Lose(B_ANSWERS_DELETION), Do(A, DeleteIke)], Returns, &[]),
    row("collision", Plain, &[Do(A, DeleteIke), Do(B, DeleteIke)], Returns, &[]),
];

#[test]
fn child_sas_that_are_deleted() {
    play_all(&CHILD);
}

#[test]
fn ike_sas_that_are_deleted() {
    play_all(&IKE);
}
