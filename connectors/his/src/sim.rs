//! A hospital information system that lives: patients come, move and go, and it tells of it by ADT over MLLP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;
pub use sim_kit::SimError;
use sim_kit::board::Board;
pub use sim_kit::board::Report;
use sim_kit::charset::Charset;
use sim_kit::clock::Clock;
use sim_kit::control::{self, Desk};
use sim_kit::dice::Dice;
pub use sim_kit::fault::Fault;
use sim_kit::fault::Faults;
pub use sim_kit::script::{Message, Script};
use sim_kit::sender;
pub use sim_kit::sender::Sending;
use sim_kit::writer::{Segment, message};
use time::PrimitiveDateTime;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

mod message;
pub mod service;
mod story;

use message::Head;
use service::{Service, ServiceSettings};
use story::{Event, Story};

/// How many patients are in the house at once, at most.
const OPEN_STORIES: usize = 6;
const BIG: usize = 5 * 1024 * 1024;

/// How the HIS behaves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimSettings {
    /// Where and how fast it sends.
    pub sending: Sending,
    /// Decides everything that happens.
    pub seed: u64,
    /// The hospital's time at the beginning: `20260302080000`. Also part of every control id, so that a run with
    /// another start is not taken for a copy.
    pub start: String,
    /// MSH-12: `2.4` or `2.5.1`.
    pub version: String,
    /// The character set, declared or not.
    pub charset: Charset,
    /// Where the control API listens; without it there is none.
    pub control: Option<String>,
    /// What goes wrong from the beginning.
    pub fault: Option<Fault>,
    /// How often; 0: always.
    pub fault_times: u64,
    /// The number source beside the feed; without it there is only the feed.
    pub service: Option<ServiceSettings>,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            sending: Sending::default(),
            seed: 1,
            start: "20260302080000".to_owned(),
            version: "2.5.1".to_owned(),
            charset: Charset::default(),
            control: None,
            fault: None,
            fault_times: 1,
            service: None,
        }
    }
}

/// What the HIS sends: the same messages for the same seed and start.
pub fn script(settings: &SimSettings) -> Result<Box<dyn Script>, SimError> {
    if !matches!(settings.version.as_str(), "2.4" | "2.5.1") {
        let what = format!("`{}` is neither `2.4` nor `2.5.1`", settings.version);
        return Err(SimError::Setting { setting: "version", what });
    }
    Ok(Box::new(Adt::new(settings)?))
}

/// Runs the HIS until its count is reached or `stop` turns true.
pub async fn run(settings: SimSettings, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
    Sim::bind(settings).await?.run(stop).await
}

/// A HIS whose addresses are taken and that does not send yet.
pub struct Sim {
    settings: SimSettings,
    script: Box<dyn Script>,
    control: Option<TcpListener>,
    service: Option<Service>,
}

impl Sim {
    /// Checks the settings and takes the addresses.
    pub async fn bind(settings: SimSettings) -> Result<Self, SimError> {
        settings.sending.check()?;
        let script = script(&settings)?;
        let control = match &settings.control {
            Some(address) => Some(control::listen(address).await?),
            None => None,
        };
        let service = match &settings.service {
            Some(service) => Some(Service::bind(service.clone()).await?),
            None => None,
        };
        Ok(Self { settings, script, control, service })
    }

    /// Where the number source listens.
    pub fn service_address(&self) -> Option<SocketAddr> {
        self.service.as_ref().map(Service::address)
    }

    /// Where the control API listens.
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Runs until the count is reached, where there is no number source beside it, or `stop` turns true.
    pub async fn run(mut self, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
        let board = Arc::new(Board::default());
        let faults = Arc::new(Faults::new(&sender::FAULTS));
        if let Some(fault) = self.settings.fault {
            faults.arm(fault, self.settings.fault_times)?;
        }
        let (orders, ordered) = mpsc::channel(1024);
        let desk = Desk {
            name: "his",
            board: Arc::clone(&board),
            sending: Some(Arc::clone(&faults)),
            receiving: None,
            orders: Some(orders),
        };
        let control = self
            .control
            .take()
            .map(|listener| tokio::spawn(control::serve(listener, desk.clone(), stop.clone())));
        let service = self.service.take().map(|service| tokio::spawn(service.run(stop.clone())));
        let sending = &self.settings.sending;
        sender::run(sending, self.script.as_mut(), faults, Arc::clone(&board), ordered, stop).await;
        if let Some(service) = service
            && let Err(error) = service.await
        {
            tracing::error!(%error, "The simulated number source broke.");
        }
        if let Some(control) = control {
            control.abort();
        }
        Ok(board.report())
    }
}

/// The row of ADT messages.
struct Adt {
    settings: SimSettings,
    clock: Clock,
    dice: Dice,
    stories: Vec<(Story, u64)>,
    /// When each patient in the house came.
    admitted: BTreeMap<u64, PrimitiveDateTime>,
    next_patient: u64,
    sent: u64,
}

impl Adt {
    fn new(settings: &SimSettings) -> Result<Self, SimError> {
        Ok(Self {
            settings: settings.clone(),
            clock: Clock::at(&settings.start)?,
            dice: Dice::new(settings.seed, "his", 0),
            stories: Vec::new(),
            admitted: BTreeMap::new(),
            next_patient: 0,
            sent: 0,
        })
    }

    /// What happens next, and to whom.
    fn happens(&mut self) -> (Event, u64) {
        loop {
            // The first patients come one after the other, the later ones when there is room and by chance.
            let room = self.stories.len() < OPEN_STORIES;
            if self.stories.is_empty() || room && self.dice.percent(40) {
                self.stories.push((Story::of(self.settings.seed, self.next_patient), self.next_patient));
                self.next_patient += 1;
            }
            let at = self.dice.below(self.stories.len() as u64) as usize;
            let (story, number) = &mut self.stories[at];
            let number = *number;
            let event = story.next();
            if story.is_over() {
                self.stories.swap_remove(at);
            }
            if let Some(event) = event {
                return (event, number);
            }
        }
    }

    fn compose(&mut self, extra: Option<Segment>) -> Message {
        self.clock.tick(&mut self.dice);
        let now = self.clock.now();
        let (event, number) = self.happens();
        let admitted = *self.admitted.entry(number).or_insert(now);
        if !self.stories.iter().any(|(_, open)| *open == number) {
            self.admitted.remove(&number);
        }
        self.sent += 1;
        // At most 20 characters (HL7 v2.4): the start's date and time without its century, and a running number.
        let control_id = format!("H{}{:07}", &self.settings.start[2..], self.sent);
        let head = Head {
            control_id: &control_id,
            version: &self.settings.version,
            charset: self.settings.charset.declared(),
        };
        let mut segments = message::segments(&event, head, now, admitted);
        segments.extend(extra);
        let (trigger, _) = event.trigger.names();
        Message {
            kind: format!("ADT^{trigger}"),
            lane: number,
            bytes: self.settings.charset.encode(&message(&segments)),
            control_id,
        }
    }
}

impl Script for Adt {
    fn next(&mut self) -> Message {
        self.compose(None)
    }

    fn next_big(&mut self) -> Message {
        self.compose(Some(Segment::new("ZBG").set(1, "x".repeat(BIG))))
    }

    fn reset(&mut self) {
        if let Ok(fresh) = Self::new(&self.settings) {
            *self = fresh;
        }
    }
}

#[cfg(test)]
mod tests;
