//! Each rule by its number (domain-rules.md).

mod booking;
mod payment;
mod persons;
mod visits;
