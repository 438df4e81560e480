//! Texts that are no JSON, or JSON that nobody should send.

use crate::dice::Dice;

/// Stands among the values that are sent, and in no refusal.
pub const SECRET: &str = "Zq7Patient4711";

/// So many times the same.
pub fn many(dice: &mut Dice, what: &str, most: u64) -> String {
    what.repeat(dice.below(most) as usize + 1)
}

/// A text of odd characters.
pub fn odd(dice: &mut Dice) -> String {
    let parts = [
        SECRET,
        "a",
        "é",
        "王",
        "𠮷",
        "\u{0}",
        "\u{1}",
        "\u{7f}",
        "\u{feff}",
        "\u{202e}",
        "\u{fffd}",
        " ",
        "\t",
        "\n",
        "\"",
        "\\",
        "'",
        "%",
        "_",
        "*",
        "$",
        "|",
        ",",
        ":",
        ";",
        "<",
        ">",
        "&",
        "=",
        "#",
        "?",
        "/",
        "..",
        "--",
        "\u{301}",
        "0",
        "-1",
        "é\u{301}",
        "İ",
        "ß",
        "ﬀ",
    ];
    (0..dice.below(8) + 1).map(|_| *dice.one_of(&parts)).collect()
}

/// The same as a name: names are told in refusals, so there is nothing secret in them.
pub fn odd_name(dice: &mut Dice) -> String {
    odd(dice).replace(SECRET, "name")
}

/// A number as JSON may write it, or nearly.
pub fn number(dice: &mut Dice) -> String {
    let long = many(dice, "9", 400);
    let kinds = [
        "0".to_owned(),
        "-0".to_owned(),
        "1e999999999".to_owned(),
        "-1e-999999999".to_owned(),
        "1e18446744073709551616".to_owned(),
        long.clone(),
        format!("-{long}"),
        format!("0.{long}"),
        format!("{long}.{long}e{long}"),
        "9223372036854775808".to_owned(),
        "-9223372036854775809".to_owned(),
        "4294967296".to_owned(),
        "1.7976931348623159e308".to_owned(),
        "5e-324".to_owned(),
        "01".to_owned(),
        "+1".to_owned(),
        "1.".to_owned(),
        ".5".to_owned(),
        "1e".to_owned(),
        "NaN".to_owned(),
        "Infinity".to_owned(),
        "0x10".to_owned(),
        "1_000".to_owned(),
        "1.0000000000000000000000000000000000000001".to_owned(),
    ];
    dice.one_of(&kinds).clone()
}

/// A JSON value that stands where another was.
pub fn value(dice: &mut Dice) -> String {
    match dice.below(14) {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => "{}".to_owned(),
        3 => "[]".to_owned(),
        4 => "\"\"".to_owned(),
        5 => number(dice),
        6 => format!("{}1{}", many(dice, "[", 90), many(dice, "]", 90)),
        7 => format!("[{}1]", many(dice, "null,", 2_000)),
        8 => format!("\"{}\"", many(dice, SECRET, 3_000)),
        9 => "\"\\ud800\"".to_owned(),
        10 => "{\"a\":1,\"a\":2}".to_owned(),
        11 => "\"\\u0000\"".to_owned(),
        12 => format!("[{}{{}}]", many(dice, "{\"extension\":[{}]},", 50)),
        _ => quoted(&odd(dice)),
    }
}

/// A text as JSON writes it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Bytes that no resource is.
pub fn nonsense(dice: &mut Dice) -> Vec<u8> {
    let depth = dice.below(200_000) as usize;
    match dice.below(12) {
        0 => Vec::new(),
        1 => vec![0; dice.below(64) as usize],
        2 => (0..dice.below(200)).map(|_| dice_byte(dice)).collect(),
        3 => "[".repeat(depth).into_bytes(),
        4 => "{\"a\":".repeat(depth).into_bytes(),
        5 => {
            format!("{{\"resourceType\":\"Patient\",\"extension\":{}", "[{\"extension\":".repeat(depth / 10))
                .into_bytes()
        }
        6 => format!(
            "{{\"resourceType\":\"Patient\",\"name\":[{{\"family\":\"{}\"}}]}}",
            "x".repeat(depth * 4)
        )
        .into_bytes(),
        7 => format!(
            "{{\"resourceType\":\"Patient\",\"name\":[{}{{}}]}}",
            "{\"text\":\"a\"},".repeat(depth / 8)
        )
        .into_bytes(),
        8 => b"{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"\xff\xfe\"}]}".to_vec(),
        9 => b"\xef\xbb\xbf\xef\xbb\xbf{}".to_vec(),
        10 => value(dice).into_bytes(),
        _ => {
            format!("{{{}\"resourceType\":\"Patient\"}}", "\"active\":true,".repeat(depth / 100)).into_bytes()
        }
    }
}

fn dice_byte(dice: &mut Dice) -> u8 {
    (dice.below(256) & 0xff) as u8
}

/// A text that was whole, damaged: bytes cut off, taken out, doubled or changed.
pub fn damaged(dice: &mut Dice, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..dice.below(4) + 1 {
        if bytes.is_empty() {
            break;
        }
        let at = dice.below(bytes.len() as u64) as usize;
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.remove(at)),
            2 => bytes[at] = dice_byte(dice),
            3 => bytes.insert(at, dice_byte(dice)),
            _ => {
                let end = (at + dice.below(60) as usize).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}
