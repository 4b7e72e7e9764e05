//! One stream of records that goes on by itself: of a partition, or of a topic as a whole.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use reqwest::header::ACCEPT;
use reqwest::{Method, Response};

use super::builder::Options;
use super::end::End;
use super::events::{Event, Events, TooLong};
use crate::record::WireRecord;
use crate::retry::Backoff;
use crate::{Client, Error, Problem, Record, Start, TopicInfo};

/// A connection that has lived for so long was none that fails at once.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// What is read, and from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Partition { partition: u32, start: Start },
    Topic { start: Start },
}

impl Place {
    pub(super) fn partition(&self) -> Option<u32> {
        match self {
            Place::Partition { partition, .. } => Some(*partition),
            Place::Topic { .. } => None,
        }
    }

    pub(super) fn start(&self) -> &Start {
        match self {
            Place::Partition { start, .. } | Place::Topic { start } => start,
        }
    }
}

/// A stream, with what is needed to go on after it broke.
pub(super) struct Lane {
    client: Client,
    topic: String,
    topic_id: String,
    place: Place,
    options: Options,
    end: Option<End>,
    /// What comes next in each partition of which something is known.
    next: BTreeMap<u32, u64>,
    /// Where to go on in the topic as a whole, as soon as it is known.
    cursor: Option<String>,
    stream: Option<Stream>,
    has_connected: bool,
    backoff: Backoff,
}

struct Stream {
    response: Response,
    events: Events,
    since: Instant,
}

impl Lane {
    pub(super) fn new(client: &Client, topic: &TopicInfo, place: Place, end: Option<End>, options: Options) -> Lane {
        Lane {
            client: client.clone(),
            topic: topic.name.clone(),
            topic_id: topic.id.clone(),
            place,
            end,
            next: BTreeMap::new(),
            cursor: None,
            stream: None,
            has_connected: false,
            backoff: Backoff::new(options.retries),
            options,
        }
    }

    /// Of a topic as a whole that is read from its tail on: finds out where that is, so that nothing is missed when the
    /// connection breaks before the first record.
    pub(super) async fn pin(&mut self) -> Result<(), Error> {
        if self.place == (Place::Topic { start: Start::Latest }) {
            self.stream = Some(self.connect().await.map_err(Error::of_read)?);
        }
        Ok(())
    }

