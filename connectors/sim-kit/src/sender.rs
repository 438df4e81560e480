//! Sends a script over MLLP: paced, in lanes, patient with a hub that is down, never losing a message.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::SimError;
use crate::board::Board;
use crate::control::{Order, stopped};
use crate::fault::{Fault, Faults};
use crate::script::{Message, Script};

mod line;

use line::Line;

/// What a sender does wrong when it is told to.
pub const FAULTS: [Fault; 8] = [
    Fault::Slow,
    Fault::DropAfterReceive,
    Fault::Duplicate,
    Fault::Garbage,
    Fault::HalfFrame,
    Fault::TwoInOne,
    Fault::Lf,
    Fault::Big,
];

/// How many messages wait for one connection at most.
const QUEUE: usize = 16;
/// How far the pace may fall behind before the missed messages are forgotten.
const CATCH_UP: Duration = Duration::from_secs(1);

/// How a script is sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sending {
    /// Where the hub listens: `127.0.0.1:2575`.
    pub target: String,
    /// Messages a second; 0: only when pushed.
    pub rate_per_sec: f64,
    /// How many messages are sent in all; 0: without end.
    pub count: u64,
    /// How many connections are kept. A patient's messages keep to one of them.
    pub connections: usize,
    /// How long an answer is waited for before the message is sent again.
    pub answer_secs: u64,
    /// How often a message is sent again that was answered with AE or CE.
    pub tries_after_error: u32,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            target: "127.0.0.1:2575".to_owned(),
            rate_per_sec: 2.0,
            count: 0,
            connections: 1,
            answer_secs: 10,
            tries_after_error: 3,
        }
    }
}

impl Sending {
    /// Holds the settings against what a sender can do.
    pub fn check(&self) -> Result<(), SimError> {
        if !self.rate_per_sec.is_finite() || self.rate_per_sec < 0.0 {
            return Err(SimError::Setting { setting: "rate_per_sec", what: "expected 0 or more".to_owned() });
        }
        if !(1..=1024).contains(&self.connections) {
            return Err(SimError::Setting { setting: "connections", what: "expected 1 to 1024".to_owned() });
        }
        if self.answer_secs == 0 {
            return Err(SimError::Setting { setting: "answer_secs", what: "expected 1 or more".to_owned() });
        }
        Ok(())
    }
}

/// Sends until the count is reached or `stop` turns true; what was begun is answered or counted as unanswered.
pub async fn run(
    sending: &Sending,
    script: &mut dyn Script,
    faults: Arc<Faults>,
    board: Arc<Board>,
    orders: mpsc::Receiver<Order>,
    stop: watch::Receiver<bool>,
) {
    let mut workers = JoinSet::new();
    let mut queues = Vec::new();
    for _ in 0..sending.connections {
        let (queue, messages) = mpsc::channel(QUEUE);
        let line = Line::new(sending.clone(), Arc::clone(&faults), Arc::clone(&board), stop.clone());
        workers.spawn(line.run(messages));
        queues.push(queue);
    }
    let pace = Pace { sending, queues, faults, orders };
    tokio::select! {
        () = pace.run(script) => {}
        () = stopped(stop) => {}
    }
    while workers.join_next().await.is_some() {}
}

/// Decides when which message is handed to which line.
struct Pace<'a> {
    sending: &'a Sending,
    queues: Vec<mpsc::Sender<Message>>,
    faults: Arc<Faults>,
    orders: mpsc::Receiver<Order>,
}

impl Pace<'_> {
    async fn run(mut self, script: &mut dyn Script) {
        let period = (self.sending.rate_per_sec > 0.0)
            .then(|| Duration::try_from_secs_f64(1.0 / self.sending.rate_per_sec).unwrap_or(Duration::MAX));
        let mut due = Instant::now();
        let mut handed = 0;
        while self.sending.count == 0 || handed < self.sending.count {
            let tick = async {
                match period {
                    Some(_) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(Order::Push) => {}
                    Some(Order::Reset) => {
                        script.reset();
                        handed = 0;
                        continue;
                    }
                    // Whoever gives orders is gone; the pace goes on alone, or there is nothing left to do.
                    None if period.is_none() => return,
                    None => tokio::time::sleep_until(due).await,
                },
                () = tick => {}
            }
            if let Some(period) = period {
                due = due.checked_add(period).unwrap_or(due).max(Instant::now() - CATCH_UP);
            }
            let lanes = self.queues.len() as u64;
            let message = script.next();
            let queue = &self.queues[(message.lane % lanes) as usize];
            if queue.send(message).await.is_err() {
                return;
            }
            handed += 1;
            if self.faults.take_if(Fault::Big) {
                let big = script.next_big();
                let queue = &self.queues[(big.lane % lanes) as usize];
                if queue.send(big).await.is_err() {
                    return;
                }
            }
        }
    }
}
