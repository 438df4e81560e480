//! What was written by hand (CON-3): a picture, and how its strokes were made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_fhir::{Json, json};

use crate::command::Command;
use crate::refused::Refused;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// A screen's signature is much smaller.
const LARGEST: usize = 512 * 1024;

/// A signature as it was written.
pub(super) struct Handwriting {
    /// The picture.
    pub png: Vec<u8>,
    /// The strokes, JSON.
    pub strokes: String,
}

impl Handwriting {
    /// What came along; too little is none.
    pub fn of(command: &Command, fewest: u16) -> Result<Self, Refused> {
        let png = STANDARD.decode(command.need_text("handwriting")?).unwrap_or_default();
        if !png.starts_with(PNG) || png.len() > LARGEST {
            return Err(Refused::field("HANDWRITING", "handwriting").with(fewest));
        }
        let strokes = command.need_text("strokes")?;
        match written(strokes).filter(|written| *written >= usize::from(fewest.max(1))) {
            Some(_) => Ok(Self { png, strokes: strokes.to_owned() }),
            None => Err(Refused::field("HANDWRITING", "strokes").with(fewest)),
        }
    }
}

/// How many strokes were drawn; a point that was only touched is none. `None`: they are not of the form.
fn written(strokes: &str) -> Option<usize> {
    let Ok(Json::Array(strokes)) = json::parse(strokes) else { return None };
    let mut drawn = 0;
    for stroke in &strokes {
        let points = stroke.as_array()?;
        let is_point = |point: &Json| {
            let numbers = point.as_array().unwrap_or_default();
            numbers.len() == 3 && numbers.iter().all(|number| matches!(number, Json::Number(_)))
        };
        if !points.iter().all(is_point) {
            return None;
        }
        let place = |point: &Json| point.as_array().map(|numbers| numbers[..2].to_vec());
        let moves = points.windows(2).any(|pair| place(&pair[0]) != place(&pair[1]));
        drawn += usize::from(moves);
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn con_3_a_stroke_is_what_moves() {
        assert_eq!(written("[]"), Some(0));
        assert_eq!(written("[[], [[1, 2, 0]], [[1, 2, 0], [1, 2, 9]]]"), Some(0), "touched, and held");
        assert_eq!(written("[[[1, 2, 0], [3.5, 2, 9]], [[1, 2, 20], [1, 3, 29]]]"), Some(2));
        for wrong in ["", "{}", "[1]", "[[1, 2]]", "[[[1, 2]]]", r#"[[["1", 2, 3]]]"#, "[[[1,2,3],[4,5]]]"] {
            assert_eq!(written(wrong), None, "{wrong}");
        }
    }
}
