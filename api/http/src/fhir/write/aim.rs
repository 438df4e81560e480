//! Finds out what a write is aimed at, before it is made a commit: the ids, the version they must have, and the guards that see to it
//! that it is still so when the commit is written.

use axum::http::StatusCode;
use hub_core::commit::{Change, Guard};
use hub_core::store::StoreError;
use hub_fhir::json::parse;
use hub_fhir::search::{Search, Stored};
use hub_fhir::{Id, Json, Object, Reference, Resource};
use uuid::Uuid;

use crate::fhir::Fhir;
use crate::fhir::conditional::Expected;
use crate::fhir::problem::Problem;
use crate::fhir::write::order::{Order, What, Where};
use crate::fhir::write::patch::Patch;

/// What a write is aimed at.
#[derive(Debug, Default)]
pub(crate) struct Aim {
    /// The resources that are written to: one, or for a conditional delete any number.
    pub ids: Vec<Id>,
    /// What is there already, so that nothing is to be written.
    pub there: Option<Stored>,
    /// The version it must have when it is written; 0: none.
    pub version: Option<u64>,
    /// What it becomes, unless it is deleted.
    pub becomes: Option<Object>,
    /// What must be found when it is written.
    pub guards: Vec<Guard>,
}

impl Aim {
    fn at(id: Id) -> Self {
        Self { ids: vec![id], ..Self::default() }
    }
}

/// Finds out what an order is aimed at.
pub(crate) async fn aim(fhir: &Fhir, order: &Order) -> Result<Aim, Problem> {
    let aim = match (&order.at, &order.what) {
        (Where::New, _) => Aim::at(new_id()),
        (Where::Id(id), _) => Aim::at(id.clone()),
        (Where::Found(search), What::Create(_)) => for_create(found(fhir, search, 1).await?, search),
        (Where::Found(search), What::Update(tree)) => {
            for_update(fhir, found(fhir, search, 1).await?, search, tree).await?
        }
        (Where::Found(search), What::Patch(_)) => {
            let found = found(fhir, search, 1).await?;
            let guards = vec![guard(search, &found)];
            let Some(there) = found.into_iter().next() else {
                return Err(Problem::not_found("the condition finds no resource to patch"));
            };
            Aim { guards, ..Aim::at(there.reference.id) }
        }
        (Where::Found(search), What::Delete) => {
            let most = if fhir.doors.fhir.delete_several { search.count } else { 1 };
            let found = found(fhir, search, most).await?;
            let ids = found.iter().map(|stored| stored.reference.id.clone()).collect();
            Aim { ids, guards: vec![guard(search, &found)], ..Aim::default() }
        }
    };
    let aim = expect(fhir, order, aim).await?;
    match &order.what {
        What::Patch(patch) => patched(fhir, order, patch, aim).await,
        What::Create(tree) | What::Update(tree) => Ok(Aim { becomes: Some(tree.clone()), ..aim }),
        What::Delete => Ok(aim),
    }
}

/// Does a patch on the version that is stored, which must still be it when it is written.
async fn patched(fhir: &Fhir, order: &Order, patch: &Patch, aim: Aim) -> Result<Aim, Problem> {
    let [id] = &aim.ids[..] else { return Err(Problem::broken()) };
    let reference = Reference { kind: order.kind, id: id.clone() };
    let stored = fhir.resources.read(&reference).await?;
    let stored = stored.ok_or_else(|| Problem::not_found("there is no such resource"))?;
    if stored.deleted {
        return Err(Problem::new(StatusCode::GONE, "deleted", "the resource was deleted"));
    }
    if aim.version.is_some_and(|version| version != stored.version) {
        return Err(other_version());
    }
    let text = std::str::from_utf8(&stored.body).map_err(|_| Problem::broken())?;
    let Ok(Json::Object(tree)) = parse(text) else { return Err(Problem::broken()) };
    let patched = patch.apply(&tree, id)?;
    Ok(Aim { version: Some(stored.version), becomes: Some(patched), ..aim })
}

fn new_id() -> Id {
    Id::new(&Uuid::now_v7().to_string()).expect("a UUID is a valid id")
}

/// What a condition finds, at most so many.
async fn found(fhir: &Fhir, search: &Search, most: u32) -> Result<Vec<Stored>, Problem> {
    let search = Search { count: most + 1, ..search.clone() };
    let page = fhir.resources.search(&search).await?;
    if page.matches.len() > most as usize {
        let text = match most {
            1 => "the condition finds more than one resource; nothing was written".to_owned(),
            most => format!("the condition finds more than {most} resources; nothing was written"),
        };
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "multiple-matches", text));
    }
    Ok(page.matches)
}

fn guard(search: &Search, found: &[Stored]) -> Guard {
    let finds = found.iter().map(|stored| stored.reference.id.clone()).collect();
    Guard { search: search.clone(), finds }
}

