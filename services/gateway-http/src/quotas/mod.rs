//! Client quotas: what requests use is charged to their clients, and who uses too much waits.
//!
//! They are the quotas of the Kafka door, and the accounts too: what a client uses here it has used there. A request waits
//! before it is worked on, holding nothing, until nothing is owed; when that would take too long it is refused. A body whose
//! length is not known, or large, is charged as it comes and read no faster than its client may send; records are charged as
//! they go and read no faster than it may have them.
//!
//! `client.rs` is whom a request is charged to, `paced.rs` the bodies, `mutations.rs` topics that come and go. The arithmetic is
//! `tidelog_access`.

mod client;
mod mutations;
mod paced;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};

use self::client::{Charge, name_of};
pub(crate) use self::mutations::Mutations;
pub(crate) use self::paced::Pauses;
use self::paced::{PacedAnswer, PacedUpload};
use crate::errors::Code;
use crate::gateway::Shared;
use crate::options::{JSON_BODY_BYTES_MAX, QUOTA_WAIT_MAX};
use crate::problem::Refused;
use crate::topics::content_length;

/// What requests are about that are charged for bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Append,
    Read,
    Other,
}

/// Works on a request at its client's expense.
pub(crate) async fn charge(
    shared: &Arc<Shared>,
    mut request: Request,
    work: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    match begin(shared, &mut request).await {
        Ok(None) => work(request).await,
        Ok(Some((charge, what))) => {
            let response = charge.count(work(request)).await;
            match what {
                What::Read => {
                    let (head, body) = response.into_parts();
                    let body = PacedAnswer::new(body, &head.headers, charge);
                    Response::from_parts(head, Body::new(body))
                }
                What::Append | What::Other => response,
            }
        }
        Err(refused) => refused.into_response(),
    }
}

/// Waits until the request may begin, if its client has quotas.
async fn begin(shared: &Arc<Shared>, request: &mut Request) -> Result<Option<(Arc<Charge>, What)>, Refused> {
    let name = name_of(request.headers())?;
    let quotas = shared.parts.catalog.client_quotas(shared.options.tenant);
    let Some(charge) = Charge::of(shared, &quotas, name) else { return Ok(None) };
    let what = what(request);
    if charge.has_mutations() && what != What::Read {
        request.extensions_mut().insert(Mutations::at_expense_of(&charge));
    }
    let mut owed = charge.owes_time();
    match what {
        What::Append => owed = owed.max(charge.owes_sent()),
        What::Read => owed = owed.max(charge.owes_read()),
        What::Other => {}
    }
    // What is refused is not charged.
    charge.check(owed)?;
    if what == What::Append {
        match content_length(request.headers()).filter(|bytes| *bytes <= JSON_BODY_BYTES_MAX as u64) {
            Some(bytes) => owed = owed.max(charge.sent(bytes as usize)),
            None => {
                let (body, pauses) = (std::mem::take(request.body_mut()), Pauses::new(charge.clone()));
                request.extensions_mut().insert(pauses.clone());
                *request.body_mut() = Body::new(PacedUpload::new(body, pauses));
            }
        }
    }
    if !owed.is_zero() {
        let Ok(_waiting) = shared.throttled.try_acquire() else { return Err(charge.refused(owed)) };
        tokio::select! {
            () = shared.parts.clock.sleep(owed.min(QUOTA_WAIT_MAX)) => {}
            () = shared.parts.tasks.stopping() => {}
        }
    }
    Ok(Some((charge, what)))
}

fn what(request: &Request) -> What {
    match *request.method() {
        _ if !request.uri().path().ends_with("/records") => What::Other,
        Method::POST => What::Append,
        Method::GET => What::Read,
        _ => What::Other,
    }
}

impl Charge {
    /// # Errors
    /// When it would take too long until nothing is owed.
    fn check(&self, owed: Duration) -> Result<(), Refused> {
        if owed <= QUOTA_WAIT_MAX { Ok(()) } else { Err(self.refused(owed)) }
    }

    fn refused(&self, owed: Duration) -> Refused {
        let seconds = owed.as_nanos().div_ceil(1_000_000_000).max(1);
        let detail = format!(
            "the quota of {} is used up for {seconds} s; come again then, or raise it (client quotas are set as for Kafka)",
            self.name()
        );
        let after = HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX));
        Refused::new(Code::QuotaExceeded, detail).with_header(RETRY_AFTER, after)
    }
}

/// A connection has come from an address: see [`tidelog_access::Quotas::connected`].
pub(crate) fn connected(shared: &Shared, ip: IpAddr) -> Option<Duration> {
    let quotas = shared.parts.catalog.client_quotas(shared.options.tenant);
    shared.parts.quotas.connected(&quotas, ip, shared.parts.clock.now().into_std())
}

#[cfg(test)]
mod quotas_test;
