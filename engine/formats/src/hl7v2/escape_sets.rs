//! Runs of another character set, between `\M..\` or `\C..\` and the sequence that leads back (HL7 v2 §2.7.2).

/// Reads a run. `word` is the sequence that leads to a set (`M2442`), `after` what follows it. Tells how much of `after` was
/// read, the sequence that ends it aside. `None`: it is no set we know, its bytes are not of it, or nothing leads back,
/// as when a separator has cut the run. The way back alone is read as nothing.
pub(super) fn run(word: &str, after: &str, sign: char, text: &mut String) -> Option<usize> {
    let set = Set::of(word)?;
    if set == Set::Plain {
        return Some(0);
    }
    let bytes = after.as_bytes();
    let width = if set == Set::Katakana { 1 } else { 2 };
    let mut end = 0;
    while !leads_on(after.get(end..)?, sign) {
        let code = bytes.get(end..end + width)?;
        if !code.iter().all(|byte| (0x21..=0x7E).contains(byte)) {
            return None;
        }
        end += width;
    }
    let run = &bytes[..end];
    let high = || run.iter().map(|byte| byte | 0x80);
    let (encoding, shifted): (_, Vec<u8>) = match set {
        Set::Plain => return Some(0),
        Set::Katakana => (encoding_rs::EUC_JP, high().flat_map(|byte| [0x8E, byte]).collect()),
        Set::Jis0208 => (encoding_rs::EUC_JP, high().collect()),
        Set::Jis0212 => {
            let pairs = run.chunks(2).flat_map(|pair| [0x8F, pair[0] | 0x80, pair[pair.len() - 1] | 0x80]);
            (encoding_rs::EUC_JP, pairs.collect())
        }
        Set::Gb2312 => (encoding_rs::GB18030, high().collect()),
        Set::Ksx1001 => (encoding_rs::EUC_KR, high().collect()),
    };
    let decoded = encoding.decode_without_bom_handling_and_without_replacement(&shifted)?;
    text.push_str(&decoded);
    Some(end)
}

/// Whether a sequence begins here that leads to a set we know, back to ASCII or on to another.
fn leads_on(rest: &str, sign: char) -> bool {
    let word = rest.strip_prefix(sign).and_then(|rest| rest.split_once(sign));
    word.is_some_and(|(word, _)| Set::of(word).is_some())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    /// ASCII, and JIS X 0201 Roman, which is ASCII but for two signs: back to the message's own.
    Plain,
    /// JIS X 0201, half-width.
    Katakana,
    Jis0208,
    Jis0212,
    Gb2312,
    Ksx1001,
}

impl Set {
    /// The set that the escape sequence of ISO 2022 with these bytes, in hexadecimal digits, leads to.
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "C2842" | "C284A" => Self::Plain,
            "C2849" => Self::Katakana,
            "M2440" | "M2442" | "M242842" => Self::Jis0208,
            "M242844" => Self::Jis0212,
            "M2441" | "M242841" => Self::Gb2312,
            "M242843" => Self::Ksx1001,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::escape::unescape;
    use super::super::separators::Separators;

    fn read(raw: &str) -> String {
        let separators = Separators::default();
        unescape(raw, separators.escape, &separators, None).into_owned()
    }

    #[test]
    fn runs_of_other_sets_are_read() {
        assert_eq!(read(r"Yamada \M2442\;3ED\C2842\ Tar\C284A\o"), "Yamada 山田 Taro");
        assert_eq!(read(r"\C2849\DEO\M2442\;3\C2842\"), "ﾄﾅﾏ山");
        assert_eq!(read(r"\M2441\UE\C2842\"), "张");
        assert_eq!(read(r"\M242843\1h\C2842\"), "김");
        assert_eq!(read(r"\M242844\0!\C2842\"), "丂");
        assert_eq!(read(r"\M2442\0\;3\C2842\"), "移山"); // the second byte of the first is the escape character
    }

    #[test]
    fn what_cannot_be_read_is_kept_as_it_stands() {
        for kept in [
            r"\M2442\;3",          // nothing leads back
            r"\M2442\;\C2842x",    // half a character
            r"\M2442\; 3ED\C2842", // a blank is in no set
            r"\C2D41\e",
            r"\M24\x",
        ] {
            assert_eq!(read(kept), kept);
        }
    }
}
