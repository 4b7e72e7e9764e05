//! What can be wrong with how the proxy is asked to be.

/// Why the proxy does not start, or does not take a setting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that cannot work, with what would.
    #[error("{0}")]
    Invalid(String),
    /// The store does not take connections.
    #[error("the store at {at} cannot be reached: {why}")]
    Unreachable {
        /// As it was given.
        at: String,
        /// What the system said.
        why: String,
    },
    /// An address of ours is taken or not ours to take.
    #[error("cannot listen on {at}: {why}")]
    Listen {
        /// As it was given.
        at: String,
        /// What the system said.
        why: String,
    },
}

/// What a caller would do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Ask for something else. Nothing has happened.
    Invalid,
    /// Try again when the other side is there. Nothing has happened.
    Unavailable,
}

impl Error {
    /// What a caller would do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Invalid(_) => ErrorKind::Invalid,
            Error::Unreachable { .. } | Error::Listen { .. } => ErrorKind::Unavailable,
        }
    }
}

pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::Invalid(text.into())
}
