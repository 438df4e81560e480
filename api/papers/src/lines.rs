//! Text broken into lines: between words, and between Chinese characters where the rules of setting allow it (GB/T 15834, CLREQ 3.1.4).

/// What must not begin a line.
const NOT_FIRST: &str = "，。、；：！？）》」』】〉〕’”％‰…—·,.;:!?)]}%";
/// What must not end one.
const NOT_LAST: &str = "（《「『【〈〔‘“([{";

/// The lines of a text that is at most so wide; each letter's width is given.
pub(crate) fn broken<'t>(text: &'t str, widths: &[f32], room: f32) -> Vec<&'t str> {
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let mut lines = Vec::new();
    let (mut begin, mut width, mut chance) = (0, 0.0, None);
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at].1;
        // A blank at the end of a line takes no room.
        if width + widths[at] > room && !letter.is_whitespace() && at > begin {
            let end = chance.filter(|chance| *chance > begin).unwrap_or(at);
            lines.push(text[letters[begin].0..letters[end].0].trim_end());
            begin = (end..letters.len()).find(|at| !letters[*at].1.is_whitespace()).unwrap_or(letters.len());
            (at, width, chance) = (begin, 0.0, None);
            continue;
        }
        width += widths[at];
        at += 1;
        if at < letters.len() && may_break(letter, letters[at].1) {
            chance = Some(at);
        }
    }
    if begin < letters.len() {
        lines.push(text[letters[begin].0..].trim_end());
    }
    lines
}

/// Whether a line may end between these two.
fn may_break(before: char, after: char) -> bool {
    if NOT_FIRST.contains(after) || NOT_LAST.contains(before) || after.is_whitespace() {
        return false;
    }
    before.is_whitespace() || before == '-' || is_wide(before) || is_wide(after)
}

/// Whether a letter is one of a script that is written without blanks.
fn is_wide(letter: char) -> bool {
    matches!(letter, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, room: f32) -> Vec<&str> {
        let widths: Vec<f32> = text.chars().map(|letter| if is_wide(letter) { 2.0 } else { 1.0 }).collect();
        broken(text, &widths, room)
    }

    #[test]
    fn lines_end_between_words_and_between_characters() {
        assert_eq!(lines("the price of a visit", 10.0), ["the price", "of a visit"]);
        assert_eq!(lines("本人已阅读全文", 8.0), ["本人已阅", "读全文"]);
        assert_eq!(lines("诊查费 CNY 500.00 已知悉", 12.0), ["诊查费 CNY", "500.00 已知", "悉"]);
        assert_eq!(lines("unbreakable", 4.0), ["unbr", "eaka", "ble"]);
        assert!(lines("", 4.0).is_empty());
    }

    #[test]
    fn no_line_begins_with_a_full_stop_or_ends_with_an_opening_bracket() {
        assert_eq!(lines("本人同意。谢谢", 8.0), ["本人同", "意。谢谢"]);
        assert_eq!(lines("收费（见下）", 6.0), ["收费", "（见", "下）"]);
    }
}
