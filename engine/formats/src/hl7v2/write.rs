//! Writes a message's tree as HL7 v2 in its own notation: the inverse of reading.

use std::collections::HashMap;
use std::fmt::Write as _;

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::document::{WriteError, Writer};
use hub_core::registry::Settings;
use hub_fhir::{Json, Object};
use serde::Deserialize;

use super::charset::Charset;
use super::escape::{escape, is_plain};
use super::separators::Separators;
use crate::FormatError;

/// More separators than this in one segment are refused, as they are when a message is read.
const MOST_SEPARATORS: usize = 65_000;

/// How messages are laid out: `[message.layout]` of a mapping.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layout {
    /// MSH-1 and MSH-2.
    separators: String,
    /// The charset of messages whose tree has no MSH-18; a name of table 0211.
    charset: String,
    /// Whether that charset is written to MSH-18. `false`: the receiver knows it.
    declare: bool,
    /// What ends a segment.
    segment_end: SegmentEnd,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum SegmentEnd {
    Cr,
    Lf,
    CrLf,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            separators: "|^~\\&".to_owned(),
            charset: Charset::Utf8.name().to_owned(),
            declare: true,
            segment_end: SegmentEnd::Cr,
        }
    }
}

/// Writes HL7 v2 messages of trees `{"segments": [{"MSH": {"9": {"1": "ADT"}}}, ..]}`: segments of fields by number; a field
/// is a text, an object of components by number, or an array of repetitions; `null` is HL7's `""`.
///
/// MSH-1 and MSH-2 are the writer's own. What is written can be read, and says the same.
#[derive(Clone, Debug)]
pub struct Hl7Writer {
    separators: Separators,
    charset: Charset,
    declare: bool,
    segment_end: &'static str,
}

impl Default for Hl7Writer {
    fn default() -> Self {
        Self { separators: Separators::default(), charset: Charset::Utf8, declare: true, segment_end: "\r" }
    }
}

impl Hl7Writer {
    /// The writer of a layout: `separators`, `charset`, `declare`, `segment_end`.
    pub fn new(layout: &Settings) -> Result<Self, FormatError> {
        let layout: Layout =
            layout.clone().try_into().map_err(|error| FormatError::Layout(error.message().to_owned()))?;
        let charset = Charset::from_name(&layout.charset).ok_or(FormatError::Charset(layout.charset))?;
        let segment_end = match layout.segment_end {
            SegmentEnd::Cr => "\r",
            SegmentEnd::Lf => "\n",
            SegmentEnd::CrLf => "\r\n",
        };
        let separators = separators_of(&layout.separators)?;
        Ok(Self { separators, charset, declare: layout.declare, segment_end })
    }
}

fn separators_of(text: &str) -> Result<Separators, FormatError> {
    let wrong = |what: &str| {
        FormatError::Layout(format!("`separators`: {what}: expected MSH-1 and MSH-2, such as `|^~\\&`"))
    };
    let header = format!("MSH{text}");
    let (separators, end) = Separators::of_header(header.as_bytes()).map_err(|error| wrong(&error.what))?;
    if end != header.len() || separators.encoding_characters().count() + 1 != text.len() {
        return Err(wrong("one of them stands there twice"));
    }
    if separators.has(b'"') {
        return Err(wrong("`\"` is needed for the null value"));
    }
    Ok(separators)
}

impl Writer for Hl7Writer {
    fn write(&self, message: &Object) -> Result<Bytes, WriteError> {
        let error = |place: &str, what: &str| WriteError { place: place.to_owned(), what: what.to_owned() };
        if let Some((name, _)) = message.iter().find(|(name, _)| *name != "segments") {
            return Err(error(name, "an HL7 v2 message has one member, `segments`"));
        }
        let segments = message.get("segments").and_then(Json::as_array).unwrap_or_default();
        let mut named = Vec::with_capacity(segments.len());
        for (at, segment) in segments.iter().enumerate() {
            named.push(named_segment(segment).map_err(|what| error(&format!("segments[{}]", at + 1), what))?);
        }
        let Some((&("MSH", header), others)) = named.split_first() else {
            return Err(error("segments", "expected an array of segments that begins with MSH"));
        };

        let mut header = header.clone();
        let charset = match self.declared(&header)? {
            Some(charset) => charset,
            None => {
                if self.declare && !header.get("18").is_some_and(|field| *field == Json::Null) {
                    header.set("18", self.declaration());
                }
                self.charset
            }
        };
        let mut text = self.text(charset, segments.len());
        text.header(&header)?;
        text.text.push_str(self.segment_end);
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        others.iter().for_each(|(name, _)| counts.entry(name).or_default().1 += 1);
        for (name, fields) in others {
            let (nth, of) = counts.entry(name).or_default();
            *nth += 1;
            text.segment(name, (*of > 1).then_some(*nth), fields)?;
            text.text.push_str(self.segment_end);
        }
        match charset.encode_exactly(&text.text) {
            Ok(bytes) => Ok(Bytes::from(bytes)),
            Err(_) => Err(error("MSH-18", "the text as a whole cannot be written in this charset")),
        }
    }

