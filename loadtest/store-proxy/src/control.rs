//! The control address: what was counted, as JSON and as a table, and settings that change while the proxy runs.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /counts` | everything that was counted, and what it would cost, as JSON |
//! | `GET /report` | the same as a table for people |
//! | `POST /reset` | counts from 0 again; answers what was counted until then, as JSON |
//! | `PUT /latency` | `{"profile": "s3-express"}` or `{"p50_ms": 100, "p99_ms": 400}` |
//! | `PUT /faults` | `{"rate": 0.01, "kinds": ["reset-after"], "operations": ["PutObject"], "count_max": 3}`; `{}` ends them |
//! | `PUT /payload` | `{"bytes": 1073741824}`: what of it all was payload |

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::proxy::Shared;
use crate::report;

/// Settings are smaller.
const BODY_BYTES_MAX: usize = 64 * 1024;
const JSON: &str = "application/json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    bytes: u64,
}

pub(crate) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let counted = || report::of(shared);
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/counts") => said(StatusCode::OK, JSON, counted().to_json()),
        (&Method::GET, "/report") => said(StatusCode::OK, "text/plain; charset=utf-8", counted().to_string()),
        (&Method::POST, "/reset") => {
            let until_now = counted().to_json();
            shared.counts.reset();
            said(StatusCode::OK, JSON, until_now)
        }
        (&Method::PUT, "/latency") => {
            set(body, |latency| {
                shared.settings.lock().latency = latency;
                Ok(())
            })
            .await
        }
        (&Method::PUT, "/faults") => {
            set(body, |faults| shared.set_faults(faults).map_err(|error| error.to_string())).await
        }
        (&Method::PUT, "/payload") => {
            set(body, |Payload { bytes }| {
                shared.settings.lock().payload_bytes = Some(bytes);
                Ok(())
            })
            .await
        }
        _ => refused(
            StatusCode::NOT_FOUND,
            "GET /counts, GET /report, POST /reset, PUT /latency, PUT /faults and PUT /payload would work",
        ),
    }
}

/// Reads what shall be, and has it so.
async fn set<T: DeserializeOwned>(
    body: Incoming,
    change: impl FnOnce(T) -> Result<(), String>,
) -> Response<Full<Bytes>> {
    let text = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(text) => text.to_bytes(),
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let changed = serde_json::from_slice(&text).map_err(|error| error.to_string()).and_then(change);
    match changed {
        Ok(()) => said(StatusCode::OK, JSON, "{}\n".to_owned()),
        Err(why) => refused(StatusCode::BAD_REQUEST, &why),
    }
}

fn refused(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    said(status, JSON, format!("{}\n", json!({ "error": why })))
}

fn said(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
