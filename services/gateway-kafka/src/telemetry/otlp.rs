//! What clients push: `MetricsData` of OpenTelemetry, in protobuf. Its shape is checked down to the data points, and the
//! metrics are counted; nothing is kept. Nested a fixed depth, one pass, no memory.

/// `MetricsData.resource_metrics`, `ResourceMetrics.scope_metrics`, `ScopeMetrics.metrics`.
const RESOURCE_METRICS: u64 = 1;
const SCOPE_METRICS: u64 = 2;
const METRICS: u64 = 2;
/// `Metric.name`, and where its data may be: gauge, sum, histogram, exponential histogram, summary.
const NAME: u64 = 1;
const DATA: [u64; 5] = [5, 7, 9, 10, 11];
/// `data_points` of each of them.
const DATA_POINTS: u64 = 1;

/// What a payload has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) metrics: u64,
    pub(super) data_points: u64,
}

/// Bytes that are no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no metrics data of OpenTelemetry: {0}")]
pub(super) struct Malformed(&'static str);

/// Counts the metrics of a payload.
///
/// # Errors
/// It is not what it should be.
pub(super) fn count(payload: &[u8]) -> Result<Counted, Malformed> {
    let mut counted = Counted::default();
    each(payload, RESOURCE_METRICS, |resource| {
        each(resource, SCOPE_METRICS, |scope| each(scope, METRICS, |metric| count_metric(metric, &mut counted)))
    })?;
    Ok(counted)
}

fn count_metric(metric: &[u8], counted: &mut Counted) -> Result<(), Malformed> {
    let mut has_name = false;
    let mut fields = Fields(metric);
    while let Some((number, value)) = fields.next()? {
        match value {
            Value::Bytes(name) if number == NAME => {
                has_name = !name.is_empty() && std::str::from_utf8(name).is_ok();
            }
            Value::Bytes(data) if DATA.contains(&number) => each(data, DATA_POINTS, |point| {
                counted.data_points += 1;
                let mut fields = Fields(point);
                while fields.next()?.is_some() {}
                Ok(())
            })?,
            Value::Number if number == NAME || DATA.contains(&number) => {
                return Err(Malformed("a field of another type"));
            }
            Value::Bytes(_) | Value::Number => {}
        }
    }
    counted.metrics += 1;
    if has_name { Ok(()) } else { Err(Malformed("a metric without a name")) }
}

/// Does something with every message that stands in field `wanted`; other fields are passed over.
fn each(message: &[u8], wanted: u64, mut one: impl FnMut(&[u8]) -> Result<(), Malformed>) -> Result<(), Malformed> {
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        match value {
            Value::Bytes(inner) if number == wanted => one(inner)?,
            Value::Number if number == wanted => return Err(Malformed("a field of another type")),
            Value::Bytes(_) | Value::Number => {}
        }
    }
    Ok(())
}

enum Value<'a> {
    Number,
    Bytes(&'a [u8]),
}

/// The rest of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if number == 0 {
            return Err(Malformed("field 0"));
        }
        let value = match wire_type {
            0 => self.varint().map(|_| Value::Number)?,
            1 => self.take(8).map(|_| Value::Number)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed("a length beyond the end"))?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Number)?,
            _ => return Err(Malformed("a wire type that is none")),
        };
        Ok(Some((number, value)))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        const BYTES_MAX: usize = 10;
        let mut value = 0;
        for (at, byte) in self.0.iter().take(BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(Malformed("a number that does not end"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed("a length beyond the end"))?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = inner.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        [out, inner.to_vec()].concat()
    }

    /// So many sums of two data points.
    pub(in super::super) fn payload(metrics: usize) -> Vec<u8> {
        let point = [&[0x19][..], &7_u64.to_le_bytes()].concat();
        let sum = [field(1, &point), field(1, &point), vec![0x10, 1]].concat();
        let metric = [field(1, b"org.apache.kafka.producer.record.send.total"), field(7, &sum)].concat();
        let scope = [field(1, b""), field(2, &metric).repeat(metrics)].concat();
        field(1, &[field(1, b""), field(2, &scope)].concat())
    }

    #[test]
    fn metrics_are_counted() {
        assert_eq!(count(&payload(3)), Ok(Counted { metrics: 3, data_points: 6 }));
        assert_eq!(count(&payload(0)), Ok(Counted::default()));
        assert_eq!(count(b""), Ok(Counted::default()));
        assert_eq!(count(&[payload(1), payload(2)].concat()), Ok(Counted { metrics: 3, data_points: 6 }));
    }

    #[test]
    fn other_bytes_are_refused() {
        let of_metric = |metric: &[u8]| field(1, &field(2, &field(2, metric)));
        for (bytes, words) in [
            (b"zz".to_vec(), "beyond the end"),
            (b"hello".to_vec(), "wire type"),
            (vec![0x08, 1], "another type"),
            (vec![0x00, 1], "field 0"),
            (vec![0x0b], "wire type"),
            (vec![0x0a, 0xff], "does not end"),
            (vec![0x80; 20], "does not end"),
            (of_metric(b""), "without a name"),
            (of_metric(&field(1, b"\xff")), "without a name"),
            (of_metric(&[field(1, b"n"), vec![0x38, 1]].concat()), "another type"),
            (of_metric(&[field(1, b"n"), field(7, &field(1, b"\x0b"))].concat()), "wire type"),
        ] {
            let error = count(&bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{bytes:x?}: {error}");
        }
        let good = payload(2);
        for end in 1..good.len() {
            assert!(count(&good[..end]).is_err(), "cut off at {end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(counted) = count(&bytes) {
                prop_assert!(counted.metrics * 2 + counted.data_points <= bytes.len() as u64);
            }
        }
    }
}
