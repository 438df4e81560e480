//! The operations of a terminology service (R4B §4.7) on the value sets, code systems and concept maps of this server: `$expand`,
//! `$validate-code`, `$lookup`, `$subsumes` and `$translate`.

use axum::http::StatusCode;
use hub_fhir::expand::{Coded, ExpandError, Terms};
use hub_fhir::terminology::{Line, Translation, translate, words};
use hub_fhir::{Id, Json, Object, ResourceType};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::fhir::operations::Given;
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::terms::{find, until};
use crate::fhir::{Fhir, Question};

/// Under this name the terms hold what a client has sent along.
const SENT: &str = "urn:sent";

/// An operation, with the resource it is asked of where the address names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Terminology {
    /// `ValueSet/$expand`
    Expand(Option<Id>),
    /// `ValueSet/$validate-code`
    IsInSet(Option<Id>),
    /// `CodeSystem/$validate-code`
    IsInSystem(Option<Id>),
    /// `CodeSystem/$lookup`
    Lookup,
    /// `CodeSystem/$subsumes`
    Subsumes(Option<Id>),
    /// `ConceptMap/$translate`
    Translate(Option<Id>),
}

/// The operations of a type.
pub(crate) fn names(kind: ResourceType) -> &'static [&'static str] {
    match kind.name() {
        "ValueSet" => &["expand", "validate-code"],
        "CodeSystem" => &["lookup", "subsumes", "validate-code"],
        "ConceptMap" => &["translate"],
        _ => &[],
    }
}

impl Terminology {
    /// The operation of this name, `$expand`, of a type or of one resource of it.
    pub(crate) fn of(kind: &str, id: Option<Id>, name: &str) -> Option<Self> {
        Some(match (kind, name) {
            ("ValueSet", "$expand") => Self::Expand(id),
            ("ValueSet", "$validate-code") => Self::IsInSet(id),
            ("CodeSystem", "$validate-code") => Self::IsInSystem(id),
            ("CodeSystem", "$lookup") if id.is_none() => Self::Lookup,
            ("CodeSystem", "$subsumes") => Self::Subsumes(id),
            ("ConceptMap", "$translate") => Self::Translate(id),
            _ => return None,
        })
    }

    /// Its name in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Expand(_) => "expand",
            Self::IsInSet(_) | Self::IsInSystem(_) => "validate-code",
            Self::Lookup => "lookup",
            Self::Subsumes(_) => "subsumes",
            Self::Translate(_) => "translate",
        }
    }

    fn parameters(&self) -> &'static [&'static str] {
        match self {
            Self::Expand(_) => {
                &["url", "valueSet", "valueSetVersion", "filter", "offset", "count", "displayLanguage"]
            }
            Self::IsInSet(_) => &[
                "url",
                "valueSet",
                "valueSetVersion",
                "code",
                "system",
                "systemVersion",
                "display",
                "coding",
                "codeableConcept",
                "displayLanguage",
            ],
            Self::IsInSystem(_) => {
                &["url", "version", "code", "display", "coding", "codeableConcept", "displayLanguage"]
            }
            Self::Lookup => &["code", "system", "version", "coding", "displayLanguage", "property"],
            Self::Subsumes(_) => &["codeA", "codeB", "system", "version", "codingA", "codingB"],
            Self::Translate(_) => {
                &["url", "conceptMapVersion", "code", "system", "coding", "codeableConcept", "targetsystem"]
            }
        }
    }
}

/// Carries one out.
pub(crate) async fn perform(fhir: &Fhir, question: &Question, asked: Terminology) -> Result<Reply, Problem> {
    let known = asked.parameters();
    refuse_parameters(question, known)?;
    let given = Given::read(question, &["coding", "codeableConcept", "codingA", "codingB"])?;
    given.refuse_others(question, known)?;
    let mut terms = Terms::default();
    let task = Task { fhir, question, given };
    let answer = match asked {
        Terminology::Expand(id) => task.expand(&mut terms, id).await?,
        Terminology::IsInSet(id) => task.is_in_set(&mut terms, id).await?,
        Terminology::IsInSystem(id) => task.is_in_system(&mut terms, id).await?,
        Terminology::Lookup => task.look_up(&mut terms).await?,
        Terminology::Subsumes(id) => task.subsumes(&mut terms, id).await?,
        Terminology::Translate(id) => task.translate(id).await?,
    };
    Ok(Reply::fresh(Json::Object(answer).to_text().into()))
}

