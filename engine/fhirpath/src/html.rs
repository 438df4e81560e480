//! The rules of narrative XHTML (R4B, Narrative; invariants txt-1 and txt-2), checked without building a tree.

/// Elements of chapters 7 to 11 and 15 of HTML 4.0 without section 4 of chapter 9, and `a` and `img`.
const ELEMENTS: [&str; 57] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "menu",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
];
/// Elements that are not in the list above but harmless and usual.
const MORE_ELEMENTS: [&str; 3] = ["var", "map", "area"];
/// Attributes that any element may have; `on..` is refused whatever follows.
const ATTRIBUTES: [&str; 61] = [
    "abbr",
    "accesskey",
    "align",
    "alt",
    "axis",
    "bgcolor",
    "border",
    "cellhalign",
    "cellpadding",
    "cellspacing",
    "cellvalign",
    "char",
    "charoff",
    "charset",
    "cite",
    "class",
    "clear",
    "color",
    "cols",
    "colspan",
    "compact",
    "coords",
    "datetime",
    "dir",
    "face",
    "frame",
    "headers",
    "height",
    "href",
    "hreflang",
    "hspace",
    "id",
    "lang",
    "longdesc",
    "media",
    "name",
    "noshade",
    "nowrap",
    "rel",
    "rev",
    "rowspan",
    "rules",
    "scope",
    "shape",
    "size",
    "span",
    "src",
    "start",
    "style",
    "summary",
    "tabindex",
    "target",
    "title",
    "type",
    "usemap",
    "valign",
    "value",
    "vspace",
    "width",
    "xml:lang",
    "xmlns",
];
/// Entities of XML; those of HTML are taken by name.
const MOST_ENTITY: usize = 10;
const MAX_DEPTH: usize = 256;

/// Whether `text` is one well-formed `div` of allowed elements and attributes, with some content.
pub(crate) fn is_narrative(text: &str) -> bool {
    let mut reader = Reader { rest: text.trim(), open: Vec::new(), has_content: false };
    reader.read().is_some() && reader.has_content
}

struct Reader<'t> {
    rest: &'t str,
    open: Vec<&'t str>,
    has_content: bool,
}

impl<'t> Reader<'t> {
    fn read(&mut self) -> Option<()> {
        loop {
            let at = self.rest.find('<')?;
            self.text(&self.rest[..at])?;
            self.rest = &self.rest[at..];
            if let Some(comment) = self.rest.strip_prefix("<!--") {
                self.rest = &comment[comment.find("-->")? + 3..];
            } else if let Some(end) = self.rest.strip_prefix("</") {
                let name = end[..end.find('>')?].trim_end();
                if self.open.pop()? != name {
                    return None;
                }
                self.rest = &end[end.find('>')? + 1..];
            } else {
                self.element()?;
            }
            if self.open.is_empty() {
                return self.rest.trim().is_empty().then_some(());
            }
        }
    }

    fn text(&mut self, text: &str) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        if self.open.is_empty() {
            return text.trim().is_empty().then_some(());
        }
        self.has_content |= !text.trim().is_empty();
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            let entity = &rest[at + 1..];
            let end = entity.find(';').filter(|end| (1..=MOST_ENTITY).contains(end))?;
            let fits = entity[..end].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#');
            rest = fits.then_some(&entity[end + 1..])?;
        }
        Some(())
    }

    /// `<name attribute="..">` or `<name/>`.
    fn element(&mut self) -> Option<()> {
        self.rest = &self.rest[1..];
        let name = self.name()?;
        let is_first = self.open.is_empty();
        let allowed = ELEMENTS.contains(&name) || MORE_ELEMENTS.contains(&name);
        if !allowed || is_first && name != "div" || self.open.len() >= MAX_DEPTH {
            return None;
        }
        self.has_content |= name == "img";
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix("/>") {
                self.rest = rest;
                return Some(());
            }
            if let Some(rest) = self.rest.strip_prefix('>') {
                self.rest = rest;
                self.open.push(name);
                return Some(());
            }
            self.attribute()?;
        }
    }

    fn attribute(&mut self) -> Option<()> {
        let name = self.name()?;
        if !(ATTRIBUTES.contains(&name) || name.starts_with("xmlns:")) {
            return None;
        }
        self.rest = self.rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = self.rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let inner = &self.rest[1..];
        let end = inner.find(quote)?;
        let value = &inner[..end];
        self.rest = &inner[end + 1..];
        let is_script = value.trim_start().to_ascii_lowercase().starts_with("javascript:");
        (!value.contains('<') && !is_script).then_some(())
    }

    fn name(&mut self) -> Option<&'t str> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, ':' | '-' | '_');
        let end = self.rest.find(|letter| !fits(letter)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::is_narrative;

    #[test]
    fn a_div_of_formatted_text_is_a_narrative() {
        for good in [
            r#"<div xmlns="http://www.w3.org/1999/xhtml"><p>a &amp; b<br/></p><!-- c --></div>"#,
            r##"<div><img src="#pic" alt="x"/></div>"##,
            "<div>\n<table class='grid'><tr><td colspan=\"2\">x</td></tr></table></div> ",
        ] {
            assert!(is_narrative(good), "{good}");
        }
    }

    #[test]
    fn scripts_handlers_and_broken_nesting_are_refused() {
        for bad in [
            "",
            "text",
            "<p>x</p>",
            "<div></div>",
            "<div> </div>",
            "<div><script>x</script></div>",
            r#"<div><p onclick="x">a</p></div>"#,
            r#"<div><a href="javascript:x">a</a></div>"#,
            "<div><b>x</div></b>",
            "<div>x</div><div>y</div>",
            "<div>a & b</div>",
            "<div a",
            "<div>x",
        ] {
            assert!(!is_narrative(bad), "{bad}");
        }
        assert!(!is_narrative(&"<div>".repeat(10_000)));
    }
}