    fn content_type(&self) -> CompactString {
        CompactString::const_new("x-application/hl7-v2+er7")
    }
}

impl Hl7Writer {
    fn text(&self, charset: Charset, segments: usize) -> Text<'_> {
        Text {
            text: String::with_capacity(64 * (segments + 1)),
            separators: &self.separators,
            charset,
            place: String::new(),
            count: 0,
        }
    }

    /// The charset that the tree's own MSH-18 names.
    fn declared(&self, header: &Object) -> Result<Option<Charset>, WriteError> {
        let Some(field) = header.get("18") else { return Ok(None) };
        let mut text = self.text(Charset::Utf8, 0);
        text.place.push_str("MSH-18");
        text.field(field)?;
        Charset::from_msh_18(&text.text, self.separators.repetition)
            .map_err(|_| text.error("names a charset that the hub does not know"))
    }

    /// What MSH-18 says of the layout's charset.
    fn declaration(&self) -> Json {
        let name = Json::string(self.charset.name());
        // The first repetition is what the message begins in; the second what its escape sequences lead to.
        let by_sequences = self.charset == Charset::Iso2022Jp && self.separators.repetition.is_some();
        if by_sequences { Json::Array(vec![Json::Null, name]) } else { name }
    }
}

/// The name and the fields of a segment.
fn named_segment(segment: &Json) -> Result<(&str, &Object), &'static str> {
    static NONE: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
    let members = segment.as_object().filter(|object| object.len() == 1);
    let Some((name, fields)) = members.and_then(|object| object.iter().next()) else {
        return Err("expected an object with one member: the segment's name");
    };
    let is_name = name.len() == 3
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && name.as_bytes()[0].is_ascii_uppercase();
    if !is_name {
        return Err("expected the name of a segment: three capital letters or digits, such as PID");
    }
    if matches!(name, "FHS" | "BHS" | "BTS" | "FTS") {
        return Err("a batch is not written: one message is written at a time");
    }
    match fields {
        Json::Object(fields) => Ok((name, fields)),
        Json::Null => Ok((name, &NONE)),
        _ => Err("expected the segment's fields in an object, by their numbers"),
    }
}

/// The text that grows.
struct Text<'a> {
    text: String,
    separators: &'a Separators,
    charset: Charset,
    /// Where in the message we are: `PID-3(2).1`.
    place: String,
    /// The separators written in this segment.
    count: usize,
}

/// What the numbers of an object count.
#[derive(Clone, Copy)]
enum Level {
    Fields,
    Components,
    Subcomponents,
}

