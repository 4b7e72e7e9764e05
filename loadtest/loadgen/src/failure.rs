//! Why a run did not give a result that holds, and the exit code that says so.

/// What went wrong. The text is one plain line.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A workload or an argument is not as it should be, or the machine is busy and nobody said that this does not matter.
    #[error("{0}")]
    Refused(String),
    /// The server could not be started or reached.
    #[error("{0}")]
    Unreachable(String),
    /// It was under way and could not go on.
    #[error("the run broke off: {0}")]
    BrokeOff(String),
}

impl Failure {
    /// The same, with something more to say.
    pub(crate) fn and(self, more: &str) -> Failure {
        match self {
            Failure::Refused(text) => Failure::Refused(format!("{text}; {more}")),
            Failure::Unreachable(text) => Failure::Unreachable(format!("{text}; {more}")),
            Failure::BrokeOff(text) => Failure::BrokeOff(format!("{text}; {more}")),
        }
    }

    /// What the program ends with: 1 for a run that did not hold, 2 for a request that cannot be carried out, 3 for no server.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::BrokeOff(_) => 1,
            Failure::Refused(_) => 2,
            Failure::Unreachable(_) => 3,
        }
    }
}
