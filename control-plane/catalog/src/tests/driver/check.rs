//! What the driver compares after each command, and what it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tidelog_catalog_api::*;
use tidelog_model::*;

use super::Driver;

impl Driver {
    /// Compares all that can be asked.
    pub(super) fn check(&mut self) {
        let (state, model) = (&self.state, &self.model);
        state.validate().unwrap();
        assert_eq!(state.now(), model.tick);
        assert_eq!(state.wall(), model.wall.map(TimestampMs));
        assert_eq!(Some((state.cluster().cluster_id, state.cluster().incarnation)), model.cluster);
        for (topic, deleted) in &model.topics {
            assert_eq!(
                state.topic(topic.id).is_some(),
                !deleted || model.topics.iter().any(|it| it.0.id == topic.id && !it.1)
            );
            for index in 0..topic.partitions + 1 {
                self.check_partition(PartitionId { topic: topic.id, index });
            }
        }
        for tenant in [TenantId(0), TenantId(1)] {
            let live = model.topics.iter().filter(|topic| !topic.1 && topic.0.tenant == tenant);
            let names: BTreeSet<&str> = live.map(|topic| topic.0.name.as_str()).collect();
            assert_eq!(
                state.topics(tenant).iter().map(|it| it.name.to_string()).collect::<Vec<_>>(),
                Vec::from_iter(names)
            );
            for view in state.topics(tenant) {
                let topic = model.topics.iter().find(|topic| topic.0.id == view.id && !topic.1).unwrap();
                assert_eq!((view.partitions, &*view.configs), (topic.0.partitions, &topic.0.configs));
                assert_eq!(state.topic(view.id), Some(view));
            }
            let groups = model.groups.iter().filter(|(key, offsets)| key.0 == tenant && !offsets.is_empty());
            let groups: Vec<&str> = groups.map(|(key, _)| key.1.as_str()).collect();
            assert_eq!(state.groups(tenant).iter().map(|it| &**it).collect::<Vec<_>>(), groups);
        }
        assert_eq!(state.object_count(), model.referenced().len());
        assert!(model.referenced().iter().all(|object| state.is_referenced(*object)));
        let listed = state.orphans();
        let ids = listed.iter().flat_map(|range| (0..u64::from(range.count)).map(|i| ObjectId(range.first.0 + i)));
        let orphans: BTreeSet<ObjectId> = ids.collect();
        assert_eq!(orphans, model.orphans(), "orphans");
        assert!(orphans.is_superset(&self.seen_orphans), "what was listed once can never be used again");
        self.seen_orphans = orphans;
        let payloads = model.live_payloads();
        assert_eq!(state.inline_bytes(), payloads.values().map(Bytes::len).sum::<usize>());
        for index in model.payloads.keys() {
            assert_eq!(state.inline_payload(*index), payloads.get(index).cloned(), "payload {index}");
        }
        let records = state.group_records().into_iter();
        let records: BTreeMap<_, _> =
            records.map(|(tenant, name, record)| ((tenant, name.to_string()), (*record).clone())).collect();
        assert_eq!(records, model.records);
        let quotas = state.client_quotas(TenantId(1));
        let quotas = quotas.iter().flat_map(|(of, values)| values.iter().map(|(kind, it)| ((of.clone(), *kind), *it)));
        assert_eq!(quotas.collect::<BTreeMap<_, _>>(), model.quotas);
        assert!(Arc::ptr_eq(&state.client_quotas(TenantId(0)), &state.client_quotas(TenantId(2))), "none are none");
        assert_eq!(*state.metrics_subscriptions(TenantId(1)), model.subscriptions);
        assert!(state.metrics_subscriptions(TenantId(0)).is_empty());
        for ((topic, key), known) in &model.guards.keys {
            let expected = KeyView { body: known.body, layout: known.layout };
            assert_eq!(state.idempotency_key(*topic, *key), Some(expected), "a key of {topic}");
        }
        for ((tenant, group), offsets) in &model.groups {
            assert_eq!(state.group_offsets(*tenant, group, None), Vec::from_iter(offsets.values().cloned()));
            for from in offsets.keys() {
                let two = Vec::from_iter(offsets.range(*from..).take(2).map(|(_, offset)| offset.clone()));
                assert_eq!(state.group_offsets_from(*tenant, group, *from, 2), two);
            }
        }
    }

