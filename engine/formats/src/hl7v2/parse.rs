//! Bytes to document: decoded by MSH-18, cut by hl7-parser, guarded against what that crate leaves out silently.

use hl7_parser::message::Segment;
use hl7_parser::parser::{parse_msh, parse_segment_with_separators};
use hub_core::document::{Document, ParseError, Parser};
use hub_core::path::Path;

use super::arrange::{Step, arrange};
use super::charset::{Charset, CharsetOrigin};
use super::document::{Hl7Document, Item, Kind};
use super::header::{charset_of, message_type};
use super::separators::{Pieces, Separators, lines, start};
use super::structure::{self, Structure, Tag, Version};

/// More separators than this in one segment are refused: hl7-parser spends half a kilobyte on each.
const MOST_SEPARATORS: usize = 65_000;

/// Reads HL7 v2 messages, one at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hl7Parser {
    /// The charset of messages whose MSH-18 is empty; `None`: UTF-8.
    pub default_charset: Option<Charset>,
}

impl Parser for Hl7Parser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        Ok(Box::new(self.read(bytes)?))
    }

    fn peek(&self, bytes: &[u8], path: &Path) -> Option<String> {
        match super::peek::Wanted::of(path) {
            Some(wanted) => wanted.find(bytes, self.default_charset),
            None => {
                let document = self.read(bytes).ok()?;
                let mut found = Vec::new();
                document.select(document.root(), path, &mut found);
                document.text(*found.first()?)?.value().map(std::borrow::Cow::into_owned)
            }
        }
    }
}

impl Hl7Parser {
    /// Reads one message.
    pub fn read(&self, bytes: &[u8]) -> Result<Hl7Document, ParseError> {
        let begin = start(bytes);
        self.read_message(&bytes[begin..]).map_err(|error| ParseError { at: error.at + begin, ..error })
    }

    fn read_message(&self, message: &[u8]) -> Result<Hl7Document, ParseError> {
        let (separators, after_msh_2) = Separators::read(message)?;
        let (charset, origin) = charset_for(&message[after_msh_2..], &separators, self.default_charset)?;
        let decoded = charset.decode(message, origin)?;
        let normal =
            Normal::of(&decoded, &separators, after_msh_2).map_err(|fault| fault.in_bytes(message))?;

        let mut fields = Vec::with_capacity(normal.lines.len());
        let msh = &normal.text[normal.lines[0].start as usize..normal.lines[0].end as usize];
        let (signs, msh) = parse_msh(msh).map_err(|_| Fault::unread(0).in_bytes(message))?;
        fields.push(msh);
        for (at, line) in normal.lines.iter().enumerate().skip(1) {
            let line = &normal.text[line.start as usize..line.end as usize];
            let segment = parse_segment_with_separators(line, signs);
            fields.push(segment.map_err(|_| Fault::unread(at).in_bytes(message))?);
        }
        for (at, (line, segment)) in normal.lines.iter().zip(&fields).enumerate() {
            // hl7-parser stops without a word at what it does not understand.
            let whole = segment.raw_value().len() == (line.end - line.start) as usize;
            if !whole {
                return Err(Fault::unread(at).in_bytes(message));
            }
        }
        let built = Build::new(&normal, &fields, &message[4..after_msh_2]);
        Ok(built.document(separators, charset))
    }
}

/// The charset that decodes a message, and who says so. `rest` begins behind MSH-2.
fn charset_for(
    rest: &[u8],
    separators: &Separators,
    default: Option<Charset>,
) -> Result<(Charset, CharsetOrigin), ParseError> {
    let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
    let header = rest.get(1..length).unwrap_or_default();
    let (width, _) = charset_of(header, separators, default);
    let declared = Pieces::new(header, Some(separators.field), width).piece(16).unwrap_or_default();
    let declared = String::from_utf8_lossy(declared);
    match Charset::from_msh_18(&declared, separators.repetition) {
        Ok(Some(charset)) => Ok((charset, CharsetOrigin::Declared)),
        Ok(None) => Ok(match default {
            Some(charset) => (charset, CharsetOrigin::ChannelDefault),
            None => (Charset::Utf8, CharsetOrigin::Assumed),
        }),
        Err(_) => Err(ParseError {
            at: 0,
            place: Some("MSH-18".to_owned()),
            what: "names a charset that the hub does not know".to_owned(),
        }),
    }
}

