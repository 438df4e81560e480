//! Columns for people: as wide as what stands in them, and times to the second.

use std::io::IsTerminal;

use serde_json::Value;

use crate::paint;

/// A cell: its text, and how it is painted.
pub struct Cell {
    text: String,
    right: bool,
    paint: fn(String) -> String,
}

impl Cell {
    /// Words, to the left.
    pub fn words(text: impl Into<String>) -> Self {
        Self { text: text.into(), right: false, paint: |text| text }
    }

    /// A count, to the right.
    pub fn count(count: u64) -> Self {
        Self { text: count.to_string(), right: true, paint: |text| text }
    }

    /// A count that wants a look when it is not nothing.
    pub fn trouble(count: u64) -> Self {
        let cell = Self::count(count);
        if count == 0 { cell } else { cell.painted(paint::warning) }
    }

    /// The same, painted.
    pub fn painted(self, paint: fn(String) -> String) -> Self {
        Self { paint, ..self }
    }
}

/// One row, and the lines that belong below it.
pub struct Row {
    /// Its cells, as many as there are headings.
    pub cells: Vec<Cell>,
    /// Lines below it.
    pub notes: Vec<String>,
}

/// Prints rows below headings, each column as wide as its widest cell. Without headings, rows alone.
pub fn print(headings: &[&str], rows: &[Row]) {
    let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or(headings.len());
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            let cells = rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| width(&cell.text));
            cells.chain(headings.get(at).map(|heading| width(heading))).max().unwrap_or(0)
        })
        .collect();
    if !headings.is_empty() {
        let right = |at: usize| rows.iter().any(|row| row.cells.get(at).is_some_and(|cell| cell.right));
        let line: Vec<String> =
            headings.iter().enumerate().map(|(at, text)| padded(text, widths[at], right(at))).collect();
        println!("{}", paint::strong(line.join("  ").trim_end()));
    }
    for row in rows {
        let last = row.cells.len().saturating_sub(1);
        let line: Vec<String> = row
            .cells
            .iter()
            .enumerate()
            .map(|(at, cell)| {
                let width = if at == last && !cell.right { 0 } else { widths[at] };
                (cell.paint)(padded(&cell.text, width, cell.right))
            })
            .collect();
        println!("{}", line.join("  "));
        for note in &row.notes {
            println!("    {note}");
        }
    }
}

/// Text with blanks up to a width.
pub fn padded(text: &str, to: usize, right: bool) -> String {
    let blanks = " ".repeat(to.saturating_sub(width(text)));
    if right { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
}

/// How wide the terminal is; `None` when this is read by no person.
pub fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Text no wider than `most`; what is left out shows as `…`, and what would break the line as a blank.
pub fn shortened(text: &str, most: usize) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if width(&text) <= most {
        return text;
    }
    let mut short = String::new();
    let mut taken = 0;
    for letter in text.chars() {
        taken += width(letter.encode_utf8(&mut [0; 4]));
        if taken >= most {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}

/// How many columns a terminal needs: ideographs take two.
pub fn width(text: &str) -> usize {
    text.chars()
        .map(|letter| if matches!(u32::from(letter), 0x1100..=0x115f | 0x2e80..=0xffdc) { 2 } else { 1 })
        .sum()
}

/// A time of the API to the second: `2026-11-23T08:15:00Z`.
pub fn time(value: &Value) -> String {
    let text = value.as_str().unwrap_or("-");
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text.to_owned(),
    }
}

/// What a person at a terminal may want to do next; a script does not need to be told.
pub fn hint(text: &str) {
    if std::io::stdout().is_terminal() {
        println!("{}", paint::dim(text));
    }
}

/// A member's text.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

/// A member's number.
pub fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

/// A member's items.
pub fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideographs_take_two_columns() {
        assert_eq!(width("汇通 A"), 6);
        assert_eq!(padded("钾", 4, false), "钾  ");
    }

    #[test]
    fn what_is_too_wide_is_shortened_by_columns_and_not_by_letters() {
        assert_eq!(shortened("血钾偏高", 8), "血钾偏高");
        assert_eq!(shortened("血钾偏高", 7), "血钾偏…");
        assert_eq!(shortened("血钾偏高", 6), "血钾…");
        assert_eq!(shortened("a\nb", 9), "a b");
    }

    #[test]
    fn a_time_is_told_to_the_second() {
        assert_eq!(time(&Value::from("2026-11-23T04:45:16.256643926Z")), "2026-11-23T04:45:16Z");
        assert_eq!(time(&Value::from("2026-11-23T04:45:16Z")), "2026-11-23T04:45:16Z");
        assert_eq!(time(&Value::Null), "-");
    }
}
