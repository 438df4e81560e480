//! The contract: what is asked of a signing service, and what it tells. Files travel within as Base64; the service has them by id.

use serde::{Deserialize, Serialize};

/// What a signing service can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Make a document ready that somebody shall sign (ES03).
    SignTask,
    /// Sign it with what somebody wrote by hand (ES04).
    Submit,
    /// Tell how a task stands.
    Query,
    /// Put a seal of the hospital on a document (ES05).
    Seal,
    /// Tell whether a signed document, or a signature, holds (ES06).
    Verify,
    /// Attest that a hash was there now (ES07).
    Timestamp,
}

impl Act {
    /// Whether something is different at the service afterwards.
    pub fn changes(self) -> bool {
        matches!(self, Self::SignTask | Self::Submit | Self::Seal)
    }
}

/// Somebody, as the service checks an identity. No `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The name in full.
    #[serde(default)]
    pub name: String,
    /// The kind of paper (section 2.2): `01`, `09`.
    #[serde(default)]
    pub id_type: String,
    /// Its number.
    #[serde(default)]
    pub id_no: String,
    /// Where a code was sent to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// What the signer is to the patient, where it is another: `parent`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub relation: String,
}

/// How it was made sure that the signer is who he says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `SMS`, `FACE`.
    #[serde(default)]
    pub method: String,
    /// The number of the check with whoever did it.
    #[serde(default)]
    pub reference: String,
}

/// A parcel's body. No `Debug`: it names a patient.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Errand {
    /// What shall be done.
    pub act: Act,
    /// What is signed: `CONSENT`. With `bizId`, `version` and `signerKey` it names a task: the same is made once.
    #[serde(default)]
    pub biz_type: String,
    /// Our number of the document.
    #[serde(default)]
    pub biz_id: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Our name of the signer.
    #[serde(default)]
    pub signer_key: String,
    /// The template with its version.
    #[serde(default)]
    pub template: String,
    /// The language of the text that was shown.
    #[serde(default)]
    pub language: String,
    /// Whom the document is about.
    pub patient: Option<Signer>,
    /// Who signs; the patient where nobody is named.
    pub signer: Option<Signer>,
    /// The document, PDF, Base64 (`sign-task`, `seal`, `verify`).
    pub pdf: Option<String>,
    /// The service's number of a document, in place of `pdf` (`seal`, `verify`).
    pub file_id: Option<String>,
    /// How long it can be signed.
    pub ttl_secs: Option<u64>,
    /// The service's number of the task (`submit`, `query`).
    #[serde(default)]
    pub task_id: String,
    /// What was written by hand: PNG, Base64.
    pub handwriting: Option<String>,
    /// How it was written: the strokes as JSON, each a list of `[x, y, ms]`.
    pub strokes: Option<String>,
    /// How it was made sure who signs.
    pub identity: Option<Identity>,
    /// The signer's network address.
    pub ip: Option<String>,
    /// The signer's device.
    pub device: Option<String>,
    /// Which seal (`seal`).
    #[serde(default)]
    pub seal_code: String,
    /// An SM3 hash, hexadecimal (`timestamp`).
    #[serde(default)]
    pub hash: String,
    /// What was signed, in place of a document (`verify`): Base64.
    pub data: Option<String>,
    /// Its signature, Base64.
    pub sign_value: Option<String>,
    /// The signer's certificate, Base64 of DER.
    pub cert: Option<String>,
}

/// How a task stands.
pub mod state {
    /// It can be signed.
    pub const OPEN: &str = "OPEN";
    /// It is signed.
    pub const SIGNED: &str = "SIGNED";
    /// The signer does not want to.
    pub const REFUSED: &str = "REFUSED";
    /// Nobody has signed it in time.
    pub const EXPIRED: &str = "EXPIRED";
    /// A seal is on it.
    pub const SEALED: &str = "SEALED";
}

/// Codes of refusals that the hub acts on; others are the service's own.
pub mod code {
    /// There is no such task or file.
    pub const NOT_FOUND: &str = "1404";
    /// The service cannot now; nothing was done.
    pub const BUSY: &str = "5000";
    /// Our signature was not believed.
    pub const AUTH_SIGN: &str = "AUTH_SIGN";
}

/// What the service tells: an answer, or a notice (ES08). A refusal has a `code` and no `state`. No `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "README.md says what each is, and when it is there")]
pub struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    #[serde(alias = "status", skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub biz_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub h5_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_no: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_check: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_sn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl Told {
    /// As a message's or an answer's body.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts are JSON")
    }
}
