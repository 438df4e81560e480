//! Codes that value sets and code systems of the store tell of: looked up before a search is run (`:in`, `:not-in`, `:above`, `:below`).

use hub_fhir::expand::{ExpandError, MOST_CODES, Terms};
use hub_fhir::search::{self, Search, Test, Told};
use hub_fhir::{Id, Json, Object, Reference, ResourceType, json};

use axum::http::StatusCode;

use crate::fhir::Fhir;
use crate::fhir::problem::Problem;
use crate::fhir::terminology;

/// So many value sets and code systems are read for one search.
const MOST_READ: usize = 64;

/// Replaces what searches say by value sets and hierarchies by the codes themselves. `base` is the server's own URL.
pub(crate) async fn tell(fhir: &Fhir, base: &str, searches: &mut [Search]) -> Result<(), Problem> {
    let mut terms = Terms::default();
    for search in searches {
        tell_one(fhir, base, search, &mut terms).await?;
    }
    Ok(())
}

async fn tell_one(fhir: &Fhir, base: &str, search: &mut Search, terms: &mut Terms) -> Result<(), Problem> {
    let mut count = 0;
    for test in search.told() {
        let Test::Told(told) = &*test else { continue };
        let codes = within(fhir, terms, |terms| match told {
            Told::In(url) => {
                terms.expand(url.strip_prefix(base).map_or(url, |id| id.trim_start_matches('/')))
            }
            Told::Above(system, code) => terms.above(system, code),
            Told::Below(system, code) => terms.below(system, code),
        });
        let codes = codes.await?.map_err(|why| problem(&why))?;
        count += codes.len();
        if count > MOST_CODES {
            return Err(problem(&ExpandError::TooLarge("all value sets of the search together".to_owned())));
        }
        *test = Test::OneOf(codes.into_iter().collect());
    }
    Ok(())
}

/// Asks the terms, and again with what they lack, for as long as that is there; of an operation.
pub(crate) async fn until<T>(
    fhir: &Fhir,
    terms: &mut Terms,
    ask: impl Fn(&Terms) -> Result<T, ExpandError>,
) -> Result<T, Problem> {
    let answer = within(fhir, terms, ask).await?;
    answer.map_err(|why| Problem { status: terminology::status(&why), ..problem(&why) })
}

async fn within<T>(
    fhir: &Fhir,
    terms: &mut Terms,
    ask: impl Fn(&Terms) -> Result<T, ExpandError>,
) -> Result<Result<T, ExpandError>, Problem> {
    loop {
        match ask(terms) {
            Ok(answer) => return Ok(Ok(answer)),
            Err(why) if read(fhir, terms, &why).await? => {}
            Err(why) => return Ok(Err(why)),
        }
    }
}

/// Reads what is missing, where that is the reason and it is there.
async fn read(fhir: &Fhir, terms: &mut Terms, why: &ExpandError) -> Result<bool, Problem> {
    let (kind, url, known) = match why {
        ExpandError::NoValueSet(url) => ("ValueSet", url, &mut terms.value_sets),
        ExpandError::NoCodeSystem(url) => ("CodeSystem", url, &mut terms.code_systems),
        _ => return Ok(false),
    };
    if known.contains_key(url) || known.len() >= MOST_READ {
        return Ok(false);
    }
    let kind = ResourceType::from_name(kind).ok_or_else(Problem::broken)?;
    let Some(found) = find(fhir, kind, url).await? else { return Ok(false) };
    known.insert(url.clone(), found);
    Ok(true)
}

/// By its URL and version, the one that was written last; or by its reference.
pub(crate) async fn find(fhir: &Fhir, kind: ResourceType, url: &str) -> Result<Option<Object>, Problem> {
    let id = url.strip_prefix(kind.name()).and_then(|rest| Id::new(rest.strip_prefix('/')?).ok());
    let stored = match id {
        Some(id) => fhir.resources.read(&Reference { kind, id }).await?.filter(|stored| !stored.deleted),
        None => {
            let (url, version) =
                url.split_once('|').map_or((url, None), |(url, version)| (url, Some(version)));
            let escaped = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|");
            let mut pairs = vec![("url".to_owned(), escaped(url)), ("_count".to_owned(), "1".to_owned())];
            pairs.extend(version.map(|version| ("version".to_owned(), escaped(version))));
            let page = fhir.resources.search(&search::parse(kind, &pairs)?).await?;
            page.matches.into_iter().next()
        }
    };
    let tree = stored.and_then(|stored| json::parse(std::str::from_utf8(&stored.body).ok()?).ok());
    Ok(tree.and_then(|tree| if let Json::Object(object) = tree { Some(object) } else { None }))
}

/// Whether a text is the name of a value set or a code system, and nothing else: only then is it told. What has a number in it might be
/// a patient's, but for an OID.
fn is_name(url: &str) -> bool {
    if let Some(oid) = url.strip_prefix("urn:oid:") {
        return oid.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    }
    let begins = ["http://", "https://", "urn:", "ValueSet/", "CodeSystem/"];
    let may_have = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/#|".contains(&byte);
    let longest_number = url.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max();
    url.len() <= 255
        && begins.iter().any(|begin| url.starts_with(begin))
        && url.bytes().all(may_have)
        && longest_number.is_none_or(|digits| digits < 4)
}

fn problem(why: &ExpandError) -> Problem {
    let code = match why {
        ExpandError::NoValueSet(_) | ExpandError::NoCodeSystem(_) | ExpandError::NoCode(_) => "not-found",
        ExpandError::TooLarge(_) => "too-costly",
        ExpandError::NotUnderstood(..) => "not-supported",
    };
    let text = match why {
        ExpandError::NoValueSet(url) if !is_name(url) => {
            "the value set that is asked for is not known here".into()
        }
        ExpandError::NoCodeSystem(url) if !is_name(url) => {
            "the code system that is asked for is not known here".into()
        }
        why => why.to_string(),
    };
    Problem::new(StatusCode::BAD_REQUEST, code, text)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn what_may_hold_a_patients_number_is_no_name() {
        for name in [
            "http://hl7.org/fhir/sid/icd-10",
            "urn:none",
            "urn:oid:2.16.840.1.113883.6.96",
            "ValueSet/vs",
            "http://v/t|2",
        ] {
            assert!(is_name(name), "{name}");
        }
        for other in [
            "51000139",
            "wang",
            "urn:mrn:51000139",
            "http://v/t?name=wang",
            "http://v/王",
            "urn:oid:1.2.x",
            "Patient/1",
        ] {
            assert!(!is_name(other), "{other}");
        }
    }
}