/// What is wrong with a line, by its number among the lines that are not blank, from 0.
struct Fault {
    line: usize,
    what: String,
}

impl Fault {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }

    fn unread(line: usize) -> Self {
        Self::new(line, "hl7-parser does not read this segment whole")
    }

    /// Lines are the same before and after decoding; offsets are not.
    fn in_bytes(self, message: &[u8]) -> ParseError {
        ParseError {
            at: lines(message).nth(self.line).map_or(0, |range| range.start),
            place: Some(format!("segment {}", self.line + 1)),
            what: self.what,
        }
    }
}

/// The message as hl7-parser can read it: lines ended by CR, none blank, MSH-2 of exactly four characters.
struct Normal {
    text: String,
    lines: Vec<Line>,
}

struct Line {
    start: u32,
    end: u32,
    tag: Tag,
}

impl Normal {
    fn of(decoded: &str, separators: &Separators, after_msh_2: usize) -> Result<Self, Fault> {
        let mut text = String::with_capacity(decoded.len() + 16);
        let mut found = Vec::with_capacity(32);
        if u32::try_from(decoded.len() + 64).is_err() {
            return Err(Fault::new(0, "the message is longer than 4 GB"));
        }
        for (at, range) in lines(decoded.as_bytes()).enumerate() {
            let begin = text.len() as u32;
            let line = &decoded[range.clone()];
            if at == 0 {
                text.push_str("MSH");
                for sign in hl7_parser_signs(decoded, separators).ok_or_else(|| Fault::unread(0))? {
                    text.push(sign);
                }
                text.push_str(&decoded[after_msh_2..range.end.max(after_msh_2)]);
            } else {
                text.push_str(line);
            }
            let tag = tag_of(line, separators).map_err(|what| Fault::new(at, what))?;
            if at > 0 && matches!(&tag, b"MSH" | b"FHS" | b"BHS" | b"BTS" | b"FTS") {
                return Err(Fault::new(
                    at,
                    "a second message or a batch segment: one message is taken at a time",
                ));
            }
            if line.len() == tag.len() {
                text.push(char::from(separators.field)); // a bare name is a segment without fields
            }
            let is_separator = |byte: &u8| is_separator(*byte, separators);
            if line.as_bytes().iter().filter(|byte| is_separator(byte)).count() > MOST_SEPARATORS {
                return Err(Fault::new(at, format!("more than {MOST_SEPARATORS} parts in one segment")));
            }
            found.push(Line { start: begin, end: text.len() as u32, tag });
            text.push('\r');
        }
        Ok(Self { text, lines: found })
    }
}

fn is_separator(byte: u8, separators: &Separators) -> bool {
    byte == separators.field
        || byte == separators.component
        || Some(byte) == separators.repetition
        || Some(byte) == separators.subcomponent
}

fn tag_of(line: &str, separators: &Separators) -> Result<Tag, &'static str> {
    let expected = "expected a segment: a name of three letters or digits and the field separator";
    let bytes = line.as_bytes();
    let name = bytes.get(..3).ok_or(expected)?;
    let ends = bytes.get(3).is_none_or(|byte| *byte == separators.field);
    if !ends || !name.iter().all(u8::is_ascii_alphanumeric) {
        return Err(expected);
    }
    Ok([name[0], name[1], name[2]])
}

