//! The pages for people, and what browsers need to know about them. What is on them is `tidelog_console`'s.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tidelog_console::{ASSETS, Asset};

use crate::gateway::Shared;

/// Another origin's pages get no hold of these.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A route for each file. They need nothing of the node, so they are there as long as the process lives.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    ASSETS.iter().fold(Router::new(), |routes, asset| {
        let tag = tag(asset);
        routes.route(asset.path, get(move |headers: HeaderMap| async move { answer(asset, tag, &headers) }))
    })
}

/// Changes when the file does. Weak, as the bytes that are sent may be compressed.
fn tag(asset: &Asset) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    asset.bytes.hash(&mut hasher);
    HeaderValue::from_str(&format!("W/\"{:016x}\"", hasher.finish())).expect("quotes and hexadecimal digits")
}

/// The file, or that the browser's is still right. A browser asks each time, as a new version has the same paths.
fn answer(asset: &'static Asset, tag: HeaderValue, asked: &HeaderMap) -> Response {
    let is_known = asked.get_all(IF_NONE_MATCH).iter().any(|known| has_tag(known, &tag));
    let cached = [(ETAG, tag), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if is_known {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    let guards = [
        (CONTENT_TYPE, asset.media_type),
        (CONTENT_SECURITY_POLICY, tidelog_console::CONTENT_SECURITY_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ];
    (cached, guards, Body::from(Bytes::from_static(asset.bytes))).into_response()
}

/// Whether a list of tags has this one, or everything.
fn has_tag(list: &HeaderValue, tag: &HeaderValue) -> bool {
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    list.as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|one| one == b"*" || opaque(one) == opaque(tag.as_bytes()))
}
