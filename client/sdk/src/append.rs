//! Appending by one request: conditions, idempotency keys, single records.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::request::Safety;
use crate::{Client, Error, NewRecord, RecordPlace, encode};

const EXPECTED_OFFSET: HeaderName = HeaderName::from_static("expected-offset");
const FENCING_TOKEN: HeaderName = HeaderName::from_static("fencing-token");
const PRODUCER_ID: HeaderName = HeaderName::from_static("producer-id");
const PRODUCER_EPOCH: HeaderName = HeaderName::from_static("producer-epoch");
const PRODUCER_SEQUENCE: HeaderName = HeaderName::from_static("producer-sequence");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A body that is longer is refused by the server.
pub(crate) const BODY_BYTES_MAX: usize = 8 << 20;
/// And one of more records.
pub(crate) const BODY_RECORDS_MAX: usize = 100_000;

/// An append that is about to be sent, made by [`Client::append`].
///
/// Conditions are about one partition, which is said with [`partition`](Append::partition) or by the records.
///
/// ```no_run
/// # async fn example(client: tidelog::Client) -> Result<(), tidelog::Error> {
/// // Read, decide, and append only if nobody else has appended meanwhile.
/// match client.append("ledger").partition(0).expected_offset(42).send(["booked"]).await {
///     Ok(places) => println!("booked at {}", places[0].offset),
///     Err(error) if error.code() == Some("unexpected_offset") => {
///         println!("somebody was first; the tail is {:?}", error.problem().and_then(|problem| problem.tail));
///     }
///     Err(error) => return Err(error),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is appended before send"]
pub struct Append {
    client: Client,
    topic: String,
    partition: Option<u32>,
    expected_offset: Option<u64>,
    fencing_token: Option<u64>,
    idempotency_key: Option<String>,
}

impl Append {
    pub(crate) fn new(client: Client, topic: &str) -> Append {
        let topic = topic.to_owned();
        Append { client, topic, partition: None, expected_offset: None, fencing_token: None, idempotency_key: None }
    }

    /// All records to this partition, unless they say another.
    pub fn partition(mut self, partition: u32) -> Append {
        self.partition = Some(partition);
        self
    }

    /// Only if the first record gets exactly this offset; else nothing is appended, and the error has the code
    /// `unexpected_offset` and the partition's tail.
    pub fn expected_offset(mut self, offset: u64) -> Append {
        self.expected_offset = Some(offset);
        self
    }

    /// Only if the partition has seen no higher token; from then on it refuses lower ones. Else nothing is appended, and the
    /// error has the code `fenced`.
    pub fn fencing_token(mut self, token: u64) -> Append {
        self.fencing_token = Some(token);
        self
    }

    /// However often this is sent with the same key and the same records, by this process or another one, they are appended
    /// once, and each time the answer is the same. So it is tried again also when an answer was lost. The same key with other
    /// records is refused with `idempotency_key_reused`.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Append {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Appends the records, in this order, and tells where each one is. It is a success only when all of them are stored.
    ///
    /// # Errors
    /// [`Error::may_have_happened`] tells whether some of them may be stored all the same; [`crate::Problem::records`] which
    /// ones certainly are.
    pub async fn send<R: Into<NewRecord>>(
        self,
        records: impl IntoIterator<Item = R>,
    ) -> Result<Vec<RecordPlace>, Error> {
        let mut body = encode::BEGIN.to_vec();
        let mut count = 0;
        for record in records {
            let mut record = record.into();
            record.partition = record.partition.or(self.partition);
            if count > 0 {
                body.push(b',');
            }
            count += 1;
            encode::record(&mut body, &record);
            check_bounds(body.len(), count)?;
        }
        body.extend_from_slice(encode::END);
        let safety = if self.idempotency_key.is_some() { Safety::Repeatable } else { Safety::Once };
        let headers = self.headers()?;
        let (client, body) = (&self.client, Bytes::from(body));
        let attempt = || append(client, &self.topic, headers.clone(), body.clone(), count);
        client.retrying(client.inner.retries, safety, attempt).await
    }

    fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        if let Some(offset) = self.expected_offset {
            headers.insert(EXPECTED_OFFSET, offset.into());
        }
        if let Some(token) = self.fencing_token {
            headers.insert(FENCING_TOKEN, token.into());
        }
        if let Some(key) = &self.idempotency_key {
            let value = HeaderValue::from_str(key).map_err(|_| {
                Error::invalid(format!("the idempotency key {key:?} has characters that no header may have"))
            })?;
            headers.insert(IDEMPOTENCY_KEY, value);
        }
        Ok(headers)
    }
}

fn check_bounds(bytes: usize, count: usize) -> Result<(), Error> {
    if bytes + encode::END.len() > BODY_BYTES_MAX || count > BODY_RECORDS_MAX {
        let why = format!(
            "one request takes {BODY_BYTES_MAX} bytes as JSON and {BODY_RECORDS_MAX} records at most; a producer takes any number"
        );
        return Err(Error::invalid(why));
    }
    Ok(())
}

/// A place in a producer's sequence: an append that states it is stored once, however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequenced {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    /// Of the first record.
    pub(crate) sequence: i32,
}

impl Sequenced {
    pub(crate) fn headers(self) -> HeaderMap {
        let number = |number: i64| HeaderValue::from(number);
        HeaderMap::from_iter([
            (PRODUCER_ID, number(self.producer_id)),
            (PRODUCER_EPOCH, number(self.epoch.into())),
            (PRODUCER_SEQUENCE, number(self.sequence.into())),
        ])
    }
}

/// A fence that stands before a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fence {
    /// Whoever has a lower token appends nothing.
    #[serde(with = "crate::offset")]
    pub token: u64,
    /// Where the partition ended when the fence was raised: whoever has read up to here has seen everything that was appended
    /// with lower tokens.
    #[serde(with = "crate::offset")]
    pub tail: u64,
}

impl Client {
    /// Shows a fencing token to a partition without appending: from then on appends with lower tokens are refused. A new
    /// writer fences, reads up to the fence's tail, and then knows all that there is.
    ///
    /// # Errors
    /// `fenced` when the partition has seen a higher token.
    pub async fn fence(&self, topic: &str, partition: u32, token: u64) -> Result<Fence, Error> {
        #[derive(Serialize)]
        struct Input {
            #[serde(with = "crate::offset")]
            token: u64,
        }
        let url = self.url(&["v1", "topics", topic, "partitions", &partition.to_string(), "fence"])?;
        self.say(Safety::Repeatable, Method::PUT, url, &Input { token }).await
    }
}

#[derive(Deserialize)]
struct Produced {
    records: Vec<RecordPlace>,
}

/// Sends a body once. The answer has a place for each of `count` records.
pub(crate) async fn append(
    client: &Client,
    topic: &str,
    headers: HeaderMap,
    body: Bytes,
    count: usize,
) -> Result<Vec<RecordPlace>, Error> {
    let url = client.url(&["v1", "topics", topic, "records"])?;
    let request = client.request(Method::POST, url).headers(headers).header(CONTENT_TYPE, "application/json");
    let answer = client.ask_once(request.body(body)).await?;
    let produced: Produced = client.understood(&answer)?;
    if produced.records.len() != count {
        let why = format!("{count} records were sent, and {} are told of", produced.records.len());
        return Err(Error::unintelligible(&client.inner.server, why));
    }
    Ok(produced.records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_before_anything_is_sent() {
        assert!(check_bounds(BODY_BYTES_MAX - encode::END.len(), 1).is_ok());
        assert!(check_bounds(BODY_BYTES_MAX, 1).is_err());
        assert!(check_bounds(100, BODY_RECORDS_MAX + 1).is_err());
    }

    #[tokio::test]
    async fn a_key_that_no_header_may_have_is_refused() {
        let client = Client::new("http://127.0.0.1:1").unwrap();
        let error = client.append("t").idempotency_key("a\nb").send(["x"]).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
}