/// Field separator and the four signs that hl7-parser wants. For a sign the sender does not use, a control character that
/// does not occur in the message.
fn hl7_parser_signs(decoded: &str, separators: &Separators) -> Option<[char; 5]> {
    let mut unused = (1..0x20_u8).filter(|byte| !matches!(byte, b'\r' | b'\n' | b'\t'));
    let mut sign = |declared: Option<u8>| match declared {
        Some(byte) => Some(char::from(byte)),
        None => unused.by_ref().find(|byte| !decoded.as_bytes().contains(byte)).map(char::from),
    };
    Some([
        sign(Some(separators.field))?,
        sign(Some(separators.component))?,
        sign(separators.repetition)?,
        sign(separators.escape)?,
        sign(separators.subcomponent)?,
    ])
}

/// Turns hl7-parser's tree into the index.
struct Build<'a> {
    normal: &'a Normal,
    segments: &'a [Segment<'a>],
    items: Vec<Item>,
    /// Where MSH-2, as it was sent, stands behind the text.
    msh_2: (u32, u32),
    text: String,
}

impl<'a> Build<'a> {
    fn new(normal: &'a Normal, segments: &'a [Segment<'a>], msh_2: &[u8]) -> Self {
        let mut text = String::with_capacity(normal.text.len() + msh_2.len());
        text.push_str(&normal.text);
        let begin = text.len() as u32;
        text.extend(msh_2.iter().map(|byte| char::from(*byte)));
        let end = text.len() as u32;
        let items = Vec::with_capacity(normal.text.len() / 5);
        Self { normal, segments, items, msh_2: (begin, end), text }
    }

    fn document(mut self, separators: Separators, charset: Charset) -> Hl7Document {
        let structure = self.structure();
        let version = Version::of(self.msh_value(12, 0));
        let steps = arrange(self.normal.lines.iter().map(|line| line.tag), structure, version);

        let mut occurrences: Vec<(Tag, u32)> = Vec::with_capacity(16);
        let nth: Vec<u32> = self.normal.lines.iter().map(|line| count(&mut occurrences, line.tag)).collect();
        let mut strays: Vec<(usize, Tag)> = Vec::new();
        let mut reordered = false;
        let mut latest = 0;
        let mut open: Vec<usize> = Vec::with_capacity(8);
        for step in steps {
            match step {
                Step::Open { group } => {
                    let parent = open.last().copied().unwrap_or(0);
                    let at = self.push(Kind::Group, group as u16, parent, (0, 0));
                    self.items[at].many = structure.groups[group].repeats;
                    open.push(at);
                }
                Step::Close => {
                    let at = open.pop().expect("every group that is closed was opened");
                    self.close(at);
                    let first = self.items.get(at + 1).map_or((0, 0), |first| (first.start, first.end));
                    (self.items[at].start, self.items[at].end) = first;
                }
                Step::Segment(line) => {
                    let parent = open.last().copied().unwrap_or(0);
                    let group = usize::from(self.items[parent].number);
                    let tag = self.normal.lines[line].tag;
                    if !structure.owns(group, tag) && !strays.contains(&(group, tag)) {
                        strays.push((group, tag));
                    }
                    reordered |= line < latest;
                    latest = latest.max(line);
                    self.segment(line, nth[line], parent);
                }
            }
        }
        self.number_groups();
        Hl7Document {
            text: self.text,
            items: self.items,
            structure,
            strays,
            counts: occurrences,
            reordered,
            separators,
            charset,
        }
    }

    /// A component of an MSH field, by their numbers (components from 0).
    fn msh_value(&self, field: usize, component: usize) -> &'a str {
        let field = self.segments[0].fields.get(field - 1);
        let repetition = field.and_then(|field| field.repeats.first());
        repetition.and_then(|it| it.components.get(component)).map_or("", |it| it.raw_value())
    }

