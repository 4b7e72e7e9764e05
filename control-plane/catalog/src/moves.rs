//! Inline payloads move into objects.
//!
//! The mover read the state some time ago, so each move is checked against the state now: the extent must still be exactly
//! where the mover saw it. A repeated command finds nothing left to move. The order of events that makes it safe:
//!
//! ```text
//!   mover:   list inline extents ─► put object ─► propose MoveInline ─► applied: extents point to the object
//!   reader:        plan (inline) ───────────────────────────────────────► payload gone? plan again
//! ```

use std::collections::BTreeMap;

use tidelog_catalog_api::{ExtentMove, Location, MoveInline, ObjectRange, SessionRefused};
use tidelog_model::LogIndex;
use tidelog_model::limits::OBJECT_BYTES_MAX;

use crate::part::Stamped;
use crate::shard::{payload_part_of, shard_of};
use crate::state::State;

impl State {
    pub(crate) fn apply_moves(&mut self, index: LogIndex, command: &MoveInline) -> Result<Vec<bool>, SessionRefused> {
        let meta = Stamped::write(&mut self.meta, index);
        if !meta.sessions.contains_key(&command.session) {
            return Err(SessionRefused::Fenced);
        }
        let size_fits = command.object_bytes as usize <= OBJECT_BYTES_MAX;
        if !size_fits || !meta.name_object(command.session, command.object, command.object_bytes) {
            return Err(SessionRefused::NotGranted(command.object));
        }
        // Ranges of the object that are taken: from the first byte to one past the last.
        let mut taken = BTreeMap::new();
        let one = |step: &ExtentMove| {
            let Some(end) = step.to_position.checked_add(step.bytes).filter(|end| *end <= command.object_bytes) else {
                return false;
            };
            let free = taken.range(..end).next_back().is_none_or(|(_, taken_end)| *taken_end <= step.to_position);
            let moved = free && self.move_extent(index, command, step);
            if moved {
                taken.insert(step.to_position, end);
            }
            moved
        };
        Ok(command.moves.iter().map(one).collect())
    }

    fn move_extent(&mut self, index: LogIndex, command: &MoveInline, step: &ExtentMove) -> bool {
        let shard = &mut self.shards[shard_of(step.partition)];
        let from = Location::Inline { index: step.from, position: step.from_position, bytes: step.bytes };
        let there =
            shard.body.partitions.get(&step.partition).and_then(|partition| partition.extents.at(step.base_offset));
        if there.is_none_or(|extent| extent.location != from) {
            return false;
        }
        let range = ObjectRange { object: command.object, position: step.to_position, bytes: step.bytes };
        let to = Location::Object { range, copies: 1, encoding: 0 };
        let partitions = &mut Stamped::write(shard, index).partitions;
        let partition = partitions.get_mut(&step.partition).expect("just found").write();
        let joined = partition.extents.relocate(step.base_offset, to);
        self.derived.totals.moved(step.bytes, joined);
        // The moved extent is one more, and each neighbour it was joined with is one less.
        self.derived.objects.add(command.object, 1);
        for _ in 0..joined {
            Stamped::write(&mut self.meta, index).release_object(command.object, &mut self.derived.objects);
        }
        self.leave_payload(index, step.from, (step.partition, step.base_offset));
        true
    }

    /// An extent is no longer in the payload of the command at `from`; the last one to leave frees it.
    pub(crate) fn leave_payload(
        &mut self,
        index: LogIndex,
        from: LogIndex,
        place: (tidelog_model::PartitionId, tidelog_model::Offset),
    ) {
        if self.derived.inline.remove(from, place) {
            let part = Stamped::write(&mut self.payloads[payload_part_of(from)], index);
            let payload = part.payloads.remove(&from).expect("a payload with extents in it is there");
            self.derived.inline.bytes -= payload.len();
        }
    }
}
