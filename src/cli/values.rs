//! Reads the values of options that clap does not know by itself.

/// An id of a message or a parcel.
pub fn id(text: &str) -> Result<uuid::Uuid, String> {
    text.parse().map_err(|_| "expected an id such as 01a206b9-814e-73f3-8cd1-3927b0747fcc".to_owned())
}

/// A pace that may be nothing.
pub fn zero_or_more(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number >= 0.0).ok_or_else(|| "expected a number from 0".to_owned())
}

/// A pace that must be something.
pub fn above_zero(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number >= 0.001).ok_or_else(|| "expected a number from 0.001".to_owned())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number <= 1e9)
}

/// What a simulator can do wrong.
pub fn fault_names() -> [&'static str; connector_his::sim::Fault::ALL.len()] {
    connector_his::sim::Fault::ALL.map(connector_his::sim::Fault::name)
}
