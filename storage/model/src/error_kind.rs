//! What a caller would do about an error, whatever crate it came from.

/// The classes of failure that callers treat differently. A new kind earns its place when the caller would *do*
/// something different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was asked can never work as asked.
    Invalid,
    /// The thing named does not exist (and the answer is not stale).
    NotFound,
    /// A condition of the request did not hold.
    Conflict,
    /// A newer owner exists; this one must stop.
    Fenced,
    /// A limit was reached; later it may work.
    Throttled,
    /// Something needed is away; later it may work.
    Unavailable,
    /// Stored bytes are not what was written.
    Corrupt,
    /// We are wrong.
    Internal,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [ErrorKind; 8] = [
        ErrorKind::Invalid,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::Fenced,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Corrupt,
        ErrorKind::Internal,
    ];

    /// Its name as a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Fenced => "fenced",
            ErrorKind::Throttled => "throttled",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Internal => "internal",
        }
    }

    /// Whether the same request may succeed later without anyone changing it.
    #[must_use]
    pub fn retry_is_sensible(self) -> bool {
        match self {
            ErrorKind::Throttled | ErrorKind::Unavailable => true,
            ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Fenced
            | ErrorKind::Corrupt
            | ErrorKind::Internal => false,
        }
    }
}

/// Whether a failed first try may have had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirstTry {
    /// It certainly had none.
    DidNotHappen,
    /// A lost answer is neither success nor failure.
    MayHaveHappened,
}
