//! The informed consent as it is signed: the text that was shown, the fees, who signed it when and how, and the Chinese master text.

use hub_core::language::Language;
use time::OffsetDateTime;
use time::macros::{format_description, offset};

use crate::sheet::{Ink, ROOM, SIDE, Sheets, Style};
use crate::words::{
    self, DATE, FEES, FORM, MASTER, NUMBER, RELATION, SHOWN_IN, SIGNATURE, SIGNED_BY, VISIT_PERSON, Word,
    said,
};
use crate::{Press, Unprintable, Weight};

/// A text with its heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Its heading.
    pub title: String,
    /// Its paragraphs.
    pub paragraphs: Vec<String>,
}

/// What is printed. No `Debug`: it is a patient's.
#[derive(Clone)]
pub struct ConsentPaper {
    /// The number of the consent, on every page.
    pub number: String,
    /// The template with its version.
    pub form: String,
    /// Who asks for the consent: the hospital.
    pub organization: String,
    /// The language that was shown.
    pub language: Language,
    /// The text in that language (CON-4).
    pub text: Text,
    /// The Chinese master text; printed unless it is the one that was shown.
    pub master: Text,
    /// What is charged: names in the language that was shown, and prices.
    pub fees: Vec<(String, String)>,
    /// Whom it is about.
    pub visit_person: String,
    /// Who signed.
    pub signer: String,
    /// What the signer is to the visit person, where it is another: `parent`, `guardian`, `agent`.
    pub relation: Option<String>,
    /// What was written by hand, PNG.
    pub handwriting: Vec<u8>,
    /// When.
    pub at: OffsetDateTime,
}

/// How high the place for the handwriting is, and how wide.
const HIGH: f32 = 84.0;
const WIDE: f32 = 250.0;

impl ConsentPaper {
    /// The document.
    pub fn print(&self, press: &Press) -> Result<Vec<u8>, Unprintable> {
        let mut sheets = Sheets::new(press);
        self.head(&mut sheets);
        self.text(&mut sheets, self.language, &self.text);
        self.fees(&mut sheets);
        self.signature(&mut sheets)?;
        if self.language != Language::Simplified {
            sheets.turn();
            let style = self.style(9.0, Ink::Accent, Weight::Bold);
            sheets.flow((SIDE, ROOM), style, said(MASTER, self.language));
            sheets.space(8.0);
            let style =
                Style { language: Language::Simplified, ..self.style(18.0, Ink::Black, Weight::Bold) };
            sheets.flow((SIDE, ROOM), style, &self.master.title);
            sheets.space(14.0);
            self.text(&mut sheets, Language::Simplified, &self.master);
        }
        sheets.print(&self.text.title, self.style(8.0, Ink::Grey, Weight::Regular), self.at, &self.number)
    }

    fn style(&self, size: f32, ink: Ink, weight: Weight) -> Style {
        Style { language: self.language, weight, size, ink }
    }

    /// Who asks, for what, of whom.
    fn head(&self, sheets: &mut Sheets<'_>) {
        sheets.flow((SIDE, ROOM), self.style(9.0, Ink::Accent, Weight::Bold), &self.organization);
        sheets.space(6.0);
        sheets.flow((SIDE, ROOM), self.style(22.0, Ink::Black, Weight::Bold), &self.text.title);
        sheets.space(10.0);
        let mut facts: Vec<(Word, &str)> = vec![(VISIT_PERSON, &self.visit_person), (NUMBER, &self.number)];
        if let Some(relation) = &self.relation {
            let relation = words::relation(relation, self.language);
            facts.extend([(SIGNED_BY, self.signer.as_str()), (RELATION, relation)]);
        }
        facts.extend([(FORM, self.form.as_str()), (SHOWN_IN, self.language.name())]);
        let column = ROOM / 2.0;
        for pair in facts.chunks(2) {
            sheets.rule(SIDE, sheets.y, ROOM);
            sheets.space(7.0);
            let top = sheets.y;
            let mut low = top;
            for (nth, (word, value)) in pair.iter().enumerate() {
                let x = SIDE + column * nth as f32;
                sheets.y = top;
                sheets.flow(
                    (x, column),
                    self.style(8.0, Ink::Grey, Weight::Regular),
                    said(*word, self.language),
                );
                sheets.flow((x, column - 12.0), self.style(10.5, Ink::Black, Weight::Regular), value);
                low = low.max(sheets.y);
            }
            sheets.y = low + 4.0;
        }
        sheets.rule(SIDE, sheets.y, ROOM);
        sheets.space(18.0);
    }

    fn text(&self, sheets: &mut Sheets<'_>, language: Language, text: &Text) {
        let style = Style { language, ..self.style(10.5, Ink::Black, Weight::Regular) };
        for paragraph in &text.paragraphs {
            sheets.flow((SIDE, ROOM), style, paragraph);
            sheets.space(7.0);
        }
    }

    fn fees(&self, sheets: &mut Sheets<'_>) {
        if self.fees.is_empty() {
            return;
        }
        // The heading stays with the first of them.
        sheets.keep(64.0);
        sheets.space(8.0);
        sheets.flow((SIDE, ROOM), self.style(12.0, Ink::Accent, Weight::Bold), said(FEES, self.language));
        sheets.space(4.0);
        let style = self.style(10.5, Ink::Black, Weight::Regular);
        for (name, price) in &self.fees {
            sheets.keep(26.0);
            sheets.rule(SIDE, sheets.y, ROOM);
            let width = sheets.face(style).width(price, style.size);
            sheets.put(SIDE + ROOM - width, sheets.y + 5.0 + style.size, style, price);
            sheets.space(5.0);
            sheets.flow((SIDE, ROOM - width - 24.0), style, name);
            sheets.space(3.0);
        }
        sheets.rule(SIDE, sheets.y, ROOM);
        sheets.space(10.0);
    }

    /// The handwriting in its frame, with name and date: on one page.
    fn signature(&self, sheets: &mut Sheets<'_>) -> Result<(), Unprintable> {
        sheets.keep(HIGH + 60.0);
        sheets.space(16.0);
        let small = self.style(8.0, Ink::Grey, Weight::Regular);
        let words = self.style(10.5, Ink::Black, Weight::Regular);
        sheets.flow((SIDE, ROOM), small, said(SIGNATURE, self.language));
        sheets.space(2.0);
        let top = sheets.y;
        sheets.frame(SIDE, top, WIDE, HIGH);
        sheets.picture((SIDE + 10.0, top + 8.0, WIDE - 20.0, HIGH - 16.0), &self.handwriting)?;
        let beside = SIDE + WIDE + 24.0;
        let room = ROOM - WIDE - 24.0;
        sheets.flow((beside, room), small, said(SIGNED_BY, self.language));
        sheets.flow((beside, room), words, &self.signer);
        sheets.space(8.0);
        sheets.flow((beside, room), small, said(DATE, self.language));
        sheets.flow((beside, room), words, &moment(self.at));
        sheets.y = top + HIGH;
        Ok(())
    }
}

/// When it was signed, in Beijing's time.
fn moment(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC+8");
    at.to_offset(offset!(+8)).format(format).unwrap_or_default()
}
