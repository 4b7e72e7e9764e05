//! Which quota holds for whom, and who uses it together.

use std::net::IpAddr;
use std::sync::Arc;

use tidelog_catalog_api::{ClientQuotas, QuotaEntity, QuotaKind, QuotaName};

/// What somebody may use of something.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Of what.
    pub kind: QuotaKind,
    /// How much in a second: bytes, partitions, connections; of time, seconds of one processor.
    pub rate: f64,
    /// Who uses it together.
    pub(crate) sharer: Sharer,
    /// Whom the quota was set for.
    pub(crate) entity: Arc<QuotaEntity>,
}

impl Limit {
    /// What may be used at once by whoever has used nothing.
    #[must_use]
    pub fn burst(&self) -> f64 {
        self.rate * crate::buckets::burst_seconds(self.kind)
    }

    pub(crate) fn key(&self) -> BucketKey {
        (self.kind, self.sharer.clone())
    }

    /// Where those use it for whom there is no room: one for each quota, so that rates are not mixed.
    pub(crate) fn key_of_others(&self) -> BucketKey {
        (self.kind, Sharer::Others(self.entity.clone()))
    }

    /// Whether the quota is for somebody by name, so that nobody else uses it.
    pub(crate) fn is_named(&self) -> bool {
        let QuotaEntity { user, client_id, ip } = &*self.entity;
        ![user, client_id, ip].contains(&&Some(QuotaName::Default))
    }
}

pub(crate) type BucketKey = (QuotaKind, Sharer);

/// Who uses a limit together. A quota for "each that is not named" is for each by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sharer {
    UserAndClient(Arc<str>, Arc<str>),
    User(Arc<str>),
    Client(Arc<str>),
    Address(IpAddr),
    /// Those for whom there was no room, of whoever has the quota of this.
    Others(Arc<QuotaEntity>),
}

/// The quota of a kind that holds for a client: the most particular one, in Kafka's order.
#[must_use]
pub fn limit_of_client(quotas: &ClientQuotas, kind: QuotaKind, user: &str, client_id: &str) -> Option<Limit> {
    if quotas.is_empty() {
        return None;
    }
    let named = |name: &str| Some(QuotaName::Named(name.to_owned()));
    let default = || Some(QuotaName::Default);
    let both = || Sharer::UserAndClient(user.into(), client_id.into());
    let candidates = [
        (named(user), named(client_id), both()),
        (named(user), default(), both()),
        (named(user), None, Sharer::User(user.into())),
        (default(), named(client_id), both()),
        (default(), default(), both()),
        (default(), None, Sharer::User(user.into())),
        (None, named(client_id), Sharer::Client(client_id.into())),
        (None, default(), Sharer::Client(client_id.into())),
    ];
    candidates.into_iter().find_map(|(user, client_id, sharer)| {
        let entity = QuotaEntity { user, client_id, ip: None };
        let rate = rate(quotas, kind, &entity)?;
        Some(Limit { kind, rate, sharer, entity: entity.into() })
    })
}

/// How many connections may come from an address.
#[must_use]
pub fn limit_of_address(quotas: &ClientQuotas, ip: IpAddr) -> Option<Limit> {
    if quotas.is_empty() {
        return None;
    }
    let ip = ip.to_canonical();
    let kind = QuotaKind::ConnectionCreationRate;
    let names = [QuotaName::Named(ip.to_string()), QuotaName::Default];
    names.into_iter().find_map(|name| {
        let entity = QuotaEntity { ip: Some(name), ..QuotaEntity::default() };
        let rate = rate(quotas, kind, &entity)?;
        Some(Limit { kind, rate, sharer: Sharer::Address(ip), entity: entity.into() })
    })
}

fn rate(quotas: &ClientQuotas, kind: QuotaKind, entity: &QuotaEntity) -> Option<f64> {
    let value = quotas.get(entity)?.get(&kind)?.get();
    Some(if kind == QuotaKind::RequestPercentage { value / 100.0 } else { value })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidelog_catalog_api::QuotaValue;

    use super::*;

    const KIND: QuotaKind = QuotaKind::ProducerByteRate;

    fn name(text: &str) -> Option<QuotaName> {
        match text {
            "" => None,
            "*" => Some(QuotaName::Default),
            text => Some(QuotaName::Named(text.to_owned())),
        }
    }

    fn quotas(entities: &[(&str, &str, &str)], kind: QuotaKind) -> ClientQuotas {
        let entity = |(user, client_id, ip): &(&str, &str, &str)| QuotaEntity {
            user: name(user),
            client_id: name(client_id),
            ip: name(ip),
        };
        let values = |number: usize| BTreeMap::from([(kind, QuotaValue::new(number as f64 + 1.0))]);
        entities.iter().enumerate().map(|(number, names)| (entity(names), values(number))).collect()
    }

    #[test]
    fn the_most_particular_quota_holds() {
        let order = [("u", "c"), ("u", "*"), ("u", ""), ("*", "c"), ("*", "*"), ("*", ""), ("", "c"), ("", "*")];
        for from in 0..order.len() {
            let entities = order[from..].iter().map(|(user, client)| (*user, *client, "")).collect::<Vec<_>>();
            let limit = limit_of_client(&quotas(&entities, KIND), KIND, "u", "c").unwrap();
            assert_eq!(limit.rate, 1.0, "{:?}", order[from]);
            let sharer = match order[from] {
                (_, "") => Sharer::User("u".into()),
                ("", _) => Sharer::Client("c".into()),
                _ => Sharer::UserAndClient("u".into(), "c".into()),
            };
            assert_eq!(limit.sharer, sharer, "{:?}", order[from]);
            assert_eq!(
                limit.is_named(),
                !["u*", "*c", "**", "*"].contains(&&*format!("{}{}", order[from].0, order[from].1))
            );
        }
    }

    #[test]
    fn quotas_of_others_and_of_other_kinds_do_not_hold() {
        let others = quotas(&[("v", "c", ""), ("u", "d", ""), ("", "d", ""), ("", "", "*")], KIND);
        assert_eq!(limit_of_client(&others, KIND, "u", "c"), None);
        let time = quotas(&[("u", "c", "")], QuotaKind::RequestPercentage);
        assert_eq!(limit_of_client(&time, KIND, "u", "c"), None);
        let limit = limit_of_client(&time, QuotaKind::RequestPercentage, "u", "c").unwrap();
        assert_eq!((limit.rate, limit.burst()), (0.01, 0.1), "a hundredth of a processor");
    }

    #[test]
    fn addresses_are_named_or_each_for_itself() {
        let kind = QuotaKind::ConnectionCreationRate;
        let both = quotas(&[("", "", "10.0.0.1"), ("", "", "*")], kind);
        let rate = |ip: &str| limit_of_address(&both, ip.parse().unwrap()).unwrap();
        assert_eq!(rate("10.0.0.1").rate, 1.0);
        assert_eq!(rate("::ffff:10.0.0.1"), rate("10.0.0.1"));
        assert_eq!(rate("10.0.0.2").rate, 2.0);
        assert_ne!(rate("10.0.0.2").sharer, rate("10.0.0.3").sharer);
        assert_eq!(limit_of_address(&ClientQuotas::new(), "::1".parse().unwrap()), None);
    }
}