struct Task<'q> {
    fhir: &'q Fhir,
    question: &'q Question,
    given: Given,
}

impl Task<'_> {
    /// In which language words are wanted.
    fn language(&self) -> &str {
        self.given.value("displayLanguage").unwrap_or(self.question.wants.language.tag())
    }

    /// The URL of what is asked of: the resource of the address, one sent along, or the one that is named.
    fn url(&self, kind: &str, id: Option<Id>, version: &str) -> Result<String, Problem> {
        if let Some(id) = id {
            return Ok(format!("{kind}/{id}"));
        }
        let Some(url) = self.given.value("url") else {
            let text = "expected the `url` of what is asked of, or the address of one resource";
            return Err(Problem::bad_parameter("url", text));
        };
        let url = url.strip_prefix(&self.question.base).map_or(url, |rest| rest.trim_start_matches('/'));
        Ok(match self.given.value(version) {
            Some(version) if !url.contains('|') => format!("{url}|{version}"),
            _ => url.to_owned(),
        })
    }

    /// The value set that is asked of; one that was sent along is put among the terms.
    fn set(&self, terms: &mut Terms, id: Option<Id>) -> Result<String, Problem> {
        let Some(sent) = self.given.resource.clone().filter(|_| id.is_none()) else {
            return self.url("ValueSet", id, "valueSetVersion");
        };
        if sent.get("resourceType").and_then(Json::as_str) != Some("ValueSet") {
            return Err(Problem::bad_parameter("valueSet", "expected a ValueSet"));
        }
        terms.value_sets.insert(SENT.to_owned(), sent);
        Ok(SENT.to_owned())
    }

    /// The codes that are asked about, at least one: of `code` and `system`, of a Coding or of each one of a CodeableConcept.
    fn codes(&self, system: Option<&str>) -> Result<Vec<(Coded, Option<String>)>, Problem> {
        let of_coding = |coding: &Object| {
            let text = |name| coding.get(name).and_then(Json::as_str);
            let system = text("system").or(system).unwrap_or_default();
            Some(((system.into(), text("code")?.into()), text("display").map(str::to_owned)))
        };
        let concept = self.given.object("codeableConcept");
        let found: Vec<_> = match (concept, self.given.object("coding"), self.given.value("code")) {
            (Some(concept), ..) => {
                let codings = concept.get("coding").map(Json::items).unwrap_or_default();
                codings.iter().filter_map(|coding| of_coding(coding.as_object()?)).collect()
            }
            (None, Some(coding), _) => of_coding(coding).into_iter().collect(),
            (None, None, Some(code)) => {
                let system = self.given.value("system").or(system).unwrap_or_default();
                vec![((system.into(), code.into()), self.given.value("display").map(str::to_owned))]
            }
            (None, None, None) => Vec::new(),
        };
        if found.is_empty() {
            let text = "expected a `code` and its `system`, or a `coding`";
            return Err(Problem::bad_parameter("code", text));
        }
        Ok(found)
    }

    async fn expand(&self, terms: &mut Terms, id: Option<Id>) -> Result<Object, Problem> {
        let number = |name: &'static str| {
            let wrong = || Problem::bad_parameter(name, format!("`{name}` must be a whole number from 0"));
            self.given.value(name).map(|value| value.parse::<usize>().map_err(|_| wrong())).transpose()
        };
        let (offset, count) = (number("offset")?, number("count")?);
        let url = self.set(terms, id)?;
        let lines = self.lines(terms, &url).await?;
        let meant: Vec<Line> = match self.given.value("filter") {
            Some(filter) => lines.into_iter().filter(|line| line.is_meant_by(filter)).collect(),
            None => lines,
        };
        let mut set = Object::new();
        set.set("resourceType", "ValueSet");
        if let Some(known) = terms.value_sets.get(&url) {
            for name in ["url", "version", "name", "title", "status"] {
                if let Some(value) = known.get(name) {
                    set.set(name, value.clone());
                }
            }
        } else {
            set.set("url", url.as_str());
        }
        if set.get("status").is_none() {
            set.set("status", "active");
        }
        let mut expansion = Object::new();
        expansion.set("identifier", format!("urn:uuid:{}", Uuid::new_v4()).as_str());
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        expansion.set("timestamp", now.format(&Rfc3339).map_err(|_| Problem::broken())?.as_str());
        expansion.set("total", whole(meant.len()));
        if offset.is_some() || count.is_some() {
            expansion.set("offset", whole(offset.unwrap_or(0)));
        }
        let texts = [("filter", self.given.value("filter")), ("displayLanguage", Some(self.language()))];
        let of_texts = texts.into_iter().filter_map(|(name, value)| {
            Some(parameter(name, if name == "filter" { "valueString" } else { "valueCode" }, value?))
        });
        let of_numbers = [("offset", offset), ("count", count)].into_iter().filter_map(|(name, value)| {
            let mut one = Object::new();
            one.set("name", name);
            one.set("valueInteger", whole(value?));
            Some(Json::Object(one))
        });
        expansion.set("parameter", of_texts.chain(of_numbers).collect::<Vec<Json>>());
        let page = meant.iter().skip(offset.unwrap_or(0)).take(count.unwrap_or(usize::MAX));
        let contains: Vec<Json> = page.map(|line| Json::Object(coding(line))).collect();
        if !contains.is_empty() {
            expansion.set("contains", contains);
        }
        set.set("expansion", expansion);
        Ok(set)
    }

    /// The expansion with words: what is needed for them is read where it is there.
    async fn lines(&self, terms: &mut Terms, url: &str) -> Result<Vec<Line>, Problem> {
        let systems = until(self.fhir, terms, |terms| terms.systems_without_words(url)).await?;
        for system in systems {
            if let Some(found) = find(self.fhir, kind("CodeSystem")?, &system).await? {
                terms.code_systems.insert(system.to_string(), found);
            }
        }
        until(self.fhir, terms, |terms| terms.lines(url, Some(self.language()))).await
    }

    async fn is_in_set(&self, terms: &mut Terms, id: Option<Id>) -> Result<Object, Problem> {
        let url = self.set(terms, id)?;
        let codes = self.codes(None)?;
        let lines = self.lines(terms, &url).await?;
        let is_same = |line: &&Line, (system, code): &Coded| {
            line.code == *code && (system.is_empty() || line.system == *system)
        };
        let found = codes.iter().find_map(|(coded, display)| {
            let mut same = lines.iter().filter(|line| is_same(line, coded));
            let first = same.next()?;
            // A code without its system says which one is meant only where there is no other.
            same.next().is_none().then_some((first, display))
        });
        Ok(judged(found.map(|(line, display)| (line.clone(), display.as_deref())), "the value set"))
    }

    async fn is_in_system(&self, terms: &mut Terms, id: Option<Id>) -> Result<Object, Problem> {
        let named = match (&id, self.given.value("url"), self.given.object("coding")) {
            (None, None, Some(coding)) => coding.get("system").and_then(Json::as_str).map(str::to_owned),
            _ => None,
        };
        let url = match named {
            Some(named) => named,
            None => self.url("CodeSystem", id, "version")?,
        };
        let mut found = None;
        for (coded, display) in self.codes(Some(&url))? {
            let line = until(self.fhir, terms, |terms| {
                let (system, concept) = terms.look_up(&url, &coded.1)?;
                let own = system.get("url").and_then(Json::as_str).unwrap_or_default();
                let is_of_it = coded.0 == own || coded.0 == url;
                let line = |concept| Line {
                    system: own.into(),
                    code: coded.1.clone(),
                    display: words(&[Some(concept)], Some(self.language())),
                };
                Ok(concept.filter(|_| is_of_it).map(line))
            });
            if let Some(line) = line.await? {
                found = Some((line, display));
                break;
            }
        }
        let found = found.as_ref().map(|(line, display)| (line.clone(), display.as_deref()));
        Ok(judged(found, "the code system"))
    }

    async fn look_up(&self, terms: &mut Terms) -> Result<Object, Problem> {
        let ((system, code), _) = self.codes(None)?.pop().ok_or_else(Problem::broken)?;
        if system.is_empty() {
            return Err(Problem::bad_parameter("system", "expected the `system` of the code"));
        }
        let url = match self.given.value("version") {
            Some(version) => format!("{system}|{version}"),
            None => system.to_string(),
        };
        until(self.fhir, terms, |terms| {
            let (system, concept) = terms.look_up(&url, &code)?;
            let concept = concept.ok_or_else(|| ExpandError::NoCode(url.clone()))?;
            let relatives = terms.relatives(&url, &code)?;
            Ok(self.told(system, concept, relatives))
        })
        .await
    }

    /// What a code system says of a concept (`OperationDefinition/CodeSystem-lookup`).
    fn told(&self, system: &Object, concept: &Object, (parents, children): (Vec<&str>, Vec<&str>)) -> Object {
        let mut told = Vec::new();
        let name = system.get("name").or_else(|| system.get("title")).or_else(|| system.get("url"));
        told.extend(name.and_then(Json::as_str).map(|name| parameter("name", "valueString", name)));
        let version = system.get("version").and_then(Json::as_str);
        told.extend(version.map(|version| parameter("version", "valueString", version)));
        let display = words(&[Some(concept)], Some(self.language()));
        let code = concept.get("code").and_then(Json::as_str).unwrap_or_default();
        told.push(parameter("display", "valueString", display.as_deref().unwrap_or(code)));
        let definition = concept.get("definition").and_then(Json::as_str);
        told.extend(definition.map(|text| parameter("definition", "valueString", text)));
        for designation in
            concept.get("designation").map(Json::items).unwrap_or_default().iter().filter_map(Json::as_object)
        {
            let parts = [("language", "valueCode"), ("use", "valueCoding"), ("value", "valueString")];
            let parts =
                parts.into_iter().filter_map(|(name, of)| Some((name, of, designation.get(name)?.clone())));
            told.push(parted("designation", parts));
        }
        let wanted: Vec<&str> = self.given.values("property").collect();
        let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(&name);
        for (name, relatives) in [("parent", parents), ("child", children)] {
            for relative in relatives.iter().filter(|_| is_wanted(name)) {
                let parts = [
                    ("code", "valueCode", Json::string(name)),
                    ("value", "valueCode", Json::string(relative)),
                ];
                told.push(parted("property", parts.into_iter()));
            }
        }
        for property in
            concept.get("property").map(Json::items).unwrap_or_default().iter().filter_map(Json::as_object)
        {
            let Some(name) = property.get("code").and_then(Json::as_str) else { continue };
            let value = property.iter().find(|(name, _)| name.starts_with("value"));
            let is_relative = matches!(name, "parent" | "child");
            if let Some((of, value)) = value.filter(|_| is_wanted(name) && !is_relative) {
                let parts = [("code", "valueCode", Json::string(name)), ("value", of, value.clone())];
                told.push(parted("property", parts.into_iter()));
            }
        }
        parameters(told)
    }

    async fn subsumes(&self, terms: &mut Terms, id: Option<Id>) -> Result<Object, Problem> {
        let code = |coding: &str, code: &'static str| {
            let of = self.given.object(coding).and_then(|coding| coding.get("code")?.as_str());
            let missing = || Problem::bad_parameter(code, format!("expected `{code}` or `{coding}`"));
            of.or(self.given.value(code)).map(str::to_owned).ok_or_else(missing)
        };
        let (one, other) = (code("codingA", "codeA")?, code("codingB", "codeB")?);
        let of_coding = |name| self.given.object(name).and_then(|coding| coding.get("system")?.as_str());
        let system = match (id, of_coding("codingA"), of_coding("codingB"), self.given.value("system")) {
            (Some(id), ..) => format!("CodeSystem/{id}"),
            (None, Some(one), Some(other), _) if one != other => {
                let text = "both codes must be of one system";
                return Err(Problem::bad_parameter("codingB", text));
            }
            (None, Some(system), ..) | (None, None, Some(system), _) | (None, None, None, Some(system)) => {
                self.given.value("version").map_or(system.to_owned(), |version| format!("{system}|{version}"))
            }
            (None, None, None, None) => {
                return Err(Problem::bad_parameter("system", "expected the `system` of the codes"));
            }
        };
        let outcome = until(self.fhir, terms, |terms| terms.subsumes(&system, &one, &other)).await?;
        Ok(parameters(vec![parameter("outcome", "valueCode", outcome.name())]))
    }

    async fn translate(&self, id: Option<Id>) -> Result<Object, Problem> {
        let url = self.url("ConceptMap", id, "conceptMapVersion")?;
        let map = find(self.fhir, kind("ConceptMap")?, &url).await?;
        let map = map.ok_or_else(|| Problem::not_found("there is no such ConceptMap here"))?;
        let target = self.given.value("targetsystem");
        let codes = self.codes(None)?;
        let found: Vec<Translation> =
            codes.iter().flat_map(|(coded, _)| translate(&map, coded, target)).collect();
        let is_match = found.iter().any(Translation::is_match);
        let mut told = vec![result(is_match)];
        if !is_match {
            told.push(parameter("message", "valueString", "the map has no match for the code"));
        }
        told.extend(found.iter().map(|found| {
            let equivalence = Json::string(&found.equivalence);
            let concept = found.to.as_ref().map(|to| ("concept", "valueCoding", Json::Object(coding(to))));
            parted("match", [("equivalence", "valueCode", equivalence)].into_iter().chain(concept))
        }));
        Ok(parameters(told))
    }
}

