//! Makes a partner's JSON message.

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_fhir::Json;

use crate::mapping::Rendered;
use crate::plan::Plan;
use crate::read::Reader;
use crate::run::Runner;

pub(crate) fn render(plan: &Plan, reader: &Reader<'_>, scope: Node) -> Result<Rendered, Fault> {
    let mut runner = Runner::new(plan, reader);
    let built = runner.object(&plan.message, scope, None)?;
    let text = Json::Object(built.object).to_text();
    Ok(Rendered {
        bytes: Bytes::from(text),
        content_type: CompactString::const_new("application/json"),
        notes: runner.notes,
    })
}
