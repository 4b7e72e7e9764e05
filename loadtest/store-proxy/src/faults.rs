//! Faults: what may go wrong with a request, how often, and for which.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Error, invalid};
use crate::latency::Draw;
use crate::operation::Operation;

/// What goes wrong. Whether the store has done the request is part of it, because a client cannot know and must be right
/// either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// 503 SlowDown; the store has not seen the request.
    SlowDown,
    /// 500 InternalError; the store has not seen the request.
    InternalError,
    /// 500 InternalError; the store has done the request.
    InternalErrorAfter,
    /// The connection is reset; the store has not seen the request.
    ResetBefore,
    /// The connection is reset; the store has done the request.
    ResetAfter,
    /// No answer for `timeout_ms`, then a reset; the store has not seen the request.
    TimeoutBefore,
    /// No answer for `timeout_ms`, then a reset; the store has done the request.
    TimeoutAfter,
    /// Both bodies trickle, at `slow_body_bytes_per_s`. All goes well in the end for who waits.
    SlowBody,
}

/// All kinds, for those who want them all.
const KINDS: &[FaultKind] = &[
    FaultKind::SlowDown,
    FaultKind::InternalError,
    FaultKind::InternalErrorAfter,
    FaultKind::ResetBefore,
    FaultKind::ResetAfter,
    FaultKind::TimeoutBefore,
    FaultKind::TimeoutAfter,
    FaultKind::SlowBody,
];

impl FaultKind {
    /// The kind of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<FaultKind, Error> {
        let names = || KINDS.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let found = KINDS.iter().find(|kind| kind.name() == name);
        found.copied().ok_or_else(|| invalid(format!("no fault is called {name:?}; {} would work", names())))
    }

    /// Its name, as it is asked for and counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::SlowDown => "slow-down",
            FaultKind::InternalError => "internal-error",
            FaultKind::InternalErrorAfter => "internal-error-after",
            FaultKind::ResetBefore => "reset-before",
            FaultKind::ResetAfter => "reset-after",
            FaultKind::TimeoutBefore => "timeout-before",
            FaultKind::TimeoutAfter => "timeout-after",
            FaultKind::SlowBody => "slow-body",
        }
    }

    /// Whether the store is asked all the same.
    pub(crate) fn is_after(self) -> bool {
        match self {
            FaultKind::InternalErrorAfter | FaultKind::ResetAfter | FaultKind::TimeoutAfter | FaultKind::SlowBody => {
                true
            }
            FaultKind::SlowDown | FaultKind::InternalError | FaultKind::ResetBefore | FaultKind::TimeoutBefore => false,
        }
    }
}

/// Which requests go wrong, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// This part of the requests, from 0 to 1.
    pub rate: f64,
    /// One of these, by chance, each as likely as the others.
    pub kinds: Vec<FaultKind>,
    /// Of these operations; all when there are none.
    pub operations: Vec<Operation>,
    /// No more than so many, from when it was said.
    pub count_max: Option<u64>,
    /// How long a timeout is.
    pub timeout_ms: u64,
    /// How fast a slow body is.
    pub slow_body_bytes_per_s: u64,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            rate: 0.0,
            kinds: vec![FaultKind::SlowDown, FaultKind::InternalError],
            operations: Vec::new(),
            count_max: None,
            timeout_ms: 30_000,
            slow_body_bytes_per_s: 64 * 1024,
        }
    }
}

impl Faults {
    /// Whether this can be done.
    ///
    /// # Errors
    /// It cannot, and what could.
    pub fn check(&self) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Err(invalid(format!("an error rate of {}: 0 to 1 would work", self.rate)));
        }
        if self.kinds.is_empty() && self.rate > 0.0 {
            return Err(invalid("errors without a kind; slow-down and internal-error would work"));
        }
        if self.slow_body_bytes_per_s == 0 {
            return Err(invalid("a slow body of 0 bytes per second never ends; 1 and more would work"));
        }
        Ok(())
    }

    /// What goes wrong with a request of `operation` that drew this, if anything does.
    pub(crate) fn strike(&self, operation: Operation, draw: &Draw) -> Option<FaultKind> {
        let is_meant = self.operations.is_empty() || self.operations.contains(&operation);
        let is_over = self.count_max == Some(0);
        if !is_meant || is_over || draw.fault >= self.rate || self.kinds.is_empty() {
            return None;
        }
        let number = draw.kind % self.kinds.len() as u64;
        Some(self.kinds[usize::try_from(number).expect("below a length")])
    }
}

