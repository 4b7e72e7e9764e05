//! Asking, and what comes of it.

use std::io;
use std::time::{Duration, Instant};

use tidelog_schemas::{Api, Case, Fate, Value, look_at_request, read_answer};

use crate::wire::{API_VERSIONS, Client, frame};

/// Where a frame has its correlation id.
const CORRELATION_AT: usize = 8;
/// Codes of Kafka 4.3 end here.
const ERROR_CODE_MAX: i16 = 133;
/// Answers that wait for other members, or for a moment in which those could come: they are waited for together.
const WAITING: [&str; 1] = ["JoinGroup"];
/// So many of them at once.
const TOGETHER: usize = 64;

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Answered(Value),
    /// The client wanted no answer, and the connection goes on.
    Silent,
    Closed,
}

/// What came, and after which time; or what should never come.
pub type Asked = Result<(Outcome, Duration), String>;

/// Asks one request after the other, on a new connection where the last one was closed.
pub struct Asker {
    address: String,
    client: Option<Client>,
    correlation: i32,
}

impl Asker {
    pub fn new(address: &str) -> Asker {
        Asker { address: address.to_owned(), client: None, correlation: 0 }
    }

    /// The outcomes of all cases, in their order.
    pub fn ask_all(&mut self, api: &Api, version: i16, cases: &[Case]) -> Vec<Asked> {
        if !WAITING.contains(&&*api.name) {
            return cases.iter().map(|case| self.ask(api, version, case)).collect();
        }
        let mut outcomes = Vec::new();
        for chunk in cases.chunks(TOGETHER) {
            let mut askers: Vec<Asker> = chunk.iter().map(|_| Asker::new(&self.address)).collect();
            let begun = Instant::now();
            for (asker, case) in askers.iter_mut().zip(chunk) {
                asker.send(case);
            }
            let receive = |(asker, case): (&mut Asker, &Case)| asker.receive(api, version, case, begun);
            outcomes.extend(askers.iter_mut().zip(chunk).map(receive));
        }
        outcomes
    }

    fn ask(&mut self, api: &Api, version: i16, case: &Case) -> Asked {
        let begun = Instant::now();
        self.send(case);
        self.receive(api, version, case, begun)
    }

    fn send(&mut self, case: &Case) {
        self.correlation += 1;
        let mut frame = case.frame.clone();
        frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&self.correlation.to_be_bytes());
        let client = self.client.get_or_insert_with(|| Client::connect(&self.address));
        // One that is refused by its first bytes may be closed before the last is written.
        let _ = client.send_raw(&frame);
    }

    fn receive(&mut self, api: &Api, version: i16, case: &Case, begun: Instant) -> Asked {
        // The one request that may want no answer.
        let acks = look_at_request(api, &case.request).int("Acks");
        let wants_none = acks == Some(0) && case.fate != Fate::Closed;
        if wants_none {
            self.correlation += 1;
            let client = self.client.as_mut().expect("the request was sent");
            let _ = client.send_raw(&frame(API_VERSIONS, 0, self.correlation, &[]));
        }
        let client = self.client.as_mut().expect("the request was sent");
        match client.receive_raw() {
            Ok(_) if wants_none => Ok((Outcome::Silent, begun.elapsed())),
            Ok(bytes) => match read_answer(api, version, self.correlation, &bytes) {
                Ok(answer) => Ok((Outcome::Answered(answer), begun.elapsed())),
                Err(error) => {
                    self.client = None;
                    Err(format!("an answer that cannot be read: {}", error.0))
                }
            },
            Err(error)
                if error.kind() == io::ErrorKind::UnexpectedEof || error.kind() == io::ErrorKind::ConnectionReset =>
            {
                self.client = None;
                // Errors are told that way to who wants no answer.
                Ok((if wants_none { Outcome::Silent } else { Outcome::Closed }, begun.elapsed()))
            }
            Err(error) => {
                self.client = None;
                Err(format!("neither an answer nor an end: {error}"))
            }
        }
    }

    /// A version that no schema has.
    pub fn refused(&mut self, api: &Api, version: i16) -> Result<Outcome, String> {
        let mut client = Client::connect(&self.address);
        let _ = client.send_raw(&frame(api.key, version, 1, &[0; 64]));
        match client.receive_raw() {
            Ok(_) => Err("was answered".to_owned()),
            Err(_) => Ok(Outcome::Closed),
        }
    }
}

/// What is wrong with an error code, whatever was asked.
pub fn problem_of_code(code: i16) -> Option<&'static str> {
    match code {
        -1 => Some("which tells a client nothing"),
        0..=ERROR_CODE_MAX => None,
        _ => Some("which no client knows"),
    }
}
