//! As much of DER (X.690) as certificates and signatures need: written, and read again.

/// A sequence of elements.
pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// A set: its elements in the order of their bytes, as DER wants it.
pub(super) fn set(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    element(0x31, &parts.concat())
}

/// A small whole number.
pub(super) fn integer(value: u8) -> Vec<u8> {
    element(0x02, &[value])
}

/// Bytes.
pub(super) fn octets(bytes: &[u8]) -> Vec<u8> {
    element(0x04, bytes)
}

/// `[n]`, constructed.
pub(super) fn context(number: u8, content: &[u8]) -> Vec<u8> {
    element(0xa0 | number, content)
}

/// An algorithm without parameters.
pub(super) fn algorithm(id: &[u64]) -> Vec<u8> {
    sequence(&[object_id(id)])
}

/// An object identifier.
pub(super) fn object_id(arcs: &[u64]) -> Vec<u8> {
    let [first, second, rest @ ..] = arcs else { return element(0x06, &[]) };
    let mut content = Vec::new();
    for arc in std::iter::once(&(first * 40 + second)).chain(rest) {
        let digits = (64 - arc.leading_zeros()).div_ceil(7).max(1);
        for nth in (0..digits).rev() {
            let more = if nth == 0 { 0 } else { 0x80 };
            content.push(((arc >> (7 * nth)) & 0x7f) as u8 | more);
        }
    }
    element(0x06, &content)
}

/// An element of this tag.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match content.len() {
        short @ 0..=0x7f => bytes.push(short as u8),
        long => {
            let digits: Vec<u8> = long.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
            bytes.push(0x80 | digits.len() as u8);
            bytes.extend(digits);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

/// An element that was read.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub tag: u8,
    /// With its head.
    pub whole: &'a [u8],
    pub content: &'a [u8],
}

impl<'a> Element<'a> {
    /// What lies within.
    pub fn within(self) -> Reader<'a> {
        Reader(self.content)
    }
}

/// Reads one element after the other.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next element; `None` at the end, and at what is no DER.
    pub fn next(&mut self) -> Option<Element<'a>> {
        let (&tag, &first) = (self.0.first()?, self.0.get(1)?);
        let (length, head) = match first {
            0..=0x7f => (usize::from(first), 2),
            0x81..=0x84 => {
                let end = 2 + usize::from(first & 0x7f);
                let digits = self.0.get(2..end)?;
                (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), end)
            }
            _ => return None,
        };
        let (whole, rest) = self.0.split_at_checked(head + length)?;
        self.0 = rest;
        Some(Element { tag, whole, content: &whole[head..] })
    }

    /// The next element, which is of this tag.
    pub fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }
}
