//! Text becomes a draft: every key read, every path and condition compiled, nothing yet compared with other files.

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use compact_str::CompactString;
use hub_core::document::Split;
use hub_core::finding::{Finding, FindingKind};
use hub_core::id::ChannelId;
use hub_core::path::Path;
use hub_core::source::Acknowledge;
use hub_core::store::StateName;
use hub_core::template::SearchTemplate;
use hub_mapping::{Condition, ConditionError};
use toml::de::DeTable;

use crate::channel::{Circuit, InDoubt, StartWhen};
use crate::keys::{DAY_SECS, YEAR_HOURS};
use crate::on_fault::OnFault;
use crate::pattern::Pattern;
use crate::retry::RetryPolicy;
use crate::settings::SettingsDraft;
use crate::sheet::{At, Section, Sheet, Span, read_path, string};

/// The version of the channel language that is read here.
const VERSION: u64 = 1;

/// A channel file as far as it can be understood alone. What is missing or wrong is in the sheet's findings.
pub(crate) struct Draft {
    pub id: ChannelId,
    pub sheet: Sheet,
    pub about: Option<String>,
    pub from: Option<FromDraft>,
    pub parse: Option<ParseDraft>,
    pub filter: Vec<At<Condition>>,
    pub map: Option<MapDraft>,
    pub keys: Vec<(CompactString, At<Path>)>,
    /// Types, and the events that their writes raise.
    pub raise: Vec<(At<String>, CompactString)>,
    pub to: Vec<RouteDraft>,
    pub reply: Option<ReplyDraft>,
    pub start: Option<StartDraft>,
    pub on_fault: OnFault,
    pub tests: Vec<TestDraft>,
}

/// `[from]`.
pub(crate) struct FromDraft {
    pub span: Span,
    pub connector: Option<At<String>>,
    pub acknowledge: Acknowledge,
    /// Where it says so.
    pub acknowledge_span: Option<Span>,
    pub lane_by: Option<At<Path>>,
    pub settings: SettingsDraft,
}

/// `[parse]`.
pub(crate) struct ParseDraft {
    pub format: Option<At<String>>,
    pub accept: Vec<Pattern>,
    pub charset: Option<At<String>>,
    pub split: Option<At<Split>>,
}

/// `[map]`.
pub(crate) struct MapDraft {
    pub mapping: Option<At<String>>,
    pub writes: Option<At<Vec<At<String>>>>,
}

/// One `[[to]]`.
pub(crate) struct RouteDraft {
    pub span: Span,
    pub name: Option<At<String>>,
    pub connector: Option<At<String>>,
    pub settings: SettingsDraft,
    pub when: Option<At<Condition>>,
    pub each: Option<At<Path>>,
    pub mapping: Option<At<String>>,
    pub answer: Option<At<String>>,
    pub order_by: Option<At<Path>>,
    pub retry: RetryPolicy,
    pub in_doubt: InDoubt,
    pub circuit: Circuit,
}

/// `[reply]`.
pub(crate) struct ReplyDraft {
    pub span: Span,
    pub mapping: Option<At<String>>,
    pub search: Option<At<Vec<SearchTemplate>>>,
    pub of: Option<At<String>>,
    pub within: Duration,
    pub busy: Option<At<String>>,
    pub refused: Option<At<String>>,
}

/// `[start]`.
pub(crate) struct StartDraft {
    pub after: At<Vec<At<String>>>,
    pub when: StartWhen,
}

/// One `[[test]]`.
pub(crate) struct TestDraft {
    pub span: Span,
    pub name: Option<At<String>>,
    pub given: Option<At<String>>,
    pub receipt: Option<String>,
    pub state: StateName,
    pub place: Option<String>,
    pub reason: Option<String>,
    pub writes: Option<At<String>>,
    pub pieces: Option<u64>,
    pub stored: Option<At<String>>,
    pub reply: Option<At<String>>,
    pub sends: Vec<(At<String>, At<String>)>,
}

