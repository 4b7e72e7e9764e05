//! From text to values: one function per kind of value. An error says what is wrong with the text, and nothing else.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use tracing_subscriber::filter::{LevelFilter, Targets};

/// Where objects are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// In the data folder.
    InDataDir,
    /// In this folder.
    Folder(PathBuf),
    /// In a bucket, under a prefix that may be empty.
    S3 { bucket: String, prefix: String },
    /// In this process, for as long as it lives.
    Memory,
}

pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("this is neither true nor false".to_owned()),
    }
}

/// A number of bytes: `134217728`, `128MiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "this is not a number of bytes".to_owned())?;
    let unit = unit.trim_start();
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("{unit:?} is not a unit; KiB, MiB, GiB and TiB are"));
    };
    number.checked_mul(*factor).ok_or_else(|| "this is more bytes than 64 bits can count".to_owned())
}

pub fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "this is not a count".to_owned())
}

/// The name of a zone.
pub fn zone(text: &str) -> Result<String, String> {
    const BYTES_MAX: usize = 100;
    if text.is_empty() || text.len() > BYTES_MAX || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("a zone's name has 1 to {BYTES_MAX} bytes and no blanks"));
    }
    Ok(text.to_owned())
}

/// An address to listen on.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_err() => "the port is not a number up to 65535".to_owned(),
        Some(_) => "this is not an IP address and a port; a name may mean several addresses".to_owned(),
        None if text.parse::<u16>().is_ok() => "this lacks an IP address before the port".to_owned(),
        None => "this lacks a port".to_owned(),
    })
}

/// An address to listen on, or none.
pub fn listen_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" { Ok(None) } else { listen(text).map(Some) }
}

/// Names of hosts, in small letters.
pub fn host_names(text: &str) -> Result<Vec<String>, String> {
    const COUNT_MAX: usize = 100;
    let all = text.split(',').map(|name| name.trim().trim_end_matches('.').to_ascii_lowercase()).collect::<Vec<_>>();
    if all.len() > COUNT_MAX {
        return Err(format!("these are more than {COUNT_MAX} names"));
    }
    let is_name = |name: &&String| {
        let is_proper = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=253).contains(&name.len()) && name.bytes().all(is_proper)
    };
    match all.iter().find(|name| !is_name(name)) {
        None => Ok(all),
        Some(wrong) => {
            Err(format!("{wrong:?} is no name of a host, such as tidelog.example.com: no scheme, no port, no *"))
        }
    }
}

/// Origins of pages, or `*`.
pub fn origins(text: &str) -> Result<Vec<String>, String> {
    const COUNT_MAX: usize = 100;
    let all = text.split(',').map(str::trim).collect::<Vec<_>>();
    if all.len() > COUNT_MAX {
        return Err(format!("these are more than {COUNT_MAX} origins"));
    }
    if all.len() > 1 && all.contains(&"*") {
        return Err("* is all origins, so there can be no others beside it".to_owned());
    }
    for origin in &all {
        if *origin != "*" {
            origin_as_sent(origin)?;
        }
    }
    Ok(all.into_iter().map(str::to_owned).collect())
}

/// An origin must be as browsers send it, to the letter: else it would never be allowed, and nobody would know why.
fn origin_as_sent(origin: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{origin:?} {what}; an origin is a scheme, a host and maybe a port"));
    let Some((scheme, authority)) = origin.split_once("://") else { return wrong("has no scheme") };
    if scheme.is_empty()
        || !scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
    {
        return wrong("has no scheme in small letters");
    }
    if authority.contains(['/', '?', '#']) {
        return wrong("goes on after the host");
    }
    if authority.contains('*') {
        return wrong("has a * in it");
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            if port.parse::<u16>().is_err() {
                return wrong("has a port that is no number up to 65535");
            }
            if (scheme, port) == ("https", "443") || (scheme, port) == ("http", "80") {
                return wrong("has the scheme's own port, which browsers leave out");
            }
            host
        }
        Some(_) | None => authority,
    };
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._[]:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return wrong("has no host in small letters");
    }
    Ok(())
}

/// An address for others to connect to: name or IP address, and port.
pub fn host_and_port(text: &str) -> Result<(String, u16), String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        if address.ip().is_unspecified() {
            return Err("nobody can connect to \"all interfaces\"".to_owned());
        }
        return connectable(address.ip().to_string(), address.port());
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Err("this lacks a port".to_owned()) };
    let port = port.parse().map_err(|_| "the port is not a number up to 65535".to_owned())?;
    let label_is_fine = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if host.len() > 253 || !host.split('.').all(label_is_fine) {
        return Err("this is not a host name or IP address and a port (an IPv6 address goes in brackets)".to_owned());
    }
    connectable(host.to_owned(), port)
}