/// Status and body of an error as S3 says it.
pub(crate) fn answer_of(kind: FaultKind, resource: &str, request: u64) -> (u16, Bytes) {
    match kind {
        FaultKind::SlowDown => (503, xml("SlowDown", "Please reduce your request rate.", resource, request)),
        _ => (500, xml("InternalError", "We encountered an internal error. Please try again.", resource, request)),
    }
}

/// The body of an error of S3.
pub(crate) fn xml(code: &str, message: &str, resource: &str, request: u64) -> Bytes {
    let resource = escape(resource);
    let message = escape(message);
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <Resource>{resource}</Resource><RequestId>{request:016X}</RequestId></Error>"
    );
    text.into()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use tidelog_host::Random;

    use super::*;

    fn strikes(faults: &Faults, operation: Operation) -> Vec<Option<FaultKind>> {
        let random = Random::seeded(11);
        (0..20_000).map(|_| faults.strike(operation, &Draw::next(&random))).collect()
    }

    #[test]
    fn the_rate_is_kept_and_every_kind_comes() {
        let faults = Faults { rate: 0.1, kinds: KINDS.to_vec(), ..Faults::default() };
        let found = strikes(&faults, Operation::PutObject);
        let count = found.iter().flatten().count();
        assert!((1_800..2_200).contains(&count), "{count} of 20,000");
        for kind in KINDS {
            let of_kind = found.iter().flatten().filter(|found| *found == kind).count();
            assert!((150..350).contains(&of_kind), "{of_kind} of {kind:?}");
        }
    }

    #[test]
    fn only_what_is_meant_is_struck() {
        let faults = Faults { rate: 1.0, operations: vec![Operation::PutObject], ..Faults::default() };
        assert!(strikes(&faults, Operation::GetObject).iter().all(Option::is_none));
        assert!(strikes(&faults, Operation::PutObject).iter().all(Option::is_some));
        let over = Faults { count_max: Some(0), ..faults };
        assert!(strikes(&over, Operation::PutObject).iter().all(Option::is_none));
        assert!(strikes(&Faults::default(), Operation::PutObject).iter().all(Option::is_none));
    }

    #[test]
    fn names_are_those_in_json() {
        for kind in KINDS {
            assert_eq!(serde_json::to_string(kind).expect("a name"), format!("{:?}", kind.name()));
            assert_eq!(FaultKind::named(kind.name()).expect("known"), *kind);
        }
        FaultKind::named("earthquake").expect_err("there is none");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for rate in [-0.1, 1.1, f64::NAN] {
            Faults { rate, ..Faults::default() }.check().expect_err("no rate");
        }
        Faults { rate: 0.5, kinds: Vec::new(), ..Faults::default() }.check().expect_err("no kind");
        Faults { slow_body_bytes_per_s: 0, ..Faults::default() }.check().expect_err("no speed");
        Faults::default().check().expect("nothing goes wrong");
        serde_json::from_str::<Faults>(r#"{"rat":1}"#).expect_err("a typing error");
    }

    #[test]
    fn an_error_is_in_the_form_of_s3() {
        let (status, body) = answer_of(FaultKind::SlowDown, "/b/<k>&", 255);
        let text = String::from_utf8(body.to_vec()).expect("text");
        assert_eq!(status, 503);
        assert!(
            text.contains("<Code>SlowDown</Code>") && text.contains("<Resource>/b/&lt;k&gt;&amp;</Resource>"),
            "{text}"
        );
        assert!(text.contains("<RequestId>00000000000000FF</RequestId>"), "{text}");
        assert_eq!(answer_of(FaultKind::InternalErrorAfter, "/", 1).0, 500);
    }
}
