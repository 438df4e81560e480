//! Partners as the workflows see them: what they are asked, and what becomes of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use hub_core::commit::{Change, Commit, Parcel, Wake};
use hub_core::errands::{ErrandError, Errands, task_id};
use hub_core::id::{ChannelId, CorrelationId, DestinationId, MessageId, ParcelId};
use hub_fhir::{Json, Object, Resource, ResourceType, json, tree};
use hub_workflows::fhir::{self, system};
use time::OffsetDateTime;

/// The destinations of errands.
pub const PARTNERS: [&str; 4] =
    ["his/errands/his", "bank/errands/bank", "sms/notices/sms", "wechat/notices/wechat"];

/// The destination of errands to the signing service, which no booking asks.
pub const SIGNING: &str = "esign/errands/esign";

/// What a partner is asked.
pub struct Asked {
    pub transaction: String,
    pub act: String,
    pub inputs: BTreeMap<String, String>,
}

/// What a partner answers: done, with these outputs; or refused, by this code.
#[derive(Clone)]
pub struct Answer(Vec<(String, String)>, Option<String>);

impl Answer {
    pub fn done(outputs: &[(&str, &str)]) -> Self {
        Self(outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), None)
    }

    pub fn refused(code: &str) -> Self {
        Self(Vec::new(), Some(code.to_owned()))
    }

    /// Refused, and something is told all the same.
    pub fn refused_with(code: &str, outputs: &[(&str, &str)]) -> Self {
        Self(Self::done(outputs).0, Some(code.to_owned()))
    }

    /// What a channel's mapping makes of it.
    pub fn commit(&self, number: &CorrelationId, now: OffsetDateTime) -> Commit {
        let output = |(name, value): &(String, String)| {
            tree! { "type" => tree! { "text" => name }, "valueString" => value }
        };
        let outputs: Vec<Object> = self.0.iter().filter(|(_, value)| !value.is_empty()).map(output).collect();
        let mut tree = match &self.1 {
            None => tree! { "status" => "completed", "intent" => "order" },
            Some(code) => failed(code),
        };
        tree.put("output", outputs);
        told(number, tree, now)
    }
}

/// A task that has come to nothing.
pub fn failed(code: &str) -> Object {
    tree! { "status" => "failed", "intent" => "order", "statusReason" => fhir::concept("urn:impf:cs:delivery", code) }
}

/// The task with this number stands so now.
pub fn told(number: &CorrelationId, tree: Object, now: OffsetDateTime) -> Commit {
    let resource = Resource::new(ResourceType::from_name("Task").unwrap(), task_id(&number.0), tree);
    let wake = Wake { at: now, event: "task.answered".into(), subject: resource.reference() };
    let merge = Change::Merge { resource, clear: Vec::new(), initial: Vec::new() };
    Commit { changes: vec![merge], wakes: vec![wake], ..Commit::default() }
}

/// Makes a parcel of each task, as a channel does.
pub struct Channels;

impl Errands for Channels {
    fn parcels(
        &self,
        channel: &ChannelId,
        number: &CorrelationId,
        task: &Resource,
    ) -> Result<Vec<Parcel>, ErrandError> {
        let partner = channel.as_str().split('/').next().unwrap();
        let to = DestinationId::from(format!("{channel}/{partner}"));
        let message = MessageId(task.id().as_str().parse().unwrap());
        let focus = task.tree().get("focus").and_then(|focus| focus.get("reference")).and_then(Json::as_str);
        Ok(vec![Parcel {
            id: ParcelId::of(message, &to, 0),
            to,
            body: Bytes::from(Json::Object(task.tree().clone()).to_text()),
            content_type: "application/fhir+json".into(),
            correlation: number.clone(),
            order_key: focus.map(Into::into),
        }])
    }

    fn owed(&self, _to: &[DestinationId]) {}
}

/// What a parcel asks.
pub fn asked(parcel: &Parcel) -> Asked {
    let Json::Object(task) = json::parse(std::str::from_utf8(&parcel.body).unwrap()).unwrap() else {
        panic!()
    };
    let inputs = task.get("input").map(Json::items).unwrap_or_default().iter().map(|input| {
        let name = fhir::code(input.get("type"), system::VALUE).unwrap().to_owned();
        (name, input.get("valueString").and_then(Json::as_str).unwrap().to_owned())
    });
    Asked {
        transaction: parcel.id.to_string(),
        act: fhir::code(task.get("code"), system::ACT).unwrap().to_owned(),
        inputs: inputs.collect(),
    }
}
