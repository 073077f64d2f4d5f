//! How an operation ended.

use super::Plan;
use super::kernel::{Body, NexthopId};
use super::op::{Op, Refusal};

impl Plan {
    /// Takes note of how `op` ended. Returns the refusal if there was one that matters: the picture of the kernel may
    /// be wrong then, and a [`Plan::resync`] is called for.
    pub(crate) fn handle_result(&mut self, op: &Op, result: Result<(), Refusal>) -> Option<Refusal> {
        match result {
            Ok(()) => {}
            // What should be absent is absent.
            Err(refusal) if op.deletes() && refusal.is_absence() => {}
            Err(refusal) => {
                self.block(op, refusal.clone());
                return Some(refusal);
            }
        }
        self.note_lost_routes(op);
        self.kernel.apply(op);
        None
    }

    /// Takes note of how `ops` ended. Returns those that the kernel carried out, and the others with its reasons.
    pub(crate) fn handle_results(
        &mut self,
        ops: Vec<Op>,
        results: Vec<Result<(), Refusal>>,
    ) -> (Vec<Op>, Vec<(Op, Refusal)>) {
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for (op, result) in ops.into_iter().zip(results) {
            match self.handle_result(&op, result) {
                None => done.push(op),
                Some(refusal) => refused.push((op, refusal)),
            }
        }
        (done, refused)
    }

    /// Routes that go with a deleted nexthop may have another way.
    fn note_lost_routes(&mut self, op: &Op) {
        if let Op::DelNexthop { id } = op {
            for state in self.sets.values_mut().filter(|state| state.group == Some(*id)) {
                state.group = None;
            }
            self.objects_due = true;
            self.audit = true;
        }
    }

    fn block(&mut self, op: &Op, refusal: Refusal) {
        match op {
            Op::NewHop { id, hop } => {
                self.blocked.hops.insert(*hop, refusal.clone());
                self.blocked.ids.insert(*id, refusal);
            }
            Op::NewGroup { id, .. } | Op::ReplaceGroup { id, .. } => self.block_group(*id, refusal),
            Op::DelNexthop { id } => {
                self.blocked.ids.insert(*id, refusal);
            }
            Op::NewRoute { key, .. } | Op::ReplaceRoute { key, .. } | Op::DelRoute { key } => {
                self.blocked.routes.insert(*key, refusal);
            }
        }
    }

    fn block_group(&mut self, id: NexthopId, refusal: Refusal) {
        let exists = matches!(self.kernel.own(id), Some(Body::Group(_) | Body::OtherGroup(_)));
        for (set, state) in self.sets.iter_mut().filter(|(_, state)| state.group == Some(id)) {
            self.blocked.sets.insert(set.clone(), refusal.clone());
            if !exists {
                state.group = None;
            }
        }
        self.blocked.ids.insert(id, refusal);
    }
}
