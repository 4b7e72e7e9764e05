//! Why a command was not done: one line, with what to try, and an exit code.

use std::io;

use tidelog::{Error, ErrorKind};

use crate::exit;
use crate::flags::in_flags;

/// What to try when something else listens there.
const WHERE_HTTP_IS: &str = "--server must name the address of `http.listen`, http://127.0.0.1:8080 unless set";

/// A command that was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Failure {
        Failure { code, text: Some(text.into()) }
    }

    pub(crate) fn failed(text: impl Into<String>) -> Failure {
        Failure::new(exit::FAILED, text)
    }

    pub(crate) fn usage(text: impl Into<String>) -> Failure {
        Failure::new(exit::USAGE, text)
    }

    /// Whoever ended it knows why.
    pub(crate) fn silent(code: u8) -> Failure {
        Failure { code, text: None }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// With another code, if there is one.
    pub(crate) fn with_code(self, code: Option<u8>) -> Failure {
        Failure { code: code.unwrap_or(self.code), ..self }
    }

    /// With something said before it.
    pub(crate) fn after(self, said: &str) -> Failure {
        Failure { text: self.text.map(|text| format!("{said}: {text}")), ..self }
    }

    /// With something said behind it.
    pub(crate) fn and(self, more: &str) -> Failure {
        Failure { text: self.text.map(|text| format!("{text}; {more}")), ..self }
    }

    /// About something with a name that may not be there, of which `hint` says what to try.
    pub(crate) fn about(error: &Error, what: &str, name: &str, hint: &str) -> Failure {
        match error.code() {
            Some("unknown_topic" | "unknown_group" | "group_not_found") => {
                Failure::new(exit::NOT_FOUND, format!("there is no {what} {name:?}; {hint}"))
            }
            _ => Failure::from(error.clone()),
        }
    }

    /// About a topic.
    pub(crate) fn of_topic(topic: &str) -> impl Fn(Error) -> Failure + '_ {
        let hint = format!("`tidelog topic list` shows what there is, `tidelog topic create {topic}` creates it");
        move |error| Failure::about(&error, "topic", topic, &hint)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let said = in_flags(&error);
        let (code, mut text) = match &error {
            // A Tidelog that is asked by https:// is behind something that speaks TLS for it.
            Error::Unreachable { server, .. } if server.starts_with("https://") => {
                (exit::UNREACHABLE, format!("{said}; --server or TIDELOG_SERVER says where it is"))
            }
            Error::Unreachable { .. } => {
                let hint = "`tidelog dev` starts a server, --server or TIDELOG_SERVER says where it is";
                (exit::UNREACHABLE, format!("{said}; {hint}"))
            }
            // What waits for another protocol hangs up, or says nothing. Kafka's port is the one that people try by mistake.
            Error::Broken { .. } | Error::NoAnswer { .. } => {
                let hint = "if that goes on, what listens there may not speak HTTP, as Kafka's port does not";
                (exit::UNREACHABLE, format!("{said}; {hint}: {WHERE_HTTP_IS}"))
            }
            Error::Unintelligible { .. } => {
                (exit::FAILED, format!("{said}; is it a Tidelog of this version that listens there? {WHERE_HTTP_IS}"))
            }
            Error::Invalid(_) => (exit::USAGE, said),
            Error::Refused(problem) if problem.code == "not_found" => {
                let hint = "the path of --server may be wrong, or the server of an older version";
                (exit::FAILED, format!("{said}; {hint}"))
            }
            Error::EarlierFailed { cause } => (Failure::from(Error::clone(cause)).code, said),
            _ if error.kind() == ErrorKind::NotFound => (exit::NOT_FOUND, said),
            _ => (exit::FAILED, said),
        };
        if error.may_have_happened() && !matches!(error, Error::Unintelligible { .. }) {
            text.push_str("; it may have happened all the same");
        } else if error.is_retriable() && error.problem().is_some() {
            text.push_str("; it may work in a moment");
        }
        // One line, whatever the server says.
        Failure::new(code, text.replace(['\n', '\r'], " "))
    }
}

/// Standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads has seen enough: `tidelog consume … | head`.
            return Failure::silent(exit::DONE);
        }
        Failure::failed(format!("cannot write: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_one_line_with_what_to_try() {
        let check = |error: Error, code: u8, says: &str| {
            let failure = Failure::of_topic("orders")(error);
            let text = failure.text().unwrap();
            assert!(failure.code() == code && text.contains(says) && !text.contains('\n'), "{} {text}", failure.code());
        };
        let (server, why) = ("http://x", "refused\nso");
        let (server, why) = (server.into(), why.into());
        check(Error::Unreachable { server, why }, exit::UNREACHABLE, "`tidelog dev` starts a server");
        let over_tls = Error::Unreachable { server: "https://x".into(), why: "no TLS".into() };
        check(over_tls.clone(), exit::UNREACHABLE, "no TLS; --server");
        assert!(!Failure::from(over_tls).text().unwrap().contains("`tidelog dev`"), "which speaks no TLS");
        check(Error::Invalid("no".into()), exit::USAGE, "no");
        let mut problem = tidelog::Problem::default();
        (problem.code, problem.status) = ("unknown_topic".to_owned(), 404);
        check(Error::Refused(problem.clone().into()), exit::NOT_FOUND, "`tidelog topic create orders`");
        (problem.code, problem.status, problem.may_have_happened) = ("timeout".to_owned(), 504, true);
        check(Error::Refused(problem.into()), exit::FAILED, "may have happened");
        // A read never may have happened, and what is wrong with the address is said.
        for may_have_happened in [true, false] {
            let (server, why) = ("http://x".into(), "closed".into());
            let failure = Failure::from(Error::Broken { server, why, may_have_happened });
            let text = failure.text().unwrap();
            assert_eq!((failure.code(), text.contains("may have happened")), (exit::UNREACHABLE, may_have_happened));
            assert!(text.contains("http.listen"), "{text}");
        }
        let pipe = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((pipe.code(), pipe.text()), (exit::DONE, None));
    }
}
