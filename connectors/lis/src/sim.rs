//! A laboratory information system: reports on the HIS's patients by ORU over MLLP, and takes the ADT feed, strictly.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;
pub use sim_kit::SimError;
use sim_kit::board::Board;
pub use sim_kit::board::Report;
use sim_kit::charset::Charset;
use sim_kit::clock::Clock;
use sim_kit::control::{self, Desk};
use sim_kit::course::Course;
use sim_kit::dice::Dice;
pub use sim_kit::fault::Fault;
use sim_kit::fault::Faults;
use sim_kit::listener::{self, Partner};
use sim_kit::person::Person;
pub use sim_kit::script::{Message, Script};
use sim_kit::sender;
pub use sim_kit::sender::Sending;
use sim_kit::visit::Visit;
use sim_kit::world::WORLD;
use sim_kit::writer::{Segment, message};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

mod intake;
mod laboratory;
mod message;
mod report;

use message::Telling;
use report::{Kind, Stage};

const BIG: usize = 5 * 1024 * 1024;
/// After the opening, of a hundred messages so many correct or withdraw an earlier report.
const CORRECTIONS: u64 = 8;
const WITHDRAWALS: u64 = 3;

/// Which version a message is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Version {
    /// Always v2.4.
    #[serde(rename = "2.4")]
    V24,
    /// Always v2.5.1.
    #[serde(rename = "2.5.1")]
    V251,
    /// By turns: two analysers behind one LIS.
    #[default]
    #[serde(rename = "both")]
    Both,
}

/// How the LIS behaves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimSettings {
    /// Where and how fast it sends.
    pub sending: Sending,
    /// Decides everything; the HIS's seed, so that the patients are the same.
    pub seed: u64,
    /// The laboratory's time at the beginning: `20260302083000`. Also part of every control id.
    pub start: String,
    /// MSH-12.
    pub version: Version,
    /// The character set, declared or not.
    pub charset: Charset,
    /// Where it takes the ADT feed; without it, it takes none.
    pub listen: Option<String>,
    /// Where the control API listens; without it there is none.
    pub control: Option<String>,
    /// What goes wrong from the beginning.
    pub fault: Option<Fault>,
    /// How often; 0: always.
    pub fault_times: u64,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            sending: Sending { target: "127.0.0.1:2576".to_owned(), ..Sending::default() },
            seed: 1,
            start: "20260302083000".to_owned(),
            version: Version::default(),
            charset: Charset::default(),
            listen: None,
            control: None,
            fault: None,
            fault_times: 1,
        }
    }
}

/// What the LIS sends: the same messages for the same seed and start.
pub fn script(settings: &SimSettings) -> Result<Box<dyn Script>, SimError> {
    Ok(Box::new(Oru::new(settings)?))
}

/// Runs the LIS until its count is reached or `stop` turns true.
pub async fn run(settings: SimSettings, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
    Sim::bind(settings).await?.run(stop).await
}

/// A LIS whose addresses are taken and that does nothing yet.
pub struct Sim {
    settings: SimSettings,
    script: Box<dyn Script>,
    listener: Option<TcpListener>,
    control: Option<TcpListener>,
}

impl Sim {
    /// Checks the settings and takes the addresses.
    pub async fn bind(settings: SimSettings) -> Result<Self, SimError> {
        settings.sending.check()?;
        let script = script(&settings)?;
        let mut taken = [None, None];
        for (place, address) in taken.iter_mut().zip([&settings.listen, &settings.control]) {
            if let Some(address) = address {
                *place = Some(control::listen(address).await?);
            }
        }
        let [listener, control] = taken;
        Ok(Self { settings, script, listener, control })
    }

    /// Where it takes the ADT feed.
    pub fn listen_address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where the control API listens.
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Runs until the count is reached or `stop` turns true.
    pub async fn run(mut self, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
        let board = Arc::new(Board::default());
        let sending_faults = Arc::new(Faults::new(&sender::FAULTS));
        let receiving_faults = Arc::new(Faults::new(&listener::FAULTS));
        let (orders, ordered) = mpsc::channel(1024);
        let desk = Desk {
            name: "lis",
            board: Arc::clone(&board),
            sending: Some(Arc::clone(&sending_faults)),
            receiving: Some(Arc::clone(&receiving_faults)),
            orders: Some(orders),
        };
        if let Some(fault) = self.settings.fault {
            desk.arm(fault, self.settings.fault_times, None)?;
        }
        let mut tasks = Vec::new();
        if let Some(listener) = self.control.take() {
            tasks.push(tokio::spawn(control::serve(listener, desk.clone(), stop.clone())));
        }
        if let Some(listener) = self.listener.take() {
            let partner = Partner {
                application: "LIS",
                facility: WORLD.hospital.facility.clone(),
                rules: intake::rules,
                faults: receiving_faults,
                board: Arc::clone(&board),
            };
            tasks.push(tokio::spawn(Arc::new(partner).run(listener, stop.clone())));
        }
        let sending = &self.settings.sending;
        sender::run(sending, self.script.as_mut(), sending_faults, Arc::clone(&board), ordered, stop).await;
        for task in tasks {
            task.abort();
        }
        Ok(board.report())
    }
}

