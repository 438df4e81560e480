//! What differs between two sets of files, line by line.

use std::time::Duration;

use hub_core::deployments::{FileChange, Files, TextDigest, compare};
use serde::Serialize;
use similar::TextDiff;

/// Lines shown around each that differs.
const AROUND: usize = 3;
/// So long the shortest difference of a file is looked for; then a longer one will do.
const LONGEST_SEARCH: Duration = Duration::from_secs(2);

/// A file that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FileDiff {
    path: String,
    change: &'static str,
    /// A unified diff, as `diff -u` writes it.
    diff: String,
}

/// The files that differ and the digests of the texts to compare them by.
pub(crate) fn differing(
    old: &Files<TextDigest>,
    new: &Files<TextDigest>,
) -> Vec<(String, FileChange, [Option<TextDigest>; 2])> {
    let sides = |path: &String| [old.get(path).copied(), new.get(path).copied()];
    compare(old, new)
        .into_iter()
        .map(|(path, change)| {
            let sides = sides(&path);
            (path, change, sides)
        })
        .collect()
}

/// The difference of one file; an empty text stands for one that is not there.
pub(crate) fn file_diff(path: String, change: FileChange, old: &str, new: &str) -> FileDiff {
    let (from, to) = (format!("a/{path}"), format!("b/{path}"));
    let from = if change == FileChange::Added { "/dev/null" } else { &from };
    let to = if change == FileChange::Removed { "/dev/null" } else { &to };
    // A text that was written anew from top to bottom is told so, not searched for what is alike for ever.
    let lines = TextDiff::configure().timeout(LONGEST_SEARCH).diff_lines(old, new);
    let diff = lines.unified_diff().context_radius(AROUND).header(from, to).to_string();
    FileDiff { path, change: change.name(), diff }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_as_diff_does() {
        let told = file_diff("m/x.toml".to_owned(), FileChange::Changed, "a\nb\nc\n", "a\nB\nc\n");
        assert_eq!(told.diff, "--- a/m/x.toml\n+++ b/m/x.toml\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        let added = file_diff("x".to_owned(), FileChange::Added, "", "a\n");
        assert_eq!(added.diff, "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n");
        let last = file_diff("x".to_owned(), FileChange::Changed, "a\n", "a");
        assert!(last.diff.contains("\\ No newline at end of file"), "{}", last.diff);
    }
}
