//! The destination `esign`: puts errands to a signing service, brings documents there and back, and hands on what it signed.

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, DestinationKind, Secrets};
use serde::Deserialize;
use serde_json::json;

use crate::account::{Account, wrong};
use crate::neutral::{Act, Errand, Told, code, state};
use crate::service::{Service, again, escaped, never};

/// How long a document can be signed where nothing is said.
const USUAL_TTL_SECS: u64 = 1800;

/// The destination `esign`.
pub struct Esign;

/// The settings of the destination `esign`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EsignDestinationConfig {
    /// The account with the service.
    pub account: Account,
    /// How many errands may be under way at once.
    #[serde(default = "four")]
    pub connections: usize,
}

fn four() -> usize {
    4
}

impl DestinationKind for Esign {
    const TYPE: &'static str = "esign";
    const FORMAT: Option<&'static str> = Some("json");
    type Config = EsignDestinationConfig;

    fn build(
        config: EsignDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        if config.connections == 0 {
            return Err(wrong("connections", "`connections` is 0: expected 1 or more"));
        }
        let service = config.account.service(secrets)?;
        Ok(Box::new(Desk { service, connections: config.connections }))
    }
}

/// Where errands are put to the service.
struct Desk {
    service: Service,
    connections: usize,
}

impl Desk {
    async fn put(&self, errand: &Errand) -> Result<Told, DeliveryError> {
        let told = match errand.act {
            Act::SignTask => self.sign_task(errand).await,
            Act::Submit => self.submit(errand).await,
            Act::Query => self.query(errand).await,
            Act::Seal => self.seal(errand).await,
            Act::Verify => self.verify(errand).await,
            Act::Timestamp => self.service.operation("ES07", &json!({ "hash": errand.hash })).await,
        };
        // A question changes nothing: it may be asked again at once.
        let told = if errand.act.changes() { told? } else { told.map_err(again)? };
        let act = serde_json::to_value(errand.act).ok().and_then(|act| act.as_str().map(str::to_owned));
        Ok(Told { act, ..told })
    }

    /// ES03. The service makes one task of the same names, however often it is asked.
    async fn sign_task(&self, errand: &Errand) -> Result<Told, DeliveryError> {
        let patient = errand.patient.as_ref().ok_or_else(|| never("a task needs a `patient`"))?;
        let file = match self.file(errand).await? {
            Ok(file) => file,
            Err(refused) => return Ok(refused),
        };
        let fields = json!({
            "bizType": errand.biz_type, "bizId": errand.biz_id, "version": errand.version,
            "signerKey": errand.signer_key, "templateCode": errand.template, "language": errand.language,
            "patient": patient, "signer": errand.signer.as_ref().unwrap_or(patient),
            "docPdfFileId": file, "ttlSecs": errand.ttl_secs.unwrap_or(USUAL_TTL_SECS),
        });
        self.service.operation("ES03", &fields).await
    }

    /// ES04, and the signed document is fetched.
    async fn submit(&self, errand: &Errand) -> Result<Told, DeliveryError> {
        let fields = json!({
            "taskId": errand.task_id, "handwriting": errand.handwriting, "strokes": errand.strokes,
            "identity": errand.identity, "ip": errand.ip, "device": errand.device,
        });
        let told = self.service.operation("ES04", &fields).await?;
        // It is signed: that the document does not come makes it a doubt, which a question ends.
        self.with_document(told).await.map_err(|error| match error {
            DeliveryError::Later { reason, .. } => DeliveryError::InDoubt { reason },
            error => error,
        })
    }

    async fn query(&self, errand: &Errand) -> Result<Told, DeliveryError> {
        let told = if errand.task_id.is_empty() {
            let names = [
                ("bizType", &errand.biz_type),
                ("bizId", &errand.biz_id),
                ("version", &errand.version),
                ("signerKey", &errand.signer_key),
            ];
            let pairs = names.map(|(name, value)| format!("{name}={}", escaped(value)));
            self.service.question(&format!("/tasks?{}", pairs.join("&"))).await?
        } else {
            self.service.question(&format!("/tasks/{}", escaped(&errand.task_id))).await?
        };
        self.with_document(told).await
    }

