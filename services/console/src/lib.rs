//! The pages for people: the console, and the reference of the API.
//!
//! **Owns:** the files of both pages as they are sent, their paths, their media types, and the policy under which browsers run
//! them. **Promises:** they work without any other origin and without a build step; what they show of topics, groups and
//! records is text, whatever it holds: no file has a way from text to markup, and the policy refuses such ways, inline
//! script and everything from elsewhere. **Does not know:** the server, HTTP, and what the API behind the pages does.
//!
//! Where to begin to read: `files/app.js` chooses views and asks the API, `files/dom.js` is how anything is shown.

#![cfg_attr(test, allow(clippy::unwrap_used))]

/// A file, as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Where it is, from the root of the server.
    pub path: &'static str,
    /// Its content type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// What a page may do, as the header `content-security-policy`: use what comes from its own server, and turn no text into
/// markup or script.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                                           frame-ancestors 'none'; require-trusted-types-for 'script'; \
                                           trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the folder `files`, at a path of its own or below `/console/`.
macro_rules! asset {
    ($file:literal, $media_type:expr) => {
        asset!($file, $media_type, concat!("/console/", $file))
    };
    ($file:literal, $media_type:expr, $path:expr) => {
        Asset { path: $path, media_type: $media_type, bytes: include_bytes!(concat!("../files/", $file)) }
    };
}

/// All there is.
pub const ASSETS: &[Asset] = &[
    asset!("index.html", HTML, "/"),
    asset!("docs.html", HTML, "/docs"),
    asset!("console.css", CSS),
    asset!("docs.css", CSS),
    asset!("icon.svg", SVG),
    asset!("theme.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("app.js", SCRIPT),
    asset!("cluster.js", SCRIPT),
    asset!("docs.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("forms.js", SCRIPT),
    asset!("groups.js", SCRIPT),
    asset!("lag.js", SCRIPT),
    asset!("parts.js", SCRIPT),
    asset!("rates.js", SCRIPT),
    asset!("record.js", SCRIPT),
    asset!("tail.js", SCRIPT),
    asset!("topic.js", SCRIPT),
    asset!("topics.js", SCRIPT),
    asset!("traffic.js", SCRIPT),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Of all files together. A page that loads at once over a slow line is worth more than the next feature.
    const BYTES_MAX: usize = 128 * 1024;

    /// Ways from text to markup or script, and what the policy would refuse anyway.
    const FORBIDDEN: &[&str] = &[
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "srcdoc",
        "eval(",
        "new Function",
        "javascript:",
        "style=",
        "@import",
        "url(",
    ];
    /// The name of a language, which nobody fetches.
    const NAMESPACE: &str = "http://www.w3.org/2000/svg";

    fn text(asset: &Asset) -> &'static str {
        std::str::from_utf8(asset.bytes).unwrap()
    }

    /// What stands between quotes behind `before`, wherever that is.
    fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split(['"', '\'']).next()).collect()
    }

    #[test]
    fn every_file_is_served_and_found_by_its_pages() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/files")).unwrap();
        assert_eq!(files.count(), ASSETS.len());
        let paths: BTreeSet<&str> = ASSETS.iter().map(|asset| asset.path).collect();
        assert_eq!(paths.len(), ASSETS.len());
        let mut used = BTreeSet::from(["/", "/docs"].map(str::to_owned));
        for asset in ASSETS {
            // Relative, so that the pages also work behind a proxy that puts them below a path of its own.
            let files = ["href=\"console/", "src=\"console/", "from './"].map(|before| quoted(text(asset), before));
            used.extend(files.concat().iter().map(|file| format!("/console/{file}")));
            assert!(!text(asset).contains("=\"/"), "{}: an address from the root", asset.path);
        }
        assert_eq!(used.iter().map(String::as_str).collect::<BTreeSet<_>>(), paths);
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_text_never_becomes_markup() {
        for asset in ASSETS {
            let own = text(asset).replace(NAMESPACE, "");
            assert!(!own.contains("://"), "{} names another origin", asset.path);
            for word in FORBIDDEN {
                assert!(!own.contains(word), "{}: {word}", asset.path);
            }
            if asset.media_type == HTML {
                assert!(own.matches("<script ").count() == own.matches("></script>").count(), "inline script");
                assert!(!own.contains("<script>") && !own.contains("<style") && !own.contains(" on"), "inline code");
            }
        }
    }

    #[test]
    fn the_pages_are_small() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn every_script_says_what_it_is() {
        for asset in ASSETS.iter().filter(|asset| asset.media_type == SCRIPT) {
            assert!(text(asset).starts_with("// "), "{} does not begin with a comment", asset.path);
            let lines = text(asset).lines().count();
            assert!(lines <= 400, "{}: {lines} lines", asset.path);
        }
    }
}
