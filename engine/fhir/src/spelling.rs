//! How Chinese names are spelt in Latin letters: by pinyin without tones and spaces (`wangxiaoming`), and by initials (`wxm`).
//!
//! A character that is read in several ways gives several spellings, bounded. A surname has its own reading (`单` is Shan, `任` is
//! Ren), and the usual one of the character after it: who types a name may not know better.

use compact_str::CompactString;
use pinyin::ToPinyin;

use crate::normal::as_written;
use crate::simplified::simplified;

/// A name has so many spellings at most.
const MOST: usize = 8;
/// Of a longer text the beginning is spelt.
const LONGEST: usize = 40;

#[rustfmt::skip]
/// Surnames of two characters, with a reading that the characters have not by themselves.
const SURNAMES_OF_TWO: &[(&str, &str)] = &[
    ("尉迟", "yu chi"), ("万俟", "mo qi"), ("长孙", "zhang sun"), ("澹台", "tan tai"), ("单于", "chan yu"),
    ("令狐", "ling hu"), ("宿六", "su lu"), ("皇甫", "huang fu"), ("钟离", "zhong li"), ("鲜于", "xian yu"),
    ("亓官", "qi guan"), ("濮阳", "pu yang"), ("宰父", "zai fu"), ("夏侯", "xia hou"),
];

#[rustfmt::skip]
/// Surnames that are not, or not only, read as their character usually is.
const SURNAMES: &[(char, &str)] = &[
    ('单', "shan dan"), ('曾', "zeng"), ('区', "ou qu"), ('仇', "qiu chou"), ('解', "xie jie"),
    ('查', "zha cha"), ('盖', "ge gai"), ('乐', "yue le"), ('朴', "piao pu"), ('缪', "miao mou"),
    ('翟', "zhai di"), ('洗', "xian xi"), ('员', "yun yuan"), ('召', "shao zhao"), ('秘', "bi mi"),
    ('折', "she zhe"), ('种', "chong zhong"), ('重', "chong zhong"), ('晟', "cheng sheng"),
    ('覃', "qin tan"), ('谭', "tan qin"), ('郗', "xi chi"), ('佴', "nai"), ('乜', "nie mie"),
    ('黑', "he hei"), ('那', "na nuo"), ('尉', "wei yu"), ('柏', "bai bo"), ('贾', "jia gu"),
    ('车', "che ju"), ('祭', "zhai ji"), ('么', "yao me"), ('句', "gou ju"), ('隗', "kui wei"),
    ('宓', "mi fu"), ('牟', "mou mu"), ('繁', "po fan"), ('都', "du"), ('阚', "kan"), ('薄', "bo"),
    ('卜', "bu"), ('厘', "xi li"), ('角', "jue jiao"), ('费', "fei bi"), ('适', "kuo shi"),
    ('长', "zhang chang"), ('能', "nai neng"), ('吕', "lv lu lyu"), ('闾', "lv lu"), ('郇', "xun huan"),
    ('谌', "chen shen"), ('不', "fou bu"),
];

#[rustfmt::skip]
/// Characters of names that are read in several ways.
const OTHERS: &[(char, &str)] = &[
    ('长', "chang zhang"), ('乐', "le yue"), ('重', "zhong chong"), ('行', "xing hang"), ('茜', "qian xi"),
    ('晟', "sheng cheng"), ('盛', "sheng cheng"), ('乾', "qian gan"), ('朝', "chao zhao"),
    ('曾', "zeng ceng"), ('柏', "bai bo"), ('莎', "sha suo"), ('娜', "na nuo"), ('传', "chuan zhuan"),
    ('奇', "qi ji"), ('参', "can shen"), ('薄', "bo bao"), ('贾', "jia gu"), ('单', "dan shan"),
    ('调', "diao tiao"), ('和', "he huo"), ('藏', "cang zang"), ('会', "hui kuai"), ('强', "qiang jiang"),
    ('了', "le liao"), ('都', "du dou"), ('大', "da dai"), ('校', "xiao jiao"), ('厦', "xia sha"),
    ('蔚', "wei yu"), ('峙', "zhi shi"), ('泊', "bo po"), ('番', "fan pan"), ('浣', "huan wan"),
    ('珏', "jue yu"), ('颉', "xie jie"), ('杉', "shan sha"), ('栖', "qi xi"), ('省', "sheng xing"),
    ('卜', "bu bo"), ('血', "xue xie"), ('率', "lv lu shuai"), ('石', "shi dan"), ('车', "che ju"),
    ('卡', "ka qia"),
];

