//! Reads and lints what people write, channels, mappings and code tables: every finding has its file, line and help.
//!
//! Invariant: nothing here opens a port or talks to anyone; [`load`] reads files and compiles, no more. In reading order:

mod channel;
mod files;
mod json;
mod keys;
mod lint;
mod load;
mod overrides;
mod pattern;
mod read;
mod retry;
mod settings;
mod sheet;

pub use channel::{
    Channel, ChannelTest, Circuit, Facts, From, InDoubt, Parse, Project, Reads, Reply, Route, Rule, Start,
    StartWhen,
};
pub use files::{FolderFiles, ProjectFiles};
pub use json::to_json;
pub use keys::{KEYS, KeyInfo, Need, Takes};
pub use load::{Origin, load, load_files};
pub use overrides::{ChannelOverride, Overrides};
pub use pattern::Pattern;
pub use retry::RetryPolicy;
