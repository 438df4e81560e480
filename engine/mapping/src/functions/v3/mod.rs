//! Data types of HL7 V3 and CDA, as XML: a path leads to the element, whose attributes and parts the function reads. Shared documents in
//! China (WS/T 500) and the messages of the platform (WS/T 846) are made of them.

mod codes;
mod identifiers;
mod people;
mod quantities;

pub(super) use codes::{cd, cd_code, coding};
pub(super) use identifiers::ii;
pub(super) use people::{ad, pn, pn_string, tel};
pub(super) use quantities::{ivl_pq, ivl_ts, pq, ts_date, ts_instant, ts_moment};

use crate::read::Value;

/// `nullFlavor` says that there is no value, and why.
fn is_null(value: Value<'_>) -> bool {
    value.child("@nullFlavor").is_some()
}
