//! What a `huitong map` command is about: a mapping, and how the messages it reads are parsed.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hub_core::document::Parser;
use hub_core::finding::{Finding, FindingKind};
use hub_mapping::{Files, Mapping};
use hub_spec::FolderFiles;

use super::door::Door;
use super::route::RouteFile;

/// A mapping that compiles.
pub struct Subject {
    /// The mapping.
    pub mapping: Mapping,
    /// Reads its messages.
    pub parser: Box<dyn Parser>,
    /// Where its files are.
    pub place: Place,
    /// For a mapping that reads resources: what makes them of a message, where a channel sends what it renders.
    pub upstream: Option<Upstream>,
}

/// The mapping of a channel, whose resources another mapping reads.
pub struct Upstream {
    /// The mapping.
    pub mapping: Mapping,
    /// Reads the channel's messages.
    pub parser: Box<dyn Parser>,
}

/// Where a mapping is found. Channel files are not linted here: a mapping is worked on before its channel is right.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder that holds `channels/` and `mappings/`.
    pub root: PathBuf,
    /// The mapping's name: `lis/oru-r01`.
    pub name: String,
    /// The channels that read their messages with it; the one that was named first.
    pub channels: Vec<Door>,
    /// The destinations that are sent what it renders.
    pub routes: Vec<RouteFile>,
    /// The channels whose `[reply]` it is.
    pub repliers: Vec<String>,
}

impl Place {
    /// Finds what people mean by a mapping: its name, its file, or the name or file of a channel.
    pub fn find(root: &Path, what: &str) -> anyhow::Result<Self> {
        let (root, name, of_channel) = match split(root, what)? {
            Some((root, folder, name)) => (root, name, folder == "channels"),
            None => (root.to_owned(), what.trim_matches('/').to_owned(), false),
        };
        let mapping_there = root.join("mappings").join(format!("{name}.toml")).is_file();
        let channel = root.join("channels").join(format!("{name}.toml"));
        let (name, named) = match of_channel || (!mapping_there && channel.is_file()) {
            true => (mapping_of(&channel)?, Some(name)),
            false => (name, None),
        };
        let channels = channels_of(&root, &name, named.as_deref());
        let routes = routes_of(&root, &name);
        let repliers = repliers_of(&root, &name);
        Ok(Self { root, name, channels, routes, repliers })
    }

    /// Compiles the mapping as its files are now.
    pub fn compile(&self) -> Result<Subject, Vec<Finding>> {
        let (files, findings) = FolderFiles::read(&self.root);
        if !findings.is_empty() {
            return Err(findings);
        }
        self.compile_with(&files)
    }

    /// Compiles the mapping from other files.
    pub fn compile_with(&self, files: &dyn Files) -> Result<Subject, Vec<Finding>> {
        let mapping = hub_mapping::compile(&self.name, files)?;
        let charset = self.channels.iter().find_map(|channel| channel.charset.as_deref());
        let parser = parser(&mapping, charset)?;
        let upstream = match self.routes.first().filter(|_| mapping.from() == "fhir") {
            None => None,
            Some(route) => {
                let mapping = hub_mapping::compile(&route.reads_after, files)?;
                let parser = parser_of(&mapping, route)?;
                Some(Upstream { mapping, parser })
            }
        };
        Ok(Subject { mapping, parser, place: self.clone(), upstream })
    }

