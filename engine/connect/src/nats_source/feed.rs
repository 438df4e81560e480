//! One durable consumer: its messages are pulled, a bounded number at a time, and handed over, those of a subject one after the other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::pull::{self, Config};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::{ContextBuilder, Message};
use futures_util::StreamExt;
use hub_core::source::{Intake, Turn};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::take::Taker;
use super::{Begin, NatsSourceConfig, PAUSE};
use crate::trouble::Trouble;

/// So many messages are asked for at once; how many come before the first of them is settled is the consumer's to say (`in_flight`).
const BATCH: usize = 64;
/// How often the server says that it is still there when there are no messages; after two of these in silence it is asked anew.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a request for messages stands.
const STANDS: Duration = Duration::from_secs(30);
/// How long the server may take to answer a question.
const ANSWER: Duration = Duration::from_secs(5);

/// One consumer and where its messages go.
pub(super) struct Feed {
    client: Client,
    stream: String,
    consumer: String,
    subject: String,
    in_flight: usize,
    ack: Duration,
    begin: Begin,
    taker: Taker,
    trouble: Trouble,
}

impl Feed {
    pub fn new(
        client: Client,
        config: &NatsSourceConfig,
        consumer: String,
        subject: String,
        intake: Intake,
    ) -> Self {
        Self {
            taker: Taker::new(client.clone(), config, intake),
            trouble: Trouble::new(format!("{}/{consumer}", config.stream)),
            stream: config.stream.clone(),
            in_flight: config.in_flight,
            ack: Duration::from_secs(config.ack_secs),
            begin: config.begin,
            client,
            consumer,
            subject,
        }
    }

    /// Takes messages until `stop` turns true; then what has begun is ended, and the rest is given back.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        // An error means that nobody is left who could say stop: then it is time to.
        while !*stop.borrow() && stop.has_changed().is_ok() {
            let mut turn = tokio::select! {
                turn = self.taker.turn() => turn,
                _told = stop.wait_for(|stop| *stop) => return,
            };
            self.take_turn(&mut turn, &mut stop).await;
        }
    }

    /// Takes messages until another node should, or it is time to stop.
    async fn take_turn(&mut self, turn: &mut Turn, stop: &mut watch::Receiver<bool>) {
        // What has begun is ended when this turn is over, not only when all is.
        let (over, is_over) = watch::channel(false);
        let mut takers = JoinSet::new();
        // One at a time needs nobody beside.
        let beside = if self.in_flight == 1 { 0 } else { self.in_flight };
        let queues: Vec<mpsc::Sender<Message>> = (0..beside)
            .map(|_| {
                let (sender, queue) = mpsc::channel(self.in_flight);
                takers.spawn(self.taker.clone().run(queue, is_over.clone()));
                sender
            })
            .collect();
        loop {
            self.take_messages(&queues, turn, stop).await;
            self.trouble.looked();
            tokio::select! {
                () = ended(turn, stop) => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        over.send_replace(true);
        drop(queues);
        while takers.join_next().await.is_some() {}
    }

    /// Pulls until something goes wrong or it is to end. A message that was begun is never let fall.
    async fn take_messages(
        &mut self,
        queues: &[mpsc::Sender<Message>],
        turn: &mut Turn,
        stop: &mut watch::Receiver<bool>,
    ) {
        let opened = tokio::select! {
            opened = self.pull() => opened,
            () = ended(turn, stop) => return,
        };
        let mut messages = match opened {
            Ok(messages) => messages,
            Err(error) => {
                return self.trouble.is("A consumer cannot be used; it will be tried again.", &error);
            }
        };
        self.trouble.looked();
        loop {
            let next = tokio::select! {
                next = messages.next() => next,
                () = ended(turn, stop) => return,
            };
            let message = match next {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    return self.trouble.is("The server sends no messages; it is asked again.", &error);
                }
                None => return,
            };
            if queues.is_empty() {
                self.taker.take(message).await;
                continue;
            }
            // The same subject is always taken by the same one: so its order is kept.
            let queue = &queues[worker(&message.subject, queues.len())];
            // It ends only with this feed.
            if queue.send(message).await.is_err() {
                return;
            }
        }
    }

    /// Asks the consumer for messages.
    async fn pull(&self) -> Result<pull::Stream, String> {
        let consumer = self.open().await?;
        let asked = consumer.stream().max_messages_per_batch(self.in_flight.max(BATCH));
        let messages = asked.expires(STANDS).heartbeat(HEARTBEAT).messages().await;
        messages.map_err(|error| format!("messages cannot be asked for: {error}"))
    }

    /// The consumer as it is on the server; made when it is not there.
    async fn open(&self) -> Result<PullConsumer, String> {
        let context = ContextBuilder::new().timeout(ANSWER).build(self.client.clone());
        let stream = context.get_stream(&self.stream).await.map_err(|error| {
            format!(
                "the stream `{}` cannot be used: {error}; make it, or name another in the channel's settings",
                self.stream
            )
        })?;
        let wanted = Config {
            durable_name: Some(self.consumer.clone()),
            deliver_policy: match self.begin {
                Begin::First => DeliverPolicy::All,
                Begin::New => DeliverPolicy::New,
            },
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack,
            filter_subject: self.subject.clone(),
            max_ack_pending: i64::try_from(self.in_flight).unwrap_or(i64::MAX),
            ..Config::default()
        };
        let name = &self.consumer;
        let consumer: PullConsumer = stream
            .get_or_create_consumer(name, wanted.clone())
            .await
            .map_err(|error| format!("the consumer `{name}` cannot be used: {error}"))?;
        match differs(&consumer.cached_info().config, &wanted) {
            Some(what) => Err(format!(
                "the consumer `{name}` is there already, and {what}: edit it there, or name another in the channel's settings"
            )),
            None => Ok(consumer),
        }
    }
}

