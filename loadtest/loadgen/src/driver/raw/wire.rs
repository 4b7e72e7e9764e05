//! Kafka's frames by hand: integers are big-endian, texts and lists have their length in front.

use anyhow::{Context, ensure};

/// Longest answer: a Fetch with all that it may bring, and much more.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// What is asked, in the one version that is used here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Api {
    Produce,
    Fetch,
    InitProducerId,
}

impl Api {
    fn key_and_version(self) -> (i16, i16) {
        match self {
            Api::Produce => (0, 7),
            Api::Fetch => (1, 7),
            Api::InitProducerId => (22, 1),
        }
    }
}

/// A request's body that is being put together.
#[derive(Default)]
pub(super) struct Body(Vec<u8>);

impl Body {
    pub(super) fn i8(self, value: i8) -> Body {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i16(self, value: i16) -> Body {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i32(self, value: i32) -> Body {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i64(self, value: i64) -> Body {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn count(self, count: usize) -> Body {
        self.i32(i32::try_from(count).expect("counts here are small"))
    }

    pub(super) fn string(self, value: &str) -> Body {
        self.i16(i16::try_from(value.len()).expect("names here are short")).raw(value.as_bytes())
    }

    pub(super) fn null_string(self) -> Body {
        self.i16(-1)
    }

    pub(super) fn bytes(self, value: &[u8]) -> Body {
        self.count(value.len()).raw(value)
    }

    fn raw(mut self, value: &[u8]) -> Body {
        self.0.extend_from_slice(value);
        self
    }
}

/// A whole request.
pub(super) fn frame(api: Api, correlation: i32, body: &Body) -> Vec<u8> {
    let (key, version) = api.key_and_version();
    let head = Body::default().i16(key).i16(version).i32(correlation).string("tidelog-loadgen");
    let length = i32::try_from(head.0.len() + body.0.len()).expect("requests here are bounded");
    [&length.to_be_bytes()[..], &head.0, &body.0].concat()
}

/// Takes a whole answer, without its length, when it is there.
pub(super) fn take_frame(input: &mut Vec<u8>) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(length) = input.get(..4) else { return Ok(None) };
    let length = usize::try_from(i32::from_be_bytes(length.try_into()?))?;
    ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
    if input.len() < 4 + length {
        return Ok(None);
    }
    let answer = input[4..4 + length].to_vec();
    input.drain(..4 + length);
    Ok(Some(answer))
}

/// An answer that is being taken apart.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The body of an answer, which has to be that to `correlation`.
    pub(super) fn of_answer(answer: &'a [u8], correlation: i32) -> anyhow::Result<Reader<'a>> {
        let mut reader = Reader(answer);
        let answered = reader.i32()?;
        ensure!(answered == correlation, "request {correlation} is answered by {answered}");
        Ok(reader)
    }

    fn take(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("an answer ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    /// Passes so many bytes, which nobody wants to know.
    pub(super) fn skip(&mut self, count: usize) -> anyhow::Result<()> {
        self.take(count).map(|_| ())
    }

    pub(super) fn i16(&mut self) -> anyhow::Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    pub(super) fn i32(&mut self) -> anyhow::Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    pub(super) fn i64(&mut self) -> anyhow::Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }

    /// How many follow; none for null.
    pub(super) fn count(&mut self) -> anyhow::Result<usize> {
        Ok(usize::try_from(self.i32()?).unwrap_or(0))
    }

    pub(super) fn string(&mut self) -> anyhow::Result<&'a str> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(std::str::from_utf8(self.take(length)?)?)
    }

    pub(super) fn bytes(&mut self) -> anyhow::Result<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_when_they_are_whole() {
        let request = frame(Api::Fetch, 7, &Body::default().i64(1).bytes(b"ab").string("c").null_string().i8(1));
        for cut in 0..request.len() {
            assert_eq!(take_frame(&mut request[..cut].to_vec()).unwrap(), None);
        }
        let mut two = [&request[..], &request[..3]].concat();
        assert_eq!(take_frame(&mut two).unwrap().unwrap(), request[4..]);
        assert_eq!(two, request[..3]);
        assert!(take_frame(&mut vec![0xff; 8]).is_err());
        assert!(Reader::of_answer(&[0, 0, 0, 1], 2).is_err());
        assert!(Reader::of_answer(&[0, 0, 0, 2, 0], 2).unwrap().i16().is_err());
    }
}
