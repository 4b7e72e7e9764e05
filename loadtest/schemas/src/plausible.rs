//! A request as a client that knows its way would send it.
//!
//! What a field gets is told by what it names, by its own name, and by the schema's default, in this order, and only a few
//! depend on the API: so a new API gets a request without a line here, and a line makes it a better one.

use crate::schema::{Api, Field, Kind};
use crate::value::{Tags, Value};

/// What is there to be asked for.
#[derive(Clone, Debug)]
pub struct World {
    /// A topic with records in its partition 0.
    pub topic: String,
    /// Its id.
    pub topic_id: [u8; 16],
    /// A group without members that may have committed offsets.
    pub group: String,
    /// A group with one member, and what that knows.
    pub member_group: String,
    /// The member.
    pub member: String,
    /// The generation that it is in.
    pub generation: i64,
    /// A name that nothing has yet: for topics, groups and members that are made.
    pub fresh: String,
    /// A batch of one record.
    pub batch: Vec<u8>,
    /// The node that answers.
    pub node: i64,
}

/// Fields that say something else when others are set: they are left out, unless what is asked about lies within.
const LEFT_OUT: &[(&str, &str)] = &[("CreateTopics", "Assignments"), ("CreatePartitions", "Assignments")];
/// APIs of members, that are asked by one.
const OF_MEMBERS: &[&str] = &["Heartbeat", "SyncGroup", "LeaveGroup", "ConsumerGroupHeartbeat"];
/// APIs that make what they name.
const MAKING: &[&str] = &["CreateTopics", "JoinGroup"];
/// Bytes that are a consumer's subscription: version 1, one topic called t, no user data, no partitions.
const SUBSCRIPTION: &[u8] = b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0";

/// The body of a request to `api`. `along` leads to a field, which is there even if it would be left out otherwise; every
/// array has one element.
#[must_use]
pub fn request(api: &Api, version: i16, world: &World, along: &[usize]) -> Value {
    let Kind::Struct(fields) = &api.request.body else { unreachable!("a message is a structure") };
    let maker = Maker { api: &api.name, version, world, is_within_left_out: leads_into_left_out(api, along) };
    maker.structure(fields, Some(along))
}

fn leads_into_left_out(api: &Api, along: &[usize]) -> bool {
    let mut kind = &api.request.body;
    for index in along {
        if let Kind::Array(element) = kind {
            kind = element;
        }
        let Kind::Struct(fields) = kind else { return false };
        if LEFT_OUT.contains(&(&api.name, &fields[*index].name)) {
            return true;
        }
        kind = &fields[*index].kind;
    }
    false
}

struct Maker<'w> {
    api: &'w str,
    version: i16,
    world: &'w World,
    is_within_left_out: bool,
}