/// Reads one channel file: `name` is its path below `channels/` without the suffix.
pub(crate) fn read(name: &str, file: PathBuf, text: &str) -> Draft {
    let mut draft = Draft {
        id: ChannelId::from(name),
        sheet: Sheet::new(file, text.to_owned()),
        about: None,
        from: None,
        parse: None,
        filter: Vec::new(),
        map: None,
        keys: Vec::new(),
        raise: Vec::new(),
        to: Vec::new(),
        reply: None,
        start: None,
        on_fault: OnFault::default(),
        tests: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(table) => draft.read_top(table.get_ref()),
        Err(error) => {
            let sheet = &mut draft.sheet;
            let finding = Finding::not_toml(&sheet.file, &sheet.text, error.span(), error.message());
            sheet.findings.push(finding);
        }
    }
    draft
}

impl Draft {
    fn read_top(&mut self, table: &DeTable<'_>) {
        let sheet = &mut self.sheet;
        let top = Section::check(sheet, "", 0..0, table);
        check_name(sheet, &top, self.id.as_str());
        check_version(sheet, &top);
        self.about = top.text(sheet, "about").map(|about| about.value);
        self.from = top.section(sheet, "from", "from").map(|from| read_from(sheet, &from));
        self.parse = top.section(sheet, "parse", "parse").map(|parse| read_parse(sheet, &parse));
        if let Some(filter) = top.section(sheet, "filter", "filter") {
            let keep = filter.texts(sheet, "keep").map(|keep| keep.value).unwrap_or_default();
            self.filter = keep.into_iter().filter_map(|text| read_condition(sheet, &text)).collect();
        }
        if let Some(map) = top.section(sheet, "map", "map") {
            let mapping = map.text(sheet, "mapping");
            self.map = Some(MapDraft { mapping, writes: map.texts(sheet, "writes") });
        }
        if let Some((table, _)) = top.table(sheet, "keys") {
            self.keys = read_keys(sheet, table);
        }
        if let Some((table, _)) = top.table(sheet, "raise") {
            self.raise = read_raise(sheet, table);
        }
        for route in top.sections(sheet, "to") {
            self.to.push(read_route(sheet, &route));
        }
        self.reply = top.section(sheet, "reply", "reply").map(|reply| read_reply(sheet, &reply));
        self.start = top.section(sheet, "start", "start").and_then(|start| read_start(sheet, &start));
        if let Some(on_fault) = top.section(sheet, "on_fault", "on_fault") {
            self.on_fault = OnFault::read(sheet, &on_fault);
        }
        for test in top.sections(sheet, "test") {
            self.tests.push(read_test(sheet, &test));
        }
        let none = top
            .find("test")
            .is_none_or(|tests| tests.get_ref().as_array().is_some_and(|tests| tests.is_empty()));
        if none {
            let message = "the channel has no test: nothing shows what it does";
            let id = &self.id;
            let help = format!(
                "add a message to fixtures/, and at the end: [[test]] name = \"a result is stored\" given = \"{id}/one.hl7\" \
                 writes = \"{id}/one.bundle.json\", a line for each key"
            );
            sheet.findings.push(Finding::of_file(FindingKind::NoTest, &sheet.file, message).help(help));
        }
    }
}

fn check_name(sheet: &mut Sheet, top: &Section<'_>, expected: &str) {
    let Some(name) = top.text(sheet, "name") else { return };
    if name.value != expected {
        let message = format!("the channel is named `{}`, but its file is that of `{expected}`", name.value);
        let help =
            Some(format!("write name = \"{expected}\", or move the file to channels/{}.toml", name.value));
        sheet.report_with(FindingKind::NameDiffersFromPath, &name.span, message, help);
    }
}

fn check_version(sheet: &mut Sheet, top: &Section<'_>) {
    let Some(version) = top.number(sheet, "version", 1, 1000) else { return };
    if version.value != VERSION {
        let message = format!("version {} of the channel language is not known here", version.value);
        let help = Some(format!("this hub reads version = {VERSION}"));
        sheet.report_with(FindingKind::UnknownVersion, &version.span, message, help);
    }
}