/// The row of ORU messages.
struct Oru {
    settings: SimSettings,
    clock: Clock,
    dice: Dice,
    /// Reports begun so far.
    reports: u64,
    sent: u64,
}

impl Oru {
    fn new(settings: &SimSettings) -> Result<Self, SimError> {
        Ok(Self {
            settings: settings.clone(),
            clock: Clock::at(&settings.start)?,
            dice: Dice::new(settings.seed, "lis", 0),
            reports: 0,
            sent: 0,
        })
    }

    /// Which report is told now, and how far it has come.
    fn tells(&mut self) -> (u64, Kind, Stage) {
        let seed = self.settings.seed;
        let opening = Kind::OPENING.len() as u64;
        // Right after the opening: what was preliminary is final, one report is corrected and one withdrawn.
        match self.sent.checked_sub(opening) {
            Some(0) => return (opening - 1, Kind::of(seed, opening - 1), Stage::Final),
            Some(1) => return (0, Kind::of(seed, 0), Stage::Corrected),
            Some(2) => return (2, Kind::of(seed, 2), Stage::Withdrawn),
            Some(_) => {
                let chance = self.dice.below(100);
                let stage = match chance {
                    chance if chance < CORRECTIONS => Some(Stage::Corrected),
                    chance if chance < CORRECTIONS + WITHDRAWALS => Some(Stage::Withdrawn),
                    _ => None,
                };
                if let Some(stage) = stage {
                    let number = self.dice.below(self.reports);
                    return (number, Kind::of(seed, number), stage);
                }
            }
            None => {}
        }
        let number = self.reports;
        self.reports += 1;
        let kind = Kind::of(seed, number);
        let stage = if kind == Kind::Preliminary { Stage::Preliminary } else { Stage::Final };
        (number, kind, stage)
    }

    fn compose(&mut self, extra: Option<Segment>) -> Message {
        self.clock.tick(&mut self.dice);
        let (number, kind, stage) = self.tells();
        // Two reports a patient: the laboratory keeps behind the front desk.
        let patient = number / 2;
        let seed = self.settings.seed;
        let inpatient = Course::of(seed, patient).begins_in_a_ward();
        self.sent += 1;
        let control_id = format!("L{}{:07}", &self.settings.start[2..], self.sent);
        let version = match self.settings.version {
            Version::V24 => "2.4",
            Version::V251 => "2.5.1",
            Version::Both if number.is_multiple_of(2) => "2.5.1",
            Version::Both => "2.4",
        };
        let telling = Telling {
            control_id: &control_id,
            version,
            charset: self.settings.charset.declared(),
            now: self.clock.now(),
            seed,
            number,
            kind,
            stage,
            person: &Person::of(seed, patient),
            visit: &Visit::of(seed, patient, inpatient),
            inpatient,
        };
        let mut segments = telling.segments();
        segments.extend(extra);
        Message {
            kind: "ORU^R01".to_owned(),
            lane: patient,
            bytes: self.settings.charset.encode(&message(&segments)),
            control_id,
        }
    }
}

impl Script for Oru {
    fn next(&mut self) -> Message {
        self.compose(None)
    }

    /// A picture of more than five megabytes in base64, as scanners send them.
    fn next_big(&mut self) -> Message {
        let picture = format!("^Image^JPEG^Base64^{}", "QUJD".repeat(BIG / 4));
        self.compose(Some(
            Segment::new("OBX").set(1, "99").set(2, "ED").set(3, "IMG^图像^LIS").set(5, picture).set(11, "F"),
        ))
    }

    fn reset(&mut self) {
        if let Ok(fresh) = Self::new(&self.settings) {
            *self = fresh;
        }
    }
}

#[cfg(test)]
mod tests;
