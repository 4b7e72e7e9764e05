//! Where reading begins.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Error;

/// Where reading begins.
///
/// As text: `earliest`, `latest`, an offset, `@` and milliseconds since 1970 or a time like `2026-01-31T12:00:00Z`, and for
/// "so long ago" `-` and a number with `s`, `m`, `h` or `d`.
///
/// ```
/// use tidelog::Start;
/// assert_eq!("earliest".parse(), Ok(Start::Earliest));
/// assert_eq!("42".parse(), Ok(Start::Offset(42)));
/// assert_eq!("@2026-01-31T12:00:00Z".parse(), Ok(Start::Time("2026-01-31T12:00:00Z".to_owned())));
/// assert!(matches!("-15m".parse(), Ok(Start::TimeMs(_))));
/// assert!("yesterday".parse::<Start>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// The first record that can be read.
    Earliest,
    /// What comes from now on.
    Latest,
    /// This offset, of one partition.
    Offset(u64),
    /// The first record of this time or later: milliseconds since 1970.
    TimeMs(i64),
    /// The first record of this time or later, in the form of RFC 3339.
    Time(String),
    /// After the record that told this cursor, of a topic as a whole.
    Cursor(String),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Earliest => f.write_str("earliest"),
            Start::Latest => f.write_str("latest"),
            Start::Offset(offset) => offset.fmt(f),
            Start::TimeMs(ms) => write!(f, "@{ms}"),
            Start::Time(time) => write!(f, "@{time}"),
            Start::Cursor(cursor) => f.write_str(cursor),
        }
    }
}

/// A text that says no place to begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no place to begin; earliest, latest, an offset, @ and a time (milliseconds, or 2026-01-31T12:00:00Z), or -15m work"
)]
pub struct NoStart(String);

impl From<NoStart> for Error {
    fn from(error: NoStart) -> Error {
        Error::invalid(error.to_string())
    }
}

impl FromStr for Start {
    type Err = NoStart;

    fn from_str(text: &str) -> Result<Start, NoStart> {
        let refused = || NoStart(text.to_owned());
        match text {
            "earliest" => return Ok(Start::Earliest),
            "latest" => return Ok(Start::Latest),
            _ => {}
        }
        if let Some(ago) = text.strip_prefix('-') {
            let ago_ms = milliseconds(ago).ok_or_else(refused)?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            return Ok(Start::TimeMs(i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(ago_ms).max(0)));
        }
        match text.strip_prefix('@') {
            None => text.parse().map(Start::Offset).map_err(|_| refused()),
            Some(time) => match time.parse::<i64>() {
                Ok(ms) => Ok(Start::TimeMs(ms)),
                // The server reads it exactly; here only what is plainly something else is refused.
                Err(_) if time.contains('-') && time.contains(['T', 't', ' ']) => Ok(Start::Time(time.to_owned())),
                Err(_) => Err(refused()),
            },
        }
    }
}

/// `90s`, `15m`, `2h`, `7d`.
fn milliseconds(text: &str) -> Option<i64> {
    let unit_ms = match text.chars().next_back()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let count = text[..text.len() - 1].parse::<u32>().ok()?;
    i64::from(count).checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for start in [Start::Earliest, Start::Latest, Start::Offset(7), Start::TimeMs(5)] {
            assert_eq!(start.to_string().parse(), Ok(start));
        }
        assert_eq!(milliseconds("2h"), Some(7_200_000));
        for wrong in ["", "-", "-5", "-5w", "@", "@noon", "1.5", "-1x", "-ä", "0x5"] {
            assert!(wrong.parse::<Start>().is_err(), "{wrong}");
        }
    }
}