fn read_from(sheet: &mut Sheet, from: &Section<'_>) -> FromDraft {
    let words = ["on_received", "on_committed", "on_answered"];
    let word = from.word(sheet, "acknowledge", &words);
    let acknowledge = match word.as_ref().map(|word| word.value.as_str()) {
        Some("on_committed") => Acknowledge::OnCommitted,
        Some("on_answered") => Acknowledge::OnAnswered,
        _ => Acknowledge::OnReceived,
    };
    FromDraft {
        span: from.span().clone(),
        connector: from.text(sheet, "connector"),
        acknowledge,
        acknowledge_span: word.map(|word| word.span),
        lane_by: from.path(sheet, "lane_by"),
        settings: SettingsDraft::read(sheet, from),
    }
}

fn read_parse(sheet: &mut Sheet, parse: &Section<'_>) -> ParseDraft {
    let mut accept = Vec::new();
    for text in parse.texts(sheet, "accept").map(|accept| accept.value).unwrap_or_default() {
        match Pattern::parse(&text.value) {
            Some(pattern) => accept.push(pattern),
            None => sheet.report_with(
                FindingKind::WrongType,
                &text.span,
                format!("\"{}\" is no kind of message", text.value),
                Some("for example: \"ORU^R01\", or \"ADT^*\" for all of a family".to_owned()),
            ),
        }
    }
    let format = parse.text(sheet, "format");
    ParseDraft { format, accept, charset: parse.text(sheet, "charset"), split: read_split(sheet, parse) }
}

/// `messages`, or a path.
fn read_split(sheet: &mut Sheet, parse: &Section<'_>) -> Option<At<Split>> {
    let text = parse.text(sheet, "split")?;
    let split = match text.value.as_str() {
        "messages" => Split::Messages,
        _ => Split::At(read_path(sheet, &text)?),
    };
    Some(At { value: split, span: text.span })
}

fn read_keys(sheet: &mut Sheet, table: &DeTable<'_>) -> Vec<(CompactString, At<Path>)> {
    let mut keys = Vec::new();
    for (name, value) in table {
        let Some(text) = string(value) else {
            let message = format!("the key `{}` must be a path", name.get_ref());
            let help = Some("for example: patient = \"PID-3.1\"".to_owned());
            sheet.report_with(FindingKind::WrongType, &value.span(), message, help);
            continue;
        };
        if let Some(path) = read_path(sheet, &text) {
            let path = At { value: path, span: text.span.clone() };
            keys.push((CompactString::from(name.get_ref().as_ref()), path));
        }
    }
    keys
}

fn read_raise(sheet: &mut Sheet, table: &DeTable<'_>) -> Vec<(At<String>, CompactString)> {
    const FORM: &str = "two words of small letters and a dot between them: Task = \"task.answered\"";
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let mut raise = Vec::new();
    for (kind, value) in table {
        let event = string(value).map(|text| text.value);
        let fits =
            |text: &&String| text.split_once('.').is_some_and(|(noun, verb)| is_word(noun) && is_word(verb));
        let Some(event) = event.as_ref().filter(fits) else {
            let message = format!("the event of `{}` must be a name", kind.get_ref());
            sheet.report_with(FindingKind::WrongType, &value.span(), message, Some(FORM.to_owned()));
            continue;
        };
        let kind = At { value: kind.get_ref().to_string(), span: kind.span() };
        raise.push((kind, CompactString::from(event)));
    }
    raise
}

fn read_route(sheet: &mut Sheet, to: &Section<'_>) -> RouteDraft {
    let name = to.text(sheet, "name").filter(|name| is_word(sheet, name));
    let words = InDoubt::ALL.map(InDoubt::name);
    let in_doubt = to.word(sheet, "in_doubt", &words).map(|word| word.value);
    let in_doubt = InDoubt::ALL.into_iter().find(|one| in_doubt.as_deref() == Some(one.name()));
    let retry = to.section(sheet, "retry", "to.retry");
    let circuit = to.section(sheet, "circuit", "to.circuit");
    RouteDraft {
        span: to.span().clone(),
        name,
        connector: to.text(sheet, "connector"),
        settings: SettingsDraft::read(sheet, to),
        when: to.text(sheet, "when").and_then(|text| read_condition(sheet, &text)),
        each: to.path(sheet, "each"),
        mapping: to.text(sheet, "mapping"),
        answer: to.text(sheet, "answer"),
        order_by: to.path(sheet, "order_by"),
        retry: retry.map(|retry| read_retry(sheet, &retry)).unwrap_or_default(),
        in_doubt: in_doubt.unwrap_or_default(),
        circuit: circuit.map(|circuit| read_circuit(sheet, &circuit)).unwrap_or_default(),
    }
}

