//! A client: one server, its connections, and how patiently it is asked.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Url};

use crate::append::Append;
use crate::consumer::ConsumerBuilder;
use crate::producer::ProducerBuilder;
use crate::{Error, Retries};

/// Names the client, for its quotas.
const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
/// Idle connections are closed before servers and proxies do it, so that no request meets a connection that is just closing.
const IDLE_TIME_MAX: Duration = Duration::from_secs(10);

/// Asks one server. It is cheap to clone, and clones share connections.
///
/// ```no_run
/// # async fn example() -> Result<(), tidelog::Error> {
/// let client = tidelog::Client::new("http://127.0.0.1:8080")?;
/// for topic in client.topics().await? {
///     println!("{} has {} partitions", topic.name, topic.partitions);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    base: Url,
    /// The base as it is told in errors.
    pub(crate) server: Arc<str>,
    pub(crate) request_timeout: Duration,
    pub(crate) retries: Retries,
}

/// What a [`Client`] is told before it is made.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    url: String,
    client_id: Option<String>,
    connect_timeout: Duration,
    request_timeout: Duration,
    retries: Retries,
}

impl Client {
    /// A client of the server at `url`, like `http://127.0.0.1:8080`, or `127.0.0.1:8080`, which is the same. Nothing is sent yet.
    /// A path in the URL stays before the paths of requests.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the URL is none, or is `https://` and this crate was built without the feature `tls`.
    pub fn new(url: &str) -> Result<Client, Error> {
        Client::builder(url).build()
    }

    /// A client that is told more.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder {
            url: url.to_owned(),
            client_id: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(40),
            retries: Retries::default(),
        }
    }

    /// Where the server is.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.inner.server
    }

    /// Appends records by one request: for conditions, idempotency keys, and single records. For many records use a
    /// [`producer`](Client::producer).
    pub fn append(&self, topic: &str) -> Append {
        Append::new(self.clone(), topic)
    }

    /// A producer of records of one topic.
    pub fn producer(&self, topic: &str) -> ProducerBuilder {
        ProducerBuilder::new(self.clone(), topic)
    }

    /// A consumer of one topic.
    pub fn consumer(&self, topic: &str) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), topic)
    }

    /// The URL of a path below the base. Names that users chose may have any characters, but cannot be steps in a path.
    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        let mut url = self.inner.base.clone();
        let mut path = url.path_segments_mut().expect("it has a host");
        path.pop_if_empty();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                return Err(Error::invalid(format!("nothing can be named {segment:?} here")));
            }
            path.push(segment);
        }
        drop(path);
        Ok(url)
    }

    /// A request whose answer comes as a whole.
    pub(crate) fn request(&self, method: reqwest::Method, url: Url) -> RequestBuilder {
        self.inner.http.request(method, url).timeout(self.inner.request_timeout)
    }
}

impl ClientBuilder {
    /// The name that quotas and logs of the server know this client by. Unset: none.
    pub fn client_id(mut self, id: impl Into<String>) -> ClientBuilder {
        self.client_id = Some(id.into());
        self
    }

    /// How long a connection may take to be made. 5 s unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// How long an answer may take, from the first byte sent to the last received. 40 s unless set: the server gives up on an
    /// append after 30 s, and says so. Streams of a consumer have no such bound.
    pub fn request_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.request_timeout = timeout;
        self
    }

    /// How patiently a request is tried again that may be: one that only reads, or certainly did not happen. 10 s unless set.
    pub fn retries(mut self, retries: Retries) -> ClientBuilder {
        self.retries = retries;
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] names what is wrong, and what would work.
    pub fn build(self) -> Result<Client, Error> {
        let base = base_url(&self.url)?;
        let mut headers = HeaderMap::new();
        if let Some(id) = &self.client_id {
            let value = HeaderValue::from_str(id)
                .map_err(|_| Error::invalid(format!("the client id {id:?} has characters that no header may have")))?;
            headers.insert(CLIENT_ID, value);
        }
        let mut http = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("tidelog-rust/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE_TIME_MAX)
            // An append that was sent elsewhere than it was meant for would be no append.
            .redirect(Policy::none())
            .tcp_nodelay(true);
        if is_this_machine(&base) {
            http = http.no_proxy();
        }
        http = with_tls(http, &base)?;
        let http = http.build().map_err(|error| Error::invalid(format!("no client can be made: {error:?}")))?;
        let server = base.as_str().trim_end_matches('/').into();
        let (request_timeout, retries) = (self.request_timeout, self.retries);
        Ok(Client { inner: Arc::new(Inner { http, base, server, request_timeout, retries }) })
    }
}

fn base_url(text: &str) -> Result<Url, Error> {
    let works = "http://127.0.0.1:8080 would work";
    // `localhost:8080` is a URL too, of the scheme `localhost`.
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme)
        .map_err(|error| Error::invalid(format!("{text:?} is no address of a server ({error}); {works}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Error::invalid(format!("{text:?} is no address of a server over HTTP; {works}")));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::invalid(format!("the address {text:?} has more than a path; {works}")));
    }
    Ok(url)
}

/// A proxy of the environment is for other machines.
fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(feature = "tls")]
fn with_tls(http: reqwest::ClientBuilder, base: &Url) -> Result<reqwest::ClientBuilder, Error> {
    // An error says that the program has chosen one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The system's certificates take milliseconds to read, and not every machine has any.
    Ok(if base.scheme() == "https" { http } else { http.tls_certs_only([]) })
}

#[cfg(not(feature = "tls"))]
fn with_tls(http: reqwest::ClientBuilder, base: &Url) -> Result<reqwest::ClientBuilder, Error> {
    if base.scheme() == "https" {
        return Err(Error::invalid("https:// needs the feature \"tls\" of the crate tidelog"));
    }
    Ok(http)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(url: &str, says: &str) {
        let error = Client::new(url).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)) && error.to_string().contains(says), "{url}: {error}");
    }

    #[test]
    fn addresses_are_understood() {
        for (url, server) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("localhost:8080", "http://localhost:8080"),
            ("https://logs.example.com/tidelog/", "https://logs.example.com/tidelog"),
            ("http://[::1]:80/", "http://[::1]"),
        ] {
            assert_eq!(Client::new(url).unwrap().server(), server);
        }
        check_refused("", "would work");
        check_refused("ftp://there", "over HTTP");
        check_refused("http://a b", "no address");
        check_refused("http://there/?x=1", "more than a path");
        let error = Client::builder("http://there").client_id("a\nb").build().unwrap_err();
        assert!(error.to_string().contains("client id"), "{error}");
    }

    #[test]
    fn names_stay_one_segment() {
        let client = Client::new("http://there/base").unwrap();
        let url = |name| client.url(&["v1", "topics", name, "records"]).map(String::from);
        assert_eq!(url("orders").unwrap(), "http://there/base/v1/topics/orders/records");
        assert_eq!(url("a/b?c#d e%").unwrap(), "http://there/base/v1/topics/a%2Fb%3Fc%23d%20e%25/records");
        for step in ["", ".", ".."] {
            assert!(matches!(url(step), Err(Error::Invalid(_))), "{step}");
        }
    }
}
