//! The two databases the store stands on, as one: the same questions and the same rows, asked of SQLite or PostgreSQL.
//!
//! A statement is written once, in the words both know; where they differ, [`Dialect`] says how. Reading goes through
//! [`Readers`], a pool; writing through the one [`Connection`] of the writer's thread.

mod connection;
mod dialect;
mod error;
mod readers;
mod rows;
mod sql;
mod value;

pub(crate) use connection::{Connection, Line, Locks, PostgresLink, all, asked, run, transaction};
pub(crate) use dialect::{Dialect, LOOKING_UP};
pub(crate) use error::DatabaseError;
pub(crate) use readers::{Readers, Record, for_postgres};
pub(crate) use rows::{Kind, Rows, Shape, Together};
pub(crate) use sql::Sql;
pub(crate) use value::Value;