impl Text<'_> {
    fn error(&self, what: &str) -> WriteError {
        WriteError { place: self.place.clone(), what: what.to_owned() }
    }

    fn header(&mut self, fields: &Object) -> Result<(), WriteError> {
        self.place = "MSH".to_owned();
        if fields.get("1").or(fields.get("2")).is_some() {
            return Err(self.error("MSH-1 and MSH-2 are the writer's: the layout's `separators` say them"));
        }
        self.text.push_str("MSH");
        self.text.push(char::from(self.separators.field));
        self.text.extend(self.separators.encoding_characters().map(char::from));
        self.parts(fields, Level::Fields, 2)
    }

    fn segment(&mut self, name: &str, nth: Option<usize>, fields: &Object) -> Result<(), WriteError> {
        self.place.clear();
        self.place.push_str(name);
        if name == "MSH" {
            return Err(self.error("a second MSH: one message is written at a time"));
        }
        if let Some(nth) = nth {
            write!(self.place, "[{nth}]").expect("writing to a string does not fail");
        }
        self.text.push_str(name);
        self.count = 0;
        let before = self.text.len();
        self.parts(fields, Level::Fields, 0)?;
        if self.text.len() == before {
            self.text.push(char::from(self.separators.field)); // a bare name is no segment for many readers
        }
        Ok(())
    }

    /// Writes numbered parts with their separators; what is empty at the end is left out. `at` is the number of the part
    /// where the text stands.
    fn parts(&mut self, parts: &Object, level: Level, mut at: usize) -> Result<(), WriteError> {
        let place = self.place.len();
        let mut numbered = Vec::with_capacity(parts.len());
        for (key, value) in parts.iter() {
            let number = key.parse::<u16>().ok().filter(|number| *number > 0 && !key.starts_with(['0', '+']));
            let number =
                number.ok_or_else(|| self.error(&format!("`{key}` is no number of a {}", level.noun())))?;
            numbered.push((usize::from(number), value));
        }
        numbered.sort_unstable_by_key(|(number, _)| *number);
        for (number, value) in numbered {
            let before = self.text.len();
            let mark = if matches!(level, Level::Fields) { '-' } else { '.' };
            write!(self.place, "{mark}{number}").expect("writing to a string does not fail");
            let separator = level.separator(self.separators);
            self.separate(number - at.min(number), separator, level.noun())?;
            let begin = self.text.len();
            match level {
                Level::Fields => self.field(value)?,
                Level::Components => self.component(value)?,
                Level::Subcomponents => self.leaf(value)?,
            }
            match self.text.len() == begin {
                true => self.text.truncate(before),
                false => at = number,
            }
            self.place.truncate(place);
        }
        Ok(())
    }

    fn separate(&mut self, times: usize, sign: Option<u8>, noun: &str) -> Result<(), WriteError> {
        if times == 0 {
            return Ok(());
        }
        let Some(sign) = sign else {
            return Err(self.error(&format!("the layout's `separators` have no sign for a second {noun}")));
        };
        self.count += times;
        if self.count > MOST_SEPARATORS {
            return Err(self.error(&format!("more than {MOST_SEPARATORS} parts in one segment")));
        }
        self.text.extend(std::iter::repeat_n(char::from(sign), times));
        Ok(())
    }

    fn field(&mut self, value: &Json) -> Result<(), WriteError> {
        let Json::Array(repetitions) = value else { return self.repetition(value) };
        let place = self.place.len();
        let mut at = 0;
        for (nth, repetition) in repetitions.iter().enumerate() {
            if *repetition == Json::Null {
                continue;
            }
            let before = self.text.len();
            write!(self.place, "({})", nth + 1).expect("writing to a string does not fail");
            self.separate(nth - at, self.separators.repetition, "repetition")?;
            let begin = self.text.len();
            self.repetition(repetition)?;
            match self.text.len() == begin {
                true => self.text.truncate(before),
                false => at = nth,
            }
            self.place.truncate(place);
        }
        Ok(())
    }

    fn repetition(&mut self, value: &Json) -> Result<(), WriteError> {
        match value {
            Json::Object(components) => self.parts(components, Level::Components, 1),
            value => self.leaf(value),
        }
    }

    fn component(&mut self, value: &Json) -> Result<(), WriteError> {
        match value {
            Json::Object(subcomponents) => self.parts(subcomponents, Level::Subcomponents, 1),
            value => self.leaf(value),
        }
    }

    fn leaf(&mut self, value: &Json) -> Result<(), WriteError> {
        let text = match value {
            Json::String(text) | Json::Number(text) => text.as_str(),
            Json::Null => {
                self.text.push_str("\"\"");
                return Ok(());
            }
            Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
                return Err(self.error("expected a text, a number or null"));
            }
        };
        if self.separators.escape.is_none() && !is_plain(text, self.separators) {
            return Err(self.error(
                "holds a separator or a line end, and the layout's `separators` have no escape character",
            ));
        }
        if text == "\"\"" {
            // Two quotes that are meant, not HL7's null.
            let escaped = self.separators.escape.map(char::from).map(|sign| format!("{sign}X2222{sign}"));
            let what = "two quotes are HL7's null, and the layout's `separators` have no escape character";
            self.text.push_str(&escaped.ok_or_else(|| self.error(what))?);
            return Ok(());
        }
        let escaped = escape(text, self.separators);
        if let Some(lacking) = self.charset.lacks(&escaped) {
            let what = match lacking {
                '\u{FFFD}' => {
                    "holds a replacement character (U+FFFD): a system before the hub has lost a character"
                        .to_owned()
                }
                _ => format!("holds a character that {} does not have", self.charset.name()),
            };
            return Err(self.error(&what));
        }
        self.text.push_str(&escaped);
        Ok(())
    }
}

impl Level {
    fn noun(self) -> &'static str {
        match self {
            Self::Fields => "field",
            Self::Components => "component",
            Self::Subcomponents => "subcomponent",
        }
    }

    fn separator(self, separators: &Separators) -> Option<u8> {
        match self {
            Self::Fields => Some(separators.field),
            Self::Components => Some(separators.component),
            Self::Subcomponents => separators.subcomponent,
        }
    }
}
