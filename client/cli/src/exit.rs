//! Exit codes: few, and the same for every command.

/// It was done.
pub const DONE: u8 = 0;
/// It failed.
pub const FAILED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// What was named is not there: topic, partition, group.
pub const NOT_FOUND: u8 = 3;
/// The server cannot be reached, or does not answer.
pub const UNREACHABLE: u8 = 4;
/// It was ended by Ctrl-C before it was done; by SIGTERM it is 143. `consume --follow` has no other end, so there it is 0.
pub const INTERRUPTED: u8 = 130;
/// See [`INTERRUPTED`].
pub const TERMINATED: u8 = 143;
