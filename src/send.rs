//! `huitong send`: files to a listener, once or as a load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use hub_formats::hl7v2::AckRead;
use hub_transport::http_client::{HttpClient, HttpSettings};
use hub_transport::mllp_client::{ClientSettings, MllpClient};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio::task::JoinSet;

use crate::cli::SendArguments;
use crate::{out, paint};

/// A listener that has not taken a connection by then is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// Sends and reports.
pub async fn run(arguments: SendArguments) -> anyhow::Result<ExitCode> {
    let messages = read(&arguments.paths)?;
    let count = arguments.count.unwrap_or(messages.len() as u64);
    let load = Load {
        to: Target::parse(&arguments.to, Duration::from_secs(arguments.answer_secs))?,
        count,
        rate: arguments.rate,
        concurrency: arguments.concurrency.into(),
        unique: arguments.unique,
    };
    load.to.reach().await?;
    let bar = progress(count, arguments.json);
    let expected = arguments.expect.clone();
    let list = arguments.count.is_none() && arguments.concurrency == 1 && !arguments.json;
    let told = bar.clone();
    let tally = load
        .send(Arc::new(messages), move |name, answer| {
            told.inc(1);
            if !list {
                return;
            }
            let code = format!("{:<2}", answer.code);
            let wanted = arguments.expect.contains(&answer.code);
            let code = if wanted { paint::good(code) } else { paint::error(code) };
            let said = answer.said.as_deref().filter(|_| !wanted);
            told.suspend(|| match said {
                Some(said) => out::line(format_args!("{code}  {name}\n    {}", paint::dim(said))),
                None => out::line(format_args!("{code}  {name}")),
            });
        })
        .await?;
    bar.finish_and_clear();
    report(&tally, arguments.json);
    Ok(if tally.unexpected(&expected) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One message to send, with the name it is shown by.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its file.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Files, and the files of folders in the order of their names.
fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Message>> {
    let mut messages = Vec::new();
    for path in paths {
        let mut files = Vec::new();
        collect(path, &mut files)?;
        for file in files {
            let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
            messages.push(Message { name: file.display().to_string(), bytes: bytes.into() });
        }
    }
    if messages.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("there is no *.hl7 file in {}", paths.join(", "));
    }
    Ok(messages)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut entries: Vec<PathBuf> =
        entries.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        let message = entry.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("hl7"));
        if entry.is_dir() || message {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// Where messages go.
#[derive(Clone, Debug)]
pub enum Target {
    /// MLLP, with the time to wait for an answer.
    Mllp(String, Duration),
    /// HTTP POST, likewise.
    Http(String, Duration),
}

impl Target {
    /// Reads `mllp://host:port` or `http(s)://...`.
    pub fn parse(url: &str, answer: Duration) -> anyhow::Result<Self> {
        if let Some(address) = url.strip_prefix("mllp://") {
            let address = address.trim_end_matches('/');
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)) {
                return Ok(Self::Mllp(address.to_owned(), answer));
            }
        } else if url.starts_with("http://") || url.starts_with("https://") {
            return Ok(Self::Http(url.to_owned(), answer));
        }
        bail!("--to {url}: expected mllp://HOST:PORT or http(s)://...")
    }

    /// Whether somebody listens there. A whole load against nobody would tell the same once for each message.
    async fn reach(&self) -> anyhow::Result<()> {
        let Self::Mllp(address, _) = self else { return Ok(()) };
        let connected = tokio::time::timeout(CONNECT, tokio::net::TcpStream::connect(address)).await;
        match connected {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => bail!("nobody listens at {address}: {error}"),
            Err(_) => bail!("{address} does not answer within {} s", CONNECT.as_secs()),
        }
    }
}

/// What a message was answered with.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The code, or what went wrong in a few words.
    pub code: String,
    /// What the receiver says about it.
    pub said: Option<String>,
}

