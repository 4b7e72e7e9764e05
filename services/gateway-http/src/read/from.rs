//! Where to begin.

use std::sync::Arc;

use axum::http::HeaderValue;
use tidelog_catalog_api::PartitionView;
use tidelog_model::{Offset, PartitionId, TimestampMs, mutant};

use crate::errors::{self, Code};
use crate::gateway::Shared;
use crate::problem::Refused;

/// How a place is said.
pub(crate) const PLACES: &str = "earliest, latest, an offset, @ and milliseconds since 1970, or @ and a time like \
                                 2026-01-31T12:00:00Z";

/// Where to begin in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Earliest,
    Latest,
    Offset(u64),
    Time(TimestampMs),
}

impl From {
    /// As the parameter says.
    ///
    /// # Errors
    /// When it says nothing that is known.
    pub(super) fn of(text: Option<&str>) -> Result<From, Refused> {
        let Some(text) = text else { return Ok(From::Earliest) };
        From::parse(text).ok_or_else(|| {
            let detail = format!("from is {text:?}; {PLACES} work");
            Refused::parameter(Code::InvalidParameter, "from", detail)
        })
    }

    /// As [`PLACES`] says; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<From> {
        match text {
            "earliest" => Some(From::Earliest),
            "latest" => Some(From::Latest),
            _ => match text.strip_prefix('@') {
                Some(time) => {
                    let ms = number(time).map(|ms| ms as i64).or_else(|| rfc3339(time))?;
                    Some(From::Time(TimestampMs(ms)))
                }
                None => number(text).map(From::Offset),
            },
        }
    }

    /// The offset of the first record wanted, or the nearest that the partition has, as this node sees it now.
    ///
    /// # Errors
    /// When the partition is gone, or what is stored cannot be read.
    pub(crate) async fn nearest(self, shared: &Shared, partition: PartitionId) -> Result<Offset, Refused> {
        if let From::Time(time) = self {
            let found = shared.parts.fetch.offset_for_time(partition, time).await;
            if let Some((offset, _)) = found.map_err(|error| errors::of_read(partition, &error))? {
                return Ok(offset);
            }
        }
        let view = shared.parts.catalog.partition(partition);
        let view = view.ok_or_else(|| Refused::new(Code::UnknownTopic, "the topic was deleted meanwhile"))?;
        Ok(match self {
            From::Earliest => view.log_start,
            From::Latest | From::Time(_) => view.high_watermark,
            From::Offset(offset) => Offset(offset).clamp(view.log_start, view.high_watermark),
        })
    }

    /// After the event with this id.
    ///
    /// # Errors
    /// When it is no offset.
    pub(super) fn after_event(id: &HeaderValue) -> Result<From, Refused> {
        let later = if mutant!("http-resume-one-later") { 2 } else { 1 };
        let after = id.to_str().ok().and_then(number).and_then(|offset| offset.checked_add(later));
        after.map(From::Offset).ok_or_else(|| {
            let detail = format!("Last-Event-ID is {id:?}; the id of an event of this stream, an offset, works");
            Refused::parameter(Code::InvalidCursor, "last-event-id", detail)
        })
    }

    /// The offset of the first record wanted; that of the next record when it is not there yet.
    ///
    /// # Errors
    /// When the partition has no such offset. It is confirmed.
    pub(super) async fn resolve(self, shared: &Arc<Shared>, partition: PartitionId) -> Result<Offset, Refused> {
        let fetch = &shared.parts.fetch;
        if let From::Time(time) = self {
            let found =
                fetch.offset_for_time(partition, time).await.map_err(|error| errors::of_read(partition, &error))?;
            if let Some((offset, _)) = found {
                return Ok(offset);
            }
        }
        let view = fetch.bounds(partition).await.map_err(|error| errors::of_read(partition, &error))?;
        match self {
            From::Earliest => Ok(view.log_start),
            From::Latest | From::Time(_) => Ok(view.high_watermark),
            From::Offset(offset) => within(partition, Offset(offset), view),
        }
    }
}

