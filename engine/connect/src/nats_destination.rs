//! Publishes parcels to a JetStream stream, each under its own id, and waits until the stream has it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::{ContextBuilder, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use async_trait::async_trait;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, Secrets};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::nats::{NatsLogin, NatsTls, Settings, Way};
use crate::tls::{at_least_one, wrong};

mod subject;

use subject::SubjectPattern;

/// The settings of a NATS destination.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsDestinationConfig {
    /// Where the servers of one cluster are: `["nats://127.0.0.1:4222"]`, with TLS `tls://`.
    pub servers: Vec<String>,
    /// TLS, by the names of secrets.
    pub tls: Option<NatsTls>,
    /// How the hub says who it is, by the names of secrets.
    pub login: Option<NatsLogin>,
    /// How long connecting to a server may take.
    #[serde(default = "three_seconds")]
    pub connect_secs: u64,
    /// The subject of each parcel: `hub.adt.{lane}`. There may be `{parcel}`, `{correlation}` and `{lane}`.
    pub subject: String,
    /// How many lanes there are: parcels of one order key are always in the same.
    #[serde(default = "one")]
    pub lanes: u64,
    /// The stream that has to take them. Without it: whichever has the subject.
    pub stream: Option<String>,
    /// Headers of every message.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How long the stream's acknowledgement may take.
    #[serde(default = "ten_seconds")]
    pub answer_secs: u64,
    /// How many parcels may be under way at once.
    #[serde(default = "many")]
    pub in_flight: usize,
    /// Whether a parcel that was sent and not acknowledged is sent again under its id: the stream knows a copy within its duplicate
    /// window. Without it such a parcel is in doubt.
    #[serde(default = "yes")]
    pub resend: bool,
}

fn three_seconds() -> u64 {
    3
}

fn one() -> u64 {
    1
}

fn ten_seconds() -> u64 {
    10
}

fn many() -> usize {
    32
}

fn yes() -> bool {
    true
}

/// Publishes to one subject, or to its lanes.
pub struct NatsDestination {
    way: Way,
    subject: SubjectPattern,
    stream: Option<String>,
    headers: HeaderMap,
    answer: Duration,
    in_flight: usize,
    resend: bool,
    /// Made with the first parcel; from then on it makes itself again.
    context: OnceCell<Context>,
}

