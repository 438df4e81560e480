//! The authorization server as browsers, apps, systems and attackers meet it, over a store on SQLite.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod apps;
mod attacks;
mod desk;
mod gate;
mod keys;
mod pages;
mod patients;
mod staff;
mod systems;
