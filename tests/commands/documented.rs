//! What `docs/mapping-commands.md` shows is what the program says.

use crate::prompt::{huitong, root};

/// The lines of the page's blocks that begin with a command: the command, and what it is shown to say.
fn shown(page: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let split = |block: &str| {
        let mut lines = block.lines();
        let command = lines.next().unwrap().strip_prefix("$ huitong ").unwrap();
        let arguments = command.split(' ').map(str::to_owned).collect();
        (arguments, lines.map(str::to_owned).collect())
    };
    blocks.map(split).collect()
}

#[test]
fn every_block_of_the_page_is_what_the_command_says() {
    let page = std::fs::read_to_string(root().join("docs/mapping-commands.md")).unwrap();
    let blocks = shown(&page);
    assert!(blocks.len() >= 4, "the blocks were not found");
    for (arguments, lines) in blocks {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = huitong(&arguments);
        // Columns are as wide as what stands in them: blanks count as one.
        let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut rest = said.out.lines().map(plain);
        for line in lines.iter().filter(|line| *line != "...") {
            // A line may be shown without its end.
            let found = rest.any(|said| said.starts_with(&plain(line)));
            assert!(
                found,
                "`huitong {}` does not say, in this order:\n{line}\n\n{}",
                arguments.join(" "),
                said.out
            );
        }
    }
}

#[test]
fn every_command_has_an_example_in_its_help() {
    for command in ["explain", "try", "diff", "coverage"] {
        let help = huitong(&["map", command, "--help"]).well();
        assert!(help.contains(&format!("huitong map {command} ")), "{help}");
    }
    assert!(huitong(&["schema", "--help"]).well().contains("huitong schema --write"));
}
