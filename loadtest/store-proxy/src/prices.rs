//! What requests, bytes and storage cost, from the table in `prices.toml`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::counts::OperationCounts;
use crate::operation::{Charge, Operation};

const TABLE: &str = include_str!("prices.toml");
const GB: f64 = (1_u64 << 30) as f64;

/// Prices of one class of storage in one region.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceClass {
    /// As the profile of latency is called.
    pub name: String,
    /// As its vendor calls it.
    pub what: String,
    /// Where.
    pub region: String,
    /// When these were the prices.
    pub as_of: String,
    /// Dollars for 1,000 requests of PUT, COPY and POST.
    pub put_per_1000: f64,
    /// For 1,000 of LIST.
    pub list_per_1000: f64,
    /// For 1,000 of GET and all else.
    pub get_per_1000: f64,
    /// For 1,000 of DELETE.
    pub delete_per_1000: f64,
    /// For each GB that is put.
    pub upload_per_gb: f64,
    /// For each GB that is got.
    pub retrieval_per_gb: f64,
    /// For keeping a GB for a month.
    pub storage_per_gb_month: f64,
    /// What was looked for and not found, and what is taken for it.
    pub not_found: Vec<String>,
    /// Who says so.
    pub sources: Vec<Source>,
}

/// Where prices are from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The page.
    pub url: String,
    /// What of them it says.
    pub says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    class: Vec<PriceClass>,
}

/// What was counted, at the prices of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The class of prices.
    pub class: String,
    /// Their region.
    pub region: String,
    /// Their date.
    pub as_of: String,
    /// Of requests that are charged.
    pub requests_dollars: f64,
    /// The same by operation.
    pub requests_dollars_by_operation: BTreeMap<Operation, f64>,
    /// Of bytes put and got.
    pub transfer_dollars: f64,
    /// Both.
    pub dollars: f64,
    /// Of keeping for a month all that was put.
    pub storage_dollars_per_month: f64,
    /// Requests and bytes, for each GiB of payload, when that is known.
    pub dollars_per_gib: Option<f64>,
    /// Storage, for each GiB of payload.
    pub storage_dollars_per_gib_month: Option<f64>,
}

/// All classes that there are prices for.
#[must_use]
pub fn price_table() -> &'static [PriceClass] {
    static CLASSES: OnceLock<Vec<PriceClass>> = OnceLock::new();
    CLASSES.get_or_init(|| toml::from_str::<Table>(TABLE).expect("a test reads it").class)
}

impl PriceClass {
    fn per_request(&self, charge: Charge) -> f64 {
        let per_1000 = match charge {
            Charge::Put => self.put_per_1000,
            Charge::List => self.list_per_1000,
            Charge::Get => self.get_per_1000,
            Charge::Delete => self.delete_per_1000,
        };
        per_1000 / 1e3
    }

    /// What `operations` cost, for all of them and for each GiB of payload.
    pub(crate) fn cost(&self, operations: &BTreeMap<Operation, OperationCounts>, payload_gib: Option<f64>) -> Cost {
        let of_requests =
            |(of, counts): (&Operation, &OperationCounts)| (*of, counts.billed as f64 * self.per_request(of.charge()));
        let requests_dollars_by_operation: BTreeMap<_, _> = operations.iter().map(of_requests).collect();
        // Not `sum`, which makes -0 of nothing.
        let requests_dollars = requests_dollars_by_operation.values().fold(0.0, |all, one| all + one);
        let stored_gb = operations.values().map(|counts| counts.bytes_stored).sum::<u64>() as f64 / GB;
        let got_gb = operations.get(&Operation::GetObject).map_or(0, |counts| counts.bytes_out) as f64 / GB;
        let transfer_dollars = stored_gb * self.upload_per_gb + got_gb * self.retrieval_per_gb;
        let dollars = requests_dollars + transfer_dollars;
        let storage_dollars_per_month = stored_gb * self.storage_per_gb_month;
        Cost {
            class: self.name.clone(),
            region: self.region.clone(),
            as_of: self.as_of.clone(),
            requests_dollars,
            requests_dollars_by_operation,
            transfer_dollars,
            dollars,
            storage_dollars_per_month,
            dollars_per_gib: payload_gib.map(|gib| dollars / gib),
            storage_dollars_per_gib_month: payload_gib.map(|gib| storage_dollars_per_month / gib),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;

    fn class(name: &str) -> &'static PriceClass {
        price_table().iter().find(|class| class.name == name).expect("it is in the table")
    }

    #[test]
    fn every_price_has_a_date_a_source_and_a_profile() {
        assert_eq!(price_table().len(), 2);
        for class in price_table() {
            assert!(!class.as_of.is_empty() && !class.sources.is_empty(), "{}", class.name);
            assert!(class.sources.iter().all(|source| source.url.starts_with("https://") && !source.says.is_empty()));
            Latency::profile(&class.name).expect("the profile of the same name");
        }
    }

    /// The first example of <https://aws.amazon.com/s3/faqs/> for S3 Express One Zone: a million writes and nine million reads
    /// of 10 KB, 10 GB kept for a month: $1.10 + $1.13 + $0.27 + $0.03 + $0.05.
    #[test]
    fn the_example_of_the_vendor_comes_out() {
        let kb_10 = 10 * 1024;
        let put = OperationCounts { billed: 1_000_000, bytes_stored: 1_000_000 * kb_10, ..OperationCounts::default() };
        let got = OperationCounts { billed: 9_000_000, bytes_out: 9_000_000 * kb_10, ..OperationCounts::default() };
        let deleted = OperationCounts { billed: 1_000_000, ..OperationCounts::default() };
        let operations = BTreeMap::from([
            (Operation::PutObject, put),
            (Operation::GetObject, got),
            (Operation::DeleteObject, deleted),
        ]);
        let cost = class("s3-express").cost(&operations, None);
        assert_eq!(format!("{:.2}", cost.requests_dollars), "1.40");
        assert_eq!(format!("{:.2}", cost.requests_dollars_by_operation[&Operation::PutObject]), "1.13");
        assert_eq!(format!("{:.2}", cost.requests_dollars_by_operation[&Operation::GetObject]), "0.27");
        assert_eq!(format!("{:.2}", cost.transfer_dollars), "0.08");
        assert!((cost.storage_dollars_per_month / 0.11 / (1e10 * 1.024 / GB) - 1.0).abs() < 1e-9);
        assert_eq!(cost.dollars_per_gib, None);
    }

    #[test]
    fn tiers_have_their_prices() {
        let counts = || OperationCounts { billed: 1_000, ..OperationCounts::default() };
        let check = |operation, dollars: f64| {
            let cost = class("s3-standard").cost(&BTreeMap::from([(operation, counts())]), Some(0.5));
            assert!((cost.dollars - dollars).abs() < 1e-12, "{operation:?}: {}", cost.dollars);
            assert!((cost.dollars_per_gib.expect("payload is known") - dollars * 2.0).abs() < 1e-12);
        };
        check(Operation::PutObject, 0.005);
        check(Operation::UploadPart, 0.005);
        check(Operation::ListObjectsV2, 0.005);
        check(Operation::GetObject, 0.0004);
        check(Operation::HeadObject, 0.0004);
        check(Operation::DeleteObject, 0.0);
        check(Operation::AbortMultipartUpload, 0.0);
    }
}
