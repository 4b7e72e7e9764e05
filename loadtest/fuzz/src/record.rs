//! Records what real clients send, as corpus.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

/// Frames kept per API key and version; more of the same teach nothing.
const FRAMES_PER_KIND: usize = 3;
/// Larger frames are not kept.
const FRAME_BYTES_MAX: usize = 16 << 10;

/// Where frames are kept, and under which names.
#[derive(Clone)]
pub struct Corpus {
    folder: PathBuf,
    /// Before each name.
    prefix: String,
}

impl Corpus {
    /// With a client, its frames are counted and named apart from those of others.
    pub fn new(folder: PathBuf, client: Option<&str>) -> Corpus {
        Corpus { folder, prefix: client.map_or_else(String::new, |client| format!("{client}.")) }
    }

    /// Keeps a frame, if few of its kind are there.
    fn keep(&self, frame: &[u8]) -> std::io::Result<()> {
        if frame.len() > FRAME_BYTES_MAX || frame.len() < 8 {
            return Ok(());
        }
        let (key, version) = (u16::from_be_bytes([frame[0], frame[1]]), u16::from_be_bytes([frame[2], frame[3]]));
        for number in 0..FRAMES_PER_KIND {
            let name = format!("{}api{key:02}.v{version:02}.{number}.bin", self.prefix);
            if let Ok(mut file) = std::fs::File::create_new(self.folder.join(name)) {
                return file.write_all(frame);
            }
        }
        Ok(())
    }
}

/// Forwards connections until interrupted, and keeps the requests.
pub fn forward(listen: SocketAddr, to: SocketAddr, corpus: &Corpus) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)?;
    println!("forwarding {listen} to {to}; Ctrl-C ends it");
    for client in listener.incoming() {
        let client = client?;
        let server = TcpStream::connect(to)?;
        let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Both);
        });
        let corpus = corpus.clone();
        std::thread::spawn(move || {
            // The connection ends when either side does.
            let _ = requests(client, server, &corpus);
        });
    }
    Ok(())
}

fn requests(mut client: TcpStream, mut server: TcpStream, corpus: &Corpus) -> anyhow::Result<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        client.read_exact(&mut frame)?;
        corpus.keep(&frame)?;
        server.write_all(&length)?;
        server.write_all(&frame)?;
    }
}