/// The offset, if it is one of the partition's, or the next one's.
///
/// # Errors
/// When the partition has no such offset.
pub(super) fn within(partition: PartitionId, offset: Offset, view: PartitionView) -> Result<Offset, Refused> {
    if (view.log_start..=view.high_watermark).contains(&offset) {
        Ok(offset)
    } else {
        Err(out_of_range(partition, offset, view))
    }
}

/// The partition has no such offset.
pub(super) fn out_of_range(partition: PartitionId, offset: Offset, view: PartitionView) -> Refused {
    let (index, start, end) = (partition.index, view.log_start, view.high_watermark);
    let detail = format!("partition {index} has no offset {offset}; it begins at {start}, and the next is {end}");
    Refused::new(Code::OffsetOutOfRange, detail).within(partition, view)
}

/// An offset fits Kafka's 63 bits.
fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_plain && *number <= i64::MAX as u64)
}

/// Milliseconds since 1970 of a time as RFC 3339 writes it, from 1970 on.
fn rfc3339(text: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i64>().ok())?
    };
    let separators = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    let is_separated = separators.iter().all(|(at, wanted)| text.get(*at..*at + 1) == Some(*wanted));
    if !is_separated || !matches!(text.get(10..11)?, "T" | "t" | " ") {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days_in_month = *days_of.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    // A leap second is the one before it.
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let known = fraction.get(..count.min(3)).filter(|known| !known.is_empty())?;
        ms = format!("{known:0<3}").parse::<i64>().ok()?;
        rest = &fraction[count..];
    }
    let ahead_minutes = match rest {
        "Z" | "z" => 0,
        _ => {
            let at = text.len() - rest.len();
            let sign = match rest.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let (hours, minutes) = (digits(at + 1, at + 3)?, digits(at + 4, at + 6)?);
            if rest.len() != 6 || rest.get(3..4) != Some(":") || hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 60 + minutes)
        }
    };
    let days_before_month = days_of.iter().take(usize::try_from(month).ok()? - 1).sum::<i64>();
    let years = year - 1970;
    let before = year - 1;
    let leap_days = (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let days = years * 365 + leap_days + days_before_month + day - 1;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second.min(59) - ahead_minutes * 60;
    (seconds >= 0).then_some(seconds * 1_000 + ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<From>) {
        assert_eq!(From::of(Some(text)).ok(), expected, "{text}");
    }

    #[test]
    fn places_are_read() {
        assert_eq!(From::of(None).ok(), Some(From::Earliest));
        check("latest", Some(From::Latest));
        check("0", Some(From::Offset(0)));
        check("9223372036854775807", Some(From::Offset(i64::MAX as u64)));
        check("@1700000000000", Some(From::Time(TimestampMs(1_700_000_000_000))));
        for absurd in
            ["", "-1", "+1", "9223372036854775808", "first", "@", "@-1", "@+1", "@tomorrow", "1e3", "@2026-01"]
        {
            check(absurd, None);
        }
    }

    #[test]
    fn times_are_read_as_rfc_3339_writes_them() {
        let time = |ms| Some(From::Time(TimestampMs(ms)));
        check("@1970-01-01T00:00:00Z", time(0));
        check("@2000-02-29T12:00:00Z", time(951_825_600_000));
        check("@2023-11-14T22:13:20Z", time(1_700_000_000_000));
        check("@2023-11-14t22:13:20.1234z", time(1_700_000_000_123));
        check("@2023-11-14 23:43:20.5+01:30", time(1_700_000_000_500));
        check("@2023-11-14T14:13:20-08:00", time(1_700_000_000_000));
        check("@2024-12-31T23:59:60Z", time(1_735_689_599_000));
        for absurd in [
            "@2023-02-29T00:00:00Z",
            "@2023-13-01T00:00:00Z",
            "@2023-00-01T00:00:00Z",
            "@2023-01-01T24:00:00Z",
            "@2023-01-01T00:00:00",
            "@2023-01-01T00:00:00.Z",
            "@2023-01-01T00:00:00+1:00",
            "@1969-12-31T23:59:59Z",
            "@２023-01-01T00:00:00Z",
        ] {
            check(absurd, None);
        }
    }
}
