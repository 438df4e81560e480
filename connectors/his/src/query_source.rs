//! Asks the HIS for its rosters and masters by itself, again and again, and hands on what has changed since it asked last (interfaces
//! §3.3, §3.5).
//!
//! A master is one message: `<Master code="H102">` with all its items. A roster is one message a session: `<Roster>` with the session's
//! fields and its `<Slots>`. What a run of the program has handed on is remembered by digest only to spare the channel the same again; after
//! a start everything is handed on once more, and a mapping that writes the same makes no new version.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use hub_connect::tls::{at_least_one, wrong};
use hub_core::envelope::{Label, Peer};
use hub_core::id::{DedupeKey, Digest};
use hub_core::registry::{BuildError, Secrets, SourceKind};
use hub_core::source::{Inbound, Intake, Receipt, Source, SourceError};
use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::offset;
use tokio::sync::watch;

use crate::envelope::{children, field};
use crate::service_destination::{ServiceDestination, ServiceDestinationConfig};

/// The masters that can be asked for (interfaces §3.3).
const MASTERS: [&str; 5] = ["H101", "H102", "H103", "H105", "H107"];
/// Rosters with their slots.
const ROSTERS: &str = "H301";
/// The most items of a page.
const PAGE: usize = 500;
/// The most days that one question about rosters may span.
const MOST_DAYS: i64 = 31;
/// How soon a round that failed is tried again, at most: a HIS that starts a moment after the hub is heard at once.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The settings of the source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuerySourceConfig {
    /// The service, as the destination `his-service` has it.
    pub service: ServiceDestinationConfig,
    /// What is asked for: H101, H102, H103, H105, H107, and H301 with its slots.
    pub functions: Vec<String>,
    /// Days of rosters, today included.
    #[serde(default = "fortnight")]
    pub days: i64,
    /// How often; a round that failed is tried again after 5 s.
    #[serde(default = "five_minutes")]
    pub every_secs: u64,
}

fn fortnight() -> i64 {
    14
}

fn five_minutes() -> u64 {
    300
}

/// The source `his-query`.
pub struct HisQuery;

impl SourceKind for HisQuery {
    const TYPE: &'static str = "his-query";
    const FORMAT: Option<&'static str> = Some("xml");
    const ANSWERS: bool = false;
    type Config = QuerySourceConfig;

    fn build(config: QuerySourceConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        at_least_one("every_secs", config.every_secs)?;
        if !(1..=MOST_DAYS).contains(&config.days) {
            return Err(wrong("days", format!("`days` is {}: expected 1 to {MOST_DAYS}", config.days)));
        }
        let known = |code: &String| MASTERS.contains(&code.as_str()) || code == ROSTERS;
        if let Some(code) = config.functions.iter().find(|code| !known(code)) {
            let what = format!("`{code}` is not asked for: expected {} or {ROSTERS}", MASTERS.join(", "));
            return Err(wrong("functions", what));
        }
        let service = ServiceDestination::build(&config.service, secrets)?;
        Ok(Box::new(QuerySource { service, config, known: HashMap::new() }))
    }

    fn listens(_config: &QuerySourceConfig) -> Vec<String> {
        Vec::new()
    }
}

struct QuerySource {
    service: ServiceDestination,
    config: QuerySourceConfig,
    /// What was handed on last, of each master and session.
    known: HashMap<String, Digest>,
}

#[async_trait]
impl Source for QuerySource {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        Ok(None)
    }

    fn fetches(&self) -> bool {
        true
    }

    async fn run(
        mut self: Box<Self>,
        intake: Intake,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        loop {
            let turn = tokio::select! {
                turn = intake.turn() => turn,
                _told = stop.wait_for(|stop| *stop) => return Ok(()),
            };
            let functions = self.config.functions.clone();
            let mut pause = Duration::from_secs(self.config.every_secs);
            for code in &functions {
                let asked = tokio::select! {
                    asked = self.fetch(code, &intake) => asked,
                    _told = stop.wait_for(|stop| *stop) => return Ok(()),
                };
                if let Err(reason) = asked {
                    pause = pause.min(AFTER_FAILURE);
                    tracing::warn!(
                        function = code,
                        reason,
                        "The HIS could not be asked; it will be tried again."
                    );
                }
            }
            drop(turn);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _told = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }
}

impl QuerySource {
    async fn fetch(&mut self, code: &str, intake: &Intake) -> Result<(), String> {
        if code == ROSTERS { self.rosters(intake).await } else { self.master(code, intake).await }
    }