fn read_reply(sheet: &mut Sheet, reply: &Section<'_>) -> ReplyDraft {
    let search = reply.texts(sheet, "search").map(|texts| {
        let templates = texts.value.iter().filter_map(|text| read_search(sheet, text)).collect();
        At { value: templates, span: texts.span }
    });
    let within = reply.number(sheet, "within_secs", 1, 300).map_or(10, |within| within.value);
    ReplyDraft {
        span: reply.span().clone(),
        mapping: reply.text(sheet, "mapping"),
        search,
        of: reply.text(sheet, "of"),
        within: Duration::from_secs(within),
        busy: reply.text(sheet, "busy"),
        refused: reply.text(sheet, "refused"),
    }
}

fn read_start(sheet: &mut Sheet, start: &Section<'_>) -> Option<StartDraft> {
    let word = start.word(sheet, "when", &StartWhen::ALL.map(StartWhen::name)).map(|word| word.value);
    let when = StartWhen::ALL.into_iter().find(|one| word.as_deref() == Some(one.name()));
    Some(StartDraft { after: start.texts(sheet, "after")?, when: when.unwrap_or_default() })
}

/// Reads a search; what is wrong with it is noted at its own column.
fn read_search(sheet: &mut Sheet, text: &At<String>) -> Option<SearchTemplate> {
    match SearchTemplate::parse(&text.value) {
        Ok(template) => Some(template),
        Err(error) => {
            let span = sheet.within(text, error.column);
            let help = Some("for example: \"Patient?identifier=urn:oid:1.2|{PID-3.1}\"".to_owned());
            sheet.report_with(FindingKind::BadSearch, &span, error.to_string(), help);
            None
        }
    }
}

/// Whether a name can be part of a destination's id; what is wrong is noted.
fn is_word(sheet: &mut Sheet, name: &At<String>) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = !name.value.is_empty() && name.value.chars().all(letter);
    if !fits {
        let message = format!("`{}` cannot be the name of a destination", name.value);
        let help = Some("names are of small letters, digits and `-`: `ward-notice`".to_owned());
        sheet.report_with(FindingKind::WrongType, &name.span, message, help);
    }
    fits
}

fn read_retry(sheet: &mut Sheet, retry: &Section<'_>) -> RetryPolicy {
    let known = RetryPolicy::default();
    let first = retry.number(sheet, "first_secs", 1, DAY_SECS);
    let first_secs = first.as_ref().map_or(known.first.as_secs(), |first| first.value);
    let max = retry.number(sheet, "max_secs", 1, DAY_SECS);
    let max_secs = max.as_ref().map_or(known.max.as_secs().max(first_secs), |max| max.value);
    if let Some(max) = max.filter(|max| max.value < first_secs) {
        let message = format!("the longest wait, {} s, is shorter than the first, {first_secs} s", max.value);
        sheet.report(FindingKind::WrongType, &max.span, message);
    }
    let hours = retry.number(sheet, "give_up_after_hours", 1, YEAR_HOURS);
    let give_up_after = hours.map(|hours| Duration::from_secs(hours.value * 3600));
    RetryPolicy {
        first: Duration::from_secs(first_secs),
        max: Duration::from_secs(max_secs),
        give_up_after: give_up_after.unwrap_or(known.give_up_after),
    }
}