impl From<String> for Answer {
    fn from(code: String) -> Self {
        Self { code, said: None }
    }
}

/// A sender's line: one exchange at a time.
enum Line {
    Mllp(Box<MllpClient>),
    Http(HttpClient),
}

impl Line {
    fn open(target: &Target) -> anyhow::Result<Self> {
        Ok(match target {
            Target::Mllp(address, answer) => {
                let settings =
                    ClientSettings { answer: *answer, connections: 1, ..ClientSettings::new(address) };
                Self::Mllp(Box::new(MllpClient::new(settings)?))
            }
            Target::Http(url, answer) => {
                Self::Http(HttpClient::new(&HttpSettings { answer: *answer, ..HttpSettings::new(url) })?)
            }
        })
    }

    /// Sends one message; gives the answer, or what went wrong in a few words.
    async fn exchange(&self, message: Bytes) -> Answer {
        match self {
            Self::Mllp(client) => match client.exchange(&message).await {
                Ok(answer) => match AckRead::read(&answer) {
                    Ok(ack) => Answer { code: ack.code.to_string(), said: ack.text },
                    Err(_) => "unreadable answer".to_owned().into(),
                },
                Err(error) => error.to_string().into(),
            },
            Self::Http(client) => match client.send("POST", message, "x-application/hl7-v2+er7", &[]).await {
                Ok(answer) if answer.is_success() => "AA".to_owned().into(),
                Ok(answer) => format!("HTTP {}", answer.status).into(),
                Err(error) => error.to_string().into(),
            },
        }
    }
}

/// A load: how many of which messages, how fast, over how many lines.
pub struct Load {
    /// Where they go.
    pub to: Target,
    /// How many in all.
    pub count: u64,
    /// At most so many a second.
    pub rate: Option<f64>,
    /// Lines side by side.
    pub concurrency: usize,
    /// Each message gets its own control id.
    pub unique: bool,
}

/// What a load came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many answers of each kind.
    pub answers: BTreeMap<String, u64>,
    /// How long each exchange took, sorted.
    pub times: Vec<Duration>,
    /// How long it all took.
    pub took: Duration,
}

impl Tally {
    /// How many answers are none of `expected`.
    pub fn unexpected(&self, expected: &[String]) -> u64 {
        self.answers.iter().filter(|(code, _)| !expected.contains(code)).map(|(_, count)| count).sum()
    }