fn kind(name: &str) -> Result<ResourceType, Problem> {
    ResourceType::from_name(name).ok_or_else(Problem::broken)
}

/// What `$validate-code` answers: whether the code is there, and whether the words given are those for it.
fn judged(found: Option<(Line, Option<&str>)>, place: &str) -> Object {
    let Some((line, given)) = found else {
        let text = format!("{place} has no such code");
        return parameters(vec![result(false), parameter("message", "valueString", &text)]);
    };
    let is_right = match (given, line.display.as_deref()) {
        (Some(given), Some(display)) => given.trim().eq_ignore_ascii_case(display.trim()),
        _ => true,
    };
    let mut told = vec![result(is_right)];
    if !is_right {
        told.push(parameter("message", "valueString", "the code is there, and the words for it are others"));
    }
    told.extend(line.display.as_deref().map(|display| parameter("display", "valueString", display)));
    parameters(told)
}

fn coding(line: &Line) -> Object {
    let mut coding = Object::new();
    if !line.system.is_empty() {
        coding.set("system", line.system.as_str());
    }
    coding.set("code", line.code.as_str());
    if let Some(display) = &line.display {
        coding.set("display", display.as_str());
    }
    coding
}

fn whole(number: usize) -> Json {
    Json::Number(number.to_string().into())
}