/// R4B §3.1.0.5.1: what is there already stays as it is.
fn for_create(mut found: Vec<Stored>, search: &Search) -> Aim {
    let guards = vec![guard(search, &found)];
    match found.pop() {
        // Nothing is written, so nothing need be guarded: it was there when it was looked for.
        Some(there) => Aim { there: Some(there.clone()), ..Aim::at(there.reference.id) },
        None => Aim { guards, ..Aim::at(new_id()) },
    }
}

/// R4B §3.1.0.4.3: the one that is found; a new one where none is, under the id it carries if it carries one.
async fn for_update(
    fhir: &Fhir,
    mut found: Vec<Stored>,
    search: &Search,
    tree: &Object,
) -> Result<Aim, Problem> {
    let guards = vec![guard(search, &found)];
    let own = own_id(tree)?;
    let Some(there) = found.pop() else {
        let Some(id) = own else { return Ok(Aim { guards, ..Aim::at(new_id()) }) };
        let reference = Reference { kind: search.kind, id };
        let current = fhir.resources.read(&reference).await?;
        if current.as_ref().is_some_and(|stored| !stored.deleted) {
            let text =
                "the condition finds nothing, but there is a resource of this id, which does not meet it";
            return Err(Problem::new(StatusCode::CONFLICT, "conflict", text));
        }
        let version = Some(current.map_or(0, |stored| stored.version));
        return Ok(Aim { guards, version, ..Aim::at(reference.id) });
    };
    if own.is_some_and(|own| own != there.reference.id) {
        let text = "the condition finds a resource of another id than the one that was sent";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", text));
    }
    Ok(Aim { guards, ..Aim::at(there.reference.id) })
}

/// The id a resource carries.
fn own_id(tree: &Object) -> Result<Option<Id>, Problem> {
    let Some(id) = tree.get("id") else { return Ok(None) };
    let wrong = || Problem::new(StatusCode::BAD_REQUEST, "value", hub_fhir::ResourceError::Id.to_string());
    Ok(Some(Id::new(id.as_str().ok_or_else(wrong)?).map_err(|_| wrong())?))
}

/// Adds what the client expects of the version.
async fn expect(fhir: &Fhir, order: &Order, aim: Aim) -> Result<Aim, Problem> {
    let version = match order.expected {
        Expected::Any => return Ok(aim),
        Expected::Never => return Err(other_version()),
        Expected::Version(version) => version,
        Expected::There | Expected::NotThere => {
            let [id] = &aim.ids[..] else { return Err(other_version()) };
            let reference = Reference { kind: order.kind, id: id.clone() };
            let current = fhir.resources.read(&reference).await?;
            let is_there = current.as_ref().is_some_and(|stored| !stored.deleted);
            if is_there != (order.expected == Expected::There) {
                return Err(other_version());
            }
            current.map_or(0, |stored| stored.version)
        }
    };
    // A condition that finds nothing, or several, has no version.
    if aim.ids.len() != 1 {
        return Err(other_version());
    }
    Ok(Aim { version: Some(version), ..aim })
}

/// The version is another one than the client expects.
pub(crate) fn other_version() -> Problem {
    let text = "the resource is not at the version that was expected; read it again";
    Problem::new(StatusCode::PRECONDITION_FAILED, "conflict", text)
}

/// The changes that carry an order out.
pub(crate) fn changes(order: &Order, aim: &mut Aim) -> Vec<Change> {
    if aim.there.is_some() {
        return Vec::new();
    }
    let becomes = aim.becomes.take();
    let change = |id: &Id| match (&becomes, aim.version) {
        (Some(tree), version) => {
            let resource = Resource::new(order.kind, id.clone(), tree.clone());
            match version {
                None => Change::Put(resource),
                Some(version) => Change::PutIf { resource, version },
            }
        }
        (None, None) => Change::Delete(Reference { kind: order.kind, id: id.clone() }),
        (None, Some(version)) => {
            Change::DeleteIf { reference: Reference { kind: order.kind, id: id.clone() }, version }
        }
    };
    aim.ids.iter().map(change).collect()
}

/// Whether what the store refused may succeed when it is begun anew: what was looked at before has changed.
pub(crate) fn may_succeed(order: &Order, failure: &StoreError) -> bool {
    match failure {
        StoreError::Overtaken => true,
        StoreError::Conflict { .. } => !matches!(order.expected, Expected::Version(_)),
        StoreError::Forbidden | StoreError::Invalid { .. } | StoreError::Unavailable(_) => false,
    }
}

/// Refuses a resource whose id is not the one of its address (R4B §3.1.0.4).
pub(crate) fn same_id(tree: &Object, id: &Id) -> Result<(), Problem> {
    match tree.get("id").and_then(Json::as_str) {
        Some(own) if own == id.as_str() => Ok(()),
        Some(_) => {
            let text = "the `id` of the resource is not the one of the address";
            Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", text))
        }
        None => {
            let text = "the resource has no `id`; expected the one of the address";
            Err(Problem::new(StatusCode::BAD_REQUEST, "required", text))
        }
    }
}
