//! Pages of A4: text flows down them, and when all is known they are printed with their numbers.

use hub_core::language::Language;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::metadata::{DateTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::{Data, Document};
use time::OffsetDateTime;
use time::macros::offset;

use crate::face::Face;
use crate::lines::broken;
use crate::{Press, Unprintable, Weight};

/// A4 in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
/// What is left free at the sides, above, and below, where the foot stands.
pub(crate) const SIDE: f32 = 68.0;
const ABOVE: f32 = 64.0;
const BELOW: f32 = 76.0;
/// How wide text is.
pub(crate) const ROOM: f32 = WIDTH - 2.0 * SIDE;
/// Lines are so much further apart than letters are high: those of headings less than those that are read.
const LEADING: f32 = 1.65;
const HEADING: f32 = 1.35;
/// From this size on it is a heading.
const LARGE: f32 = 16.0;

/// The colours.
#[derive(Clone, Copy)]
pub(crate) enum Ink {
    Black,
    Grey,
    Pale,
    Accent,
}

impl Ink {
    fn color(self) -> rgb::Color {
        match self {
            Self::Black => rgb::Color::new(0x1f, 0x24, 0x29),
            Self::Grey => rgb::Color::new(0x69, 0x72, 0x7b),
            Self::Pale => rgb::Color::new(0xd5, 0xda, 0xde),
            Self::Accent => rgb::Color::new(0x00, 0x5c, 0x6b),
        }
    }

    fn fill(self) -> Fill {
        Fill { paint: self.color().into(), ..Fill::default() }
    }
}

/// How letters look.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub language: Language,
    pub weight: Weight,
    pub size: f32,
    pub ink: Ink,
}

/// Something on a page.
enum Mark {
    Text {
        x: f32,
        y: f32,
        style: Style,
        text: String,
    },
    /// A rule, or with a height a frame.
    Rule {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
    },
    Picture {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        image: Image,
    },
}

/// Pages in the making.
pub(crate) struct Sheets<'p> {
    press: &'p Press,
    pages: Vec<Vec<Mark>>,
    /// How far down the last page the next thing goes.
    pub y: f32,
}

impl<'p> Sheets<'p> {
    pub fn new(press: &'p Press) -> Self {
        Self { press, pages: vec![Vec::new()], y: ABOVE }
    }

    pub fn face(&self, style: Style) -> &'p Face {
        self.press.face(style.language, style.weight)
    }

    /// Goes on on the next page.
    pub fn turn(&mut self) {
        self.pages.push(Vec::new());
        self.y = ABOVE;
    }

    /// Turns the page where so much does not fit any more.
    pub fn keep(&mut self, height: f32) {
        if self.y + height > HEIGHT - BELOW {
            self.turn();
        }
    }

    pub fn space(&mut self, height: f32) {
        self.y += height;
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// A text in one line, at its base line.
    pub fn put(&mut self, x: f32, y: f32, style: Style, text: &str) {
        self.mark(Mark::Text { x, y, style, text: text.to_owned() });
    }

    /// A text in lines, at this place and so wide, from here down.
    pub fn flow(&mut self, (x, room): (f32, f32), style: Style, text: &str) {
        let widths: Vec<f32> = self.face(style).widths(text).iter().map(|width| width * style.size).collect();
        let height = style.size * if style.size < LARGE { LEADING } else { HEADING };
        for line in broken(text, &widths, room) {
            self.keep(height);
            self.put(x, self.y + style.size, style, line);
            self.y += height;
        }
    }

    pub fn rule(&mut self, x: f32, y: f32, width: f32) {
        self.mark(Mark::Rule { x, y, width, height: 0.0 });
    }

    pub fn frame(&mut self, x: f32, y: f32, width: f32, height: f32) {
        self.mark(Mark::Rule { x, y, width, height });
    }

    /// A picture, as large as it fits into this place, in its middle.
    pub fn picture(
        &mut self,
        (x, y, width, height): (f32, f32, f32, f32),
        png: &[u8],
    ) -> Result<(), Unprintable> {
        let image = Image::from_png(Data::from(png.to_vec()), true).map_err(|_| Unprintable::Handwriting)?;
        let (wide, high) = image.size();
        let (wide, high) = (wide.max(1) as f32, high.max(1) as f32);
        let scale = (width / wide).min(height / high);
        let (wide, high) = (wide * scale, high * scale);
        let (x, y) = (x + (width - wide) / 2.0, y + (height - high) / 2.0);
        self.mark(Mark::Picture { x, y, width: wide, height: high, image });
        Ok(())
    }

    /// The document: what it is called, in which language, when it was made, and what its foot says beside the page's number.
    pub fn print(
        self,
        title: &str,
        style: Style,
        at: OffsetDateTime,
        foot: &str,
    ) -> Result<Vec<u8>, Unprintable> {
        let mut document = Document::new();
        let metadata = Metadata::new()
            .title(title.to_owned())
            .language(style.language.tag().to_owned())
            .creation_date(moment(at))
            .document_id(foot.to_owned());
        document.set_metadata(metadata);
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(Unprintable::Fonts)?;
        let count = self.pages.len();
        let face = self.face(style);
        for (nth, marks) in self.pages.iter().enumerate() {
            let mut page = document.start_page_with(settings.clone());
            let mut surface = page.surface();
            for mark in marks {
                draw(&mut surface, self.press, mark);
            }
            let y = HEIGHT - 40.0;
            let number = format!("{} / {count}", nth + 1);
            let x = WIDTH - SIDE - face.width(&number, style.size);
            let text = |x, text: &str| Mark::Text { x, y, style, text: text.to_owned() };
            let rule = Mark::Rule { x: SIDE, y: y - 16.0, width: ROOM, height: 0.0 };
            for mark in [rule, text(SIDE, foot), text(x, &number)] {
                draw(&mut surface, self.press, &mark);
            }
            surface.finish();
            page.finish();
        }
        document.finish().map_err(|_| Unprintable::Fonts)
    }
}

fn draw(surface: &mut Surface<'_>, press: &Press, mark: &Mark) {
    match mark {
        Mark::Text { x, y, style, text } => {
            let face = press.face(style.language, style.weight);
            surface.set_stroke(None);
            surface.set_fill(Some(style.ink.fill()));
            let glyphs = face.glyphs(text);
            surface.draw_glyphs(Point::from_xy(*x, *y), &glyphs, face.font.clone(), text, style.size, false);
        }
        Mark::Rule { x, y, width, height } => {
            let mut path = PathBuilder::new();
            match Rect::from_xywh(*x, *y, *width, *height).filter(|_| *height > 0.0) {
                Some(frame) => path.push_rect(frame),
                None => {
                    path.move_to(*x, *y);
                    path.line_to(x + width, *y);
                }
            }
            surface.set_fill(None);
            surface.set_stroke(Some(Stroke {
                paint: Ink::Pale.color().into(),
                width: 0.7,
                ..Stroke::default()
            }));
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
        Mark::Picture { x, y, width, height, image } => {
            let Some(size) = Size::from_wh(*width, *height) else { return };
            surface.push_transform(&Transform::from_translate(*x, *y));
            surface.draw_image(image.clone(), size);
            surface.pop();
        }
    }
}

/// When it was made, in Beijing's time.
fn moment(at: OffsetDateTime) -> DateTime {
    let at = at.to_offset(offset!(+8));
    DateTime::new(u16::try_from(at.year()).unwrap_or_default())
        .month(at.month().into())
        .day(at.day())
        .hour(at.hour())
        .minute(at.minute())
        .second(at.second())
        .utc_offset_hour(8)
        .utc_offset_minute(0)
}
