//! A refusal on its way out. It is written as a problem around the router, where the request's id is known.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use tidelog_catalog_api::PartitionView;
use tidelog_http_api::{Place, Problem, ProducedLines, RecordOutcome, WireOffset};
use tidelog_model::PartitionId;

use crate::errors::Code;
use crate::json_body;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Seconds after which trying again is sensible.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// How much is said in words: some of them repeat what the client has sent.
const DETAIL_BYTES_MAX: usize = 1_024;

/// Why a request did not do what it should.
#[derive(Clone, Debug)]
pub(crate) struct Refused(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    problem: Problem,
    header: Option<(HeaderName, HeaderValue)>,
    /// The same request again stores nothing twice.
    is_repeatable: bool,
}

impl Refused {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Refused {
        let mut detail = detail.into();
        if detail.len() > DETAIL_BYTES_MAX {
            detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
            detail.push('…');
        }
        let problem = Problem {
            kind: format!("urn:tidelog:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            code: code.as_str().to_owned(),
            detail,
            retry: code.retry(),
            ..Problem::default()
        };
        Refused(Box::new(Inner { code, problem, header: None, is_repeatable: false }))
    }

    /// About a parameter or header.
    pub(crate) fn parameter(code: Code, name: &str, detail: impl Into<String>) -> Refused {
        let parameter = Some(name.to_owned());
        Refused::new(code, detail).at(|place| place.parameter = parameter)
    }

    /// Says where it is.
    pub(crate) fn at(mut self, set: impl FnOnce(&mut Place)) -> Refused {
        set(self.0.problem.at.get_or_insert_default());
        self
    }

    /// In a field of a body.
    pub(crate) fn field(self, name: &str) -> Refused {
        self.at(|place| place.field = Some(name.to_owned()))
    }

    pub(crate) fn uncertain(mut self, may_have_happened: bool) -> Refused {
        self.0.problem.may_have_happened |= may_have_happened;
        self
    }

    /// With what is known beside.
    pub(crate) fn with_facts(mut self, set: impl FnOnce(&mut Problem)) -> Refused {
        set(&mut self.0.problem);
        self
    }

    /// Whether the same request again stores nothing twice.
    pub(crate) fn repeatable(mut self, is_repeatable: bool) -> Refused {
        self.0.is_repeatable = is_repeatable;
        self
    }

    /// With what is stored of the request all the same. Where something is, the same request would store it again, so it is
    /// not to be repeated.
    pub(crate) fn with_stored(mut self, stored: ProducedLines) -> Refused {
        self.0.problem.retry &= stored.records == 0 || self.0.is_repeatable;
        self.0.problem.stored = Some(stored);
        self
    }

    /// With what became of each record; see [`Refused::with_stored`].
    pub(crate) fn with_records(mut self, records: Vec<RecordOutcome>) -> Refused {
        self.0.problem.retry &= self.0.is_repeatable || records.iter().all(|record| record.offset.is_none());
        self.0.problem.records = Some(records);
        self
    }

    /// About one partition, of which there may be several.
    pub(crate) fn of_partition(mut self, index: u32) -> Refused {
        self.0.problem.partition = Some(index);
        self
    }

    /// With the bounds of the partition.
    pub(crate) fn within(mut self, partition: PartitionId, view: PartitionView) -> Refused {
        self = self.of_partition(partition.index);
        self.0.problem.log_start = Some(WireOffset(view.log_start.0));
        self.0.problem.high_watermark = Some(WireOffset(view.high_watermark.0));
        self
    }

    /// With a header that says what would work.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Refused {
        self.0.header = Some((name, value));
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn may_have_happened(&self) -> bool {
        self.0.problem.may_have_happened
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.problem.detail
    }

    /// As JSON, for a stream that has begun.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0.problem).expect("a problem has text keys only")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.code.status();
        if self.0.problem.retry {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if let Some((name, value)) = &self.0.header {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem of a response that is a refusal.
pub(crate) fn write(mut response: Response, request_id: &str) -> Response {
    let Some(Refused(mut inner)) = response.extensions_mut().remove::<Refused>() else { return response };
    // For whoever counts.
    response.extensions_mut().insert(inner.code);
    inner.problem.request_id = Some(request_id.to_owned());
    let body = json_body::bytes_of(&inner.problem);
    // The router has counted the body that was there.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
    *response.body_mut() = Body::from(body);
    response
}
