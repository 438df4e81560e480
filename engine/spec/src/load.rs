//! Reads a whole project and finds everything that is wrong with it before any port is bound.

use std::path::Path;
use std::sync::Arc;

use compact_str::CompactString;
use hub_core::finding::{Finding, FindingKind};
use hub_core::id::{ChannelId, DestinationId, Digest};
use hub_core::registry::{Registry, Secrets};
use hub_mapping::{Condition, Mapping};

use crate::channel::{Channel, ChannelTest, Facts, From, Parse, Project, Reply, Route, Rule, Start};
use crate::files::{NamedFile, ProjectFiles};
use crate::lint::mappings::{Compiled, Mappings};
use crate::lint::ports::Listening;
use crate::lint::promises::fixture;
use crate::lint::{connectors, mappings, ports, promises, replies, starts};
use crate::overrides::Overrides;
use crate::read::{Draft, ReplyDraft, RouteDraft, TestDraft, read};
use crate::sheet::At;

/// Where the files come from that are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The project's folder as it is now.
    Folder,
    /// An earlier deployment. The messages of its tests need not be there any more, and settings for channels that it does not
    /// have are passed over.
    Earlier,
}

/// Reads and compiles every channel below `root`, with the mappings and code tables they use, and checks their settings
/// against `registry`, `overrides` applied. Either all of it is right, or all findings of all files come back, by file and line.
///
/// Connectors are built once to see whether their secrets are there, and dropped again; that touches nothing outside.
pub fn load(
    root: &Path,
    registry: &Registry,
    secrets: &dyn Secrets,
    overrides: &Overrides,
) -> Result<Project, Vec<Finding>> {
    load_files(&ProjectFiles::read(root), root, Origin::Folder, registry, secrets, overrides)
}

/// The same of files that have been read before: those of the folder `root`, or those of an earlier deployment.
pub fn load_files(
    files: &ProjectFiles,
    root: &Path,
    origin: Origin,
    registry: &Registry,
    secrets: &dyn Secrets,
    overrides: &Overrides,
) -> Result<Project, Vec<Finding>> {
    let mut findings = files.findings.clone();
    if origin == Origin::Folder && !root.join("channels").is_dir() {
        let help = "a project's root holds the folders channels/, mappings/ and fixtures/: go there, name it with --root, \
                    or begin one with `huitong init`";
        let missing = Finding::of_file(FindingKind::Unreadable, "channels", "there is no such folder");
        findings.push(missing.help(help));
    }
    let mut drafts: Vec<Draft> = files.channels.iter().cloned().map(read_file).collect();
    let misplaced = connectors::override_settings(&mut drafts, overrides);
    if origin == Origin::Folder {
        findings.extend(misplaced);
    }

    let mut mappings = Mappings::of(&files.mappings);
    let mut listening = Vec::new();
    for (channel, draft) in drafts.iter_mut().enumerate() {
        let addresses = connectors::check_source(draft, registry, secrets);
        listening.extend(addresses.into_iter().map(|address| Listening { channel, address }));
        connectors::check_destinations(draft, registry, secrets);
        mappings::check(draft, registry, &mut mappings);
        replies::check(draft, registry, &mut mappings);
        promises::check_names(draft);
        if origin == Origin::Folder {
            promises::check_files(draft, root);
        }
    }
    ports::check(&mut drafts, &listening);
    starts::check(&mut drafts);

    findings.append(&mut mappings.findings);
    for draft in &mut drafts {
        findings.append(&mut draft.sheet.findings);
    }
    let (mut warnings, errors): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|finding| finding.kind.severity() == "warning");
    if !errors.is_empty() {
        return Err(in_order(errors));
    }
    warnings.extend(mappings.unused());
    let channels: Option<Vec<Channel>> =
        drafts.into_iter().map(|draft| finish(draft, &mut mappings)).collect();
    let channels = channels.expect("what a draft lacks is among the findings, and there were none");
    Ok(Project { root: root.to_owned(), channels, warnings: in_order(warnings) })
}

fn read_file(file: NamedFile) -> Draft {
    read(&file.name, file.text.path, &file.text.text)
}

/// By file, line and column, each once: two channels with one mapping find the same things in it.
fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| (finding.line, finding.column, finding.kind);
        a.file.cmp(&b.file).then(place(a).cmp(&place(b))).then_with(|| a.message.cmp(&b.message))
    });
    findings.dedup();
    findings
}