fn read_circuit(sheet: &mut Sheet, circuit: &Section<'_>) -> Circuit {
    let known = Circuit::default();
    let failures = circuit.number(sheet, "failures", 1, 1000);
    let within = circuit.number(sheet, "within_secs", 1, DAY_SECS);
    let probe = circuit.number(sheet, "probe_secs", 1, DAY_SECS);
    Circuit {
        failures: failures.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(known.failures),
        within: within.map_or(known.within, |at| Duration::from_secs(at.value)),
        probe: probe.map_or(known.probe, |at| Duration::from_secs(at.value)),
    }
}

fn read_test(sheet: &mut Sheet, test: &Section<'_>) -> TestDraft {
    // A test runs until the message, or each of its pieces, has ended; the other states are no end of it.
    let names = [StateName::Committed, StateName::Filtered, StateName::Quarantined].map(StateName::name);
    let state = test.word(sheet, "state", &names).and_then(|word| StateName::from_name(&word.value));
    let state = state.unwrap_or(StateName::Committed);
    let place = test.text(sheet, "place");
    let reason = test.text(sheet, "reason");
    for (key, value) in [("place", &place), ("reason", &reason)] {
        let Some(value) = value else { continue };
        if test.find("state").is_none() || (state == StateName::Committed) {
            let message = format!(
                "`{key}` is about a message that is not committed, and the test says nothing of that"
            );
            let help = Some("add state = \"quarantined\" or state = \"filtered\"".to_owned());
            sheet.report_with(FindingKind::MissingKey, &value.span, message, help);
        }
    }
    TestDraft {
        span: test.span().clone(),
        name: test.text(sheet, "name"),
        given: test.text(sheet, "given").filter(|path| is_safe(sheet, path)),
        receipt: test.text(sheet, "receipt").map(|receipt| receipt.value),
        state,
        place: place.map(|place| place.value),
        reason: reason.map(|reason| reason.value),
        writes: test.text(sheet, "writes").filter(|path| is_safe(sheet, path)),
        pieces: test.number(sheet, "pieces", 0, 10_000).map(|pieces| pieces.value),
        stored: test.text(sheet, "stored").filter(|path| is_safe(sheet, path)),
        reply: test.text(sheet, "reply").filter(|path| is_safe(sheet, path)),
        sends: read_sends(sheet, test),
    }
}

fn read_sends(sheet: &mut Sheet, test: &Section<'_>) -> Vec<(At<String>, At<String>)> {
    let mut sends = Vec::new();
    let Some((table, _)) = test.table(sheet, "sends") else { return sends };
    for (name, value) in table {
        let Some(path) = string(value) else {
            let message =
                format!("what `{}` is sent must be the name of a file below fixtures/", name.get_ref());
            sheet.report(FindingKind::WrongType, &value.span(), message);
            continue;
        };
        if is_safe(sheet, &path) {
            sends.push((At { value: name.get_ref().to_string(), span: name.span() }, path));
        }
    }
    sends
}

/// Whether a path stays below `fixtures/`; what is wrong is noted. Expectations are written to these paths.
fn is_safe(sheet: &mut Sheet, path: &At<String>) -> bool {
    let parts: Vec<_> = FilePath::new(&path.value).components().collect();
    let stays = parts.iter().all(|part| matches!(part, std::path::Component::Normal(_)));
    let fits = stays && !parts.is_empty() && !path.value.contains(['\\', ':', '\0']);
    if !fits {
        let message = format!("the path `{}` leads out of fixtures/", path.value);
        let help = Some("paths of tests are relative to fixtures/, with `/` and without `..`".to_owned());
        sheet.report_with(FindingKind::UnsafePath, &path.span, message, help);
    }
    fits
}

/// Compiles a condition; what is wrong with it is noted at its own column.
fn read_condition(sheet: &mut Sheet, text: &At<String>) -> Option<At<Condition>> {
    match Condition::compile(&text.value) {
        Ok(condition) => Some(At { value: condition, span: text.span.clone() }),
        Err(error) => {
            let span = sheet.within(text, error.column);
            let help = Some(ConditionError::HELP.to_owned());
            sheet.report_with(FindingKind::BadCondition, &span, error.to_string(), help);
            None
        }
    }
}
