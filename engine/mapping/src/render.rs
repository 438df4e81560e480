//! Makes a message for a partner, as a tree in the shape of its format.

use hub_core::document::Node;
use hub_core::fault::Fault;

use crate::mapping::Rendered;
use crate::plan::Plan;
use crate::read::Reader;
use crate::run::Runner;

pub(crate) fn render(plan: &Plan, reader: &Reader<'_>, scope: Node) -> Result<Rendered, Fault> {
    let mut runner = Runner::new(plan, reader);
    let built = runner.object(&plan.message, scope, None)?;
    Ok(Rendered { tree: built.object, notes: runner.notes })
}
