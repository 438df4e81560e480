//! A receiving partner over MLLP: its own little server, strict, that answers in original mode and counts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::board::Board;
use crate::charset;
use crate::control::stopped;
use crate::fault::{Fault, Faults};
use crate::framing::{FrameReader, frame};
use crate::reader::Reading;
use crate::writer::{Segment, escape, message};

/// What a receiver does wrong when it is told to.
pub const FAULTS: [Fault; 10] = [
    Fault::Slow,
    Fault::DropAfterReceive,
    Fault::Duplicate,
    Fault::Garbage,
    Fault::HalfFrame,
    Fault::NoAck,
    Fault::WrongAck,
    Fault::AeOnce,
    Fault::Refuse,
    Fault::Lf,
];

const LONGEST_FRAME: usize = 8 * 1024 * 1024;
const MOST_CONNECTIONS: usize = 256;
const SLOW_ANSWER: Duration = Duration::from_secs(2);

/// A rule the message breaks: its place, `PID-3`, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Violation {
    pub place: &'static str,
    pub expected: &'static str,
}

/// A receiving partner.
pub struct Partner {
    /// How it calls itself in MSH-3 and MSH-4 of its answers.
    pub application: &'static str,
    /// Its facility.
    pub facility: String,
    /// Its rules.
    pub rules: fn(&Reading<'_>) -> Result<(), Violation>,
    /// What it does wrong.
    pub faults: Arc<Faults>,
    /// What it counts.
    pub board: Arc<Board>,
}

impl Partner {
    /// Receives until `stop` turns true.
    pub async fn run(self: Arc<Self>, listener: TcpListener, stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        let stopped = stopped(stop);
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = &mut stopped => return,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        let partner = Arc::clone(&self);
                        connections.spawn(async move { partner.serve(stream).await });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "A connection to the simulator could not be taken.");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }

    async fn serve(&self, stream: TcpStream) {
        self.board.count(|report| report.connections += 1);
        // An error is the peer's: it has gone, or it sends what cannot be framed.
        if let Err(error) = self.converse(stream).await {
            tracing::debug!(%error, "A connection to the simulator ended.");
        }
    }

    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut frames = FrameReader::new(read, LONGEST_FRAME);
        while let Some(received) = frames.next().await? {
            self.board.count(|report| report.received += 1);
            let fault = self.faults.take();
            if fault.is_some() {
                self.board.count(|report| report.faults += 1);
            }
            let text = charset::decode(&received);
            let reading = text.as_deref().and_then(Reading::of);
            let control_id = reading.as_ref().map(|reading| reading.field("MSH", 10)).unwrap_or_default();
            let (code, violation) = match fault {
                Some(Fault::AeOnce) => ("AE", None),
                Some(Fault::Refuse) => ("AR", None),
                _ => self.judge(reading.as_ref()),
            };
            let answer = |id: &str| frame(self.answer(code, id, violation.as_ref()).as_bytes());
            let right = answer(control_id);
            match fault {
                Some(Fault::DropAfterReceive) => return Ok(()),
                Some(Fault::NoAck) => continue,
                Some(Fault::HalfFrame) => {
                    write.write_all(&right[..right.len() / 2]).await?;
                    return Ok(());
                }
                Some(Fault::WrongAck) => write.write_all(&answer("NOT-YOURS")).await?,
                Some(Fault::Duplicate) => write.write_all(&right.repeat(2)).await?,
                Some(Fault::Garbage) => {
                    write.write_all(&[b"\x00\xff no frame \r\n".as_slice(), &right].concat()).await?;
                }
                Some(Fault::Lf) => {
                    let lines = self.answer(code, control_id, violation.as_ref()).replace('\r', "\n");
                    write.write_all(&frame(lines.as_bytes())).await?;
                }
                Some(Fault::Slow) => {
                    tokio::time::sleep(SLOW_ANSWER).await;
                    write.write_all(&right).await?;
                }
                _ => write.write_all(&right).await?,
            }
        }
        Ok(())
    }

    /// Holds a message against the rules and counts it.
    fn judge(&self, reading: Option<&Reading<'_>>) -> (&'static str, Option<Violation>) {
        let unreadable = Violation { place: "MSH-18", expected: "text in the character set it declares" };
        let checked = match reading {
            Some(reading) => (self.rules)(reading).map(|()| reading),
            None => Err(unreadable),
        };
        match checked {
            Ok(reading) => {
                let key = [3, 4, 10].map(|number| reading.field("MSH", number)).join("|");
                // A copy was answered before; the sender has not heard it, so it hears the same again.
                self.board.accept(&key);
                ("AA", None)
            }
            Err(violation) => {
                self.board.reject(&format!("{}: expected {}", violation.place, violation.expected));
                ("AR", Some(violation))
            }
        }
    }

    fn answer(&self, code: &'static str, control_id: &str, violation: Option<&Violation>) -> String {
        let mut segments = vec![
            Segment::new("MSH")
                .text(3, self.application)
                .text(4, &self.facility)
                .set(9, "ACK")
                .set(10, format!("A{control_id}"))
                .set(11, "P")
                .set(12, "2.5.1"),
            Segment::new("MSA").set(1, code).set(2, control_id),
        ];
        if let Some(violation) = violation {
            let words = escape(&format!("{}: expected {}", violation.place, violation.expected));
            segments.push(Segment::new("ERR").set(3, "101").set(4, "E").set(8, words));
        }
        message(&segments)
    }
}
