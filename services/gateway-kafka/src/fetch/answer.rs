//! Fetch: waits until there is enough to send, or long enough, or something went wrong.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tidelog_kafka_wire::messages::FetchRequest;
use tidelog_kafka_wire::{
    EncodeFailed, ErrorCode, FetchReply, FetchReplyPartition, FetchReplyTopic, RequestHeader, StrBytes, Uuid,
    encode_fetch_reply,
};
use tidelog_model::{PartitionId, TopicId};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::connection::Answer;
use crate::fetch::reads::{self, Wanted};
use crate::fetch::session::Answered;
use crate::fetch::sessions::{Asked, Mode, NO_SESSION, PartitionKey, Plan, SessionRequest, Told};
use crate::gateway::Shared;
use crate::memory::{self, Share};
use crate::options::{FETCH_ROOM_WAIT_MIN, FETCH_WAIT_MAX};
use crate::quotas::Charge;
use crate::storage::WatchTail;
use crate::topics::{Lookup, TopicKey, partition_of};

/// Before this version there are no sessions: every request stands for itself.
const SESSIONS_FROM_VERSION: i16 = 7;
/// From this version on topics are named by id.
const IDS_FROM_VERSION: i16 = 13;

/// Answers Fetch. A cancelled caller leaves nothing behind, except that its session's epoch is used.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    header: RequestHeader,
    request: FetchRequest,
    room: Share,
    charge: Option<Arc<Charge>>,
) -> Result<Answer, EncodeFailed> {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(FETCH_WAIT_MAX);
    let deadline = shared.parts.clock.now() + wait;
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(shared.options.fetch_answer_bytes_max);
    let bytes_max = bytes_max.min(charge.as_ref().map_or(usize::MAX, |charge| charge.fetch_bytes_max()));
    // More than an answer can hold would never be there.
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0).min(bytes_max);
    let mut plan = match shared.sessions.begin(shared.parts.clock.now(), session_request(&header, request)) {
        Ok(plan) => plan,
        Err(error) => {
            shared.meters.error(header.api, error);
            let reply = FetchReply { error, session_id: NO_SESSION, topics: Vec::new() };
            return Ok(Answer::Frame(encode_fetch_reply(&header, &reply)?, None));
        }
    };
    // What it asked for is in the plan now.
    drop(room);
    let mut watch = plan.watch.take().unwrap_or_else(|| shared.parts.fetch.watch());
    let is_incremental = matches!(plan.mode, Mode::Incremental { .. });
    let mut is_confirmed = !is_incremental;
    let (wanted, partitions, memory, _work) = loop {
        let count = plan.partitions.len();
        let work = shared.memory.fetch_work(count).await;
        let wanted = look_up(&shared, &plan.partitions).await;
        // Before the reads, so that what is appended while they run is not missed.
        wanted.iter().filter_map(|wanted| wanted.target.ok()).for_each(|partition| watch.add(partition));
        let room = match reads::bytes_ahead(&shared, &wanted) {
            0 => RecordsRoom::NotNeeded,
            // It is told that there are records, and comes back for them when the time has come.
            _ if charge.as_ref().is_some_and(|charge| charge.owes_records()) => RecordsRoom::GivenUp,
            bytes => records_room(&shared, bytes.min(bytes_max), deadline).await,
        };
        let mut partitions = reads::read_all(&shared, &wanted, room.granted()).await;
        name_what_went(&header, &wanted, &mut partitions);
        let bytes = partitions.iter().map(FetchReplyPartition::records_bytes).sum::<usize>();
        let failed = partitions.iter().any(|partition| partition.error != ErrorCode::None);
        if bytes == 0 && !failed && !is_confirmed {
            is_confirmed = true;
            if confirm_rest(&shared, &mut plan, &mut *watch).await {
                continue;
            }
        }
        let enough = match &room {
            // The leader knew of records that this node had not seen: they are to be read now that it has.
            RecordsRoom::NotNeeded if !failed && reads::is_any_ahead(&wanted, &partitions) => continue,
            RecordsRoom::NotNeeded => bytes >= bytes_min,
            // A smaller answer than was asked for could not hold the least that is to be waited for.
            RecordsRoom::Taken { is_short, .. } => bytes >= bytes_min || (*is_short && bytes > 0),
            RecordsRoom::GivenUp => true,
        };
        let now = shared.parts.clock.now();
        let stopping = shared.parts.tasks.is_stopping();
        let nothing_asked = partitions.is_empty() && !is_incremental;
        if enough || failed || nothing_asked || now >= deadline || stopping {
            break (wanted, partitions, room.keep(bytes), work);
        }
        // Nothing of all that is held while nothing happens, only the plan and the watch.
        let Some(_waiting) = shared.memory.fetch_wait(count) else {
            break (wanted, partitions, room.keep(bytes), work);
        };
        drop((partitions, wanted, room, work));
        tokio::select! {
            () = watch.changed() => {}
            () = shared.parts.tasks.stopping() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
        let more = shared.sessions.changed(plan.mode, watch.take_changed());
        look_also_at(&mut plan, more);
    };
    for partition in &partitions {
        shared.meters.error(header.api, partition.error);
    }
    let reply = reply(&shared, plan, &wanted, partitions, watch);
    Ok(Answer::Records(encode_fetch_reply(&header, &reply)?, memory))
}