/// The channel that a draft without findings is.
fn finish(draft: Draft, mappings: &mut Mappings<'_>) -> Option<Channel> {
    let mut digest = Made::of(&draft.sheet.text);
    let mut used = |name: &str| -> Option<(Arc<Mapping>, Digest)> {
        let Compiled { mapping, files } = mappings.get(name)?;
        let mut own = Made::default();
        for (path, text) in &files {
            digest.add(path, text);
            own.add(path, text);
        }
        Some((mapping, own.digest()))
    };
    let map = draft.map?;
    let (mapping, _) = used(&map.mapping?.value)?;
    let mut to = Vec::new();
    for route in draft.to {
        let mut used_by_route = |name: &Option<At<String>>| match name {
            Some(name) => used(&name.value).map(Some),
            None => Some(None),
        };
        let mapping = used_by_route(&route.mapping)?.map(|(mapping, _)| mapping);
        let answer = used_by_route(&route.answer)?;
        to.push(finish_route(route, &draft.id, mapping, answer)?);
    }
    let reply = match draft.reply {
        None => None,
        Some(reply) => {
            Some(finish_reply(reply, &draft.id, &mut |name| used(name).map(|(mapping, _)| mapping))?)
        }
    };
    let from = draft.from?;
    let parse = draft.parse?;
    let line_of = |at: usize| draft.sheet.line(at);
    let tests: Option<Vec<ChannelTest>> =
        draft.tests.into_iter().map(|test| finish_test(test, &line_of)).collect();
    Some(Channel {
        about: draft.about?,
        version: 1,
        from: From {
            connector: from.connector?.value.into(),
            acknowledge: from.acknowledge,
            lane_by: from.lane_by.map(|path| path.value),
            settings: from.settings.table,
        },
        parse: Parse {
            format: parse.format?.value.into(),
            accept: parse.accept,
            charset: parse.charset.map(|charset| charset.value),
            split: parse.split.map(|split| split.value),
        },
        filter: draft.filter.into_iter().map(|condition| rule(condition.value)).collect(),
        mapping,
        writes: map.writes?.value.into_iter().map(|name| name.value.into()).collect(),
        keys: draft.keys.into_iter().map(|(name, path)| (name, path.value)).collect(),
        raise: draft.raise.into_iter().map(|(kind, event)| (kind.value.into(), event)).collect(),
        to,
        reply,
        start: draft.start.map_or_else(Start::default, |start| Start {
            after: start.after.value.into_iter().map(|name| ChannelId::from(name.value)).collect(),
            when: start.when,
        }),
        on_fault: draft.on_fault,
        tests: tests?,
        digest: digest.digest(),
        file: draft.sheet.file,
        id: draft.id,
    })
}

fn rule(condition: Condition) -> Rule {
    Rule { text: condition.as_str().to_owned(), condition }
}

fn finish_route(
    route: RouteDraft,
    channel: &ChannelId,
    mapping: Option<Arc<Mapping>>,
    answer: Option<(Arc<Mapping>, Digest)>,
) -> Option<Route> {
    let name = CompactString::from(route.name?.value);
    Some(Route {
        id: DestinationId::from(format!("{channel}/{name}")),
        name,
        connector: route.connector?.value.into(),
        settings: route.settings.table,
        when: route.when.map(|condition| condition.value),
        each: route.each.map(|path| path.value),
        mapping,
        answer_digest: answer.as_ref().map(|(_, digest)| *digest),
        answer: answer.map(|(mapping, _)| mapping),
        order_by: route.order_by.map(|path| path.value),
        retry: route.retry,
        in_doubt: route.in_doubt,
        circuit: route.circuit,
    })
}

fn finish_reply(
    reply: ReplyDraft,
    channel: &ChannelId,
    used: &mut dyn FnMut(&str) -> Option<Arc<Mapping>>,
) -> Option<Reply> {
    let mut other = |name: Option<At<String>>| match name {
        Some(name) => used(&name.value).map(Some),
        None => Some(None),
    };
    let (busy, refused) = (other(reply.busy)?, other(reply.refused)?);
    let facts = match (reply.search, reply.of) {
        (Some(search), _) => Facts::Search(search.value),
        (None, Some(of)) if of.value == "commit" => Facts::Commit,
        (None, Some(of)) => Facts::Answer(DestinationId::from(format!("{channel}/{}", of.value))),
        (None, None) => Facts::Request,
    };
    Some(Reply { mapping: used(&reply.mapping?.value)?, facts, within: reply.within, busy, refused })
}

fn finish_test(test: TestDraft, line_of: &dyn Fn(usize) -> usize) -> Option<ChannelTest> {
    Some(ChannelTest {
        name: test.name?.value,
        line: line_of(test.span.start),
        given: fixture(&test.given?.value),
        receipt: test.receipt,
        state: test.state,
        place: test.place,
        reason: test.reason,
        writes: test.writes.map(|path| fixture(&path.value)),
        pieces: test.pieces,
        stored: test.stored.map(|path| fixture(&path.value)),
        reply: test.reply.map(|path| fixture(&path.value)),
        sends: test.sends.into_iter().map(|(name, path)| (name.value.into(), fixture(&path.value))).collect(),
    })
}

/// What a channel is made of, told apart by digest.
#[derive(Default)]
struct Made(Vec<u8>);

impl Made {
    fn of(text: &str) -> Self {
        Self(Digest::of(text.as_bytes()).0.to_vec())
    }

    fn add(&mut self, path: &Path, text: &str) {
        self.0.extend(Digest::of(path.as_os_str().as_encoded_bytes()).0);
        self.0.extend(Digest::of(text.as_bytes()).0);
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}
