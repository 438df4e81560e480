//! A sender of HL7 over MLLP, written apart from the hub's own.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One connection.
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    /// Connects.
    pub async fn connect(address: &str) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await?, buffer: Vec::new() })
    }

    /// Sends bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends one message in its frame.
    pub async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut frame = vec![0x0b];
        frame.extend_from_slice(message);
        frame.extend_from_slice(&[0x1c, 0x0d]);
        self.write(&frame).await
    }

    /// The next answer; an error when the connection ends or nothing comes in time.
    pub async fn answer(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == [0x1c, 0x0d]) {
                let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
                assert_eq!(frame[0], 0x0b, "an answer begins with a vertical tab");
                return Ok(String::from_utf8_lossy(&frame[1..end]).into_owned());
            }
            let mut chunk = [0; 4096];
            let read = timeout(Duration::from_secs(30), self.stream.read(&mut chunk)).await??;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }

    /// Sends one message and waits for its answer.
    pub async fn exchange(&mut self, message: &[u8]) -> io::Result<String> {
        self.send(message).await?;
        self.answer().await
    }
}

/// Connections to several doors, each made when it is needed.
#[derive(Default)]
pub struct Lines(BTreeMap<String, Line>);

impl Lines {
    /// Sends one message to this address and gives its answer. `None`, and the connection is given up, when it breaks or nothing
    /// comes in time: a frozen hub says nothing at all.
    pub async fn exchange(&mut self, address: &str, message: &[u8], time: Duration) -> Option<String> {
        let held = self.0.remove(address);
        let exchanged = async {
            let mut line = match held {
                Some(line) => line,
                None => Line::connect(address).await.ok()?,
            };
            let answer = line.exchange(message).await.ok()?;
            Some((line, answer))
        };
        let (line, answer) = timeout(time, exchanged).await.ok().flatten()?;
        self.0.insert(address.to_owned(), line);
        Some(answer)
    }
}

/// MSA-1 and MSA-2 of an answer, whatever its field separator (MSH-1) is.
pub fn msa(answer: &str) -> (String, String) {
    let separator = answer.chars().nth(3).unwrap_or('|');
    let segment = answer.split('\r').find(|segment| segment.starts_with("MSA")).unwrap_or_default();
    let mut fields = segment.split(separator).skip(1).map(str::to_owned);
    (fields.next().unwrap_or_default(), fields.next().unwrap_or_default())
}

/// MSH-10 of a message whose separator is the bar.
pub fn control_id(message: &[u8]) -> String {
    let end = message.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(message.len());
    let header = String::from_utf8_lossy(&message[..end]).into_owned();
    header.split('|').nth(9).unwrap_or_default().to_owned()
}