/// Makes sure that the partitions of a session that are not in the plan have nothing new. Whether there is something to be
/// looked at, which is in the plan now.
async fn confirm_rest(shared: &Shared, plan: &mut Plan, watch: &mut dyn WatchTail) -> bool {
    if shared.parts.catalog.read_barrier().await.is_err() {
        // Each is asked about by itself, so that each is answered with what is wrong.
        let all = shared.sessions.all(plan.mode);
        let is_any = !all.is_empty();
        look_also_at(plan, all);
        return is_any;
    }
    let changed = watch.take_changed();
    // Also when it is in the plan: it was read before that.
    let is_any = !changed.is_empty();
    let more = shared.sessions.changed(plan.mode, changed);
    look_also_at(plan, more);
    is_any
}

fn look_also_at(plan: &mut Plan, more: Vec<(PartitionKey, Asked)>) {
    if more.is_empty() {
        return;
    }
    let planned = plan.partitions.iter().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>();
    plan.partitions.extend(more.into_iter().filter(|(key, _)| !planned.contains(key)));
}

fn topic_key(header: &RequestHeader, name: &StrBytes, id: Uuid) -> TopicKey {
    if header.version >= IDS_FROM_VERSION {
        TopicKey::Id(TopicId(id.to_bytes()))
    } else {
        TopicKey::Name(name.as_str().into())
    }
}

fn session_request(header: &RequestHeader, request: FetchRequest) -> SessionRequest {
    // A partition that stands twice is asked for as it stands last, as in Kafka.
    let mut places = BTreeMap::<PartitionKey, usize>::new();
    let mut partitions = Vec::<(PartitionKey, Asked)>::new();
    for topic in request.topics {
        let key = topic_key(header, &topic.topic, topic.topic_id);
        for partition in topic.partitions {
            let asked = Asked {
                offset: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes,
                leader_epoch: partition.current_leader_epoch,
            };
            let key = (key.clone(), partition.partition);
            match places.entry(key) {
                Entry::Occupied(place) => partitions[*place.get()].1 = asked,
                Entry::Vacant(place) => {
                    partitions.push((place.key().clone(), asked));
                    place.insert(partitions.len() - 1);
                }
            }
        }
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        let key = topic_key(header, &topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.into_iter().map(|index| (key.clone(), index)));
    }
    let (id, epoch) = if header.version >= SESSIONS_FROM_VERSION {
        (request.session_id, request.session_epoch)
    } else {
        (NO_SESSION, -1)
    };
    SessionRequest { id, epoch, by_id: header.version >= IDS_FROM_VERSION, partitions, forgotten }
}

/// Finds the partitions, each topic looked up once.
async fn look_up(shared: &Shared, partitions: &[(PartitionKey, Asked)]) -> Vec<Wanted> {
    let mut keys = Vec::<TopicKey>::new();
    for ((topic, _), _) in partitions {
        if keys.last() != Some(topic) {
            keys.push(topic.clone());
        }
    }
    let lookups = shared.topics(&keys).await;
    let mut at = 0;
    let wanted = partitions.iter().map(|((topic, index), asked)| {
        if keys[at] != *topic {
            at += 1;
        }
        Wanted { index: *index, asked: *asked, target: target(topic, &lookups[at], *index, asked) }
    });
    wanted.collect()
}

