//! What quick-xml finds wrong, in our words. Its own may hold content.

use quick_xml::Error;
use quick_xml::errors::{IllFormedError, SyntaxError};

pub(super) fn words(error: &Error) -> &'static str {
    match error {
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => {
            "another element is closed than the last one"
        }
        Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an end tag without a start tag",
        Error::IllFormed(IllFormedError::DoubleHyphenInComment) => "`--` stands in a comment",
        Error::IllFormed(IllFormedError::UnclosedReference) => "expected `;` after `&` and a name",
        Error::Syntax(SyntaxError::UnclosedComment) => "a comment is not closed",
        Error::Syntax(SyntaxError::UnclosedCData) => "a CDATA section is not closed",
        Error::Syntax(SyntaxError::UnclosedTag) => "a tag is not closed",
        Error::Syntax(
            SyntaxError::UnclosedSingleQuotedAttributeValue | SyntaxError::UnclosedDoubleQuotedAttributeValue,
        ) => "the value of an attribute is not closed",
        Error::Syntax(SyntaxError::UnclosedDoctype) => "a DOCTYPE is not closed",
        Error::Syntax(SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl) => {
            "a processing instruction or declaration is not closed"
        }
        _ => "not XML",
    }
}