impl NatsDestination {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: NatsDestinationConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("answer_secs", config.answer_secs)?;
        at_least_one("in_flight", config.in_flight as u64)?;
        let subject =
            SubjectPattern::parse(&config.subject, config.lanes).map_err(|(key, what)| wrong(key, what))?;
        if let Some(stream) = config.stream.as_deref().filter(|stream| !crate::nats::is_name(stream)) {
            return Err(wrong("stream", crate::nats::no_name(stream)));
        }
        let way = Way::build(
            Settings {
                servers: &config.servers,
                tls: config.tls.as_ref(),
                login: config.login.as_ref(),
                connect_secs: config.connect_secs,
            },
            secrets,
        )?;
        Ok(Self {
            way,
            subject,
            stream: config.stream,
            headers: headers(&config.headers)?,
            answer: Duration::from_secs(config.answer_secs),
            in_flight: config.in_flight,
            resend: config.resend,
            context: OnceCell::new(),
        })
    }

    async fn context(&self) -> Result<&Context, DeliveryError> {
        let made = self.context.get_or_try_init(async || {
            let client = self.way.connect().await?;
            let builder = ContextBuilder::new().timeout(self.answer).max_ack_inflight(self.in_flight.max(2));
            Ok(builder.backpressure_on_inflight(true).build(client))
        });
        let context = made.await.map_err(|reason: String| later(reason))?;
        // What is handed to a client without a connection waits in it, and nobody knows for how long.
        match context.client().connection_state() {
            State::Connected => Ok(context),
            State::Pending | State::Disconnected => {
                Err(later("no connection to the NATS server; it is made again".to_owned()))
            }
        }
    }

    async fn publish(&self, parcel: &Parcel) -> Result<PublishAck, DeliveryError> {
        let context = self.context().await?;
        let mut headers = self.headers.clone();
        for (name, value) in
            [("Content-Type", &*parcel.content_type), ("X-Correlation-Id", parcel.correlation.as_str())]
        {
            // What ties messages together may come from a partner: what no header can hold is left out.
            if let Ok(value) = value.parse::<HeaderValue>() {
                headers.insert(name, value);
            }
        }
        let mut message = PublishMessage::build().payload(parcel.body.clone()).headers(headers);
        message = message.message_id(parcel.id.to_string());
        if let Some(stream) = &self.stream {
            message = message.expected_stream(stream);
        }
        let sent = context.send_publish(self.subject.of(parcel), message).await;
        let acknowledged = sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => never(format!(
                "the parcel has {} bytes, more than the server takes (its `max_payload`)",
                parcel.body.len()
            )),
            // Nothing has left this program.
            kind => later(format!("it could not be sent: {kind}")),
        })?;
        acknowledged.await.map_err(|error| match error.kind() {
            PublishErrorKind::StreamNotFound => later(format!(
                "no stream takes the subject `{}`, or JetStream is not there: make a stream that has it",
                self.subject.text()
            )),
            PublishErrorKind::TimedOut => {
                self.unknown(format!("the stream has not acknowledged it within {} s", self.answer.as_secs()))
            }
            PublishErrorKind::BrokenPipe => {
                self.unknown("the connection was lost before the stream acknowledged it".to_owned())
            }
            _ => match std::error::Error::source(&error)
                .and_then(|error| error.downcast_ref::<jetstream::Error>())
            {
                Some(said) => self.refused(said),
                None => self.unknown("the acknowledgement cannot be read".to_owned()),
            },
        })
    }

    /// What the stream says. It has not taken the message. Its words are those of a list and hold no content.
    fn refused(&self, said: &jetstream::Error) -> DeliveryError {
        let reason = format!("the stream refuses it: {said}");
        match said.error_code() {
            ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => never(reason),
            // Full, without a leader, another stream than the settings say: that ends, or is mended.
            _ => later(reason),
        }
    }

    fn unknown(&self, reason: String) -> DeliveryError {
        if self.resend { later(reason) } else { DeliveryError::InDoubt { reason } }
    }
}

fn later(reason: String) -> DeliveryError {
    DeliveryError::Later { reason, after: None }
}

fn never(reason: String) -> DeliveryError {
    DeliveryError::Never { reason }
}

fn headers(settings: &BTreeMap<String, String>) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    for (name, value) in settings {
        let is_ours = name.to_ascii_lowercase().starts_with("nats-");
        let read = (name.parse::<HeaderName>(), value.parse::<HeaderValue>());
        let (Ok(name), Ok(value), false) = (read.0, read.1, is_ours) else {
            let what = format!(
                "the header `{name}` cannot be sent: expected a name that does not begin with `Nats-`, and one line"
            );
            return Err(wrong("headers", what));
        };
        headers.insert(name, value);
    }
    Ok(headers)
}

fn delivered(ack: &PublishAck) -> Delivered {
    let answer = json!({ "stream": ack.stream, "sequence": ack.sequence, "duplicate": ack.duplicate });
    Delivered { answer: Some(answer.to_string().into()) }
}

#[async_trait]
impl Destination for NatsDestination {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        self.publish(parcel).await.map(|ack| delivered(&ack))
    }

    /// A stream cannot be asked by an id, but it knows one: the same parcel again is a copy to it, or arrives now. Either way it is there
    /// once, within the stream's duplicate window.
    async fn ask(&self, parcel: &Parcel) -> Result<Asked, DeliveryError> {
        if !self.resend {
            return Ok(Asked::CannotTell);
        }
        self.publish(parcel).await.map(|ack| Asked::Arrived(delivered(&ack)))
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        let client = self.context().await?.client();
        match timeout(self.answer, client.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(later("the NATS server does not answer".to_owned())),
        }
    }

    fn parallel(&self) -> usize {
        self.in_flight
    }
}
