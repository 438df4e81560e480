//! What a doctor is found by: characters anywhere in a text, Latin letters from where a word begins, and both ways of spelling Chinese
//! in Latin letters (DIR-1).

use compact_str::CompactString;
use hub_fhir::normal::normal;
use hub_fhir::spelling::{spellings, spelt};

/// Between two texts; no search has it.
const BETWEEN: char = '\n';
/// A text of several subjects is spelt subject by subject.
const ENDS_SUBJECT: &[char] = &['、', '，', ',', '；', ';', '。', '/', '（', '）', '(', ')', ' ', '\n'];

/// The texts of one doctor, made ready to be searched.
#[derive(Clone, Default)]
pub(crate) struct Words {
    /// All texts in their normal form.
    written: String,
    /// What may be the beginning of a word that is typed in Latin letters, each after [`BETWEEN`].
    spelt: String,
    /// The whole names, as written and as spelt.
    names: Vec<CompactString>,
}

impl Words {
    /// Adds a name of a person.
    pub fn add_name(&mut self, name: &str) {
        self.names.push(normal(name).replace(' ', "").into());
        self.names.extend(spelt(name));
        // Initials are not a name: they have one letter for each character.
        let letters = name.chars().count();
        self.names.extend(spellings(name, true).into_iter().filter(|spelling| spelling.len() > letters));
        self.write(name);
        self.spell(name, true);
    }

    /// Adds a text of subjects: a department, diseases.
    pub fn add(&mut self, text: &str) {
        self.write(text);
        for subject in text.split(ENDS_SUBJECT).filter(|subject| !subject.is_empty()) {
            self.spell(subject, false);
        }
    }

    fn write(&mut self, text: &str) {
        let text = normal(text);
        self.written.push(BETWEEN);
        self.written.push_str(&text);
        for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| word.is_ascii()) {
            self.start(word);
        }
    }

    /// Spells a text from each of its characters on: who looks for `zhiyuan` means 林知远 too.
    fn spell(&mut self, text: &str, begins_with_surname: bool) {
        for (at, _) in text.char_indices() {
            for spelling in spellings(&text[at..], begins_with_surname && at == 0) {
                self.start(&spelling);
            }
        }
    }

    fn start(&mut self, word: &str) {
        if !word.is_empty() {
            self.spelt.push(BETWEEN);
            self.spelt.push_str(word);
        }
    }

    /// Whether all words of a search are found.
    pub fn has(&self, sought: &Sought) -> bool {
        let has = |word: &Word| match word {
            Word::Written(word) => self.written.contains(word.as_str()),
            Word::Spelt(word) => self.spelt.contains(word.as_str()),
        };
        sought.words.iter().all(has) || sought.whole.as_ref().is_some_and(has)
    }

    /// Whether the search is the whole name.
    pub fn is_named(&self, sought: &Sought) -> bool {
        self.names.contains(&sought.name)
            || sought.spelt.as_ref().is_some_and(|name| self.names.contains(name))
    }
}

/// What is searched for, made ready once for all doctors.
pub(crate) struct Sought {
    words: Vec<Word>,
    /// All of it as one word: `lin zhi yuan`.
    whole: Option<Word>,
    name: CompactString,
    spelt: Option<CompactString>,
}

enum Word {
    Written(CompactString),
    /// With [`BETWEEN`] before it.
    Spelt(String),
}

impl Sought {
    /// What somebody has typed.
    pub fn of(text: &str) -> Self {
        let text = normal(text);
        let start = |word: &str| Word::Spelt(format!("{BETWEEN}{word}"));
        let word = |word: &str| match word.is_ascii() {
            true => start(spelt(word).as_deref().unwrap_or(word)),
            false => Word::Written(word.into()),
        };
        let spelt = spelt(&text);
        Self {
            words: text.split(' ').filter(|word| !word.is_empty()).map(word).collect(),
            whole: spelt.as_deref().map(start),
            name: text.replace(' ', "").into(),
            spelt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        let mut words = Words::default();
        words.add_name("林知远");
        words.add_name("Lin Zhiyuan");
        words.add("国际医疗中心");
        words.add("International Medical Centre");
        words.add("冠心病、高血压");
        words
    }

    fn finds(text: &str) -> bool {
        words().has(&Sought::of(text))
    }

    #[test]
    fn dir_1_a_doctor_is_found_in_simplified_traditional_english_pinyin_and_initials() {
        for text in [
            "林",
            "知远",
            "林知遠",
            "國際醫療",
            "国际 林",
            "冠心病",
            "高血壓",
            "Lin",
            "zhiyuan",
            "zhiyuan lin",
            "lin zhi yuan",
            "Lín Zhīyuǎn",
            "lin2zhi1yuan3",
            "linzhi",
            "lzy",
            "international",
            "med cent",
            "guanxinbing",
            "gaoxueya",
            "gxb",
            "gxy",
            "guoji",
            "gjyl",
            "",
            "  ",
        ] {
            assert!(finds(text), "{text}");
        }
        for text in ["王", "林 外科", "yuanlin x", "ternational", "lzq"] {
            assert!(!finds(text), "{text}");
        }
    }

    #[test]
    fn dir_6_a_whole_name_is_known_as_such() {
        for name in ["林知远", "林知遠", "林 知远", "lin zhiyuan", "linzhiyuan", "LIN ZHI YUAN"] {
            assert!(words().is_named(&Sought::of(name)), "{name}");
        }
        for part in ["林知", "lin", "lzy", "知远", ""] {
            assert!(!words().is_named(&Sought::of(part)), "{part}");
        }
    }
}