/// The spellings of a text with Chinese characters; none of one without. A `family` name begins with its surname.
pub fn spellings(text: &str, begins_with_surname: bool) -> Vec<CompactString> {
    let letters: Vec<char> = text.chars().filter(|letter| letter.is_alphanumeric()).take(LONGEST).collect();
    let readings = readings(&letters, begins_with_surname);
    if readings.iter().all(|reading| reading.is_latin) {
        return Vec::new();
    }
    let mut ways: Vec<(CompactString, CompactString)> = vec![Default::default()];
    for reading in &readings {
        let mut longer = Vec::with_capacity(ways.len() * reading.sounds.len());
        // The first reading of every character comes first: what is cut is the least likely.
        for sound in &reading.sounds {
            for (whole, initials) in &ways {
                let initial = if reading.is_latin { sound.len() } else { 1 };
                let initial = sound.get(..initial).unwrap_or_default();
                longer.push((join(whole, sound), join(initials, initial)));
            }
        }
        longer.truncate(MOST);
        ways = longer;
    }
    let mut found: Vec<CompactString> = Vec::with_capacity(ways.len() + 1);
    for spelling in ways.into_iter().flat_map(|(whole, initials)| [whole, initials]) {
        // What another one begins with is found by that.
        if !found.iter().any(|longer| longer.starts_with(spelling.as_str())) {
            found.push(spelling);
        }
    }
    found
}

/// The letters of what is asked for where it may be a spelling: without tones, spaces and apostrophes.
pub fn spelt(text: &str) -> Option<CompactString> {
    let mut letters = CompactString::with_capacity(text.len());
    let mut after_letter = false;
    for letter in as_written(text).chars() {
        match letter {
            'a'..='z' => letters.push(letter),
            ' ' | '\'' | '\u{2019}' | '-' => {}
            '1'..='5' if after_letter => {}
            _ => return None,
        }
        after_letter = letter.is_ascii_lowercase();
    }
    (!letters.is_empty()).then_some(letters)
}

/// How one character is read.
struct Reading {
    sounds: Vec<CompactString>,
    /// It is one of Latin letters or a digit, which stands for itself.
    is_latin: bool,
}

fn readings(letters: &[char], begins_with_surname: bool) -> Vec<Reading> {
    let mut readings = Vec::with_capacity(letters.len());
    let mut rest = letters;
    if begins_with_surname {
        let surname: String = letters.iter().take(2).copied().map(simplified).collect();
        let of_two = SURNAMES_OF_TWO.iter().find(|(name, _)| *name == surname);
        let of_one = letters.first().and_then(|letter| listed(SURNAMES, *letter));
        if let (Some((_, sounds)), true) = (of_two, letters.len() > 2) {
            readings.extend(sounds.split(' ').map(Reading::of));
            rest = &letters[2..];
        } else if let Some(sounds) = of_one {
            readings.push(Reading::of(sounds));
            rest = &letters[1..];
        }
    }
    readings.extend(rest.iter().filter_map(|letter| reading(*letter)));
    readings
}

fn reading(letter: char) -> Option<Reading> {
    if let Some(sounds) = listed(OTHERS, letter) {
        return Some(Reading::of(sounds));
    }
    if let Some(sound) = letter.to_pinyin() {
        return Some(Reading::of(sound.plain()));
    }
    let itself = as_written(letter.encode_utf8(&mut [0; 4]));
    itself.is_ascii().then(|| Reading { sounds: vec![itself], is_latin: true })
}

