//! Entities as the protocol names them.

use tidelog_catalog_api::{QuotaEntity, QuotaName, canonical_address};

pub(super) const USER: &str = "user";
pub(super) const CLIENT_ID: &str = "client-id";
pub(super) const IP: &str = "ip";

/// A name as it is kept; none means each that is not named.
pub(super) fn name(kind: &str, name: Option<&str>) -> QuotaName {
    match name {
        None => QuotaName::Default,
        Some(name) if kind == IP => QuotaName::Named(canonical_address(name).unwrap_or_else(|| name.to_owned())),
        Some(name) => QuotaName::Named(name.to_owned()),
    }
}

/// The part of an entity that is of this kind, if there is such a kind.
pub(super) fn part_mut<'e>(entity: &'e mut QuotaEntity, kind: &str) -> Option<&'e mut Option<QuotaName>> {
    match kind {
        USER => Some(&mut entity.user),
        CLIENT_ID => Some(&mut entity.client_id),
        IP => Some(&mut entity.ip),
        _ => None,
    }
}

/// The parts that an entity has, with the names of their kinds.
pub(super) fn parts(entity: &QuotaEntity) -> impl Iterator<Item = (&'static str, &QuotaName)> {
    let parts = [(USER, &entity.user), (CLIENT_ID, &entity.client_id), (IP, &entity.ip)];
    parts.into_iter().filter_map(|(kind, name)| Some((kind, name.as_ref()?)))
}

/// As the protocol says it.
pub(super) fn text(name: &QuotaName) -> Option<&str> {
    match name {
        QuotaName::Default => None,
        QuotaName::Named(name) => Some(name),
    }
}
