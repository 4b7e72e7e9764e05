//! Lines of standard input or of files, read on a thread of their own, a bounded number ahead.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use tokio::sync::mpsc;

/// Lines that are read ahead.
const LINES_AHEAD_MAX: usize = 256;
/// A longer line is no record that a server takes.
const LINE_BYTES_MAX: usize = 8 << 20;

/// A line, without its end.
#[derive(Debug)]
pub(crate) struct Line {
    /// Where it is from: for people.
    pub(crate) source: String,
    /// From 1.
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

/// What comes of reading.
pub(crate) type Came = Result<Line, String>;

/// Reads the files in order, or standard input when there are none or for `-`; `whole`: each as one line.
pub(crate) fn read(files: Vec<PathBuf>, whole: bool) -> mpsc::Receiver<Came> {
    let (send, receive) = mpsc::channel(LINES_AHEAD_MAX);
    std::thread::spawn(move || {
        let files = if files.is_empty() { vec![PathBuf::from("-")] } else { files };
        for path in files {
            let is_standard = path.as_os_str() == "-";
            let source = if is_standard { "standard input".to_owned() } else { path.display().to_string() };
            let read = if is_standard {
                lines(&source, &mut io::stdin().lock(), whole, &send)
            } else {
                File::open(&path).and_then(|file| lines(&source, &mut BufReader::new(file), whole, &send))
            };
            if let Err(error) = read {
                // Nobody may be there to hear it.
                let _ = send.blocking_send(Err(format!("cannot read {source}: {error}")));
                return;
            }
        }
    });
    receive
}

/// Sends each line until there are no more, or nobody wants them.
fn lines(source: &str, from: &mut dyn BufRead, whole: bool, send: &mpsc::Sender<Came>) -> io::Result<()> {
    for number in 1.. {
        let mut bytes = Vec::new();
        let mut bounded = from.take(LINE_BYTES_MAX as u64 + 1);
        let count = if whole { bounded.read_to_end(&mut bytes)? } else { bounded.read_until(b'\n', &mut bytes)? };
        if count > LINE_BYTES_MAX {
            let what = if whole { "it" } else { "a line" };
            return Err(io::Error::other(format!("{what} has more than {LINE_BYTES_MAX} bytes")));
        }
        // An empty file is one empty record as a whole, and no line.
        if count == 0 && !(whole && number == 1) {
            return Ok(());
        }
        if !whole && bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        if send.blocking_send(Ok(Line { source: source.to_owned(), number, bytes })).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, whole: bool, expected: &[&str]) {
        let (send, mut receive) = mpsc::channel(100);
        lines("x", &mut text.as_bytes(), whole, &send).unwrap();
        drop(send);
        let mut seen = Vec::new();
        while let Some(line) = receive.blocking_recv() {
            let line = line.unwrap();
            seen.push(String::from_utf8(line.bytes).unwrap());
            assert_eq!(line.number, seen.len() as u64);
        }
        assert_eq!(seen, expected, "{text:?}");
    }

    #[test]
    fn lines_are_what_is_between_their_ends() {
        check("", false, &[]);
        check("a\nb", false, &["a", "b"]);
        check("a\r\n\nb\n", false, &["a", "", "b"]);
        check("a\r\nb\n", true, &["a\r\nb\n"]);
        check("", true, &[""]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let (send, _receive) = mpsc::channel(1);
        let error = lines("x", &mut BufReader::new(io::repeat(b'x')), false, &send).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }
}