    /// How many messages were sent.
    pub fn count(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.count() as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// The time that `share` of the exchanges did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        let at = (self.times.len() as f64 * share) as usize;
        self.times.get(at.min(self.times.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

impl Load {
    /// Sends, telling `told` of each answer as it comes.
    pub async fn send(
        self,
        messages: Arc<Vec<Message>>,
        told: impl Fn(&str, &Answer) + Clone + Send + 'static,
    ) -> anyhow::Result<Tally> {
        let next = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let mut lines = JoinSet::new();
        // The run's own mark keeps control ids of two runs apart.
        let mark = uuid::Uuid::new_v4().simple().to_string()[..6].to_uppercase();
        for _ in 0..self.concurrency {
            let line = Line::open(&self.to)?;
            let (messages, next, told, mark) = (messages.clone(), next.clone(), told.clone(), mark.clone());
            let (count, rate, unique) = (self.count, self.rate, self.unique);
            lines.spawn(async move {
                let mut tally = Tally::default();
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= count {
                        return tally;
                    }
                    if let Some(rate) = rate {
                        let due = started + Duration::from_secs_f64(nth as f64 / rate);
                        tokio::time::sleep_until(due.into()).await;
                    }
                    let message = &messages[usize::try_from(nth % messages.len() as u64).unwrap_or(0)];
                    let bytes = if unique {
                        with_control_id(&message.bytes, &format!("{mark}{nth}"))
                    } else {
                        message.bytes.clone()
                    };
                    let before = Instant::now();
                    let answer = line.exchange(bytes).await;
                    tally.times.push(before.elapsed());
                    told(&message.name, &answer);
                    *tally.answers.entry(answer.code).or_default() += 1;
                }
            });
        }
        let mut whole = Tally::default();
        while let Some(line) = lines.join_next().await {
            // The text of a panic may hold a piece of a message.
            let line =
                line.map_err(|_| anyhow::anyhow!("a sending line failed by a fault of the program"))?;
            whole.times.extend(line.times);
            for (code, count) in line.answers {
                *whole.answers.entry(code).or_default() += count;
            }
        }
        whole.took = started.elapsed();
        whole.times.sort_unstable();
        Ok(whole)
    }
}

/// The message with another MSH-10. One without a readable MSH stays as it is.
pub fn with_control_id(message: &Bytes, id: &str) -> Bytes {
    let Some(separator) = message.get(3).copied().filter(|_| message.starts_with(b"MSH")) else {
        return message.clone();
    };
    let end = message.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(message.len());
    // MSH-1 is the separator itself: MSH-10 stands behind the ninth one.
    let mut separators =
        message[..end].iter().enumerate().filter(|(_, byte)| **byte == separator).map(|(at, _)| at);
    let Some(before) = separators.nth(8) else { return message.clone() };
    let after = separators.next().unwrap_or(end);
    let mut changed = BytesMut::with_capacity(message.len() + id.len());
    changed.extend_from_slice(&message[..=before]);
    changed.extend_from_slice(id.as_bytes());
    changed.extend_from_slice(&message[after..]);
    changed.freeze()
}

fn progress(count: u64, json: bool) -> ProgressBar {
    if json || count < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {rate} a second  {eta} left")
        .expect("the template is right")
        .with_key("rate", |state: &ProgressState, line: &mut dyn std::fmt::Write| {
            // A bar that cannot be drawn is no reason to stop sending.
            let _ = write!(line, "{:.0}", state.per_sec());
        });
    ProgressBar::new(count).with_style(style)
}

fn report(tally: &Tally, json: bool) {
    let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
    let millis = |share: f64| tally.percentile(share).as_secs_f64() * 1000.0;
    if json {
        let figures = serde_json::json!({
            "sent": tally.count(),
            "answers": tally.answers,
            "seconds": rounded(tally.took.as_secs_f64()),
            "per_second": rounded(tally.rate()),
            "p50_ms": rounded(millis(0.50)),
            "p99_ms": rounded(millis(0.99)),
        });
        out::line(format_args!("{figures}"));
        return;
    }
    let answers: Vec<String> = tally.answers.iter().map(|(code, count)| format!("{code} {count}")).collect();
    out::line(format_args!(
        "{} sent in {:.2} s, {:.0} a second; answers: {}; p50 {:.1} ms, p99 {:.1} ms",
        tally.count(),
        tally.took.as_secs_f64(),
        tally.rate(),
        answers.join(", "),
        millis(0.50),
        millis(0.99)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mllp_listener_is_named_with_its_port() {
        let parse = |url: &str| Target::parse(url, Duration::from_secs(1));
        assert!(
            matches!(parse("mllp://[::1]:2575/"), Ok(Target::Mllp(address, _)) if address == "[::1]:2575")
        );
        for wrong in ["mllp://hub", "mllp://:2575", "mllp://hub:0", "mllp://hub:70000", "hub:2575", ""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_control_id_is_put_in_its_place() {
        let message = Bytes::from_static(b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|OLD|P|2.5\rPID|1\r");
        let changed = with_control_id(&message, "NEW");
        assert_eq!(&changed[..], b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|NEW|P|2.5\rPID|1\r");
    }

    #[test]
    fn a_message_without_header_stays_as_it_is() {
        let message = Bytes::from_static(b"PID|1\r");
        assert_eq!(with_control_id(&message, "NEW"), message);
    }
}
