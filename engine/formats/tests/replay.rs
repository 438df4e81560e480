//! What the fuzzer checks, without a fuzzer: every seed, and a few thousand changes of each kind, the same in every run.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../fuzz/laws/csv.rs"]
mod csv;
#[path = "../fuzz/laws/fhir.rs"]
mod fhir;
#[path = "../fuzz/laws/json.rs"]
mod json;
#[path = "../fuzz/laws/look.rs"]
mod look;
#[path = "../fuzz/laws/xml.rs"]
mod xml;

use std::path::Path;

/// How often the seeds of a target are changed.
const TIMES: usize = 4000;

/// Numbers that look random (xorshift), the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or_default()
    }
}

/// What the formats take for something else than text.
const WORDS: [&[u8]; 24] = [
    b"<",
    b">",
    b"</a>",
    b"<b>",
    b"&lt;",
    b"&#13;",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"\"",
    b"\\\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":null",
    b"\r\n",
    b"|+|",
    b"`",
    b"\xD5\xC5",
    b"\xEF\xBB\xBF",
    b"*",
    b"1",
];

fn changed(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(12)).min(bytes.len());
        let piece = match numbers.below(4) {
            0 => Vec::new(),
            1 => WORDS[numbers.below(WORDS.len())].to_vec(),
            2 => bytes[at..end].repeat(2),
            _ => vec![numbers.below(256) as u8],
        };
        bytes.splice(at..end, piece);
    }
    bytes
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty(), "there are no seeds");
    seeds.iter().for_each(|seed| check(seed));
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for _ in 0..TIMES {
        check(&changed(&seeds, &mut numbers));
    }
}

#[test]
fn xml_holds_to_its_laws() {
    replay("xml", xml::check);
}

#[test]
fn json_holds_to_its_laws() {
    replay("json", json::check);
}

#[test]
fn files_of_records_hold_to_their_laws() {
    replay("csv", csv::check);
}

#[test]
fn fhir_holds_to_its_laws() {
    replay("fhir", fhir::check);
}