    fn check_partition(&self, id: PartitionId) {
        let (view, plan) = (self.state.partition(id), self.state.extents(id, Offset(0), usize::MAX));
        if self.model.topic(id).is_none() {
            assert_eq!((view, plan), (None, None));
            return;
        }
        let (log_start, tail, extents) = (self.model.log_start(id), self.model.tail(id), self.model.extents(id));
        let expected = PartitionView { log_start, high_watermark: tail, last_stable: tail };
        assert_eq!(view, Some(expected), "bounds of {id}");
        assert_eq!(self.state.fence(id), self.model.guards.fence(id), "the fence of {id}");
        let from_zero = if log_start == Offset(0) { extents.clone() } else { Vec::new() };
        assert_eq!(plan, Some(ExtentPlan { partition: expected, extents: from_zero }), "extents of {id}");
        let all = self.state.extents(id, log_start, usize::MAX).unwrap();
        assert_eq!(all.extents, extents, "extents of {id}");
        assert_eq!(self.state.partition_bytes(id), Some(extents.iter().map(|extent| u64::from(extent.bytes())).sum()));
        for offset in 0..=tail.0 {
            let from = extents.iter().skip_while(|extent| extent.end_offset().0 <= offset);
            let plan = self.state.extents(id, Offset(offset), 1).unwrap();
            let there = usize::from(offset >= log_start.0);
            assert_eq!(plan.extents, Vec::from_iter(from.take(there).cloned()));
        }
        for from in [Offset(0), log_start.plus(1)] {
            let rest = || extents.iter().filter(|extent| extent.end_offset() > from);
            for timestamp in [-101, -50, 0, 77, 200] {
                let first = rest().find(|extent| extent.max_timestamp.0 >= timestamp);
                assert_eq!(self.state.extent_by_time(id, TimestampMs(timestamp), from), first.cloned());
            }
            let greatest = rest().map(|extent| extent.max_timestamp).max();
            let first = rest().find(|extent| Some(extent.max_timestamp) == greatest);
            assert_eq!(self.state.extent_of_max_timestamp(id, from), first.cloned());
        }
    }

    /// How often each kind of answer was given.
    pub fn count_kinds(&self, kinds: &mut BTreeMap<String, u64>) {
        let mut count = |kind: &dyn std::fmt::Debug| {
            let text = format!("{kind:?}");
            let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
            *kinds.entry(name).or_default() += 1;
        };
        for (_, outcome) in &self.log {
            match outcome {
                Outcome::Committed(Ok(CommitOutcome::Applied(batches))) => batches.iter().for_each(|it| match it {
                    BatchOutcome::Fenced { .. } => count(&format_args!("TokenTooLow")),
                    it => count(it),
                }),
                Outcome::Committed(Ok(other)) => count(other),
                Outcome::Committed(Err(refused)) => count(refused),
                Outcome::Moved(Ok(moved)) => moved.iter().for_each(|it| count(it)),
                Outcome::Moved(Err(refused)) | Outcome::Granted(Err(refused)) => count(refused),
                Outcome::TopicsCreated(topics) => {
                    topics.iter().filter_map(|it| it.as_ref().err()).for_each(|it| count(it))
                }
                Outcome::OffsetsCommitted(offsets) => {
                    offsets.iter().filter_map(|it| it.err()).for_each(|it| count(&it))
                }
                Outcome::TopicConfigsAltered(Err(error)) | Outcome::PartitionsCreated(Err(error)) => count(error),
                Outcome::RecordsDeleted(deleted) => deleted.iter().for_each(|it| match it {
                    Ok(Offset(0)) => {}
                    Ok(_) => count(&format_args!("Deleted")),
                    Err(error) => count(error),
                }),
                Outcome::FenceRaised(Err(FenceRefused::Fenced(_))) => count(&format_args!("FenceStands")),
                Outcome::GroupStored(Err(refused)) => count(refused),
                Outcome::OffsetsCommittedAs(Err(refused)) => count(refused),
                Outcome::ClientQuotasAltered(altered) => altered.iter().for_each(|it| match it {
                    Ok(()) => count(&format_args!("Limited")),
                    Err(refused) => count(refused),
                }),
                Outcome::MetricsSubscriptionAltered(Ok(())) => count(&format_args!("Subscribed")),
                Outcome::MetricsSubscriptionAltered(Err(refused)) => count(&format_args!("Subscription{refused:?}")),
                Outcome::OffsetsDeleted(forgotten) if *forgotten > 0 => count(&format_args!("Forgotten")),
                _ => {}
            }
        }
        let orphans = u64::from(!self.seen_orphans.is_empty());
        *kinds.entry("orphans".into()).or_default() += orphans;
        *kinds.entry("snapshots".into()).or_default() += self.snapshots.len() as u64;
    }
}
