//! The pieces of a JSON document: each the whole with one of several nodes.

use bytes::Bytes;
use hub_core::document::{ParseError, Piece};
use hub_core::envelope::Label;

use crate::limits::check_split;
use crate::tree::{Tree, cut_json};

/// The whole from `top` on with one of the nodes, for each of them.
pub(crate) fn pieces<M: Copy>(
    tree: &Tree<M>,
    top: usize,
    mut nodes: Vec<usize>,
    label: &Label,
    is_nested: &impl Fn(&M) -> bool,
) -> Result<Vec<Piece>, ParseError> {
    nodes.sort_unstable();
    nodes.dedup();
    let skeleton = cut_json(tree, top, &nodes, is_nested);
    check_split(skeleton.total())?;
    Ok(skeleton.pieces().map(|text| Piece { bytes: Bytes::from(text), label: label.clone() }).collect())
}
