//! Finds one value in a message's bytes without reading the rest: the lane of a message, in about a microsecond.

use hub_core::path::{Path, Pick, Step, To};

use super::charset::{Charset, CharsetOrigin, Undeclared, Width};
use super::escape::unescape;
use super::header::{charset_of, header_fields};
use super::separators::{Pieces, Separators, lines, start};
use super::structure::Tag;

/// Segments that no structure has both beside and inside a group, so that the first one in the bytes is the first one that
/// a path from the root names.
const PLAIN: [Tag; 9] = [*b"MSH", *b"EVN", *b"PID", *b"PD1", *b"MRG", *b"PV1", *b"ORC", *b"OBR", *b"SCH"];

/// A path that can be followed in bytes: segment, field, component, subcomponent.
pub(super) struct Wanted<'a> {
    tag: Tag,
    occurrence: Option<u16>,
    field: u16,
    pick: &'a Option<Pick>,
    parts: &'a [Step],
}

impl<'a> Wanted<'a> {
    /// `None`: the path needs the document.
    pub(super) fn of(path: &'a Path) -> Option<Self> {
        let (segment, rest) = path.steps().split_first()?;
        let (field, parts) = rest.split_first()?;
        let To::Name(name) = &segment.to else { return None };
        let To::Part(number) = field.to else { return None };
        let tag = name.as_bytes().try_into().ok().filter(|tag| PLAIN.contains(tag))?;
        let occurrence = match &segment.pick {
            None => None,
            Some(Pick::Nth(nth)) => Some(*nth),
            Some(Pick::Where { .. }) => return None,
        };
        let plain_parts = parts.iter().all(|step| step.pick.is_none() && matches!(step.to, To::Part(_)));
        if let Some(Pick::Where { part, .. }) = &field.pick
            && part.parse::<u16>().is_err()
        {
            return None;
        }
        let separators_themselves = tag == *b"MSH" && number <= 2;
        (plain_parts && parts.len() <= 2 && !separators_themselves).then_some(Self {
            tag,
            occurrence,
            field: number,
            pick: &field.pick,
            parts,
        })
    }

    /// The value; `Some(None)` when there is none, it is null, or the bytes cannot be read there. `None`: the bytes do not tell,
    /// for names and values may have escape sequences of ISO 2022 in them.
    pub(super) fn find(&self, bytes: &[u8], undeclared: Undeclared) -> Option<Option<String>> {
        let message = &bytes[start(bytes)..];
        let Ok((separators, after_msh_2)) = Separators::read(message) else { return Some(None) };
        let header = header_fields(message, after_msh_2);
        let (_, charset) = charset_of(header, &separators, undeclared.default_for(message));
        let charset = charset.unwrap_or(Charset::Utf8);
        // The header may be all ASCII and what follows not.
        let width = charset.width();
        if width == Width::Shifted {
            return None;
        }
        let reader = Reader { separators, width, charset };

        // MSH-1 is the field separator itself, so what stands behind MSH-2 is the third field.
        let in_header = (self.tag == *b"MSH").then_some((header, self.field.saturating_sub(2)));
        let others = lines(message).skip(1).map(|line| &message[line]);
        let others =
            others.filter(|line| line.starts_with(&self.tag) && line.get(3) == Some(&separators.field));
        let segments = in_header.into_iter().chain(others.map(|line| (line, self.field.saturating_add(1))));
        for (at, (segment, number)) in segments.enumerate() {
            if self.occurrence.is_some_and(|nth| at + 1 != usize::from(nth)) {
                continue;
            }
            let Some(field) = Pieces::new(segment, Some(separators.field), width).piece(number) else {
                continue;
            };
            if let Some(value) = self.in_field(field, &reader) {
                return Some(value);
            }
        }
        Some(None)
    }

    /// `Some(None)`: the first place is found and answers without a value.
    fn in_field(&self, field: &[u8], reader: &Reader) -> Option<Option<String>> {
        for (at, range) in Pieces::new(field, reader.separators.repetition, reader.width).enumerate() {
            let repetition = &field[range];
            let wanted = match self.pick {
                None => true,
                Some(Pick::Nth(nth)) => at + 1 == usize::from(*nth),
                Some(Pick::Where { part, equals }) => {
                    let component = part.parse().ok().and_then(|part| reader.component(repetition, part));
                    let value = component.and_then(|component| reader.first_value(component, 1));
                    value.is_some_and(|value| value == equals.as_str())
                }
            };
            if !wanted {
                continue;
            }
            let part = |at: usize| match self.parts.get(at).map(|step| &step.to) {
                Some(To::Part(number)) => Some(*number),
                _ => None,
            };
            let component = match part(0) {
                Some(number) => reader.component(repetition, number),
                None => Some(repetition),
            };
            let Some(component) = component.filter(|component| reader.is_valued(component)) else { continue };
            match (part(0), part(1)) {
                (Some(_), Some(sub)) => {
                    let piece =
                        Pieces::new(component, reader.separators.subcomponent, reader.width).piece(sub);
                    if piece.is_some_and(|piece| !piece.is_empty()) {
                        return Some(reader.first_value(component, sub));
                    }
                }
                (Some(_), None) => return Some(reader.first_value(component, 1)),
                (None, _) => {
                    let first = reader.component(repetition, 1).unwrap_or_default();
                    return Some(reader.first_value(first, 1));
                }
            }
        }
        None
    }
}

struct Reader {
    separators: Separators,
    width: Width,
    charset: Charset,
}

impl Reader {
    fn component<'a>(&self, repetition: &'a [u8], number: u16) -> Option<&'a [u8]> {
        Pieces::new(repetition, Some(self.separators.component), self.width).piece(number)
    }

    /// Whether anything but separators stands there.
    fn is_valued(&self, bytes: &[u8]) -> bool {
        let separators = [Some(self.separators.component), self.separators.subcomponent];
        bytes.iter().any(|byte| !separators.contains(&Some(*byte)))
    }

    fn first_value(&self, component: &[u8], sub: u16) -> Option<String> {
        let bytes = Pieces::new(component, self.separators.subcomponent, self.width).piece(sub)?;
        if bytes.is_empty() || bytes == b"\"\"" {
            return None;
        }
        let text = self.charset.decode(bytes, CharsetOrigin::Declared).ok()?;
        let value =
            unescape(&text, self.separators.escape, &self.separators, Some(self.charset)).into_owned();
        (!value.is_empty()).then_some(value)
    }
}
