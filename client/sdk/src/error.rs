//! What can go wrong, and the two answers that a caller needs: is trying again sensible, and may it have happened?

use std::sync::Arc;
use std::time::Duration;

use crate::Problem;

/// Why something was not done, or is not known to be done.
///
/// Two questions decide what to do about it. [`Error::is_retriable`]: may the same succeed later without anyone changing
/// it? [`Error::may_have_happened`]: may it have happened all the same, because an answer was lost? An append that may have
/// happened is neither a success nor a failure: sending it again may store it twice, unless it carries an idempotency key or
/// comes from a [`Producer`](crate::Producer) with a session.
///
/// It is cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server has answered, and refuses.
    #[error("{0}")]
    Refused(Arc<Problem>),
    /// There is no connection to the server: nobody listens there, its name is unknown, or it does not answer in time.
    #[error("cannot reach {server}: {why}")]
    Unreachable {
        /// Where it should be.
        server: Arc<str>,
        /// What the operating system says.
        why: Arc<str>,
    },
    /// The connection ended before the answer did.
    #[error("the connection to {server} broke: {why}")]
    Broken {
        /// The other end.
        server: Arc<str>,
        /// How it ended.
        why: Arc<str>,
        /// Whether what was asked may have happened all the same: not so if it changes nothing.
        may_have_happened: bool,
    },
    /// There was no answer in time.
    #[error("{server} has not answered within {waited_ms} ms")]
    NoAnswer {
        /// Who should have answered.
        server: Arc<str>,
        /// How long was waited.
        waited_ms: u64,
        /// Whether what was asked may have happened all the same: not so if it changes nothing.
        may_have_happened: bool,
    },
    /// The answer is none that a Tidelog gives, or none that is HTTP.
    #[error("the answer of {server} is not understood: {why}")]
    Unintelligible {
        /// Who answered.
        server: Arc<str>,
        /// What is wrong with it.
        why: Arc<str>,
        /// Whether what was asked may have happened all the same: not so if it changes nothing.
        may_have_happened: bool,
    },
    /// What was asked for makes no sense, so nobody was asked.
    #[error("{0}")]
    Invalid(Arc<str>),
    /// A record that was sent before, to the same partition, is not known to be stored, so this one was not sent: there would be
    /// a gap. See [`Producer`](crate::Producer).
    #[error("an earlier record of the partition is not stored: {cause}")]
    EarlierFailed {
        /// What became of that one.
        cause: Arc<Error>,
    },
    /// The producer was closed.
    #[error("the producer is closed")]
    Closed,
}

/// What a caller would do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Ask for something else.
    Invalid,
    /// It is not there: create it, or correct its name.
    NotFound,
    /// A condition did not hold, or it is there already: look, and decide anew.
    Conflict,
    /// Somebody with a higher fencing token, or a newer epoch, has taken over: stop.
    Fenced,
    /// Slow down.
    Throttled,
    /// Try again later.
    Unavailable,
    /// What is stored is damaged.
    Corrupt,
    /// Something that should not be.
    Internal,
}

