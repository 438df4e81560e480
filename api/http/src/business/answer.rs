//! What a call is answered: the resource, the Task to follow, or an OperationOutcome that says which rule says no.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use hub_core::store::StoreError;
use hub_executor::{CommandError, Outcome};
use hub_fhir::outcome::Outcome as OperationOutcome;
use hub_fhir::validate::Issue;
use hub_fhir::{Json, Object, Reference, tree};
use hub_workflows::Refused;
use hub_workflows::fhir::system;

use crate::access::Closed;
use crate::access::seen::Touched;
use crate::business::Door;
use crate::fhir::problem::Problem;
use crate::fhir::{FHIR_JSON, texts};
use crate::language::Language;

/// Seconds after which a client looks at a Task again.
const LOOK_AGAIN_SECS: &str = "2";

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The account is disabled (ACC-10).
    Disabled,
    /// The role may not.
    Forbidden,
    /// There is nothing of this id.
    NotFound,
    /// A header is wrong.
    Header(&'static str, &'static str),
    /// The client takes no JSON.
    NotAcceptable,
    /// A parameter is there more than once.
    TooOften(&'static str),
    /// What came along does not conform.
    Issues(Vec<Issue>),
    /// A parameter that the operation does not know: the nearest that it knows, and which of them it is.
    Unknown(Option<String>, usize),
    /// As the rest of the FHIR door says it.
    Problem(Problem),
    /// A rule says no.
    Rule(Refused),
    /// The key was used for something else.
    KeyReused,
    /// The store failed.
    Store(StoreError),
    /// A fault of ours; it has been logged.
    Broken,
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::SignIn => Self::Problem(closed.into()),
            Closed::Disabled => Self::Disabled,
            Closed::Store(error) => Self::Store(error),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refused) => Self::Rule(refused),
            CommandError::KeyReused => Self::KeyReused,
            CommandError::Store(error) => Self::Store(error),
            CommandError::Unfit(what) => {
                tracing::error!(what, "A command could not be carried out.");
                Self::Broken
            }
        }
    }
}

impl Refusal {
    /// The answer, in the caller's language.
    pub(super) fn into_response(self, language: Language) -> Response {
        let problem =
            |status, code, text: String| Problem::new(status, code, text).told(language).into_response();
        match self {
            Self::Disabled => ruled(&Refused::disabled(), language),
            Self::Forbidden => ruled(&Refused::role(), language),
            Self::NotFound => ruled(&Refused::not_found(), language),
            Self::Header(name, expected) => {
                problem(StatusCode::BAD_REQUEST, "value", format!("the header `{name}` must be {expected}"))
            }
            Self::NotAcceptable => {
                problem(StatusCode::NOT_ACCEPTABLE, "not-supported", "only JSON is spoken here".to_owned())
            }
            Self::TooOften(name) => problem(
                StatusCode::BAD_REQUEST,
                "structure",
                format!("the parameter `{name}` may be there once"),
            ),
            Self::Issues(issues) => Problem { status: StatusCode::BAD_REQUEST, ..Problem::of_issues(issues) }
                .told(language)
                .into_response(),
            Self::Unknown(near, at) => {
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let text = format!("the operation does not know this parameter{hint}");
                let problem = Problem::new(StatusCode::BAD_REQUEST, "not-supported", text);
                let expression = Some(format!("Parameters.parameter[{at}].name").into());
                Problem { expression, ..problem }.told(language).into_response()
            }
            Self::Problem(problem) => problem.told(language).into_response(),
            Self::Rule(refused) => ruled(&refused, language),
            Self::KeyReused => ruled(&Refused::key_reused(), language),
            Self::Store(error) => Problem::from(error).told(language).into_response(),
            Self::Broken => Problem::broken().told(language).into_response(),
        }
    }
}

/// Where a field is, as FHIRPath: `slot`, or `patient.birthDate` of a resource that was given as a parameter.
fn place(field: &str) -> String {
    match field.split_once('.') {
        Some((parameter, path)) => format!("Parameters.parameter.where(name='{parameter}').resource.{path}"),
        None => format!("Parameters.parameter.where(name='{field}')"),
    }
}

/// A rule says no: its stable code, and its text in the caller's language.
fn ruled(refused: &Refused, language: Language) -> Response {
    let coding = tree! { "system" => system::REFUSED, "code" => refused.code };
    let text = refused.text(language);
    let expression = refused.field.as_deref().map(|field| vec![Json::from(place(field))]);
    let issue = tree! {
        "severity" => "error",
        "code" => refused.issue(),
        "details" => tree! { "coding" => [coding], "text" => text },
        "diagnostics" => refused.text(Language::English),
        "expression" => expression.unwrap_or_default(),
    };
    let outcome = tree! { "resourceType" => "OperationOutcome", "issue" => [issue] };
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    with_body(status, outcome)
}

fn with_body(status: StatusCode, tree: Object) -> Response {
    (status, [(CONTENT_TYPE, FHIR_JSON)], Json::Object(tree).to_text()).into_response()
}

/// What a command has come to.
pub(super) async fn told(
    door: &Door,
    outcome: Outcome,
    language: Language,
    base: &str,
    touched: &mut Touched,
) -> Result<Response, Refusal> {
    match outcome {
        Outcome::Done => {
            let tree = OperationOutcome::of_issues(&[])
                .explained(|code, english| texts::text(code, english, language));
            Ok(with_body(StatusCode::OK, tree.tree()))
        }
        Outcome::Parameters(parameters) => {
            let tree = tree! { "resourceType" => "Parameters", "parameter" => parameters };
            Ok(with_body(StatusCode::OK, tree))
        }
        Outcome::Resource(reference) => stored(door, &reference, StatusCode::OK, touched).await,
        Outcome::Pending { task } => {
            let mut answer = stored(door, &task, StatusCode::ACCEPTED, touched).await?;
            let address = HeaderValue::from_str(&format!("{base}/{task}")).map_err(|_| Refusal::Broken)?;
            answer.headers_mut().insert(CONTENT_LOCATION, address);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(LOOK_AGAIN_SECS));
            Ok(answer)
        }
    }
}

async fn stored(
    door: &Door,
    reference: &Reference,
    status: StatusCode,
    touched: &mut Touched,
) -> Result<Response, Refusal> {
    let stored = door.doors.resources.read(reference).await.map_err(Refusal::Store)?;
    let stored = stored.filter(|stored| !stored.deleted).ok_or(Refusal::Broken)?;
    touched.note_stored(&stored);
    let mut answer = (status, [(CONTENT_TYPE, FHIR_JSON)], stored.body).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{}\"", stored.version)) {
        answer.headers_mut().insert(ETAG, tag);
    }
    Ok(answer)
}