impl Maker<'_> {
    fn structure(&self, fields: &[Field], along: Option<&[usize]>) -> Value {
        // What may be told by its name or by its id is told by one of them.
        let is_id = |field: &Field| field.name == "TopicId" && field.versions.has(self.version);
        let is_name = |field: &Field| field.name == "Name" && field.nullable.has(self.version);
        let has_both = fields.iter().any(is_id) && fields.iter().any(is_name);
        let by_id = along.and_then(<[usize]>::first).is_some_and(|index| is_id(&fields[*index]));
        let value = |(index, field): (usize, &Field)| {
            if has_both && !by_id && is_id(field) {
                return Value::Uuid([0; 16]);
            }
            if has_both && by_id && is_name(field) {
                return Value::Text(None);
            }
            let along = along.and_then(|along| along.split_first()).filter(|(first, _)| **first == index);
            self.field(field, along.map(|(_, rest)| rest))
        };
        Value::Struct(Some(fields.iter().enumerate().map(value).collect()), Tags::None)
    }

    fn field(&self, field: &Field, along: Option<&[usize]>) -> Value {
        if LEFT_OUT.contains(&(self.api, &field.name)) && along.is_none() {
            return Value::Array(if field.nullable.has(self.version) { None } else { Some(Vec::new()) });
        }
        match &field.kind {
            Kind::Array(element) => {
                let element = match &**element {
                    Kind::Struct(fields) => self.structure(fields, along),
                    kind => self.single(field, kind),
                };
                Value::Array(Some(vec![element]))
            }
            // With an offer to leave it out, and no wish to have it.
            Kind::Struct(_) if field.nullable.has(self.version) && along.is_none() => Value::Struct(None, Tags::None),
            Kind::Struct(fields) => self.structure(fields, along),
            kind => self.single(field, kind),
        }
    }

    fn single(&self, field: &Field, kind: &Kind) -> Value {
        match kind {
            Kind::Bool => Value::Bool(field.default.as_deref() == Some("true")),
            Kind::Int { .. } => Value::Int(self.number(field)),
            Kind::Float => Value::Float(1e12),
            Kind::Uuid if field.name == "TopicId" || field.name == "TopicIds" => Value::Uuid(self.world.topic_id),
            Kind::Uuid => Value::Uuid([0; 16]),
            Kind::Text => Value::Text(self.text(field).map(String::into_bytes)),
            Kind::Records => Value::Bytes(Some(self.world.batch.clone())),
            Kind::Bytes if field.name == "Metadata" => Value::Bytes(Some(SUBSCRIPTION.to_vec())),
            Kind::Bytes => Value::Bytes(Some(Vec::new())),
            Kind::Struct(_) | Kind::Array(_) => unreachable!("not single"),
        }
    }

    fn number(&self, field: &Field) -> i64 {
        let default = field.default.as_deref().and_then(number);
        match field.name.as_str() {
            "NumPartitions" | "ReplicationFactor" => {
                if self.is_within_left_out {
                    -1
                } else {
                    1
                }
            }
            "GenerationId" if OF_MEMBERS.contains(&self.api) => self.world.generation,
            "MaxWaitMs" => 10,
            "TimeoutMs" => 10_000,
            // The least that is allowed, and for so long others wait for a member that is gone.
            "SessionTimeoutMs" => 6_000,
            "RebalanceTimeoutMs" => 1_000,
            "TransactionTimeoutMs" => 60_000,
            "MinBytes" | "CommittedOffset" | "EndpointType" => 1,
            "MaxBytes" | "PartitionMaxBytes" => 1 << 20,
            // A topic.
            "ResourceType" | "ResourceTypes" => 2,
            // More than any topic here has.
            "Count" => 8,
            // That of Kafka 4.3.
            "MaxVersionLevel" => 30,
            "Acks"
            | "ReplicaId"
            | "SessionEpoch"
            | "CurrentLeaderEpoch"
            | "LeaderEpoch"
            | "LastFetchedEpoch"
            | "LogStartOffset"
            | "CommittedLeaderEpoch"
            | "Timestamp"
            | "GenerationId"
            | "RetentionTimeMs"
            | "GenerationIdOrMemberEpoch"
            | "ProducerId"
            | "ProducerEpoch" => -1,
            _ if field.entity.as_deref() == Some("brokerId") && default.is_none() => self.world.node,
            _ => default.unwrap_or(0),
        }
    }

    fn text(&self, field: &Field) -> Option<String> {
        let world = self.world;
        let text = |text: &str| Some(text.to_owned());
        let is_nullable = field.nullable.has(self.version);
        match field.entity.as_deref() {
            Some("topicName" | "groupId") if MAKING.contains(&self.api) => return text(&world.fresh),
            // The controllers' log is all that there is to ask about.
            Some("topicName") if self.api == "DescribeQuorum" => return text("__cluster_metadata"),
            Some("topicName") => return text(&world.topic),
            Some("groupId") if OF_MEMBERS.contains(&self.api) => return text(&world.member_group),
            Some("groupId") => return text(&world.group),
            // No transactions, where a client may say so.
            Some("transactionalId") => return if is_nullable { None } else { text(&world.fresh) },
            _ => {}
        }
        match field.name.as_str() {
            "Key" if self.api == "FindCoordinator" => text(&world.group),
            "CoordinatorKeys" => text(&world.group),
            "ResourceName" => text(&world.topic),
            "MemberId" if OF_MEMBERS.contains(&self.api) => text(&world.member),
            // A static member is let in at its first request.
            "GroupInstanceId" if self.api == "JoinGroup" => text(&world.fresh),
            "ProtocolType" => text("consumer"),
            "ProtocolName" => text("range"),
            "Name" if self.api == "JoinGroup" => text("range"),
            // What is left is settings.
            "Name" | "ConfigurationKeys" => text("retention.ms"),
            "Value" => text("86400000"),
            "StatesFilter" => text("Stable"),
            "TypesFilter" => text("classic"),
            "ClientSoftwareName" => text("edges"),
            "ClientSoftwareVersion" => text("1.0"),
            "EntityType" => text("client-id"),
            "EntityName" | "Match" => text(&world.fresh),
            "Key" => text("producer_byte_rate"),
            "Feature" => text("metadata.version"),
            _ if is_nullable => None,
            _ => text(""),
        }
    }
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
