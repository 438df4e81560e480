//! Each rule by its number (domain-rules.md).

mod booking;
mod consent;
mod payment;
mod persons;
