//! Pages of other origins, which browsers let use this door when it says so.

use std::time::Duration;

use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};

/// Any origin.
const ANY: &str = "*";
/// How long a browser may remember what it was told.
const REMEMBERED_MAX: Duration = Duration::from_secs(600);

/// What browsers are told; nothing when nobody is allowed. Cookies play no part, so headers may be sent and seen whatever
/// their names.
///
/// # Panics
/// When an origin is no header's value: whoever sets them has looked.
pub(crate) fn layer(allowed_origins: &[String]) -> Option<CorsLayer> {
    if allowed_origins.is_empty() {
        return None;
    }
    let origin = if allowed_origins.iter().any(|origin| origin == ANY) {
        AllowOrigin::any()
    } else {
        let value = |origin: &String| HeaderValue::from_str(origin).expect("origins are visible ASCII");
        AllowOrigin::list(allowed_origins.iter().map(value))
    };
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let layer = CorsLayer::new()
        .allow_origin(origin)
        .allow_methods(methods)
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::any())
        .max_age(REMEMBERED_MAX);
    Some(layer)
}
