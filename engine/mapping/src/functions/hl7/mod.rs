//! The other direction: FHIR values, and text of any format, become fields of HL7 v2. Each function is named by the type it writes and is
//! the inverse of the one that reads it, as far as HL7 v2 has a place for what FHIR says.

mod codes;
mod identifiers;
mod names;
mod places;
mod values;

pub(super) use codes::{cwe, unit};
pub(super) use identifiers::{cx, ei, hd};
pub(super) use names::{xcn, xpn};
pub(super) use places::{pl, xad, xon, xtn};
pub(super) use values::{cq, dt, dtm, ed, ft, id, nm, sn, st, tm};
