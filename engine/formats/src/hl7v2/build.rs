//! Turns hl7-parser's tree into the document's index, in the order of the groups.

use std::collections::{HashMap, HashSet};

use hl7_parser::message::Segment;
use hl7_parser::parser::{parse_msh, parse_segment_with_separators};

use super::arrange::{Step, arrange};
use super::charset::Charset;
use super::document::{Hl7Document, Item, Kind};
use super::header::message_type;
use super::parse::{Line, Normal};
use super::separators::Separators;
use super::structure::{self, Structure, Tag, Version};

/// What is being built, and from what.
pub(super) struct Build<'a> {
    normal: &'a Normal,
    items: Vec<Item>,
    /// Where MSH-2, as it was sent, stands behind the text.
    msh_2: (u32, u32),
    text: String,
}

impl<'a> Build<'a> {
    pub(super) fn new(normal: &'a Normal, msh_2: &[u8]) -> Self {
        let mut text = String::with_capacity(normal.text.len() + msh_2.len());
        text.push_str(&normal.text);
        let begin = text.len() as u32;
        text.extend(msh_2.iter().map(|byte| char::from(*byte)));
        let end = text.len() as u32;
        let items = Vec::with_capacity(normal.text.len() / 5);
        Self { normal, items, msh_2: (begin, end), text }
    }

    /// The error is the place of the line that hl7-parser does not read whole. One segment is taken apart at a time:
    /// its tree is many times as large as what is kept of it.
    pub(super) fn document(mut self, separators: Separators, charset: Charset) -> Result<Hl7Document, usize> {
        let (signs, msh) = parse_msh(self.line(0)).map_err(|_| 0_usize)?;
        let structure = structure_of(&msh);
        let version = Version::of(msh_value(&msh, 12, 0));
        let steps = arrange(self.normal.lines.iter().map(|line| line.tag), structure, version);

        let mut counts: HashMap<Tag, u32> = HashMap::with_capacity(16);
        let nth = self.normal.lines.iter().map(|line| count(&mut counts, line.tag)).collect::<Vec<u32>>();
        let mut strays: HashSet<(usize, Tag)> = HashSet::new();
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
                    if !structure.owns(group, tag) {
                        strays.insert((group, tag));
                    }
                    reordered |= line < latest;
                    latest = latest.max(line);
                    let text = self.line(line);
                    let segment = match line {
                        0 => msh.clone(),
                        _ => parse_segment_with_separators(text, signs).map_err(|_| line)?,
                    };
                    // hl7-parser stops without a word at what it does not understand.
                    if segment.raw_value().len() != text.len() {
                        return Err(line);
                    }
                    self.segment(&segment, line, nth[line], parent);
                }
            }
        }
        self.number_groups();
        Ok(Hl7Document {
            text: self.text,
            items: self.items,
            structure,
            strays,
            counts,
            reordered,
            separators,
            charset,
        })
    }

    fn line(&self, at: usize) -> &'a str {
        let Line { start, end, .. } = self.normal.lines[at];
        &self.normal.text[start as usize..end as usize]
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

    fn segment(&mut self, segment: &Segment<'_>, line: usize, nth: u32, parent: usize) {
        let Line { start, end, tag } = self.normal.lines[line];
        let at = self.push(Kind::Segment, 0, parent, (start, end));
        self.items[at].nth = nth;
        let is_msh = &tag == b"MSH";
        if is_msh {
            self.push(Kind::Repetition, 1, at, (start + 3, start + 4));
            self.push(Kind::Repetition, 2, at, self.msh_2);
        }
        for (index, field) in segment.fields.iter().enumerate().skip(if is_msh { 2 } else { 0 }) {
            if field.raw_value().is_empty() {
                continue;
            }
            let first = self.items.len();
            let mut last = 0;
            for (repetition, parts) in field.repeats.iter().enumerate() {
                let before = self.items.len();
                self.repetition(parts, index as u16 + 1, at, start);
                if let Some(item) = self.items.get_mut(before) {
                    last = repetition as u32 + 1;
                    item.nth = last;
                }
            }
            // Empty repetitions at the end are no more than empty fields at the end.
            if last > 1 {
                let repetitions = self.items[first..].iter_mut().filter(|it| it.kind == Kind::Repetition);
                repetitions.for_each(|item| item.many = true);
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
        let mut counts = HashMap::new();
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

/// A component of an MSH field, by their numbers (components from 0).
fn msh_value<'a>(msh: &Segment<'a>, field: usize, component: usize) -> &'a str {
    let field = msh.fields.get(field - 1);
    let repetition = field.and_then(|field| field.repeats.first());
    repetition.and_then(|it| it.components.get(component)).map_or("", |it| it.raw_value())
}

fn structure_of(msh: &Segment<'_>) -> &'static Structure {
    let (named, trigger, structure) = (msh_value(msh, 9, 0), msh_value(msh, 9, 1), msh_value(msh, 9, 2));
    let (code, trigger) = message_type(named, trigger, structure);
    structure::of(code, trigger, structure)
}

fn count(counts: &mut HashMap<Tag, u32>, tag: Tag) -> u32 {
    let count = counts.entry(tag).or_insert(0);
    *count += 1;
    *count
}
