//! Code tables: what a sender's code means, and what is done with a code that is not listed.

use std::collections::{BTreeMap, HashMap};

use compact_str::CompactString;
use hub_core::finding::{Finding, FindingKind};
use toml::Spanned;
use toml::de::DeValue;

use crate::concept_map;
use crate::files::Files;
use crate::keys;
use crate::reading::{Log, Sheet, Table, suggest};

/// A compiled table of `mappings/codes/`.
#[derive(Debug)]
pub(crate) struct CodeTable {
    pub(crate) name: CompactString,
    /// The system of the sender's codes.
    pub(crate) source: Option<CompactString>,
    /// The system of the codes written.
    pub(crate) target: Option<CompactString>,
    pub(crate) other: Other,
    pub(crate) codes: HashMap<CompactString, Coded>,
    /// The other way round: which of several codes of the sender is written for a target code, and what is done with one that is
    /// not listed.
    pub(crate) back: HashMap<CompactString, CompactString>,
    pub(crate) back_other: Other,
}

/// A target code that several codes of the sender mean.
pub(crate) struct Ambiguous {
    pub(crate) target: CompactString,
    pub(crate) sources: Vec<CompactString>,
}

/// A code that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coded {
    pub(crate) code: CompactString,
    /// Where it is not the table's target.
    pub(crate) system: Option<CompactString>,
    pub(crate) display: Option<CompactString>,
}

/// What is done with a code that is not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Quarantine,
    Keep,
    Drop,
    Value(Coded),
}

/// What a table says of a code.
pub(crate) enum Found<'t> {
    Listed(&'t Coded),
    Kept,
    Dropped,
    Unknown,
}

impl CodeTable {
    pub(crate) fn find(&self, code: &str) -> Found<'_> {
        match (self.codes.get(code), &self.other) {
            (Some(coded), _) | (None, Other::Value(coded)) => Found::Listed(coded),
            (None, Other::Keep) => Found::Kept,
            (None, Other::Drop) => Found::Dropped,
            (None, Other::Quarantine) => Found::Unknown,
        }
    }

    /// The table the other way round: from the codes written to those of the sender.
    pub(crate) fn turned(&self) -> Result<CodeTable, Ambiguous> {
        let mut sources: BTreeMap<&CompactString, Vec<&CompactString>> = BTreeMap::new();
        for (source, coded) in &self.codes {
            sources.entry(&coded.code).or_default().push(source);
        }
        let mut codes = HashMap::with_capacity(sources.len());
        for (target, mut sources) in sources {
            sources.sort();
            let written = match (self.back.get(target), sources.as_slice()) {
                (Some(said), _) => said,
                (None, [only]) => only,
                (None, _) => {
                    let sources = sources.into_iter().cloned().collect();
                    return Err(Ambiguous { target: target.clone(), sources });
                }
            };
            codes.insert(target.clone(), Coded { code: written.clone(), system: None, display: None });
        }
        let more = self.back.iter().filter(|(target, _)| !codes.contains_key(*target));
        let more: Vec<_> = more.map(|(target, source)| (target.clone(), source.clone())).collect();
        codes.extend(
            more.into_iter().map(|(target, code)| (target, Coded { code, system: None, display: None })),
        );
        Ok(CodeTable {
            name: self.name.clone(),
            source: self.target.clone(),
            target: self.source.clone(),
            other: self.back_other.clone(),
            codes,
            back: HashMap::new(),
            back_other: Other::Quarantine,
        })
    }

    /// Every code it can write, the one for unlisted codes included.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Coded> {
        let other = match &self.other {
            Other::Value(coded) => Some(coded),
            Other::Quarantine | Other::Keep | Other::Drop => None,
        };
        self.codes.values().chain(other)
    }
}

/// What is wrong with the code table of this name.
pub fn check_code_table(name: &str, files: &dyn Files) -> Vec<Finding> {
    let log = Log::default();
    if load(name, files, &log).is_none() && files.code_table(name).is_none() {
        let message = format!("there is no code table `{name}`");
        let file = format!("mappings/codes/{name}.toml");
        log.push(Finding::of_file(FindingKind::CodeTableMissing, file, message));
    }
    log.into_findings()
}