    /// All items of a master; refused where the pages do not add up to what the HIS says there is.
    async fn master(&mut self, code: &str, intake: &Intake) -> Result<(), String> {
        let mut items = String::new();
        let mut page = 1;
        let total = loop {
            let asked = format!("<PageNo>{page}</PageNo><PageSize>{PAGE}</PageSize>");
            let response = self.service.query(code, &asked).await?;
            let total: usize = response.field("TotalCount").unwrap_or_default().parse().unwrap_or_default();
            items.push_str(response.field("Items").unwrap_or_default());
            if page * PAGE >= total {
                break total;
            }
            page += 1;
        };
        let found = children(&items).iter().filter(|(name, _)| *name == "Item").count();
        if found != total {
            return Err(format!("{code} has {found} items, and the HIS says {total}"));
        }
        let message = format!("<Master code=\"{code}\" count=\"{found}\">{items}</Master>");
        self.hand_on(code, code, message, intake).await
    }

    /// The sessions of the next days, each with its slots.
    async fn rosters(&mut self, intake: &Intake) -> Result<(), String> {
        let today = OffsetDateTime::now_utc().to_offset(offset!(+8)).date();
        let last = today + time::Duration::days(self.config.days - 1);
        let asked = format!("<StartDate>{today}</StartDate><EndDate>{last}</EndDate>");
        let response = self.service.query(ROSTERS, &asked).await?;
        let sessions = response.field("Schedules").unwrap_or_default().to_owned();
        for (_, session) in children(&sessions).into_iter().filter(|(name, _)| *name == "Schedule") {
            let Some(id) = field(session, "ScheduleId") else {
                return Err("a session without a number".to_owned());
            };
            let asked = format!("<ScheduleId>{id}</ScheduleId>");
            let slots = self.service.query("H302", &asked).await?;
            let slots = dated(session, slots.field("Slots").unwrap_or_default());
            let moments = moments(session, session);
            let message = format!("<Roster>{session}{moments}<Slots>{slots}</Slots></Roster>");
            self.hand_on(ROSTERS, &format!("{ROSTERS}/{id}"), message, intake).await?;
        }
        Ok(())
    }

    /// Hands on what has changed.
    async fn hand_on(
        &mut self,
        code: &str,
        what: &str,
        message: String,
        intake: &Intake,
    ) -> Result<(), String> {
        let digest = Digest::of(message.as_bytes());
        if self.known.get(what) == Some(&digest) {
            return Ok(());
        }
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos();
        let inbound = Inbound {
            bytes: message.into(),
            attachment: None,
            dedupe: DedupeKey(format!("{what}/{now}").into()),
            label: Label { message_type: Some(code.into()), ..Label::default() },
            peer: Peer::default(),
            unreadable: None,
        };
        match intake.accept(inbound).await {
            Receipt::Accepted(_) | Receipt::Duplicate(_) => {
                self.known.insert(what.to_owned(), digest);
                Ok(())
            }
            Receipt::Refused(_, refusal) => Err(refusal.to_string()),
        }
    }
}

/// The slots of a session, each with the moments that its hours are on the session's day: `Begins` and `Ends`, `20260302080000`.
fn dated(session: &str, slots: &str) -> String {
    let mut dated = String::with_capacity(slots.len() * 3 / 2);
    for (_, slot) in children(slots).into_iter().filter(|(name, _)| *name == "Slot") {
        dated.push_str(&format!("<Slot>{slot}{}</Slot>", moments(session, slot)));
    }
    dated
}

/// The moments that the hours of something are on the session's day.
fn moments(session: &str, of: &str) -> String {
    let day = field(session, "ScheduleDate").unwrap_or_default().replace('-', "");
    let hours = [("Begins", "StartTime"), ("Ends", "EndTime")].into_iter();
    let told = hours.filter_map(|(name, hour)| Some((name, field(of, hour)?.replace(':', ""))));
    told.map(|(name, hour)| format!("<{name}>{day}{hour}00</{name}>")).collect()
}

#[cfg(test)]
mod tests {
    use super::dated;

    #[test]
    fn a_slot_is_told_its_day() {
        let session = "<ScheduleDate>2026-03-02</ScheduleDate>";
        let slots = "<Slot><StartTime>08:00</StartTime><EndTime>08:10</EndTime></Slot>";
        let expected = "<Slot><StartTime>08:00</StartTime><EndTime>08:10</EndTime><Begins>20260302080000</Begins><Ends>20260302081000</Ends></Slot>";
        assert_eq!(dated(session, &slots.repeat(2)), expected.repeat(2));
        assert_eq!(dated(session, ""), "");
    }
}
