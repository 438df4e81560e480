//! The desk of replays that the fake hub has.

use async_trait::async_trait;
use hub_core::fault::{Fault, FaultStep};
use hub_core::operations::ReplayWhat;
use hub_core::replay::*;
use hub_core::store::{StateName, StoreError};
use hub_fhir::Reference;
use tokio::sync::mpsc;

use crate::fake::*;

fn row(number: u64, order: ReplayOrder, state: ReplayState) -> ReplayRow {
    let mut sum = ReplaySum { updated: 3, ..ReplaySum::default() };
    sum.count(Came::Changed);
    sum.count(Came::HeldBack);
    let place = Place { at: 5, nth: 0 };
    ReplayRow { number, ordered_at: UPDATED, ended_at: None, state, order, place, last: 8, sum }
}

fn by_filter() -> ReplayOrder {
    let query = hub_core::store::MessageQuery { channel: Some("his/adt".into()), ..Default::default() };
    let what = ReplayWhat::Matching(query);
    ReplayOrder { what, newer: Newer::Protect, owing: Owing::Once, rate: 200 }
}

/// Replay 7 runs; there is no other.
#[async_trait]
impl ReplayDesk for Fake {
    async fn begin(&self, order: ReplayOrder) -> Result<ReplayRow, StoreError> {
        self.gate()?;
        self.replay_orders.lock().unwrap().push((order.clone(), false));
        Ok(row(7, order, ReplayState::Running))
    }

    async fn list(&self, _limit: u32) -> Result<Vec<ReplayRow>, StoreError> {
        self.gate()?;
        Ok(vec![row(7, by_filter(), ReplayState::Running)])
    }

    async fn look(&self, number: ReplayNumber) -> Result<Option<ReplayRow>, StoreError> {
        self.gate()?;
        Ok((number == 7).then(|| row(7, by_filter(), ReplayState::Running)))
    }

    async fn turn(&self, number: ReplayNumber, turn: ReplayTurn) -> Result<bool, StoreError> {
        self.gate()?;
        self.turns.lock().unwrap().push((number, turn));
        Ok(turn != ReplayTurn::Resume)
    }

    async fn foresee(
        &self,
        order: ReplayOrder,
        with_content: bool,
    ) -> Result<mpsc::Receiver<Foresight>, StoreError> {
        self.gate()?;
        self.replay_orders.lock().unwrap().push((order, with_content));
        let (told, heard) = mpsc::channel(4);
        let value = |value: &str| with_content.then(|| value.to_owned());
        let differs = Differs {
            path: "name[0].family".into(),
            old: value("Li"),
            new: value("Wang"),
            how: Differing::Changed,
        };
        let foreseen = Foreseen {
            id: MESSAGE.parse().unwrap(),
            channel: "his/adt".into(),
            state: StateName::Committed,
            came: Came::HeldBack,
            fault: Some(Fault { step: FaultStep::Map, place: None, rule: None, reason: "why".into() }),
            rule: None,
            resources: vec![ForeseenResource {
                reference: Reference::parse("Patient/1").unwrap(),
                version: 3,
                differences: vec![differs],
                older: vec!["address".into()],
            }],
            same: 2,
            parcels: vec![("his/adt/copy".into(), true)],
        };
        let elements = [("Patient.name.family".to_owned(), 1)].into();
        let sum = ForeseenSum { elements, ..ForeseenSum::default() };
        told.send(Foresight::Message(Box::new(foreseen))).await.unwrap();
        told.send(Foresight::Sum(Box::new(sum))).await.unwrap();
        Ok(heard)
    }
}
