//! Each rule by its number (domain-rules.md).

mod booking;
mod consent;
mod exclusive;
mod notices;
mod payment;
mod persons;
mod sessions;
mod visits;