fn result(is_so: bool) -> Json {
    let mut one = Object::new();
    one.set("name", "result");
    one.set("valueBoolean", Json::Bool(is_so));
    Json::Object(one)
}

fn parameter(name: &str, of: &str, value: &str) -> Json {
    let mut one = Object::new();
    one.set("name", name);
    one.set(of, value);
    Json::Object(one)
}

/// A parameter of parts: each with its name, the name of its value and the value.
fn parted<'p>(name: &str, parts: impl Iterator<Item = (&'p str, &'p str, Json)>) -> Json {
    let part = |(name, of, value): (&str, &str, Json)| {
        let mut one = Object::new();
        one.set("name", name);
        one.set(of, value);
        Json::Object(one)
    };
    let mut one = Object::new();
    one.set("name", name);
    one.set("part", parts.map(part).collect::<Vec<Json>>());
    Json::Object(one)
}

fn parameters(told: Vec<Json>) -> Object {
    let mut all = Object::new();
    all.set("resourceType", "Parameters");
    all.set("parameter", told);
    all
}

/// Why a code or a set is not known, as these operations tell it: what is not there is not found.
pub(crate) fn status(why: &ExpandError) -> StatusCode {
    match why {
        ExpandError::NoValueSet(_) | ExpandError::NoCodeSystem(_) | ExpandError::NoCode(_) => {
            StatusCode::NOT_FOUND
        }
        ExpandError::TooLarge(_) | ExpandError::NotUnderstood(..) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
