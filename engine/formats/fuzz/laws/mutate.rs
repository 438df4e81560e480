//! Inputs made by chance from others: a small mutator whose seed is fixed, so that a run can be repeated.

/// Numbers by chance (xorshift).
pub struct Chance(pub u64);

impl Chance {
    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// What means something where it stands.
const WORDS: &[&[u8]] = &[
    b"|",
    b"^",
    b"~",
    b"\\",
    b"&",
    b"\r",
    b"\n",
    b"\r\n",
    b"\"\"",
    b"\\F\\",
    b"\\.br\\",
    b"\\X0D\\",
    b"\\X1B\\",
    b"\\H\\",
    b"\\E\\",
    b"\x0B",
    b"\x1C",
    b"\x1C\r",
    b"\x1B$B",
    b"\x1B(B",
    b"MSH|^~\\&|",
    b"MSH",
    b"PID|",
    b"OBX|",
    b"OBR|1",
    b"BHS|^~\\&|",
    b"BTS|1",
    b"FHS|^~\\&|",
    b"FTS|1",
    b"\xEF\xBB\xBF",
    b"\xEF\xBF\xBD",
    b"\x81",
    b"\xFF",
    b"\xE5\xBC\xA0",
    b"\x81\x30\x81\x30",
    b"GB 18030-2000",
    b"UNICODE UTF-8",
    b"~ISO IR87",
    b"2.3",
    b"ORU^R01",
    b"#",
    b"$%@!*",
    b"0",
    b"{",
    b"}",
    b"[",
    b"<",
    b"\0",
];

/// One of the inputs with some bytes changed, taken out, doubled, or joined to a part of another one.
pub fn mutated(inputs: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = inputs[chance.below(inputs.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + chance.below(40)).min(bytes.len());
        match chance.below(7) {
            0 if at < bytes.len() => bytes[at] = chance.below(256) as u8,
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 => bytes.truncate(at),
            4 => {
                let other = &inputs[chance.below(inputs.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[chance.below(other.len() + 1)..]);
            }
            _ => {
                let word = WORDS[chance.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}