    fn structure(&self) -> &'static Structure {
        let (named, trigger, structure) = (self.msh_value(9, 0), self.msh_value(9, 1), self.msh_value(9, 2));
        let (code, trigger) = message_type(named, trigger, structure);
        structure::of(code, trigger, structure)
    }

    fn push(&mut self, kind: Kind, number: u16, parent: usize, span: (u32, u32)) -> usize {
        let at = self.items.len();
        self.items.push(Item {
            kind,
            many: false,
            number,
            nth: 1,
            start: span.0,
            end: span.1,
            next: at as u32 + 1,
            parent: parent as u32,
        });
        at
    }

    fn close(&mut self, at: usize) {
        self.items[at].next = self.items.len() as u32;
    }

    fn segment(&mut self, line: usize, nth: u32, parent: usize) {
        let Line { start, end, tag } = self.normal.lines[line];
        let at = self.push(Kind::Segment, 0, parent, (start, end));
        self.items[at].nth = nth;
        let is_msh = &tag == b"MSH";
        if is_msh {
            self.push(Kind::Repetition, 1, at, (start + 3, start + 4));
            self.push(Kind::Repetition, 2, at, self.msh_2);
        }
        let segments = self.segments;
        for (index, field) in segments[line].fields.iter().enumerate().skip(if is_msh { 2 } else { 0 }) {
            if field.raw_value().is_empty() {
                continue;
            }
            for (repetition, parts) in field.repeats.iter().enumerate() {
                let before = self.items.len();
                self.repetition(parts, index as u16 + 1, at, start);
                if let Some(item) = self.items.get_mut(before) {
                    item.nth = repetition as u32 + 1;
                    item.many = field.repeats.len() > 1;
                }
            }
        }
        self.close(at);
    }

    fn repetition(&mut self, parts: &hl7_parser::message::Repeat<'_>, number: u16, parent: usize, base: u32) {
        let span = |range: &std::ops::Range<usize>| (base + range.start as u32, base + range.end as u32);
        let mut valued = parts
            .components
            .iter()
            .enumerate()
            .filter(|(_, component)| component.subcomponents.iter().any(|part| !part.value.is_empty()));
        let Some((first, component)) = valued.next() else { return };
        let single = only_first(component);
        if first == 0
            && let Some(leaf) = single
            && valued.next().is_none()
        {
            self.push(Kind::Repetition, number, parent, span(&leaf.range));
            return;
        }
        let at = self.push(Kind::Repetition, number, parent, span(&parts.range));
        for (index, component) in parts.components.iter().enumerate() {
            if let Some(leaf) = only_first(component) {
                self.push(Kind::Component, index as u16 + 1, at, span(&leaf.range));
                continue;
            }
            if component.subcomponents.iter().all(|part| part.value.is_empty()) {
                continue;
            }
            let inner = self.push(Kind::Component, index as u16 + 1, at, span(&component.range));
            for (index, part) in component.subcomponents.iter().enumerate() {
                if !part.value.is_empty() {
                    self.push(Kind::Subcomponent, index as u16 + 1, inner, span(&part.range));
                }
            }
            self.close(inner);
        }
        self.close(at);
    }

    /// Counts the instances of each group within its parent. Reading order is also the order of siblings.
    fn number_groups(&mut self) {
        let mut counts = std::collections::HashMap::new();
        for item in self.items.iter_mut().filter(|item| item.kind == Kind::Group) {
            let count = counts.entry((item.parent, item.number)).or_insert(0);
            *count += 1;
            item.nth = *count;
        }
    }
}

/// The first subcomponent, when it is the only one with a value.
fn only_first<'a, 'm>(
    component: &'a hl7_parser::message::Component<'m>,
) -> Option<&'a hl7_parser::message::Subcomponent<'m>> {
    let (first, others) = component.subcomponents.split_first()?;
    let only = !first.value.is_empty() && others.iter().all(|part| part.value.is_empty());
    only.then_some(first)
}

fn count(occurrences: &mut Vec<(Tag, u32)>, tag: Tag) -> u32 {
    match occurrences.iter_mut().find(|(known, _)| *known == tag) {
        Some((_, count)) => {
            *count += 1;
            *count
        }
        None => {
            occurrences.push((tag, 1));
            1
        }
    }
}