/// Waits until another node should take messages, or it is time to stop.
async fn ended(turn: &mut Turn, stop: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = turn.over() => {}
        // An error means that nobody is left who could say stop: then it is time to.
        _told = stop.wait_for(|stop| *stop) => {}
    }
}

/// How a consumer that somebody has made differs from one that can be used; what does not matter may differ.
fn differs(there: &async_nats::jetstream::consumer::Config, wanted: &Config) -> Option<String> {
    if there.ack_policy != AckPolicy::Explicit {
        return Some("its messages are not acknowledged one by one: expected `explicit`".to_owned());
    }
    if there.max_deliver > 0 {
        return Some(format!(
            "it gives a message up after {} tries: expected no end, or messages are lost while the hub is busy",
            there.max_deliver
        ));
    }
    if there.filter_subject != wanted.filter_subject {
        return Some(format!(
            "it is of the subject `{}`: expected `{}`",
            there.filter_subject, wanted.filter_subject
        ));
    }
    if there.ack_wait < wanted.ack_wait {
        let secs = there.ack_wait.as_secs_f32();
        return Some(format!("it gives a message out again after {secs} s: expected at least `ack_secs`"));
    }
    let pending = there.max_ack_pending;
    if pending <= 0 || pending > wanted.max_ack_pending {
        return Some(format!(
            "it lets {pending} messages be under way: expected at the most {}, as `in_flight` says",
            wanted.max_ack_pending
        ));
    }
    None
}

/// Which of so many takes the messages of a subject.
fn worker(subject: &str, of: usize) -> usize {
    let mut hash = DefaultHasher::new();
    subject.hash(&mut hash);
    usize::try_from(hash.finish() % of as u64).unwrap_or(0)
}

/// Whether messages can be chosen by it.
pub(super) fn is_filter(subject: &str) -> bool {
    let words: Vec<&str> = subject.split('.').collect();
    let is_word = |at: usize, word: &str| match word {
        "*" => true,
        ">" => at + 1 == words.len(),
        word => {
            !word.is_empty()
                && !word.contains(|letter: char| {
                    letter.is_whitespace() || letter.is_control() || matches!(letter, '*' | '>')
                })
        }
    };
    words.iter().enumerate().all(|(at, word)| is_word(at, word))
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::consumer::Config as There;

    use super::*;

    #[test]
    fn a_consumer_that_differs_in_what_matters_is_told_with_what_was_expected() {
        let ack_wait = Duration::from_secs(30);
        let wanted =
            Config { ack_wait, max_ack_pending: 8, filter_subject: "a.0".to_owned(), ..Config::default() };
        let fits = There {
            ack_policy: AckPolicy::Explicit,
            ack_wait,
            max_ack_pending: 4,
            max_deliver: -1,
            filter_subject: "a.0".to_owned(),
            ..There::default()
        };
        assert_eq!(differs(&fits, &wanted), None);
        let longer = There { ack_wait: ack_wait * 2, description: Some("ours".to_owned()), ..fits.clone() };
        assert_eq!(differs(&longer, &wanted), None, "what does not matter may differ");
        for (there, expected) in [
            (There { ack_policy: AckPolicy::All, ..fits.clone() }, "expected `explicit`"),
            (There { max_deliver: 3, ..fits.clone() }, "after 3 tries: expected no end"),
            (There { filter_subject: "a.>".to_owned(), ..fits.clone() }, "`a.>`: expected `a.0`"),
            (There { ack_wait: ack_wait / 2, ..fits.clone() }, "after 15 s: expected at least `ack_secs`"),
            (
                There { max_ack_pending: 1_000, ..fits.clone() },
                "1000 messages be under way: expected at the most 8",
            ),
            (There { max_ack_pending: -1, ..fits }, "expected at the most 8"),
        ] {
            let told = differs(&there, &wanted).unwrap();
            assert!(told.contains(expected), "{told}");
        }
    }
}