/// Reads a code table. `None` when it is not there, or when it is wrong: then the log says why.
pub(crate) fn load(name: &str, files: &dyn Files, log: &Log) -> Option<CodeTable> {
    let file = files.code_table(name)?;
    if file.path.extension().is_some_and(|suffix| suffix == "json") {
        return concept_map::read(name, &file, log);
    }
    let sheet = Sheet { file: &file, number: 0, log };
    let parsed = sheet.parse()?;
    let table = Table { sheet, inner: parsed.get_ref(), span: 0..0 };
    table.only_keys(keys::CODE_TABLE);
    if let Some(word) = table.must_text("name", "every code table starts with its `name`")
        && word.text != name
    {
        let message = format!("`name` is `{}`, but the path of the file says `{name}`", word.text);
        sheet.find(FindingKind::NameDiffersFromPath, word.span, message);
    }
    table.text("about");
    let source = table.text("source").map(|word| word.text.into());
    let target = table.text("target").map(|word| word.text.into());
    let unlisted = other(&table, "other");
    let back_other =
        if table.has("back_other") { other(&table, "back_other") } else { Some(Other::Quarantine) };
    let codes = codes(&table);
    let back = back(&table, codes.as_ref());
    Some(CodeTable {
        name: name.into(),
        source,
        target,
        other: unlisted?,
        codes: codes?,
        back: back?,
        back_other: back_other?,
    })
}

/// `[back]`: target codes and what is written for them the other way round.
fn back(
    table: &Table<'_, '_>,
    codes: Option<&HashMap<CompactString, Coded>>,
) -> Option<HashMap<CompactString, CompactString>> {
    let mut back = HashMap::new();
    if !table.has("back") {
        return Some(back);
    }
    let inner = table.table("back")?;
    for (key, value) in inner.entries() {
        let DeValue::String(source) = value.get_ref() else {
            inner.wrong(key.text, value, "a code of the sender");
            return None;
        };
        if let Some(codes) = codes
            && !codes.contains_key(source.as_ref())
        {
            let message = format!("`[codes]` does not list `{source}`");
            let help = suggest(source, codes.keys().map(CompactString::as_str).collect::<Vec<_>>());
            table.sheet.find_help(FindingKind::UnknownCode, value.span(), message, help);
            return None;
        }
        back.insert(key.text.into(), source.as_ref().into());
    }
    Some(back)
}

fn other(table: &Table<'_, '_>, key: &str) -> Option<Other> {
    const EXPECTED: &str = "\"quarantine\", \"keep\", \"drop\" or { value = \"a code\" }";
    let Some(value) = table.value(key) else {
        table.missing(key, "say what is done with a code that is not listed: `other = \"quarantine\"`");
        return None;
    };
    match value.get_ref() {
        DeValue::String(word) => match word.as_ref() {
            "quarantine" => return Some(Other::Quarantine),
            "keep" => return Some(Other::Keep),
            "drop" => return Some(Other::Drop),
            _ => {
                let help = suggest(word, ["quarantine", "keep", "drop"]);
                let message = format!("`{key}` must be {EXPECTED}");
                table.sheet.find_help(FindingKind::WrongType, value.span(), message, help);
            }
        },
        DeValue::Table(_) => {
            let inner = table.as_table(value)?;
            inner.only(&["value", "system", "display"]);
            let code = inner.must_text("value", "`other = { value = \"unknown\" }`")?;
            return Some(Other::Value(with_details(&inner, code.text)));
        }
        _ => table.wrong(key, value, EXPECTED),
    }
    None
}

fn with_details(table: &Table<'_, '_>, code: &str) -> Coded {
    let text = |key: &str| table.text(key).map(|word| word.text.into());
    Coded { code: code.into(), system: text("system"), display: text("display") }
}

fn codes(table: &Table<'_, '_>) -> Option<HashMap<CompactString, Coded>> {
    if !table.has("codes") {
        table.missing("codes", "list the codes under `[codes]`: `F = \"final\"`");
        return None;
    }
    let codes = table.table("codes")?;
    let mut known = HashMap::with_capacity(codes.inner.len());
    for (key, value) in codes.entries() {
        if let Some(coded) = coded(&codes, key.text, value) {
            known.insert(key.text.trim().into(), coded);
        }
    }
    Some(known)
}

fn coded(table: &Table<'_, '_>, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Coded> {
    let coded = match value.get_ref() {
        DeValue::String(code) => Coded { code: code.as_ref().into(), system: None, display: None },
        DeValue::Table(_) => {
            let inner = Table { sheet: table.sheet, inner: value.get_ref().as_table()?, span: value.span() };
            inner.only_keys(keys::CODE);
            let code = inner.must_text("code", "`U = { code = \"final\", display = \"Final\" }`")?;
            with_details(&inner, code.text)
        }
        _ => {
            table.wrong(key, value, "a code, or { code = \"..\", display = \"..\" }");
            return None;
        }
    };
    let json = hub_fhir::Json::String(coded.code.clone());
    if let Err(expected) = hub_fhir::primitive::Primitive::Code.check(&json) {
        let message = format!("`{}` is no code: {expected}", coded.code);
        table.sheet.find(FindingKind::WrongType, value.span(), message);
        return None;
    }
    Some(coded)
}
