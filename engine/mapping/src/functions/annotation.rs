//! Notes: HL7 v2 text becomes an Annotation.

use super::build::Build;
use super::{Context, Outcome, plain};
use crate::read::Value;

pub(super) fn annotation(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut built = Build::with_capacity(1);
    built.put_some("text", plain::markdown(value, context)?);
    built.finish()
}
