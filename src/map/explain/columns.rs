//! An explanation at a terminal: aligned columns, no wider than the terminal; whole where no person reads it.

use std::collections::BTreeMap;

use super::{Became, Explained, Origin, SourceField, TargetPart};
use crate::map::lookup::found_in_words;
use crate::paint;
use crate::table::{padded, shortened, terminal_width, width};

/// Where nobody's terminal says how wide it is.
const UNBOUNDED: usize = usize::MAX / 8;

/// The blanks around the columns, and the arrow.
const BETWEEN: usize = 10;

/// The widths of three columns: a name, a value, and what is told of it.
struct Widths {
    name: usize,
    value: usize,
    told: usize,
    line: usize,
}

impl Widths {
    /// Name and mapping line are shown whole as far as possible; the value and what is told of it share what is left.
    fn of(rows: &[[&str; 4]]) -> Self {
        let widest = |at: usize| rows.iter().map(|row| width(row[at])).max().unwrap_or(0);
        let [name, value, told, line] = [widest(0), widest(1), widest(2), widest(3)];
        let Some(screen) = terminal_width() else { return Self { name, value, told, line } };
        let name = name.min(screen / 3);
        let line = if screen < 90 { line.min(screen / 4) } else { line };
        let left = screen.saturating_sub(name + line + BETWEEN).max(24);
        let value = value.min(left * 2 / 5).max(left.saturating_sub(told).min(value));
        Self { name, value, told: told.min(left.saturating_sub(value)).max(10), line }
    }

    fn print(&self, row: [&str; 4], paints: [fn(String) -> String; 4], arrow: &str) {
        let cell = |at: usize, most: usize| {
            let short = if most >= UNBOUNDED { row[at].to_owned() } else { shortened(row[at], most) };
            paints[at](padded(&short, most, false))
        };
        let line = format!(
            "  {}  {}  {} {}  {}",
            cell(0, self.name),
            cell(1, self.value),
            paint::dim(arrow),
            cell(2, self.told),
            paints[3](shortened(row[3], self.line))
        );
        println!("{}", line.trim_end());
    }
}

const PLAIN: fn(String) -> String = |text| text;
const DIM: fn(String) -> String = paint::dim;

/// Prints it.
pub fn print(explained: &Explained) {
    heading(explained);
    source(explained);
    looked_up(explained);
    if let Some(why) = &explained.filtered {
        println!("\n{}: {why}", paint::warning("filtered"));
    }
    for notice in &explained.notices {
        println!("\n{}: {notice}", paint::warning("not known here"));
    }
    if let Some(fault) = &explained.fault {
        let place =
            fault.place.as_deref().map_or(String::new(), |place| format!(" at {}", paint::strong(place)));
        println!("\n{}{place}: {}", paint::error("set aside"), fault.reason);
        if let Some(rule) = &fault.rule {
            println!("  by {rule}");
        }
        println!("  nothing is written");
        return;
    }
    for part in &explained.target {
        target(part, explained);
    }
    if !explained.notes.is_empty() {
        println!("\n{}", paint::strong("Left out, because it does not fit"));
        for note in &explained.notes {
            println!("  {}  {}", paint::warning(&note.place), note.reason);
        }
    }
    summary(explained);
}

fn heading(explained: &Explained) {
    let Explained { mapping, message, format, files, .. } = explained;
    match &explained.request {
        None => println!("{}  reads {message} ({format})", paint::strong(mapping)),
        Some(request) => {
            println!(
                "{}  answers {message} ({request}) with what is found ({format})",
                paint::strong(mapping)
            );
        }
    }
    for file in files {
        println!("  {}", paint::dim(file));
    }
}

fn source(explained: &Explained) {
    println!("\n{}", paint::strong("Each field, and what became of it"));
    let mut rows: Vec<([String; 4], Became, bool)> = Vec::new();
    let whole = unread_resources(explained);
    let mut told_of: Option<&str> = None;
    for field in &explained.source {
        let group = resource_of(&field.place);
        if let Some(count) = whole.get(group) {
            if told_of != Some(group) {
                let told = format!("{count} fields, not read");
                rows.push(([group.to_owned(), told, String::new(), String::new()], Became::Read, true));
                told_of = Some(group);
            }
            continue;
        }
        let value = field.value.clone().unwrap_or_else(|| "\"\" (no value any more)".to_owned());
        let told = told(field);
        if field.to.is_empty() {
            rows.push(([field.place.clone(), value, told, String::new()], field.became, true));
            continue;
        }
        // What a field makes alone says it all; where it makes nothing alone, what it has a part in is told.
        let has_own = field.to.iter().any(|link| !link.whole);
        for (nth, link) in field.to.iter().filter(|link| !has_own || !link.whole).enumerate() {
            let (place, value) =
                if nth == 0 { (field.place.clone(), value.clone()) } else { (String::new(), String::new()) };
            let line = format!("{}:{}", link.file, link.line);
            rows.push(([place, value, link.target.clone(), line], field.became, false));
        }
    }
    let cells: Vec<[&str; 4]> =
        rows.iter().map(|(row, ..)| [&*row[0], &*row[1], &*row[2], &*row[3]]).collect();
    let widths = Widths::of(&cells);
    for (cells, (_, became, is_word)) in cells.iter().zip(&rows) {
        let paint_told: fn(String) -> String = match became {
            Became::Written => paint::good,
            Became::Unread => paint::warning,
            Became::Fault => paint::error,
            Became::Read | Became::OnPurpose | Became::Unknown => DIM,
        };
        let arrow = if *is_word { " " } else { "→" };
        widths.print(*cells, [PLAIN, PLAIN, paint_told, DIM], arrow);
    }
}

