//! A font: which picture each letter has, and how wide it is.

use std::sync::Arc;

use krilla::Data;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use ttf_parser::{Face as Table, fonts_in_collection};

use crate::Unprintable;

/// The places of the faces for simplified and traditional characters in collections of Noto CJK.
const SIMPLIFIED: u32 = 2;
const TRADITIONAL: u32 = 3;

/// A font that can be measured.
#[derive(Clone)]
pub(crate) struct Face {
    pub font: Font,
    bytes: Arc<Vec<u8>>,
    index: u32,
}

impl Face {
    /// The faces of a file for simplified and traditional characters.
    pub fn all(bytes: Vec<u8>) -> Result<(Self, Self), Unprintable> {
        let count = fonts_in_collection(&bytes).unwrap_or(1);
        let bytes = Arc::new(bytes);
        let face = |index: u32| {
            let index = if index < count { index } else { 0 };
            Table::parse(&bytes, index).map_err(|_| Unprintable::Fonts)?;
            let font = Font::new(Data::from(Arc::clone(&bytes)), index).ok_or(Unprintable::Fonts)?;
            Ok(Self { font, bytes: Arc::clone(&bytes), index })
        };
        Ok((face(SIMPLIFIED)?, face(TRADITIONAL)?))
    }

    /// The letters' pictures and widths, for a size of one.
    pub fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        let Ok(table) = Table::parse(&self.bytes, self.index) else { return Vec::new() };
        let em = f32::from(table.units_per_em());
        let letters = text.char_indices().map(|(at, letter)| {
            let glyph = table.glyph_index(letter).unwrap_or_default();
            let width = f32::from(table.glyph_hor_advance(glyph).unwrap_or_default()) / em;
            let range = at..at + letter.len_utf8();
            KrillaGlyph::new(GlyphId::new(glyph.0.into()), width, 0.0, 0.0, 0.0, range, None)
        });
        letters.collect()
    }

    /// The width of each letter, for a size of one.
    pub fn widths(&self, text: &str) -> Vec<f32> {
        self.glyphs(text).iter().map(|glyph| glyph.x_advance).collect()
    }

    /// How wide a text is.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        self.widths(text).iter().sum::<f32>() * size
    }
}