    /// What comes, one piece after the other. After an error it is over.
    pub(super) fn pieces(self) -> BoxStream<'static, Result<Vec<Record>, Error>> {
        stream::unfold(Some(self), |lane| async move {
            let mut lane = lane?;
            match lane.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(lane))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// The next records, at least one; `None` at the end. A caller that stops waiting must not come back.
    async fn next(&mut self) -> Result<Option<Vec<Record>>, Error> {
        loop {
            if self.end.as_ref().is_some_and(End::is_reached) && !self.is_unjudged() {
                return Ok(None);
            }
            match self.step().await {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => {
                    self.backoff.reset();
                    return Ok(Some(piece));
                }
                Err(error) => {
                    let error = error.of_read();
                    if self.stream.take().is_some_and(|stream| stream.since.elapsed() > STABLE_AFTER) {
                        self.backoff.reset();
                    }
                    if !error.is_retriable() {
                        return Err(error);
                    }
                    let Some(pause) = self.backoff.pause(&error) else { return Err(error) };
                    if let Some(tell) = &self.options.interrupted {
                        tell(&error, pause);
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Whether only the server can tell that there is no such place to begin, and was not asked yet: it is asked also where there
    /// is nothing to read.
    fn is_unjudged(&self) -> bool {
        !self.has_connected && matches!(self.place.start(), Start::Time(_) | Start::Cursor(_))
    }

    /// What has come, which may be nothing.
    async fn step(&mut self) -> Result<Vec<Record>, Error> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let came = tokio::time::timeout(self.options.silence_max, stream.response.chunk()).await;
        let server = &self.client.inner.server;
        let came = match came {
            Ok(came) => came.map_err(|error| self.client.broken(&error)),
            Err(_) => Err(Error::no_answer(server, self.options.silence_max)),
        };
        // Where it is left for the error to be judged by how long it has lived.
        let stream = self.stream.insert(stream);
        match came? {
            Some(bytes) => {
                let mut events = Vec::new();
                let taken = stream.events.take(&bytes, |event| events.push(event));
                taken.map_err(|TooLong| {
                    let bytes_max = self.options.event_bytes_max;
                    Error::unintelligible(server, format!("a record has more than {bytes_max} bytes as JSON"))
                })?;
                self.records(events)
            }
            None => self.ended().await,
        }
    }

    /// The records of events.
    fn records(&mut self, events: Vec<Event>) -> Result<Vec<Record>, Error> {
        let mut piece = Vec::with_capacity(events.len());
        for event in events {
            match event.kind.as_str() {
                "problem" => {
                    let problem: Problem = self.client.understood(&event.data)?;
                    return if piece.is_empty() {
                        Err(Error::Refused(problem.into()))
                    } else {
                        // What came before it is handed out first; whoever connects again is told the same.
                        self.stream = None;
                        Ok(self.wanted(piece))
                    };
                }
                "" if event.data.is_empty() => self.note_place(event.id.unwrap_or_default()),
                "" => {
                    let record = self.client.understood::<WireRecord>(&event.data)?.read();
                    let record = record.map_err(|why| Error::unintelligible(&self.client.inner.server, why))?;
                    let next = self.next.entry(record.partition).or_default();
                    // Nothing twice, whatever the server says.
                    let is_new = record.offset >= *next;
                    *next = (*next).max(record.offset + 1);
                    if self.place.partition().is_none() {
                        self.cursor = event.id.or_else(|| record.cursor.clone());
                    }
                    if is_new {
                        piece.push(record);
                    }
                }
                // Of a later version.
                _ => {}
            }
        }
        Ok(self.wanted(piece))
    }

    fn wanted(&mut self, mut piece: Vec<Record>) -> Vec<Record> {
        if let Some(end) = &mut self.end {
            end.note(&mut piece);
        }
        piece
    }

    /// An id without a record tells where the stream begins.
    fn note_place(&mut self, id: String) {
        match self.place.partition() {
            None => self.cursor = Some(id),
            Some(partition) => {
                if let Ok(last) = id.parse::<u64>() {
                    self.next.entry(partition).or_insert(last + 1);
                }
            }
        }
    }

    /// The stream has ended: it is the end of what is there, or the server is stopping.
    async fn ended(&mut self) -> Result<Vec<Record>, Error> {
        if let Some(end) = &mut self.end {
            end.look(&self.client, &self.topic, &self.next, self.place.start()).await?;
            if end.is_reached() {
                return Ok(Vec::new());
            }
        }
        let (server, why) = (self.client.inner.server.clone(), "the stream has ended".into());
        Err(Error::Broken { server, why, may_have_happened: false })
    }

    async fn connect(&mut self) -> Result<Stream, Error> {
        if self.has_connected && self.cursor.is_none() {
            self.check_topic().await?;
        }
        let partition = self.place.partition().map(|partition| partition.to_string());
        let mut url = match &partition {
            Some(partition) => self.client.url(&["v1", "topics", &self.topic, "partitions", partition, "records"])?,
            None => self.client.url(&["v1", "topics", &self.topic, "records"])?,
        };
        let known = self.place.partition().and_then(|partition| self.next.get(&partition));
        let (name, value) = match (&self.cursor, known, self.place.start()) {
            (Some(cursor), _, _) => ("cursor", cursor.clone()),
            (None, Some(next), _) => ("from", next.to_string()),
            (None, None, Start::Cursor(cursor)) => ("cursor", cursor.clone()),
            (None, None, start) => ("from", start.to_string()),
        };
        url.query_pairs_mut().append_pair(name, &value);
        if self.end.is_some() {
            url.query_pairs_mut().append_pair("wait_ms", "0");
        }
        let request = self.client.inner.http.request(Method::GET, url).header(ACCEPT, "text/event-stream");
        let timeout = self.client.inner.request_timeout;
        let answered = tokio::time::timeout(timeout, self.client.begin(request)).await;
        let response = answered.map_err(|_| Error::no_answer(&self.client.inner.server, timeout))??;
        self.has_connected = true;
        Ok(Stream { response, events: Events::new(self.options.event_bytes_max), since: Instant::now() })
    }

    /// An offset of a topic that was deleted and made anew is another record's.
    async fn check_topic(&self) -> Result<(), Error> {
        let topic = self.client.topic_now(&self.topic).await?;
        if topic.id == self.topic_id {
            return Ok(());
        }
        Err(Error::Refused(Problem::of_recreated_topic(&self.topic).into()))
    }
}