/// What was asked of the store and answered; of the rest a notice tells.
fn looked_up(explained: &Explained) {
    let answered = || explained.looked_up.iter().filter_map(|one| Some((&one.question, one.found.as_ref()?)));
    if answered().next().is_some() {
        println!("\n{}", paint::strong("Looked up in the store"));
    }
    let widest = answered().map(|(question, _)| width(question)).max().unwrap_or(0);
    for (question, found) in answered() {
        let found = found_in_words(found);
        println!("  {}  {} {found}", padded(question, widest, false), paint::dim("→"));
    }
}

/// `Patient.name.family` is of the resource `Patient`.
fn resource_of(place: &str) -> &str {
    place.split('.').next().unwrap_or(place)
}

/// For a mapping that reads resources: those of which it reads nothing, and how many fields they have.
fn unread_resources(explained: &Explained) -> BTreeMap<&str, usize> {
    let mut counts: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for field in explained.source.iter().filter(|_| explained.format == "fhir") {
        let (count, unread) = counts.entry(resource_of(&field.place)).or_insert((0, true));
        *count += 1;
        *unread &= field.became == Became::Unread;
    }
    counts.into_iter().filter(|(_, (_, unread))| *unread).map(|(name, (count, _))| (name, count)).collect()
}

/// In words, what became of a field that is not written.
fn told(field: &SourceField) -> String {
    let reason = field.reason.as_deref().unwrap_or_default();
    match field.became {
        Became::Written => String::new(),
        Became::Read => "read for a condition, an id or a choice; not written itself".to_owned(),
        Became::OnPurpose => format!("left out on purpose: {reason}"),
        Became::Unread => "not read".to_owned(),
        Became::Fault => reason.to_owned(),
        Became::Unknown => String::new(),
    }
}

fn target(part: &TargetPart, explained: &Explained) {
    let reference =
        part.reference.as_deref().map_or(String::new(), |reference| format!("  {}", paint::dim(reference)));
    let write = part.write.map_or(String::new(), |write| format!("  {}", paint::dim(write)));
    println!("\n{}{reference}{write}", paint::strong(&part.name));
    if !part.clears.is_empty() {
        println!("  removes {}", part.clears.join(", "));
    }
    let mut rows: Vec<[String; 4]> = Vec::new();
    for value in &part.values {
        if value.from.is_empty() {
            rows.push([value.path.clone(), value.value.clone(), String::new(), String::new()]);
        }
        for (nth, origin) in value.from.iter().enumerate() {
            let (path, shown) = if nth == 0 {
                (value.path.clone(), value.value.clone())
            } else {
                (String::new(), String::new())
            };
            let from = match points_at(explained, &value.value) {
                Some(name) if origin.place.is_none() => format!("points at {name}"),
                _ => from(origin, &explained.source),
            };
            rows.push([path, shown, from, format!("{}:{}", origin.file, origin.line)]);
        }
    }
    let cells: Vec<[&str; 4]> = rows.iter().map(|row| [&*row[0], &*row[1], &*row[2], &*row[3]]).collect();
    let widths = Widths::of(&cells);
    for cells in &cells {
        let arrow = if cells[2].is_empty() { " " } else { "←" };
        let is_mapping = cells[2] == MAPPING_ITSELF || cells[2].starts_with("points at ");
        widths.print(*cells, [PLAIN, PLAIN, if is_mapping { DIM } else { PLAIN }, DIM], arrow);
    }
}

const MAPPING_ITSELF: &str = "the mapping itself";

/// Where a value comes from: the one field, or the place that several of them make up.
fn from(origin: &Origin, source: &[SourceField]) -> String {
    match (&origin.place, origin.fields.as_slice()) {
        (None, _) => MAPPING_ITSELF.to_owned(),
        (Some(_), [only]) => source[*only].place.clone(),
        (Some(place), _) => place.clone(),
    }
}

/// The part whose reference this value is.
fn points_at<'e>(explained: &'e Explained, value: &str) -> Option<&'e str> {
    let pointed = explained.target.iter().find(|part| part.reference.as_deref() == Some(value));
    pointed.map(|part| part.name.as_str())
}

fn summary(explained: &Explained) {
    let count = |wanted: Became| explained.source.iter().filter(|field| field.became == wanted).count();
    let values: usize = explained.target.iter().map(|part| part.values.len()).sum();
    let unread = count(Became::Unread);
    let unread_told = format!("{unread} not read");
    println!(
        "\n{} fields: {} written, {} read, {} left out on purpose, {}; {values} values in {} {}",
        explained.source.len(),
        count(Became::Written),
        count(Became::Read),
        count(Became::OnPurpose),
        if unread == 0 { unread_told } else { paint::warning(unread_told) },
        explained.target.len(),
        match (explained.target.first().is_some_and(|part| part.reference.is_none()), explained.target.len())
        {
            (true, 1) => "message",
            (true, _) => "messages",
            (false, 1) => "resource",
            (false, _) => "resources",
        },
    );
}