impl Error {
    /// Whether the same may succeed later without anyone changing it. Whether it may be *sent* again is another question: see
    /// [`Error::may_have_happened`].
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Refused(problem) => problem.retry,
            Error::Unreachable { .. } | Error::Broken { .. } | Error::NoAnswer { .. } => true,
            Error::EarlierFailed { .. } => true,
            Error::Unintelligible { .. } | Error::Invalid(_) | Error::Closed => false,
        }
    }

    /// Whether what was asked may have happened all the same. What only reads never has.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Error::Refused(problem) => problem.may_have_happened,
            Error::Broken { may_have_happened, .. }
            | Error::NoAnswer { may_have_happened, .. }
            | Error::Unintelligible { may_have_happened, .. } => *may_have_happened,
            Error::Unreachable { .. } | Error::Invalid(_) | Error::EarlierFailed { .. } | Error::Closed => false,
        }
    }

    /// What the server said, if it has answered.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Error::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// The stable code of what the server said: `unknown_topic`, `offset_out_of_range`; see docs/http.md for all of them.
    /// [`Error::EarlierFailed`] has the server's word for that, `earlier_failed`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Refused(problem) => Some(&problem.code),
            Error::EarlierFailed { .. } => Some("earlier_failed"),
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Refused(problem) => problem.kind(),
            Error::Unreachable { .. } | Error::Broken { .. } | Error::NoAnswer { .. } => ErrorKind::Unavailable,
            Error::EarlierFailed { .. } => ErrorKind::Unavailable,
            Error::Unintelligible { .. } => ErrorKind::Internal,
            Error::Invalid(_) | Error::Closed => ErrorKind::Invalid,
        }
    }

    /// How long the server asks to wait before the next try.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.problem().and_then(|problem| problem.retry_after)
    }

    pub(crate) fn invalid(why: impl Into<String>) -> Error {
        Error::Invalid(why.into().into())
    }

    pub(crate) fn unintelligible(server: &Arc<str>, why: impl Into<String>) -> Error {
        Error::Unintelligible { server: server.clone(), why: why.into().into(), may_have_happened: true }
    }

    pub(crate) fn no_answer(server: &Arc<str>, waited: Duration) -> Error {
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        Error::NoAnswer { server: server.clone(), waited_ms, may_have_happened: true }
    }

    /// The same of a request that changes nothing.
    pub(crate) fn of_read(mut self) -> Error {
        match &mut self {
            Error::Broken { may_have_happened, .. }
            | Error::NoAnswer { may_have_happened, .. }
            | Error::Unintelligible { may_have_happened, .. } => *may_have_happened = false,
            // A proxy's, say, which does not know what it was about.
            Error::Refused(problem) if problem.may_have_happened => Arc::make_mut(problem).may_have_happened = false,
            Error::Refused(_)
            | Error::Unreachable { .. }
            | Error::Invalid(_)
            | Error::EarlierFailed { .. }
            | Error::Closed => {}
        }
        self
    }

    /// The same of what comes behind a change that was made.
    pub(crate) fn after_change(self) -> Error {
        match self {
            Error::Unreachable { server, why } | Error::Broken { server, why, .. } => {
                Error::Broken { server, why, may_have_happened: true }
            }
            Error::NoAnswer { server, waited_ms, .. } => Error::NoAnswer { server, waited_ms, may_have_happened: true },
            Error::Unintelligible { server, why, .. } => Error::Unintelligible { server, why, may_have_happened: true },
            other => other,
        }
    }

    /// What the transport says. Nothing was sent when there was no connection.
    pub(crate) fn of_transport(server: &Arc<str>, waited: Duration, error: &reqwest::Error) -> Error {
        let why = innermost(error);
        if error.is_builder() {
            Error::Invalid(why.into())
        } else if error.is_connect() {
            Error::Unreachable { server: server.clone(), why: not_connected(server, why).into() }
        } else if error.is_timeout() {
            Error::no_answer(server, waited)
        } else if is_no_http(&why) {
            Error::unintelligible(server, not_http(server))
        } else {
            let why = if why == HUNG_UP { "it hung up before it had answered".to_owned() } else { why };
            Error::Broken { server: server.clone(), why: why.into(), may_have_happened: true }
        }
    }
}

/// What the HTTP library says of a connection that ends instead of an answer.
const HUNG_UP: &str = "connection closed before message completed";

/// Why there is no connection: in words of the operating system as it says them, in words of our own where only those who know
/// the protocol of TLS would understand those of its library.
fn not_connected(server: &str, why: String) -> String {
    let Some(address) = server.strip_prefix("https://") else { return why };
    if why.contains("InvalidContentType") {
        format!("what listens there speaks no TLS; http://{address} would work if it is a Tidelog")
    } else if why == "tls handshake eof" {
        format!("it hung up on TLS; http://{address} would work if it is a Tidelog, which speaks none")
    } else if let Some(what) = why.strip_prefix("invalid peer certificate: ") {
        format!("its certificate is none that this system trusts: {what}")
    } else {
        why
    }
}

/// What answers something else than HTTP.
fn not_http(server: &str) -> String {
    match server.strip_prefix("http://") {
        Some(address) => {
            format!("what listens there does not speak HTTP; if it is HTTP over TLS, https://{address} would work")
        }
        None => "what listens there does not speak HTTP".to_owned(),
    }
}

