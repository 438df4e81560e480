//! What the tutorial points at is there: pages, and headings within them.

use std::path::Path;

#[test]
fn every_link_of_the_tutorial_leads_to_a_page_and_a_heading() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = std::fs::read_to_string(docs.join("tutorial.md")).unwrap();
    let links: Vec<&str> =
        page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).collect();
    assert!(links.len() > 5);
    for link in links {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target =
            std::fs::read_to_string(docs.join(file)).unwrap_or_else(|error| panic!("{link}: {error}"));
        let headings = target.lines().filter(|line| line.starts_with('#')).map(anchor);
        assert!(
            heading.is_empty() || headings.into_iter().any(|known| known == heading),
            "{link}: no such heading"
        );
    }
}

/// The name that a heading has in links: small letters, digits and hyphens.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let letters = text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}
