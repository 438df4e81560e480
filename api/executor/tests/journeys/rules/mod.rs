//! Each rule by its number (domain-rules.md).

mod booking;
mod consent;
mod notices;
mod payment;
mod persons;
mod visits;