fn connectable(host: String, port: u16) -> Result<(String, u16), String> {
    if port == 0 { Err("nobody can connect to port 0".to_owned()) } else { Ok((host, port)) }
}

/// An address of a store: `https://host:port`.
pub fn endpoint(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return Err("this begins with neither https:// nor http://".to_owned()) };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err("only scheme, host and port belong here; bucket and prefix go in store.url".to_owned());
    }
    if rest.contains('@') {
        return Err("credentials do not go in an address, use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned());
    }
    let without_port =
        rest.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(rest, |(host, _)| host);
    let is_v6 = without_port
        .strip_prefix('[')
        .and_then(|v6| v6.strip_suffix(']'))
        .is_some_and(|v6| v6.parse::<IpAddr>().is_ok());
    if !is_v6
        && (without_port.is_empty()
            || without_port.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)))
    {
        return Err("this has no proper host name".to_owned());
    }
    Ok(text.strip_suffix('/').unwrap_or(text).to_owned())
}

/// Host and port of a collector of traces, or none.
pub fn collector_or_off(text: &str) -> Result<Option<String>, String> {
    if text == "off" {
        return Ok(None);
    }
    if text.starts_with("https://") {
        return Err(
            "a collector is talked to without TLS: let one on this machine send what it takes further".to_owned()
        );
    }
    let Some(rest) = text.strip_prefix("http://") else {
        return Err("this is neither off nor does it begin with http://".to_owned());
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '@']) {
        return Err("only scheme, host and port belong here; /v1/traces is added".to_owned());
    }
    let (host, port) = host_and_port(rest)?;
    Ok(Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }))
}

/// A share of something.
pub fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "this is not a number from 0 to 1".to_owned())
}

pub fn region(text: &str) -> Result<String, String> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        Ok(text.to_owned())
    } else {
        Err("a region has letters, digits and hyphens only".to_owned())
    }
}

pub fn store_url(text: &str) -> Result<StoreUrl, String> {
    if text == "file" {
        Ok(StoreUrl::InDataDir)
    } else if text == "memory:" {
        Ok(StoreUrl::Memory)
    } else if let Some(path) = text.strip_prefix("file://") {
        folder_of(path)
    } else if let Some(rest) = text.strip_prefix("s3://") {
        bucket_of(rest)
    } else {
        Err("this is none of file, file:///folder, s3://bucket/prefix, memory:".to_owned())
    }
}

fn folder_of(path: &str) -> Result<StoreUrl, String> {
    if !path.starts_with('/') {
        return Err("the folder must be absolute, so three slashes in a row".to_owned());
    }
    if path.contains('%') || path.split('/').any(|segment| segment == "..") {
        return Err("the folder is taken as written: no %-escapes and no ..".to_owned());
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Err("the root folder is not a place for objects".to_owned());
    }
    Ok(StoreUrl::Folder(PathBuf::from(path)))
}

fn bucket_of(rest: &str) -> Result<StoreUrl, String> {
    if rest.contains('@') {
        return Err("credentials do not go in the URL, use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned());
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let allowed = |text: &str, more: &[u8]| text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b));
    if !(3..=63).contains(&bucket.len()) || !allowed(bucket, b"-._") {
        return Err("a bucket's name has 3 to 63 letters, digits, hyphens and dots".to_owned());
    }
    let segment_is_fine = |segment: &str| !matches!(segment, "" | "." | "..") && allowed(segment, b"._=-");
    if !prefix.is_empty() && !prefix.split('/').all(segment_is_fine) {
        return Err("a prefix has letters, digits and ._=- between single slashes".to_owned());
    }
    Ok(StoreUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

/// What to log. Stricter than the library, which takes a misspelt level for the name of a target and then logs all of it.
pub fn log_filter(text: &str) -> Result<Targets, String> {
    let mut targets = Targets::new();
    for directive in text.split(',').map(str::trim) {
        let (target, level) = match directive.split_once('=') {
            Some((target, level)) => (Some(target.trim()), level.trim()),
            None => (None, directive),
        };
        let level: LevelFilter = match level.to_ascii_lowercase().as_str() {
            "off" => LevelFilter::OFF,
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => return Err(format!("{level:?} is not a level; off, error, warn, info, debug and trace are")),
        };
        targets = match target {
            None => targets.with_default(level),
            Some(target) if !target.is_empty() && target.bytes().all(is_in_target) => {
                targets.with_target(target, level)
            }
            Some(target) => return Err(format!("{target:?} is not the name of a part, such as tidelog_ingest")),
        };
    }
    Ok(targets)
}

fn is_in_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-')
}

#[cfg(test)]
#[path = "parse_test.rs"]
mod parse_test;
