//! Operations (R4B §3.2): what is more than reading, searching and writing.

use axum::http::StatusCode;
use compact_str::{CompactString, format_compact};
use hub_directory::definition_url;
use hub_fhir::outcome::Outcome;
use hub_fhir::params::{self, ParamKind, supported};
use hub_fhir::search::{self, Search};
use hub_fhir::{Id, Json, Object, Reference, ResourceType, compartments};

use crate::fhir::address::resource_type;
use crate::fhir::export::{self, Export};
use crate::fhir::find;
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::search::run;
use crate::fhir::terminology::{self, Terminology};
use crate::fhir::write::conform::issues;
use crate::fhir::{Fhir, Question, body, texts};

/// Where R4B defines operations.
const DEFINITIONS: &str = "http://hl7.org/fhir/OperationDefinition/";

/// An operation that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `POST /Patient/$validate`, `POST` or `GET /Patient/1/$validate`
    Validate(ResourceType, Option<Id>),
    /// `GET` or `POST /Patient/1/$everything`, and the same of an Encounter.
    Everything(Reference),
    /// All there is, as files.
    Export(Export),
    /// `GET` or `POST /PractitionerRole/$find`: doctors, while somebody types.
    Find,
    /// What value sets, code systems and concept maps say of codes.
    Terms(Terminology),
}

impl Operation {
    /// Its name in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Validate(..) => "validate",
            Self::Everything(_) => "everything",
            Self::Export(_) => "export",
            Self::Find => "find",
            Self::Terms(asked) => asked.name(),
        }
    }
}

/// The operations of a type: name and definition.
pub(crate) fn of(kind: ResourceType) -> impl Iterator<Item = (&'static str, CompactString)> {
    let everything = matches!(kind.name(), "Patient" | "Encounter").then_some("everything");
    let own = everything.into_iter().chain(terminology::names(kind).iter().copied());
    let own = own.map(move |name| (name, format_compact!("{DEFINITIONS}{kind}-{name}")));
    let find = (kind.name() == "PractitionerRole").then(|| ("find", definition_url().into()));
    let own = own.chain(find);
    let export = export::definition(Some(kind)).map(|definition| ("export", definition.into()));
    [("validate", format_compact!("{DEFINITIONS}Resource-validate"))].into_iter().chain(own).chain(export)
}

/// Carries an operation out.
pub(crate) async fn perform(
    fhir: &Fhir,
    question: &Question,
    operation: Operation,
) -> Result<Reply, Problem> {
    match operation {
        Operation::Validate(kind, id) => validate(fhir, question, kind, id).await,
        Operation::Everything(focus) => everything(fhir, question, &focus).await,
        Operation::Export(asked) => export::perform(fhir, question, asked).await,
        Operation::Find => find::find(fhir, question),
        Operation::Terms(asked) => terminology::perform(fhir, question, asked).await,
    }
}

/// What a client gives an operation: in the query, and as a resource `Parameters` (R4B §3.2.0.4).
#[derive(Default)]
pub(crate) struct Given {
    pairs: Vec<(String, String)>,
    objects: Vec<(String, Object)>,
    /// The resource that was sent along.
    pub resource: Option<Object>,
}

impl Given {
    /// Reads both. A body of another type is the resource that the operation is about. `objects`: what may have a value that is not
    /// primitive.
    pub(crate) fn read(question: &Question, objects: &[&str]) -> Result<Self, Problem> {
        let mut given = Self { pairs: question.pairs.clone(), ..Self::default() };
        if question.body.is_empty() {
            return Ok(given);
        }
        let Json::Object(mut tree) = body::json(&question.headers, &question.body)? else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", "a resource must be a JSON object"));
        };
        if tree.get("resourceType").and_then(Json::as_str) != Some("Parameters") {
            given.resource = Some(tree);
            return Ok(given);
        }
        let parameters = tree.remove("parameter").map(|given| given.items().to_vec()).unwrap_or_default();
        for parameter in parameters {
            let Json::Object(mut parameter) = parameter else { continue };
            let name = parameter.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
            if let Some(Json::Object(resource)) = parameter.remove("resource") {
                given.resource = Some(resource);
                continue;
            }
            let value = parameter.into_iter().find(|(name, _)| name.starts_with("value"));
            match value.map(|(_, value)| value) {
                Some(Json::String(value)) => given.pairs.push((name, value.to_string())),
                Some(Json::Number(value)) => given.pairs.push((name, value.to_string())),
                Some(Json::Bool(value)) => given.pairs.push((name, value.to_string())),
                Some(Json::Object(value)) if objects.contains(&name.as_str()) => {
                    given.objects.push((name, value));
                }
                _ => {
                    let text = format!("the parameter `{}` must have a primitive value", shown(&name));
                    return Err(Problem::new(StatusCode::BAD_REQUEST, "value", text));
                }
            }
        }
        Ok(given)
    }

    /// Refuses what the operation does not know, wherever it was given; a lenient client has it left out.
    pub(crate) fn refuse_others(&self, question: &Question, known: &[&str]) -> Result<(), Problem> {
        if question.wants.lenient {
            return Ok(());
        }
        let mut names =
            self.pairs.iter().map(|(name, _)| name).chain(self.objects.iter().map(|(name, _)| name));
        let Some(name) = names.find(|name| !known.contains(&name.as_str())) else {
            return Ok(());
        };
        let text = format!("the parameter `{}` is not known here", shown(name));
        Err(Problem::bad_parameter(&shown(name), text))
    }

    /// The value of a parameter.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of a parameter.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that has members: a Coding, for one.
    pub(crate) fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|(given, _)| given == name).map(|(_, value)| value)
    }
}

