//! One connection to the hub and what goes over it, one message at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Sending;
use crate::board::Board;
use crate::control::stopped;
use crate::fault::{Fault, Faults};
use crate::framing::{FrameReader, frame};
use crate::reader::Reading;
use crate::script::Message;

/// An answer longer than this is none.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Above this a message is a fault of size: it is sent once and not again.
const OVERSIZED: usize = 4 * 1024 * 1024;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// How long a message under way may still take after the simulator was told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What the hub said.
enum Answer {
    Taken,
    /// It says that it cannot now.
    Later,
    Refused,
}

struct Connection {
    write: OwnedWriteHalf,
    frames: FrameReader<OwnedReadHalf>,
}

pub(super) struct Line {
    sending: Sending,
    faults: Arc<Faults>,
    board: Arc<Board>,
    stop: watch::Receiver<bool>,
    connection: Option<Connection>,
    wait: Duration,
}

impl Line {
    pub(super) fn new(
        sending: Sending,
        faults: Arc<Faults>,
        board: Arc<Board>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { sending, faults, board, stop, connection: None, wait: FIRST_WAIT }
    }

    /// Sends what comes until nothing comes any more.
    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(message) = messages.recv().await {
            let stop = self.stop.clone();
            let enough = async {
                stopped(stop).await;
                tokio::time::sleep(GRACE).await;
            };
            self.board.count(|report| report.sent += 1);
            let board = Arc::clone(&self.board);
            tokio::select! {
                () = self.deliver(&message) => {}
                () = enough => board.count(|report| report.unanswered += 1),
            }
            if *self.stop.borrow() {
                return;
            }
        }
    }

    /// Sends a message, again and again until it is answered.
    async fn deliver(&mut self, message: &Message) {
        let mut fault = self.faults.take_unless(Fault::Big);
        if fault.is_some() {
            self.board.count(|report| report.faults += 1);
        }
        let mut errors = 0;
        let mut first = true;
        loop {
            if !first {
                self.back_off().await;
                self.board.count(|report| report.resent += 1);
            }
            first = false;
            // A fault happens to the first try only; the next tries are to come through.
            let answer = self.exchange(message, fault.take()).await;
            match answer {
                Ok(Answer::Taken) => {
                    self.wait = FIRST_WAIT;
                    return self.board.count(|report| report.acked += 1);
                }
                Ok(Answer::Refused) => return self.board.count(|report| report.nacked += 1),
                Ok(Answer::Later) if errors >= self.sending.tries_after_error => {
                    return self.board.count(|report| report.nacked += 1);
                }
                Ok(Answer::Later) => errors += 1,
                Err(error) => {
                    self.connection = None;
                    tracing::debug!(%error, control_id = %message.control_id, "No answer came; it will be sent again.");
                    if message.bytes.len() > OVERSIZED {
                        return self.board.count(|report| report.nacked += 1);
                    }
                }
            }
        }
    }

    async fn back_off(&mut self) {
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }

    async fn exchange(&mut self, message: &Message, fault: Option<Fault>) -> io::Result<Answer> {
        let answer_time = Duration::from_secs(self.sending.answer_secs);
        if self.connection.is_none() {
            let stream = timeout(CONNECT_TIME, TcpStream::connect(&self.sending.target)).await??;
            stream.set_nodelay(true)?;
            let (read, write) = stream.into_split();
            self.connection = Some(Connection { write, frames: FrameReader::new(read, LONGEST_ANSWER) });
            self.board.count(|report| report.connections += 1);
        }
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        timeout(answer_time, async {
            connection.send(&message.bytes, fault).await?;
            connection.answer(&message.control_id).await
        })
        .await?
    }
}

impl Connection {
    /// Writes a message in its frame, or does wrong as told.
    async fn send(&mut self, bytes: &[u8], fault: Option<Fault>) -> io::Result<()> {
        let framed = frame(bytes);
        match fault {
            None => self.write.write_all(&framed).await?,
            Some(Fault::Slow) => {
                for piece in framed.chunks(framed.len() / 10 + 1) {
                    self.write.write_all(piece).await?;
                    self.write.flush().await?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            // Twice, each in a write of its own; or both in one.
            Some(Fault::Duplicate) => {
                self.write.write_all(&framed).await?;
                self.write.flush().await?;
                self.write.write_all(&framed).await?;
            }
            Some(Fault::TwoInOne) => self.write.write_all(&framed.repeat(2)).await?,
            Some(Fault::Garbage) => {
                let garbled = [b"\x00\xff\x1c\r\nMSH|no frame\r".as_slice(), &framed].concat();
                self.write.write_all(&garbled).await?;
            }
            Some(Fault::Lf) => {
                let lines: Vec<u8> =
                    bytes.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect();
                self.write.write_all(&frame(&lines)).await?;
            }
            Some(Fault::HalfFrame) => {
                self.write.write_all(&framed[..framed.len() / 2]).await?;
                self.write.shutdown().await?;
                return Err(io::Error::other("half a frame was sent, as told"));
            }
            Some(Fault::DropAfterReceive) => {
                self.write.write_all(&framed).await?;
                self.write.shutdown().await?;
                return Err(io::Error::other("the answer was not waited for, as told"));
            }
            // What receivers do wrong, and the big message, which the script makes.
            Some(Fault::NoAck | Fault::WrongAck | Fault::AeOnce | Fault::Refuse | Fault::Big) => {
                self.write.write_all(&framed).await?;
            }
        }
        self.write.flush().await
    }

    /// Waits for the answer to this message; answers to others are passed over.
    async fn answer(&mut self, control_id: &str) -> io::Result<Answer> {
        loop {
            let Some(frame) = self.frames.next().await? else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the hub closed the connection"));
            };
            let text = String::from_utf8_lossy(&frame);
            let Some(reading) = Reading::of(&text) else { continue };
            if reading.field("MSA", 2) != control_id {
                continue;
            }
            return match reading.field("MSA", 1) {
                "AA" | "CA" => Ok(Answer::Taken),
                "AE" | "CE" => Ok(Answer::Later),
                _ => Ok(Answer::Refused),
            };
        }
    }
}
