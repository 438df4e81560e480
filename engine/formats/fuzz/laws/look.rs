//! What holds of every document, whatever it was read from.

use hub_core::document::Document;
use hub_core::path::Path;

const PATHS: [&str; 8] = ["*", "a.b", "/a/b", "row.a", "@x", "a[b=c].d", "trailer.n", "Patient.name.family"];

/// Looks at every leaf of a document, and from it; nothing may panic.
pub fn look(document: &dyn Document) {
    for leaf in document.leaves().into_iter().take(200) {
        let text = document.text(leaf).expect("a leaf has a text or is null");
        assert!(text.value().is_none_or(|value| !value.is_empty()));
        assert!(document.contains(document.root(), leaf));
        assert_eq!(document.part(leaf, 1), Some(leaf));
        document.place(leaf);
        for path in PATHS {
            document.select(leaf, &Path::parse(path).expect("the path is right"), &mut Vec::new());
        }
    }
}
