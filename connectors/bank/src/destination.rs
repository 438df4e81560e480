//! The destination `bank`: puts errands to a bank in its dialect, and hands back what it signed.

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, DestinationKind, Secrets};
use hub_transport::http_client::{HttpClient, HttpFailure};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::account::{Account, wrong};
use crate::dialect::{Dialect, Step, never};
use crate::neutral::{Act, Errand, Told, code, order};

/// The destination `bank`.
pub struct Bank;

/// The settings of the destination `bank`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankDestinationConfig {
    /// The account with the bank.
    pub account: Account,
    /// How many errands may be under way at once.
    #[serde(default = "eight")]
    pub connections: usize,
}

fn eight() -> usize {
    8
}

impl DestinationKind for Bank {
    const TYPE: &'static str = "bank";
    const FORMAT: Option<&'static str> = Some("json");
    type Config = BankDestinationConfig;

    fn build(
        config: BankDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        if config.connections == 0 {
            return Err(wrong("connections", "`connections` is 0: expected 1 or more"));
        }
        Ok(Box::new(Counter {
            client: config.account.client(secrets)?,
            dialect: config.account.dialect(secrets)?,
            connections: config.connections,
        }))
    }
}

/// Where errands are put to the bank.
struct Counter {
    client: HttpClient,
    dialect: Box<dyn Dialect>,
    connections: usize,
}

impl Counter {
    async fn put(&self, errand: &Errand) -> Result<Told, DeliveryError> {
        let now = OffsetDateTime::now_utc();
        let call = match self.dialect.ask(errand, now).map_err(|unfit| never(unfit.to_string()))? {
            Step::Told(told) => return Ok(*told),
            Step::Call(call) => call,
        };
        let told = match call.send(&self.client).await {
            Ok(answer) => self.dialect.told(errand, &answer, OffsetDateTime::now_utc()),
            Err(failure) => Err(failed(&failure)),
        };
        told.map_err(|error| match error {
            // A question changes nothing: it may be asked again at once.
            DeliveryError::InDoubt { reason } if !errand.act.changes() => {
                DeliveryError::Later { reason, after: None }
            }
            error => error,
        })
    }
}

fn failed(failure: &HttpFailure) -> DeliveryError {
    let reason = failure.to_string();
    match failure {
        HttpFailure::NotSent { .. } => DeliveryError::Later { reason, after: None },
        HttpFailure::InDoubt { .. } | HttpFailure::Unreadable { .. } => DeliveryError::InDoubt { reason },
        HttpFailure::Unsendable { .. } => DeliveryError::Never { reason },
    }
}

fn errand(parcel: &Parcel) -> Result<Errand, DeliveryError> {
    serde_json::from_slice(&parcel.body).map_err(|error| {
        never(format!("the parcel is no errand to a bank (line {}, column {})", error.line(), error.column()))
    })
}

fn delivered(told: &Told) -> Delivered {
    Delivered { answer: Some(Bytes::from(told.bytes())) }
}

#[async_trait]
impl Destination for Counter {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        Ok(delivered(&self.put(&errand(parcel)?).await?))
    }

    async fn ask(&self, parcel: &Parcel) -> Result<Asked, DeliveryError> {
        let errand = errand(parcel)?;
        let told = self.put(&errand.question()).await?;
        let is_open = matches!(told.state.as_deref(), Some(order::CREATED | order::PAYING));
        let is_safe_to_send = match errand.act {
            Act::Create => {
                told.code.as_deref() == Some(code::ORDER_NOT_EXIST) || (is_open && self.dialect.opens_again())
            }
            Act::Close => is_open,
            Act::Refund => told.code.as_deref() == Some(code::RESOURCE_NOT_EXISTS),
            Act::Query | Act::QueryRefund => false,
        };
        if is_safe_to_send {
            return Ok(Asked::NotArrived);
        }
        let told = Told { act: Told::to(&errand).act, ..told };
        Ok(Asked::Arrived(delivered(&told)))
    }

    /// Any answer proves that the bank is there: what it says to a request without a signature is its own affair.
    async fn check(&self) -> Result<(), DeliveryError> {
        match self.client.at("/").send("GET", Bytes::new(), "application/json", &[]).await {
            Ok(_) | Err(HttpFailure::Unreadable { .. }) => Ok(()),
            Err(failure) => Err(DeliveryError::Later { reason: failure.to_string(), after: None }),
        }
    }

    fn parallel(&self) -> usize {
        self.connections
    }
}
