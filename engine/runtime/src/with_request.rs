//! What a reply's mapping reads: what was found, and beside it the request, by paths that begin with `request`.

use hub_core::document::{Document, Node, Text};
use hub_core::path::{Path, To};

/// The first step of paths into the request.
const REQUEST: &str = "request";
/// Nodes of the request carry this bit. A document has no node so high, and what the hub tells beside it stands higher.
const MARK: u64 = 1 << 62;

/// Two documents seen as one.
pub struct WithRequest<'d> {
    /// What was found.
    pub found: &'d dyn Document,
    /// What was asked.
    pub request: &'d dyn Document,
}

impl WithRequest<'_> {
    /// The document a node belongs to, what the node is called there, and its mark.
    fn side(&self, node: Node) -> (&dyn Document, Node, u64) {
        if node.0 & MARK == 0 { (self.found, node, 0) } else { (self.request, Node(node.0 & !MARK), MARK) }
    }
}

impl Document for WithRequest<'_> {
    fn root(&self) -> Node {
        self.found.root()
    }

    fn select(&self, scope: Node, path: &Path, found: &mut Vec<Node>) {
        let first = path.steps().first();
        let is_request = first.is_some_and(|step| matches!(&step.to, To::Name(name) if name == REQUEST));
        let mut inner = Vec::new();
        if is_request {
            match path.tail() {
                Some(tail) => self.request.select(self.request.root(), &tail, &mut inner),
                None => inner.push(self.request.root()),
            }
            found.extend(inner.into_iter().map(|node| Node(node.0 | MARK)));
            return;
        }
        let (document, scope, mark) = self.side(scope);
        document.select(scope, path, &mut inner);
        found.extend(inner.into_iter().map(|node| Node(node.0 | mark)));
    }

    fn text(&self, node: Node) -> Option<Text<'_>> {
        let (document, node, _) = self.side(node);
        document.text(node)
    }

    fn part(&self, node: Node, index: u16) -> Option<Node> {
        let (document, node, mark) = self.side(node);
        document.part(node, index).map(|part| Node(part.0 | mark))
    }

    fn child(&self, node: Node, name: &str) -> Option<Node> {
        let (document, node, mark) = self.side(node);
        document.child(node, name).map(|child| Node(child.0 | mark))
    }

    fn contains(&self, outer: Node, inner: Node) -> bool {
        let ((document, outer, outer_mark), (_, inner, inner_mark)) = (self.side(outer), self.side(inner));
        outer_mark == inner_mark && document.contains(outer, inner)
    }

    fn leaves(&self) -> Vec<Node> {
        let mut leaves = self.found.leaves();
        leaves.extend(self.request.leaves().into_iter().map(|leaf| Node(leaf.0 | MARK)));
        leaves
    }

    fn place(&self, node: Node) -> String {
        let (document, node, mark) = self.side(node);
        let place = document.place(node);
        if mark == 0 { place } else { format!("{REQUEST}.{place}") }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn parsed(format: &str, text: &str) -> Box<dyn Document> {
        hub_formats::parser(format, None, &toml::Table::new()).unwrap().parse(text.as_bytes()).unwrap()
    }

    fn texts(document: &dyn Document, scope: Node, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        document.select(scope, &Path::parse(path).unwrap(), &mut found);
        found.iter().filter_map(|node| Some(document.text(*node)?.value()?.into_owned())).collect()
    }

    #[test]
    fn the_request_is_read_beside_what_was_found() {
        let found = parsed("fhir", r#"{"resourceType":"Patient","id":"p1","name":[{"family":"Chen"}]}"#);
        let request =
            parsed("hl7v2", "MSH|^~\\&|A|B|C|D|1||QBP^Q22|7|P|2.5.1\rQPD|Q22|T1|@PID.3.1^P1~@PID.5.1^X\r");
        let both = WithRequest { found: &*found, request: &*request };
        let root = both.root();
        assert_eq!(texts(&both, root, "Patient.name.family"), ["Chen"]);
        assert_eq!(texts(&both, root, "request.MSH-10"), ["7"]);
        assert_eq!(texts(&both, root, "request.QPD-3(2).2"), ["X"]);
        let mut repetitions = Vec::new();
        both.select(root, &Path::parse("request.QPD-3").unwrap(), &mut repetitions);
        assert_eq!(repetitions.len(), 2);
        assert_eq!(both.place(repetitions[1]), "request.QPD-3(2)");
        assert_eq!(texts(&both, repetitions[1], "QPD-2"), ["T1"]);
        assert!(!both.contains(root, repetitions[0]));
        assert_eq!(both.leaves().len(), found.leaves().len() + request.leaves().len());
    }

    #[test]
    fn an_xml_request_is_read_by_its_paths() {
        let found = parsed("json", "{}");
        let request = parsed("xml", "<Query><Id no=\"4\">P1</Id></Query>");
        let both = WithRequest { found: &*found, request: &*request };
        assert_eq!(texts(&both, both.root(), "request/Query/Id"), ["P1"]);
        assert_eq!(texts(&both, both.root(), "request.Query.Id.@no"), ["4"]);
    }
}
