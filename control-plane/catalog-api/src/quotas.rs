//! Client quotas: how much whoever connects may do.

use std::collections::BTreeMap;

use tidelog_format::codec::{Corrupt, Decode, Encode, Reader, Writer};
use tidelog_format::{stored_enum, stored_struct};
use tidelog_model::limits::{QUOTA_ENTITIES_MAX, QUOTA_NAME_BYTES_MAX};

/// All quotas of a tenant. No entity is without one.
pub type ClientQuotas = BTreeMap<QuotaEntity, BTreeMap<QuotaKind, QuotaValue>>;

stored_struct! {
    /// Whom a quota is for: a user, a client id, both together, or an address.
    #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
    pub struct QuotaEntity {
        /// Whoever is this user.
        pub user: Option<QuotaName>,
        /// Whoever calls itself this.
        pub client_id: Option<QuotaName>,
        /// Whoever comes from this address.
        pub ip: Option<QuotaName>,
    }

    /// What is to become of an entity's quotas.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct QuotaAlteration {
        /// Whose.
        pub entity: QuotaEntity,
        /// What each is to be; `None` takes it away. The others stay as they are.
        pub changes: BTreeMap<QuotaKind, Option<QuotaValue>>,
    }
}

stored_enum! {
    /// Who is meant.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum QuotaName {
        /// Each that no quota names; each by itself.
        0 => Default,
        /// This one.
        1 => Named(String),
    }

    /// What is limited.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum QuotaKind {
        /// Bytes of Produce requests in a second.
        1 => ProducerByteRate,
        /// Bytes of Fetch answers in a second.
        2 => ConsumerByteRate,
        /// Time spent on requests, in hundredths of one processor.
        3 => RequestPercentage,
        /// Partitions created and deleted in a second.
        4 => ControllerMutationRate,
        /// Connections in a second.
        5 => ConnectionCreationRate,
    }
}

/// A quota's number: finite, and more than zero. Kept as the bits of a double, as clients state it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QuotaValue(u64);

