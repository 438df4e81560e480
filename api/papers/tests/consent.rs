//! The consent in three languages, read by poppler's `pdftotext`. Not run where there is no font or no poppler.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::process::Command;

use hub_core::language::Language;
use hub_papers::consent::{ConsentPaper, Text};
use hub_papers::{Press, Unprintable};
use time::macros::datetime;

const FONTS: [&str; 2] = ["Noto Sans CJK SC:regular", "Noto Sans CJK SC:bold"];
/// A few strokes, made with a drawing program.
const HANDWRITING: &[u8] = include_bytes!("data/handwriting.png");

#[expect(clippy::print_stderr, reason = "who runs the tests should know")]
fn press() -> Option<Press> {
    let font = |name| {
        let found = Command::new("fc-match").args(["-f", "%{file}", name]).output().ok()?;
        let path = String::from_utf8(found.stdout).ok().filter(|path| path.contains("CJK"))?;
        std::fs::read(path).ok()
    };
    let press = FONTS.map(font);
    let [Some(regular), Some(bold)] = press else {
        eprintln!("not run: fonts-noto-cjk is not installed");
        return None;
    };
    Some(Press::new(regular, bold).unwrap())
}

fn text(title: &str, paragraph: &str, times: usize) -> Text {
    Text { title: title.to_owned(), paragraphs: vec![paragraph.to_owned(); times] }
}

fn paper(language: Language) -> ConsentPaper {
    let (shown, fee) = match language {
        Language::English => (
            text(
                "Informed consent to international outpatient care",
                "I have read and understood what the international outpatient clinic offers, what it costs, and that visits in the special-needs clinic are not paid by the basic medical insurance. I could ask questions and they were answered. I agree to the fees below being charged when I book.",
                9,
            ),
            "Consultation by a chief physician",
        ),
        Language::Simplified => (
            text(
                "国际门诊知情同意书",
                "本人已阅读并理解国际门诊（特需医疗服务）的服务内容、收费标准及不纳入基本医疗保险支付范围的说明；本人有机会提问并已得到解答。本人同意在预约时按下列标准收费。",
                9,
            ),
            "主任医师诊查费",
        ),
        Language::Traditional => (
            text(
                "國際門診知情同意書",
                "本人已閱讀並理解國際門診（特需醫療服務）的服務內容、收費標準及不納入基本醫療保險支付範圍的說明；本人有機會提問並已得到解答。本人同意在預約時按下列標準收費。",
                9,
            ),
            "主任醫師診查費",
        ),
    };
    ConsentPaper {
        number: "CS-2026-000123".to_owned(),
        form: "urn:impf:consent:booking|3".to_owned(),
        organization: "示例医院国际医疗部 International Medical Centre".to_owned(),
        language,
        text: shown,
        master: text("国际门诊知情同意书", "本人已阅读并理解国际门诊的收费标准。", 3),
        fees: vec![
            (fee.to_owned(), "CNY 400.00".to_owned()),
            ("挂号费 Registration".to_owned(), "CNY 100.00".to_owned()),
        ],
        visit_person: "陳大文".to_owned(),
        signer: "陳志明".to_owned(),
        relation: Some("parent".to_owned()),
        handwriting: HANDWRITING.to_vec(),
        at: datetime!(2026-03-02 10:20:30 +8),
    }
}

/// What another program reads in it, without its blanks.
fn read(pdf: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("paper.pdf");
    std::fs::write(&path, pdf).unwrap();
    let read = Command::new("pdftotext").arg(&path).arg("-").output().ok()?;
    assert!(read.status.success());
    Some(String::from_utf8(read.stdout).unwrap().split_whitespace().collect())
}

#[test]
fn con_4_the_paper_has_the_text_that_was_shown_and_the_chinese_master_text() {
    let Some(press) = press() else { return };
    for language in Language::ALL {
        let paper = paper(language);
        let Some(read) = read(&paper.print(&press).unwrap()) else { return };
        let has = |text: &str| read.contains(&text.split_whitespace().collect::<String>());
        for text in
            [&paper.text.title, &paper.text.paragraphs[0], &paper.number, &paper.form, &paper.fees[0].0]
        {
            assert!(has(text), "{language:?}: {text}");
        }
        for text in ["陳大文", "陳志明", "CNY400.00", "2026-03-0210:20:30UTC+8", language.name()] {
            assert!(has(text), "{language:?}: {text}");
        }
        assert!(has(if language == Language::English { "Parent" } else { "父母" }), "{language:?}");
        let is_shown = language == Language::Simplified;
        assert_eq!(has(&paper.master.paragraphs[0]), !is_shown, "{language:?}: the master text");
        let pages = if is_shown { 2 } else { 3 };
        for page in 1..=pages {
            assert!(has(&format!("{page} / {pages}")), "{language:?}: page {page}");
        }
    }
}

#[test]
fn the_same_paper_is_the_same_bytes() {
    let Some(press) = press() else { return };
    let paper = paper(Language::English);
    assert_eq!(paper.print(&press).unwrap(), paper.print(&press).unwrap());
}

#[test]
fn what_is_no_picture_and_no_font_is_refused() {
    assert_eq!(Press::new(b"no font".to_vec(), Vec::new()).err(), Some(Unprintable::Fonts));
    let Some(press) = press() else { return };
    let paper = ConsentPaper { handwriting: b"no picture".to_vec(), ..paper(Language::English) };
    assert_eq!(paper.print(&press), Err(Unprintable::Handwriting));
}
