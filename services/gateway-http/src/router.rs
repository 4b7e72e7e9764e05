//! Paths, what is at them, and the document that says so.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::Shared;
use crate::routes::Routes;
use crate::{console, cors, groups, health, metrics, negotiate, passage, produce, producers, read, status, topics};

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidelog",
        description = "Append to topics, read them and follow them over HTTP. What goes wrong is told as a problem \
                       (RFC 9457) with a stable code.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "topics", description = "Topics and their partitions."),
        (name = "records", description = "Records, in and out."),
        (name = "groups", description = "Consumer groups, and how far they have read."),
        (name = "status", description = "For the console, and for people."),
        (name = "health", description = "For whoever watches the process."),
    ),
    // Of parameters, which bring no schemas along.
    components(schemas(read::ValueFormat)),
)]
struct About;

fn watched() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

fn served() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(topics::list, topics::create))
        .routes(routes!(topics::describe, topics::configure, topics::delete))
        .routes(routes!(read::topic_records, produce::append))
        .routes(routes!(read::partition_records))
        .routes(routes!(topics::fence))
        .routes(routes!(producers::open))
        .routes(routes!(groups::list))
        .routes(routes!(groups::describe, groups::delete))
        .routes(routes!(groups::offsets, groups::commit, groups::reset))
        .routes(routes!(status::status))
}

fn both() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(About::openapi()).merge(watched()).merge(served())
}

/// The OpenAPI document of all that there is.
#[must_use]
pub fn document() -> Document {
    both().into_openapi()
}

/// The templates of all routes.
pub(crate) fn routes() -> Routes {
    let watched = watched().into_openapi().paths.paths.into_keys();
    let pages = tidelog_console::ASSETS.iter().map(|asset| asset.path.to_owned());
    let others = watched.chain(pages).chain([DOCUMENT.to_owned()]);
    Routes::new(served().into_openapi().paths.paths.into_keys(), others)
}

/// All routes. What every request passes is around this, see [`passage::around`].
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    // Shared by all answers, however many are not taken.
    let document = Bytes::from(document().to_json().expect("a document has text keys only"));
    let served: Router<Arc<Shared>> = served().into();
    let watched: Router<Arc<Shared>> = watched().into();
    let all = watched
        .route(DOCUMENT, get(move || async move { ([(CONTENT_TYPE, negotiate::JSON)], document) }))
        .merge(console::routes())
        .merge(served)
        .fallback(passage::not_found)
        .method_not_allowed_fallback(passage::method_not_allowed);
    let all = match cors::layer(&shared.options.cors_allowed_origins) {
        // Pages are to read of panics too.
        Some(cors) => all.layer(CatchPanicLayer::custom(passage::panicked)).layer(cors),
        None => all,
    };
    all.with_state(shared.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/openapi.json");
    /// Set to write the document instead of comparing it.
    const WRITE: &str = "WRITE_DOCS";

    #[test]
    fn the_document_is_what_the_code_is() {
        let expected = document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(PAGE, expected).unwrap();
        } else {
            let there = std::fs::read_to_string(PAGE).unwrap_or_default();
            let command = format!("{WRITE}=1 cargo test --release -p tidelog-gateway-http the_document_is");
            assert!(there == expected, "openapi/openapi.json has drifted; to write it anew:\n  {command}");
        }
    }

    fn references<'a>(value: &'a serde_json::Value, found: &mut Vec<&'a str>) {
        match value {
            serde_json::Value::Object(object) => {
                found.extend(object.get("$ref").and_then(serde_json::Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            serde_json::Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    /// What a generator of clients stumbles over, and what its users would see.
    #[test]
    fn clients_can_be_generated_from_the_document() {
        let document = serde_json::to_value(document()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} is not in the document");
        }
        let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{method} {path}: the operation id {id} is there twice");
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
                assert!(tags.contains(&&operation["tags"][0]), "{method} {path} has a tag that is not described");
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    assert!(parameter["description"].is_string(), "{method} {path}: {parameter} is not described");
                }
            }
        }
    }
}
