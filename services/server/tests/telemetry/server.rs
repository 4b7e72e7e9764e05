//! A `tidelog dev` that serves, and just enough of a client for each door.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Killed when dropped.
pub struct Server {
    process: Child,
    kafka: String,
    http: String,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Server {
    /// Starts it on free ports with its data in `folder`, and waits until it serves.
    pub fn start(folder: &Path, more: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidelog"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDELOG_")) {
            command.env_remove(name);
        }
        command.args(["dev", "--kafka-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir", "data"]);
        command.args(more).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("tidelog starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped above")).lines();
        let (mut kafka, mut http) = (String::new(), String::new());
        loop {
            let line = lines.next().expect("it serves before its output ends").expect("the banner is text");
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("kafka"), Some(address)) => kafka = address.to_owned(),
                (Some("http"), Some(address)) => http = address.trim_start_matches("http://").to_owned(),
                (Some("Ctrl-C"), _) => break,
                _ => {}
            }
        }
        Server { process, kafka, http }
    }

    /// Sends a request on a connection of its own.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = connect(&self.http);
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.http);
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers with text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Sends a Kafka request with a header of version 1, and waits for its answer.
    pub fn kafka(&self, api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
        let mut stream = connect(&self.kafka);
        let mut frame = Vec::new();
        frame.extend(api_key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(7_i32.to_be_bytes());
        frame.extend((-1_i16).to_be_bytes());
        frame.extend(body);
        let length = i32::try_from(frame.len()).expect("small");
        stream.write_all(&[&length.to_be_bytes()[..], &frame].concat()).expect("the server reads");
        let mut length = [0; 4];
        stream.read_exact(&mut length).expect("the server answers");
        let mut answer = vec![0; i32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).expect("the server answers");
        answer
    }

    /// Ends it as Ctrl-C does, and waits for it.
    pub fn stop(mut self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).expect("it runs");
        assert!(self.process.wait().expect("a child").success());
    }

    pub fn process(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(WAIT_MAX)).expect("a socket");
    stream
}
