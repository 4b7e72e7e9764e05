//! A value that works, as close as can be to the one that did not.

use std::path::Path;

use super::list::{HTTP_LISTEN, KAFKA_ADVERTISED, KAFKA_LISTEN, STORE_URL, Setting};

/// What to recommend to someone who wrote `text`. Always a value that is accepted.
pub fn nearest(setting: &Setting, text: &str) -> String {
    let port = text.rsplit_once(':').map_or(text, |(_, port)| port).parse::<u16>().ok();
    match (setting.key, port) {
        (KAFKA_LISTEN | HTTP_LISTEN, Some(port)) => format!("127.0.0.1:{port}"),
        (KAFKA_ADVERTISED, Some(port)) if port > 0 => format!("tidelog.example.com:{port}"),
        (STORE_URL, _) if text.starts_with("s3") => "s3://bucket/prefix".to_owned(),
        (STORE_URL, _) if text.starts_with("mem") => "memory:".to_owned(),
        (STORE_URL, _) if text.starts_with(['/', '.']) => folder(Path::new(text)),
        _ => setting.example.to_owned(),
    }
}

/// The URL of a folder, if it can be written as one.
fn folder(path: &Path) -> String {
    // Without the dots of `./here`; a path that climbs is not guessed.
    let tidy: std::path::PathBuf = path.components().collect();
    let absolute = std::path::absolute(tidy).unwrap_or_default();
    let url = format!("file://{}", absolute.display());
    if super::parse::store_url(&url).is_ok() { url } else { "file:///var/lib/tidelog/objects".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::list::setting;
    use super::super::parse;
    use super::*;

    #[test]
    fn the_port_is_kept() {
        let check = |text: &str, expected: &str| {
            assert_eq!(nearest(setting(KAFKA_LISTEN), text), expected);
            assert!(parse::listen(expected).is_ok());
        };
        check("localhost:19092", "127.0.0.1:19092");
        check(":9093", "127.0.0.1:9093");
        check("19094", "127.0.0.1:19094");
        check("nonsense", "127.0.0.1:9092");
    }

    #[test]
    fn the_kind_of_store_is_kept() {
        let check = |text: &str, expected: &str| {
            assert_eq!(nearest(setting(STORE_URL), text), expected);
            assert!(parse::store_url(expected).is_ok());
        };
        check("s3:bucket", "s3://bucket/prefix");
        check("memory", "memory:");
        check("/srv/objects", "file:///srv/objects");
        check("/srv/../objects", "file:///var/lib/tidelog/objects");
        check("gcs://bucket", "file");
    }
}
