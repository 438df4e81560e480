//! Papers: documents that are made for people to read, sign and keep, as PDF (rules CON, REP). Now: the informed consent.
//!
//! In reading order: [`consent`] is the paper; [`Press`] prints it with the fonts that the caller has found; `sheet` are its pages,
//! `lines` how text is broken, `words` what stands on it in three languages.
//!
//! Invariant: pure. No I/O, no clock, no chance: the same paper is the same bytes.

pub mod consent;
mod face;
mod lines;
mod sheet;
mod words;

use hub_core::language::Language;
use thiserror::Error;

use face::Face;

/// Why a paper cannot be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unprintable {
    /// The picture of the handwriting is no PNG.
    #[error("the handwriting is not a PNG that can be read")]
    Handwriting,
    /// The fonts are none, or a page cannot be made with them.
    #[error("the fonts cannot be printed with")]
    Fonts,
}

/// How bold letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

/// Prints papers.
#[derive(Clone)]
pub struct Press {
    /// Regular and bold, for simplified and for traditional characters.
    faces: [[Face; 2]; 2],
}

impl Press {
    /// A press with the fonts of these files, regular and bold: of the Noto CJK collections (or others in their order) the faces for
    /// simplified and traditional characters are taken, of a single font that one.
    pub fn new(regular: Vec<u8>, bold: Vec<u8>) -> Result<Self, Unprintable> {
        let (regular, bold) = (Face::all(regular)?, Face::all(bold)?);
        Ok(Self { faces: [[regular.0, bold.0], [regular.1, bold.1]] })
    }

    pub(crate) fn face(&self, language: Language, weight: Weight) -> &Face {
        let [simplified, traditional] = &self.faces;
        let faces = if language == Language::Traditional { traditional } else { simplified };
        match weight {
            Weight::Regular => &faces[0],
            Weight::Bold => &faces[1],
        }
    }
}