fn target(key: &TopicKey, lookup: &Lookup, index: i32, asked: &Asked) -> Result<PartitionId, ErrorCode> {
    let topic = match (lookup, key) {
        (Lookup::Found(topic), _) => topic,
        (Lookup::Missing, TopicKey::Id(_)) => return Err(ErrorCode::UnknownTopicId),
        (Lookup::Missing, TopicKey::Name(_)) => return Err(ErrorCode::UnknownTopicOrPartition),
        (Lookup::Unconfirmed(_), _) => return Err(ErrorCode::NotLeaderOrFollower),
    };
    let partition = partition_of(topic, index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    // The epoch is 0 for ever; a client that knows a later one means another topic of that name.
    if asked.leader_epoch > 0 { Err(ErrorCode::UnknownLeaderEpoch) } else { Ok(partition) }
}

/// A topic that was found and is gone when it is read was deleted meanwhile: who knows it by its id learns that the id is no
/// more, and not that a partition of it may come back.
fn name_what_went(header: &RequestHeader, wanted: &[Wanted], partitions: &mut [FetchReplyPartition]) {
    if header.version < IDS_FROM_VERSION {
        return;
    }
    for (wanted, partition) in wanted.iter().zip(partitions) {
        if wanted.target.is_ok() && partition.error == ErrorCode::UnknownTopicOrPartition {
            partition.error = ErrorCode::UnknownTopicId;
        }
    }
}

/// Room for the records of an answer.
enum RecordsRoom {
    /// As far as is known here there are none.
    NotNeeded,
    Taken {
        memory: OwnedSemaphorePermit,
        granted: usize,
        /// Less than was asked for.
        is_short: bool,
    },
    /// There was none in time, or the client may have none yet.
    GivenUp,
}

impl RecordsRoom {
    fn granted(&self) -> Option<usize> {
        match self {
            RecordsRoom::Taken { granted, .. } => Some(*granted),
            RecordsRoom::NotNeeded | RecordsRoom::GivenUp => None,
        }
    }

    /// Gives back what was not needed. A single batch may be larger than was asked for.
    fn keep(self, bytes: usize) -> Option<Share> {
        match self {
            RecordsRoom::Taken { memory, .. } => Some(memory::shrink(memory, bytes)),
            RecordsRoom::NotNeeded | RecordsRoom::GivenUp => None,
        }
    }
}

/// Waits for answers of other connections to be written, but not much longer than the client waits for records.
async fn records_room(shared: &Shared, bytes: usize, deadline: Instant) -> RecordsRoom {
    let until = deadline.max(shared.parts.clock.now() + FETCH_ROOM_WAIT_MIN);
    match tokio::time::timeout_at(until, shared.memory.records.take(bytes)).await {
        Ok((memory, granted)) => RecordsRoom::Taken { memory, granted, is_short: granted < bytes },
        Err(_) => RecordsRoom::GivenUp,
    }
}

fn reply(
    shared: &Shared,
    plan: Plan,
    wanted: &[Wanted],
    partitions: Vec<FetchReplyPartition>,
    watch: Box<dyn WatchTail>,
) -> FetchReply {
    let told = |wanted: &Wanted, partition: &FetchReplyPartition| Told {
        found: wanted.target.ok(),
        high_watermark: partition.high_watermark,
        log_start: partition.log_start,
        has_records: !partition.records.is_empty(),
        is_error: partition.error != ErrorCode::None,
    };
    let answered = plan.partitions.into_iter().zip(wanted.iter().zip(&partitions));
    let answered = answered.map(|((key, asked), (wanted, partition))| (key, asked, told(wanted, partition)));
    let answered = answered.collect::<Vec<Answered>>();
    let (session_id, news) = shared.sessions.finish(shared.parts.clock.now(), plan.mode, &answered, watch);
    let mut topics = Vec::<(TopicKey, FetchReplyTopic)>::new();
    for (((key, ..), partition), is_news) in answered.into_iter().zip(partitions).zip(news) {
        if is_news {
            topic_of(&mut topics, key).partitions.push(partition);
        }
    }
    FetchReply { error: ErrorCode::None, session_id, topics: topics.into_iter().map(|(_, topic)| topic).collect() }
}

/// The topic's place in the answer: the last one, or a new one.
fn topic_of(topics: &mut Vec<(TopicKey, FetchReplyTopic)>, (key, _): PartitionKey) -> &mut FetchReplyTopic {
    if topics.last().is_none_or(|(last, _)| *last != key) {
        let (name, id) = match &key {
            TopicKey::Name(name) => (StrBytes::from(name.as_ref()), TopicId::ZERO.0),
            TopicKey::Id(id) => (StrBytes::default(), id.0),
        };
        topics.push((key, FetchReplyTopic { name, id, partitions: Vec::new() }));
    }
    &mut topics.last_mut().expect("pushed above if it was empty").1
}
