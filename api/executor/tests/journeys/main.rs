//! Workflows on the real store: each rule by its number, and journeys with partners that misbehave.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod desk;
mod hospital;
mod partner;
mod rules;
mod simulation;