    /// The channels whose messages come to it, itself or through what their mappings make.
    pub fn channel_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.channels.iter().map(|door| door.channel.as_str()).collect();
        names.extend(self.routes.iter().map(|route| route.door.channel.as_str()));
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn parser_of(mapping: &Mapping, route: &RouteFile) -> Result<Box<dyn Parser>, Vec<Finding>> {
    parser(mapping, route.door.charset.as_deref())
}

fn parser(mapping: &Mapping, charset: Option<&str>) -> Result<Box<dyn Parser>, Vec<Finding>> {
    let parser = hub_formats::parser(mapping.from(), charset, mapping.source_layout());
    parser.map_err(|error| {
        let file = format!("mappings/{}.toml", mapping.name());
        vec![Finding::of_file(FindingKind::WrongSettings, file, error.to_string())]
    })
}

/// The root, `channels` or `mappings`, and the name, of something that is a file; `None` for a name.
fn split(root: &Path, what: &str) -> anyhow::Result<Option<(PathBuf, &'static str, String)>> {
    let path = Path::new(what);
    let is_file_name = path.extension().is_some_and(|suffix| suffix == "toml");
    if !is_file_name {
        return Ok(None);
    }
    let there = [path.to_owned(), root.join(path)].into_iter().find(|path| path.is_file());
    let Some(there) = there else { bail!("there is no file {what}") };
    let whole = there.canonicalize().with_context(|| what.to_owned())?;
    for folder in ["mappings", "channels"] {
        let home = whole.ancestors().find(|part| part.file_name().is_some_and(|name| name == folder));
        let (Some(home), Some(root)) = (home, home.and_then(Path::parent)) else { continue };
        let below = whole.strip_prefix(home)?.with_extension("");
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        if folder == "mappings" && parts.first().is_some_and(|first| first == "codes") {
            bail!("{what} is a code table; name the mapping that uses it");
        }
        return Ok(Some((root.to_owned(), folder, parts.join("/"))));
    }
    bail!("{what} is not below a folder mappings/ or channels/: where it stands gives a mapping its name")
}

fn read(path: &Path) -> anyhow::Result<toml::Table> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| shown.to_string())?;
    text.parse().with_context(|| shown.to_string())
}

fn text<'t>(table: &'t toml::Table, of: &str, key: &str) -> Option<&'t str> {
    table.get(of)?.get(key)?.as_str()
}

fn mapping_of(channel: &Path) -> anyhow::Result<String> {
    let table = read(channel)?;
    let name = text(&table, "map", "mapping").map(str::to_owned);
    name.with_context(|| format!("{} names no mapping: `huitong check` says more", channel.display()))
}

/// Every channel file that can be read: its name and what it says.
fn channel_files(root: &Path) -> Vec<(String, toml::Table)> {
    let mut found = Vec::new();
    let home = root.join("channels");
    let mut folders = vec![home.clone()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_toml = path.extension().is_some_and(|suffix| suffix == "toml");
            let Some(table) = is_toml.then(|| read(&path).ok()).flatten() else { continue };
            let below = path.strip_prefix(&home).unwrap_or(&path).with_extension("");
            found.push((below.display().to_string(), table));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The channels that read with this mapping; when one was named, that one first.
fn channels_of(root: &Path, mapping: &str, named: Option<&str>) -> Vec<Door> {
    let reads = |table: &toml::Table| text(table, "map", "mapping") == Some(mapping);
    let files = channel_files(root).into_iter().filter(|(_, table)| reads(table));
    let mut found: Vec<Door> = files.map(|(name, table)| Door::of(&name, &table)).collect();
    found.sort_by_key(|door| named != Some(door.channel.as_str()));
    found
}

/// The channels that answer with this mapping.
fn repliers_of(root: &Path, mapping: &str) -> Vec<String> {
    let answers = |table: &toml::Table| text(table, "reply", "mapping") == Some(mapping);
    channel_files(root).into_iter().filter(|(_, table)| answers(table)).map(|(name, _)| name).collect()
}

/// The destinations that are sent what this mapping renders.
fn routes_of(root: &Path, mapping: &str) -> Vec<RouteFile> {
    let mut found = Vec::new();
    for (channel, table) in channel_files(root) {
        let reads_after = text(&table, "map", "mapping").unwrap_or_default();
        let door = Door::of(&channel, &table);
        let routes = table.get("to").and_then(toml::Value::as_array);
        let routes = routes.into_iter().flatten().filter_map(toml::Value::as_table);
        let rendered =
            routes.filter(|route| route.get("mapping").and_then(toml::Value::as_str) == Some(mapping));
        found.extend(rendered.map(|route| RouteFile::of(&door, reads_after, route)));
    }
    found
}