/// Clients may send anything, of any length.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_alphanumeric() || "_-".contains(*letter)).take(64).collect()
}

/// Says of a resource all that is wrong with it; nothing is written. The answer is 200 with an OperationOutcome, whatever it says.
async fn validate(
    fhir: &Fhir,
    question: &Question,
    kind: ResourceType,
    id: Option<Id>,
) -> Result<Reply, Problem> {
    refuse_parameters(question, &["mode", "profile"])?;
    let given = Given::read(question, &[])?;
    let mode = given.value("mode").unwrap_or("profile").to_owned();
    if !matches!(mode.as_str(), "create" | "update" | "delete" | "profile") {
        return Err(Problem::bad_parameter(
            "mode",
            "`mode` must be `create`, `update`, `delete` or `profile`",
        ));
    }
    let own = format!("http://hl7.org/fhir/StructureDefinition/{kind}");
    if given.value("profile").is_some_and(|profile| profile.split('|').next() != Some(own.as_str())) {
        let text = format!("only the definition of R4B itself is known as a `profile`: `{own}`");
        let problem = Problem::bad_parameter("profile", text);
        return Err(Problem { code: "not-supported", ..problem });
    }
    let stored = match id.clone() {
        Some(id) => fhir.resources.read(&Reference { kind, id }).await?.filter(|stored| !stored.deleted),
        None => None,
    };
    let required =
        || Problem::new(StatusCode::BAD_REQUEST, "required", "the body is empty; expected a resource");
    let missing = || if id.is_some() { Problem::not_found("there is no such resource") } else { required() };
    let found = match (mode.as_str(), given.resource, stored) {
        ("delete", _, stored) => stored.map(|_| Vec::new()).ok_or_else(missing)?,
        (_, Some(tree), _) => {
            let mut tree = body::of_kind(kind, Json::Object(tree))?;
            if mode == "update" && tree.get("id").and_then(Json::as_str) != id.as_ref().map(Id::as_str) {
                let text = "the `id` of the resource is not the one of the address";
                return Err(Problem::new(StatusCode::BAD_REQUEST, "value", text));
            }
            issues(fhir, &question.base, kind, &mut tree).await?
        }
        (_, None, Some(stored)) => {
            let mut tree = body::of_kind(kind, body::tree(&stored.body)?)?;
            issues(fhir, &question.base, kind, &mut tree).await?
        }
        (_, None, None) => return Err(missing()),
    };
    let language = question.wants.language;
    let outcome = Outcome::of_issues(&found).explained(|code, english| texts::text(code, english, language));
    Ok(Reply::fresh(outcome.text().into()))
}

/// All that is in the compartment of a patient or an encounter, and what that points at, in pages.
async fn everything(fhir: &Fhir, question: &Question, focus: &Reference) -> Result<Reply, Problem> {
    const KNOWN: [&str; 6] = ["start", "end", "_since", "_type", "_count", "_cursor"];
    refuse_parameters(question, &KNOWN)?;
    let given = Given::read(question, &[])?;
    given.refuse_others(question, &KNOWN)?;
    let found = fhir.resources.read(focus).await?;
    if found.is_none_or(|stored| stored.deleted) {
        return Err(Problem::not_found("there is no such resource"));
    }
    let mut kinds = compartments::types_in(focus.kind);
    if let Some(types) = given.value("_type") {
        let named = types.split(',').map(resource_type).collect::<Result<Vec<_>, _>>();
        let named = named.map_err(|problem| Problem { status: StatusCode::BAD_REQUEST, ..problem })?;
        kinds.retain(|kind| named.contains(kind));
    }
    let mut searches = Vec::with_capacity(kinds.len());
    for kind in kinds {
        searches.extend(searched(&given, focus, kind, &question.base)?);
    }
    run(fhir, question, &format!("{focus}/$everything"), &searches, given.pairs, &[]).await
}

/// The search of one type of the compartment; by their ids, so that no page loses or repeats what changes meanwhile.
fn searched(
    given: &Given,
    focus: &Reference,
    kind: ResourceType,
    base: &str,
) -> Result<Option<Search>, Problem> {
    let mut pairs = vec![("_sort".to_owned(), "_id".to_owned()), ("_include".to_owned(), "*".to_owned())];
    let has_date =
        params::find(kind, "date").is_some_and(|date| date.kind == ParamKind::Date && supported(date));
    for (name, value) in &given.pairs {
        let (name, prefix) = match name.as_str() {
            // What happened at no time is not left out.
            "start" if has_date => ("date", "ge"),
            "end" if has_date => ("date", "le"),
            "_since" => ("_lastUpdated", "ge"),
            "_count" | "_cursor" => (name.as_str(), ""),
            _ => continue,
        };
        pairs.push((name.to_owned(), format!("{prefix}{value}")));
    }
    let mut search = search::parse_at(kind, &pairs, Some(base))?;
    let Some(within) = compartments::filter(focus, kind) else { return Ok(None) };
    search.filters.push(within);
    Ok(Some(search))
}
