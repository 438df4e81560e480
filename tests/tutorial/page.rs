//! The tutorial as a list of steps: what the reader types, and what the page says is printed.

use std::ops::Range;

/// One block of commands, and the block of output right below it.
pub struct Step {
    /// Its first line on the page.
    pub line: usize,
    /// What is typed.
    pub typed: String,
    /// Whether the page means one of the commands to fail: ```` ```sh fails ````.
    pub fails: bool,
    /// What is printed, as the page shows it.
    pub shown: Option<Shown>,
}

/// An output that the page shows.
pub struct Shown {
    /// Its lines.
    pub lines: Vec<String>,
    /// Where they stand among the page's lines, from 0.
    pub place: Range<usize>,
}

/// Reads the page. Every block is either commands or the output of those above it: nothing is left that no test runs.
pub fn steps(page: &str) -> Vec<Step> {
    let lines: Vec<&str> = page.lines().collect();
    let mut steps: Vec<Step> = Vec::new();
    let mut at = 0;
    let mut below = None;
    while at < lines.len() {
        let Some(kind) = lines[at].strip_prefix("```") else {
            if !lines[at].is_empty() {
                below = None;
            }
            at += 1;
            continue;
        };
        let first = at + 1;
        let end = first + lines[first..].iter().position(|line| *line == "```").expect("a block ends");
        let inside: Vec<String> = lines[first..end].iter().map(ToString::to_string).collect();
        match kind {
            "sh" | "sh fails" => {
                let typed = inside.join("\n");
                steps.push(Step { line: first + 1, typed, fails: kind == "sh fails", shown: None });
                below = Some(steps.len() - 1);
            }
            "text" | "json" => {
                let step: usize =
                    below.take().unwrap_or_else(|| panic!("line {first}: no commands above this output"));
                steps[step].shown = Some(Shown { lines: inside, place: first..end });
            }
            other => panic!("line {first}: a block of `{other}` is run by nobody"),
        }
        at = end + 1;
    }
    steps
}
