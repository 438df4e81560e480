//! What is wrong with a file a person wrote: where, what, and how to mend it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One finding of the lint. All findings of all files are shown at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What sort of finding it is.
    pub kind: FindingKind,
    /// The file, relative to the project's root.
    pub file: PathBuf,
    /// Line, from 1; 0 when the finding is about the whole file.
    pub line: usize,
    /// Column in characters, from 1; 0 when the finding is about the whole file.
    pub column: usize,
    /// The line itself, without its line end.
    pub source: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// How to mend it: the nearest right word, the command to run.
    pub help: Option<String>,
}

/// Sorts of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FindingKind {
    Unreadable,
    UnknownKey,
    MissingKey,
    WrongType,
    NameDiffersFromPath,
    UnknownVersion,
    UnknownConnector,
    WrongSettings,
    PortTaken,
    MappingMissing,
    FormatDiffers,
    UnknownElement,
    WrongCardinality,
    UnknownFunction,
    BadPath,
    BadCondition,
    BadSearch,
    UnknownReference,
    CodeTableMissing,
    UnknownCode,
    IncludeLoop,
    StartLoop,
    TypeNotInWrites,
    SecretNotSet,
    FixtureMissing,
    NoTest,
    DuplicateName,
    UnsafePath,
    /// A warning: the file is written by `huitong test --bless`.
    ExpectationMissing,
    /// A warning: nothing uses it.
    Unused,
}

impl FindingKind {
    /// The name shown: `unknown-key`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }

    /// `error`, or `warning` for what does not keep the hub from running.
    pub fn severity(self) -> &'static str {
        match self {
            Self::ExpectationMissing | Self::Unused => "warning",
            _ => "error",
        }
    }
}

impl Finding {
    /// A finding at the byte range `span` of `text`, the whole content of `file`.
    pub fn at(
        kind: FindingKind,
        file: impl Into<PathBuf>,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let source = text[line_start..].lines().next().unwrap_or_default().to_owned();
        Self {
            kind,
            file: file.into(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            source,
            message: message.into(),
            help: None,
        }
    }

    /// A finding about a whole file.
    pub fn of_file(kind: FindingKind, file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            kind,
            file: file.into(),
            line: 0,
            column: 0,
            source: String::new(),
            message: message.into(),
            help: None,
        }
    }

    /// What the reader of TOML says of a file, and of the one mistake that copying makes most often, how to mend it.
    pub fn not_toml(file: impl Into<PathBuf>, text: &str, span: Option<Range<usize>>, what: &str) -> Self {
        let span = span.unwrap_or(0..0);
        let finding =
            Self::at(FindingKind::Unreadable, file, text, span.clone(), format!("this is not TOML: {what}"));
        match text.get(span) {
            Some(key) if what.contains("duplicate key") => {
                finding.help(format!("`{key}` stands in this table twice: keep one of them"))
            }
            _ => finding,
        }
    }

    /// The same finding with a word of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Finding {
    /// ```text
    /// error[unknown-key]: unknown key `lane`
    ///   --> channels/lis/oru-r01.toml:8:1
    ///    |
    ///  8 | lane = "PID-3.1"
    ///    | ^
    ///    = help: did you mean `lane_by`?
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}[{}]: {}", self.kind.severity(), self.kind.name(), self.message)?;
        if self.line == 0 {
            write!(f, "  --> {}", self.file.display())?;
        } else {
            let width = self.line.to_string().len();
            writeln!(
                f,
                "{:width$}--> {}:{}:{}",
                "",
                self.file.display(),
                self.line,
                self.column,
                width = width + 1
            )?;
            writeln!(f, " {:width$} |", "")?;
            writeln!(f, " {} | {}", self.line, self.source)?;
            write!(f, " {:width$} | {:pad$}^", "", "", pad = self.column.saturating_sub(1))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n   = help: {help}")?;
        }
        Ok(())
    }
}

/// The word of `known` nearest to `word`, when one is near enough to be a slip of the pen.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