/// Whether the HTTP library says that what came is no answer: other protocols begin otherwise, and some speak first.
fn is_no_http(why: &str) -> bool {
    why.starts_with("invalid HTTP ") || why == "received unexpected message from connection"
}

/// The last of an error's causes says what it is about; those before it are where it came through.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Client, Retries};

    #[test]
    fn each_error_has_both_answers() {
        let server: Arc<str> = "http://127.0.0.1:1".into();
        let check = |error: Error, is_retriable: bool, may_have_happened: bool| {
            assert_eq!((error.is_retriable(), error.may_have_happened()), (is_retriable, may_have_happened), "{error}");
        };
        let why: Arc<str> = "x".into();
        check(Error::Unreachable { server: server.clone(), why: why.clone() }, true, false);
        let of_both = |error: Error, is_retriable: bool| {
            check(error.clone(), is_retriable, true);
            check(error.of_read(), is_retriable, false);
        };
        of_both(Error::Broken { server: server.clone(), why: why.clone(), may_have_happened: true }, true);
        of_both(Error::no_answer(&server, Duration::from_millis(5)), true);
        of_both(Error::unintelligible(&server, "x"), false);
        check(Error::EarlierFailed { cause: Error::Closed.into() }, true, false);
        check(Error::Closed, false, false);
        check(Error::invalid("x"), false, false);
        let problem = Problem { retry: true, may_have_happened: true, ..Problem::default() };
        of_both(Error::Refused(problem.into()), true);
        check(Error::Refused(Problem::default().into()), false, false);
    }

    /// Answers a read with these bytes, spoken first or when asked.
    async fn asked(speaks_first: bool, said: &'static [u8]) -> Error {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::builder(&format!("http://{}", listener.local_addr().unwrap())).retries(Retries::NONE);
        let client = client.build().unwrap();
        let other = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            if !speaks_first {
                assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0, "it asks");
            }
            stream.write_all(said).await.unwrap();
            // Until the client has seen enough.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        tokio::select! {
            told = client.status() => told.unwrap_err(),
            () = async { other.await; std::future::pending().await } => unreachable!("it waits for ever"),
        }
    }

    #[test]
    fn what_tls_says_is_said_for_people() {
        let check = |why: &str, expected: &str| assert_eq!(not_connected("https://x:1", why.to_owned()), expected);
        check(
            "received corrupt message of type InvalidContentType",
            "what listens there speaks no TLS; http://x:1 would work if it is a Tidelog",
        );
        check("tls handshake eof", "it hung up on TLS; http://x:1 would work if it is a Tidelog, which speaks none");
        check(
            "invalid peer certificate: UnknownIssuer",
            "its certificate is none that this system trusts: UnknownIssuer",
        );
        check("Connection refused (os error 111)", "Connection refused (os error 111)");
        assert_eq!(not_connected("http://x:1", "tls handshake eof".to_owned()), "tls handshake eof");
    }

    /// The words that the libraries have for it are theirs, and may change with a version.
    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn https_where_no_tls_is_spoken_says_what_would_work() {
        for (said, expected) in [(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "speaks no TLS"), (b"", "hung up on TLS")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = Client::builder(&format!("https://{address}")).retries(Retries::NONE).build().unwrap();
            let other = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0, "it says hello");
                stream.write_all(said).await.unwrap();
            };
            let (told, ()) = tokio::join!(client.status(), other);
            let text = told.unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains(&format!("; http://{address} would work")), "{text}");
        }
    }

    #[tokio::test]
    async fn what_speaks_no_http_is_told_and_a_read_of_it_never_may_have_happened() {
        let dialects: [(bool, &[u8]); 4] = [
            (false, b"-ERR unknown command 'GET'\r\n"),
            (false, b"\x15\x03\x01\x00\x02\x02\x46"),
            (false, b"SSH-2.0-OpenSSH_9.6\r\n"),
            (true, b"SSH-2.0-OpenSSH_9.6\r\n"),
        ];
        for (speaks_first, said) in dialects {
            let error = asked(speaks_first, said).await;
            assert!(error.to_string().contains("does not speak HTTP"), "{said:?}: {error}");
            assert!(!error.may_have_happened() && !error.is_retriable(), "{said:?}: {error}");
        }
    }
}
