//! What comes along with a call: `Parameters` that the operation knows.

use axum::body::Body;
use axum::http::header::HeaderMap;
use hub_core::finding::nearest;
use hub_fhir::{Json, Object, ResourceType, validate};
use hub_workflows::Act;

use crate::business::answer::Refusal;
use crate::fhir::body;

/// Reads the parameters; none where there is no body. What the operation does not know, or what is there too often, is refused.
pub(super) async fn read(
    act: &Act,
    headers: &HeaderMap,
    sent: Body,
    most: usize,
) -> Result<Vec<Object>, Refusal> {
    let bytes = body::receive(sent, most).await.map_err(Refusal::Problem)?;
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let kind = ResourceType::from_name("Parameters").ok_or(Refusal::Broken)?;
    let tree = body::resource(kind, headers, &bytes).map_err(Refusal::Problem)?;
    let issues = validate(&tree);
    if !issues.is_empty() {
        return Err(Refusal::Issues(issues));
    }
    let parameters = tree.get("parameter").map(Json::items).unwrap_or_default();
    let parameters: Vec<Object> = parameters.iter().filter_map(Json::as_object).cloned().collect();
    let name =
        |parameter: &Object| parameter.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
    for (at, parameter) in parameters.iter().enumerate() {
        let name = name(parameter);
        let Some(known) = act.takes.iter().find(|known| known.name == name) else {
            let near = nearest(&name, act.takes.iter().map(|known| known.name));
            return Err(Refusal::Unknown(near.map(str::to_owned), at));
        };
        let is_second = parameters[..at].iter().any(|earlier| earlier.get("name") == parameter.get("name"));
        if is_second && !known.many {
            return Err(Refusal::TooOften(known.name));
        }
    }
    Ok(parameters)
}