/// Why an entity's quotas were not altered; nothing of it has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaRefused {
    /// No user, client id or address is named.
    #[error("Invalid empty client quota entity")]
    Nobody,
    /// An address together with a user or a client id.
    #[error("Invalid quota entity combination: an IP entity stands alone")]
    Combination,
    /// A name of no characters.
    #[error("Empty {0} not supported")]
    EmptyName(&'static str),
    /// A name over [`QUOTA_NAME_BYTES_MAX`].
    #[error("the {0} is longer than {QUOTA_NAME_BYTES_MAX} bytes")]
    LongName(&'static str),
    /// An address is not one, or is not in its shortest form.
    #[error("{0} is not a valid IP")]
    NoAddress(String),
    /// This is not limited for such an entity.
    #[error("Invalid configuration key {}", .0.name())]
    NotOfEntity(QuotaKind),
    /// A value that the kind cannot have.
    #[error("{} must be {} greater than 0, not {}", .0.name(), .0.number(), .1.get())]
    Value(QuotaKind, QuotaValue),
    /// The tenant has as many entities as it may have.
    #[error("there are quotas for {QUOTA_ENTITIES_MAX} entities already, the most that is kept")]
    Full,
}

impl QuotaEntity {
    /// Whether there can be such an entity.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), QuotaRefused> {
        let names = [("user", &self.user), ("client-id", &self.client_id), ("ip", &self.ip)];
        if names.iter().all(|(_, name)| name.is_none()) {
            return Err(QuotaRefused::Nobody);
        }
        for (part, name) in names {
            match name {
                Some(QuotaName::Named(name)) if name.is_empty() => return Err(QuotaRefused::EmptyName(part)),
                Some(QuotaName::Named(name)) if name.len() > QUOTA_NAME_BYTES_MAX => {
                    return Err(QuotaRefused::LongName(part));
                }
                _ => {}
            }
        }
        if self.ip.is_some() && (self.user.is_some() || self.client_id.is_some()) {
            return Err(QuotaRefused::Combination);
        }
        match &self.ip {
            Some(QuotaName::Named(ip)) if canonical_address(ip).as_ref() != Some(ip) => {
                Err(QuotaRefused::NoAddress(ip.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// An address as it is kept: in its shortest form, and as version 4 where it is one.
#[must_use]
pub fn canonical_address(text: &str) -> Option<String> {
    text.parse::<std::net::IpAddr>().ok().map(|ip| ip.to_canonical().to_string())
}

impl QuotaAlteration {
    /// Whether it makes sense whatever there is.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), QuotaRefused> {
        self.entity.check()?;
        for (kind, value) in &self.changes {
            let Some(value) = value else { continue };
            if kind.is_of_address() != self.entity.ip.is_some() {
                return Err(QuotaRefused::NotOfEntity(*kind));
            }
            if !kind.accepts(*value) {
                return Err(QuotaRefused::Value(*kind, *value));
            }
        }
        Ok(())
    }
}

impl QuotaKind {
    /// All of them.
    pub const ALL: [QuotaKind; 5] = [
        QuotaKind::ProducerByteRate,
        QuotaKind::ConsumerByteRate,
        QuotaKind::RequestPercentage,
        QuotaKind::ControllerMutationRate,
        QuotaKind::ConnectionCreationRate,
    ];

    /// As administrators write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            QuotaKind::ProducerByteRate => "producer_byte_rate",
            QuotaKind::ConsumerByteRate => "consumer_byte_rate",
            QuotaKind::RequestPercentage => "request_percentage",
            QuotaKind::ControllerMutationRate => "controller_mutation_rate",
            QuotaKind::ConnectionCreationRate => "connection_creation_rate",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<QuotaKind> {
        QuotaKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it limits an address, and not a user or client id.
    #[must_use]
    pub fn is_of_address(self) -> bool {
        self == QuotaKind::ConnectionCreationRate
    }

    /// Bytes and connections are counted in whole ones.
    fn is_whole(self) -> bool {
        !matches!(self, QuotaKind::RequestPercentage | QuotaKind::ControllerMutationRate)
    }

    fn number(self) -> &'static str {
        if self.is_whole() { "a whole number" } else { "a number" }
    }

    fn accepts(self, value: QuotaValue) -> bool {
        /// What a double is off at most when somebody meant a whole number; Kafka's.
        const EPSILON: f64 = 1e-6;
        let value = value.get();
        let fits = value.is_finite() && value > 0.0;
        fits && (!self.is_whole() || (value < i64::MAX as f64 && (value - value.round()).abs() <= EPSILON))
    }
}

impl QuotaValue {
    /// As stated. Whether a quota may have it is for [`QuotaAlteration::check`] to say.
    #[must_use]
    pub fn new(value: f64) -> QuotaValue {
        QuotaValue(value.to_bits())
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl std::fmt::Debug for QuotaValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.get())
    }
}

impl Encode for QuotaValue {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0.to_be_bytes());
    }
}

impl Decode for QuotaValue {
    fn decode(input: &mut Reader) -> Result<Self, Corrupt> {
        let bytes = input.raw(8)?;
        Ok(QuotaValue(u64::from_be_bytes(bytes.as_ref().try_into().expect("eight bytes were asked for"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Option<QuotaName> {
        Some(QuotaName::Named(name.to_owned()))
    }

    fn check(entity: QuotaEntity, kind: QuotaKind, value: f64) -> Result<(), QuotaRefused> {
        QuotaAlteration { entity, changes: BTreeMap::from([(kind, Some(QuotaValue::new(value)))]) }.check()
    }

    #[test]
    fn names_are_read_back() {
        for kind in QuotaKind::ALL {
            assert_eq!(QuotaKind::of_name(kind.name()), Some(kind));
        }
        assert_eq!(QuotaKind::of_name("Producer_byte_rate"), None);
    }

    #[test]
    fn entities_are_somebody() {
        let entity = |user, client_id, ip| QuotaEntity { user, client_id, ip }.check();
        assert_eq!(entity(None, None, None), Err(QuotaRefused::Nobody));
        assert_eq!(entity(named(""), None, None), Err(QuotaRefused::EmptyName("user")));
        assert_eq!(
            entity(None, named(&"x".repeat(QUOTA_NAME_BYTES_MAX + 1)), None),
            Err(QuotaRefused::LongName("client-id"))
        );
        assert_eq!(entity(None, named("c"), named("::1")), Err(QuotaRefused::Combination));
        for no_address in ["here", "0:0::1", "10.0.0.300", "::ffff:10.0.0.1"] {
            assert_eq!(entity(None, None, named(no_address)), Err(QuotaRefused::NoAddress(no_address.to_owned())));
        }
        assert_eq!(canonical_address("0:0::1").as_deref(), Some("::1"));
        assert_eq!(canonical_address("::ffff:10.0.0.1").as_deref(), Some("10.0.0.1"));
        for (user, client_id, ip) in [
            (named("u"), Some(QuotaName::Default), None),
            (None, named("c"), None),
            (None, None, named("::1")),
            (None, None, Some(QuotaName::Default)),
        ] {
            assert_eq!(entity(user, client_id, ip), Ok(()));
        }
    }

    #[test]
    fn values_are_those_of_their_kind() {
        let user = || QuotaEntity { user: named("u"), ..QuotaEntity::default() };
        let ip = || QuotaEntity { ip: named("10.0.0.1"), ..QuotaEntity::default() };
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e30, 1.5] {
            assert!(check(user(), QuotaKind::ProducerByteRate, value).is_err(), "{value}");
        }
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(check(user(), QuotaKind::RequestPercentage, value).is_err(), "{value}");
        }
        for (entity, kind, value) in [
            (user(), QuotaKind::ConsumerByteRate, 10.000_000_000_1),
            (user(), QuotaKind::RequestPercentage, 0.01),
            (user(), QuotaKind::ControllerMutationRate, 1.5),
            (ip(), QuotaKind::ConnectionCreationRate, 3.0),
        ] {
            assert_eq!(check(entity, kind, value), Ok(()));
        }
        let not_of = |kind| Err(QuotaRefused::NotOfEntity(kind));
        assert_eq!(check(ip(), QuotaKind::ProducerByteRate, 1.0), not_of(QuotaKind::ProducerByteRate));
        assert_eq!(check(user(), QuotaKind::ConnectionCreationRate, 1.0), not_of(QuotaKind::ConnectionCreationRate));
    }
}