    /// ES05.
    async fn seal(&self, errand: &Errand) -> Result<Told, DeliveryError> {
        let file = match self.file(errand).await? {
            Ok(file) => file,
            Err(refused) => return Ok(refused),
        };
        let fields = json!({ "fileId": file, "sealCode": errand.seal_code });
        let told = self.service.operation("ES05", &fields).await?;
        self.with_document(told).await
    }

    /// ES06.
    async fn verify(&self, errand: &Errand) -> Result<Told, DeliveryError> {
        let fields = if errand.sign_value.is_some() {
            json!({ "data": errand.data, "signValue": errand.sign_value, "cert": errand.cert })
        } else {
            match self.file(errand).await? {
                Ok(file) => json!({ "fileId": file }),
                Err(refused) => return Ok(refused),
            }
        };
        self.service.operation("ES06", &fields).await
    }

    /// The number of the errand's document, which is handed over where it has none.
    async fn file(&self, errand: &Errand) -> Result<Result<String, Told>, DeliveryError> {
        match (&errand.file_id, &errand.pdf) {
            (Some(id), _) => Ok(Ok(id.clone())),
            (None, Some(pdf)) => self.service.hand_over(pdf).await,
            (None, None) => Err(never("the errand has neither `pdf` nor `fileId`")),
        }
    }

    /// What is signed or sealed is told with the document.
    async fn with_document(&self, mut told: Told) -> Result<Told, DeliveryError> {
        let is_done = matches!(told.state.as_deref(), Some(state::SIGNED | state::SEALED));
        if let (true, Some(id)) = (is_done, &told.file_id) {
            told.pdf = Some(self.service.fetch(id, told.file_hash.as_deref()).await?);
        }
        Ok(told)
    }
}

fn errand(parcel: &Parcel) -> Result<Errand, DeliveryError> {
    serde_json::from_slice(&parcel.body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        never(format!("the parcel is no errand to a signing service ({place})"))
    })
}

fn delivered(told: &Told) -> Delivered {
    Delivered { answer: Some(Bytes::from(told.bytes())) }
}

#[async_trait]
impl Destination for Desk {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        Ok(delivered(&self.put(&errand(parcel)?).await?))
    }

    async fn ask(&self, parcel: &Parcel) -> Result<Asked, DeliveryError> {
        let errand = errand(parcel)?;
        if !matches!(errand.act, Act::SignTask | Act::Submit) {
            // A seal on the same document is the same seal, and a question asks again.
            return Ok(Asked::NotArrived);
        }
        let told = self.query(&errand).await.map_err(again)?;
        let arrived = match (errand.act, told.state.as_deref()) {
            (Act::SignTask, _) => told.code.as_deref() != Some(code::NOT_FOUND),
            (_, standing) => standing != Some(state::OPEN),
        };
        if !arrived {
            return Ok(Asked::NotArrived);
        }
        let act = if errand.act == Act::SignTask { "sign-task" } else { "submit" };
        Ok(Asked::Arrived(delivered(&Told { act: Some(act.to_owned()), ..told })))
    }

    /// Any answer proves that the service is there: what it says to a request without a signature is its own affair.
    async fn check(&self) -> Result<(), DeliveryError> {
        use hub_transport::http_client::HttpFailure;
        match self.service.client.at("/").send("GET", Bytes::new(), "application/json", &[]).await {
            Ok(_) | Err(HttpFailure::Unreadable { .. }) => Ok(()),
            Err(failure) => Err(DeliveryError::Later { reason: failure.to_string(), after: None }),
        }
    }

    fn parallel(&self) -> usize {
        self.connections
    }
}