fn listed(table: &[(char, &'static str)], letter: char) -> Option<&'static str> {
    let find = |wanted: char| table.iter().find(|(listed, _)| *listed == wanted).map(|(_, sounds)| *sounds);
    find(letter).or_else(|| find(simplified(letter)))
}

impl Reading {
    /// Of sounds with spaces between them. `ü` is typed as `v` or as `u`.
    fn of(sounds: &str) -> Self {
        let typed = |sound: &str| match sound.contains('ü') {
            true => vec![sound.replace('ü', "v"), sound.replace('ü', "u")],
            false => vec![sound.to_owned()],
        };
        Self { sounds: sounds.split(' ').flat_map(typed).map(CompactString::from).collect(), is_latin: false }
    }
}

fn join(start: &str, end: &str) -> CompactString {
    let mut whole = CompactString::with_capacity(start.len() + end.len());
    whole.push_str(start);
    whole.push_str(end);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_spelt_whole_and_by_its_initials() {
        assert_eq!(spellings("王小明", true), ["wangxiaoming", "wxm"]);
        assert_eq!(spellings("王", true), ["wang"]);
        assert_eq!(spellings("阿卜杜拉·A", true), ["abudulaa", "abdla", "abodulaa"]);
        assert_eq!(spellings("Wang 2", true), Vec::<CompactString>::new());
        assert_eq!(spellings("", true), Vec::<CompactString>::new());
    }

    #[test]
    fn a_surname_is_read_as_surnames_are_and_as_its_character_is() {
        for (name, first) in [
            ("单雄信", "shanxiongxin"),
            ("單雄信", "shanxiongxin"),
            ("曾国藩", "zengguofan"),
            ("区小明", "ouxiaoming"),
            ("仇英", "qiuying"),
            ("解缙", "xiejin"),
            ("查良镛", "zhaliangyong"),
            ("任盈盈", "renyingying"),
            ("尉迟恭", "yuchigong"),
            ("万俟卨", "moqixie"),
            ("长孙无忌", "zhangsunwuji"),
            ("吕布", "lvbu"),
            ("欧阳修", "ouyangxiu"),
            ("诸葛亮", "zhugeliang"),
            ("司马光", "simaguang"),
        ] {
            assert_eq!(spellings(name, true)[0], first, "{name}");
        }
        assert_eq!(spellings("单雄信", true), ["shanxiongxin", "sxx", "danxiongxin", "dxx"]);
        assert_eq!(spellings("重庆医院", false), ["zhongqingyiyuan", "zqyy", "chongqingyiyuan", "cqyy"]);
        assert!(spellings("吕布", true).contains(&"lubu".into()));
        assert!(
            spellings("李绿", true).contains(&"lilv".into())
                && spellings("李绿", true).contains(&"lilu".into())
        );
    }

    #[test]
    fn what_is_listed_says_more_than_the_character_does() {
        let usual = |letter: char| letter.to_pinyin().map(|sound| sound.plain());
        for (letter, sounds) in SURNAMES.iter().chain(OTHERS) {
            assert_ne!(usual(*letter), Some(*sounds), "{letter}");
        }
    }

    #[test]
    fn what_is_read_in_many_ways_is_bounded() {
        assert!(spellings(&"长".repeat(400), true).len() <= 2 * MOST);
    }

    #[test]
    fn what_is_asked_for_is_taken_without_tones_and_spaces() {
        for asked in
            ["wang xiaoming", "Wáng Xiǎomíng", "wang2 xiao3ming2", "Wang Xiao-ming", "WANG XIAO'MING"]
        {
            assert_eq!(spelt(asked).as_deref(), Some("wangxiaoming"), "{asked}");
        }
        assert_eq!(spelt("xi'an").as_deref(), Some("xian"));
        for other in ["", "王", "4711", "a9", "o.k."] {
            assert_eq!(spelt(other), None, "{other}");
        }
    }
}
