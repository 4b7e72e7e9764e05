//! By which names the door may be asked. A page of the web can have its own name resolved to this machine (DNS rebinding): to the
//! browser the answers are of the page's origin then, so no rule about origins keeps it out. Its name in the request does.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;

use crate::errors::Code;
use crate::gateway::Shared;
use crate::problem::Refused;

/// Refuses what is asked by a name that nobody has said this door has.
pub(crate) fn known(shared: &Shared, request: &Request) -> Result<(), Refused> {
    let Some(name) = strange(request, shared.options.known_hosts.as_deref()) else { return Ok(()) };
    let detail = format!(
        "the door listens on loopback, and is not called {name:?}: ask for localhost, or name it in http.known_hosts"
    );
    Err(Refused::new(Code::UnknownHost, detail))
}

/// The name that a request asks for, when the door has names and that is none of them.
fn strange(request: &Request, known: Option<&[String]>) -> Option<String> {
    let known = known?;
    let named = match request.uri().authority() {
        Some(authority) => authority.as_str().as_bytes(),
        None => request.headers().get(HOST)?.as_bytes(),
    };
    // What nearly all ask for.
    let name = named.iter().position(|byte| *byte == b':').map_or(named, |at| &named[..at]);
    let is_port = named[name.len()..].iter().all(|byte| *byte == b':' || byte.is_ascii_digit());
    if is_port && (name == b"localhost" || std::str::from_utf8(name).is_ok_and(|name| name.parse::<Ipv4Addr>().is_ok()))
    {
        return None;
    }
    let named = Authority::try_from(named).unwrap_or_else(|_| Authority::from_static("?"));
    let host = named.host().trim_end_matches('.').to_ascii_lowercase();
    // An address is no name, so nobody has made it point here.
    let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let is_local = host == "localhost" || host.ends_with(".localhost");
    (!is_address && !is_local && !known.contains(&host)).then_some(host)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn addresses_and_known_names_are_let_in() {
        let check = |host: &str, known: Option<&[String]>, is_let_in: bool| {
            let request = Request::get("/livez").header("host", host).body(Body::empty()).unwrap();
            assert_eq!(strange(&request, known).is_none(), is_let_in, "{host}");
            let request = Request::get(format!("http://{host}/livez")).body(Body::empty());
            if let Ok(request) = request {
                assert_eq!(strange(&request, known).is_none(), is_let_in, "{host} in HTTP/2");
            }
        };
        let none = Some(&[] as &[String]);
        for host in
            ["127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "localhost", "LOCALHOST:1", "a.localhost.", "localhost."]
        {
            check(host, none, true);
        }
        for host in ["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "a b", "evillocalhost"] {
            check(host, none, false);
        }
        let known = ["tidelog.example".to_owned()];
        check("Tidelog.Example:80", Some(&known), true);
        check("evil.example", Some(&known), false);
        check("evil.example", None, true);
        let nameless = Request::get("/livez").body(Body::empty()).unwrap();
        assert_eq!(strange(&nameless, none), None);
    }
}
