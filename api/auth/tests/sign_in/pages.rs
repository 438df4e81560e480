//! The pages: three languages, whole without a script, and known to screen readers.

use axum::http::StatusCode;

use crate::desk::{Browser, Desk, PHONE, authorize};

#[tokio::test]
async fn a_page_comes_in_the_language_that_is_wished_for() {
    let desk = Desk::open().await;
    for (languages, other, tag) in [
        ("en", ("state", "1"), "en"),
        ("zh-CN,zh;q=0.9", ("state", "1"), "zh-Hans"),
        ("zh-HK", ("state", "1"), "zh-Hant"),
        ("fr", ("state", "1"), "en"),
        ("en", ("ui_locales", "fr zh-TW en"), "zh-Hant"),
        ("en", ("lang", "zh-Hans"), "zh-Hans"),
    ] {
        let mut browser = Browser { languages, ..Browser::new(&desk) };
        let page = browser.get(&authorize(&[other])).await;
        assert!(page.text.contains(&format!("<html lang=\"{tag}\">")), "{languages} {other:?}");
        assert_eq!(page.header("content-language"), tag);
    }
}

#[tokio::test]
async fn the_language_is_changed_on_every_step_and_nothing_is_lost() {
    let desk = Desk::open().await;
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    let turned =
        browser.post(&path, &page, &[("lang", "zh-Hans"), ("shown", "phone"), ("phone", "138")]).await;
    assert!(turned.text.contains("手机号码") && turned.text.contains("value=\"138\""), "{}", turned.text);
    assert_eq!(desk.phones.how_many(), 0);
    // The form of a page in a language leads on in that language.
    let action = turned.text.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    let path = format!("/oauth/authorize{}", action.replace("&amp;", "&"));
    let page = browser.post(&path, &turned, &[("step", "phone"), ("phone", PHONE)]).await;
    assert!(page.text.contains("6 位验证码"), "{}", page.text);
    let form = [("lang", "zh-Hant"), ("shown", "code"), ("phone", PHONE)];
    let turned = browser.post(&path, &page, &form).await;
    assert!(turned.text.contains("6 位驗證碼"), "{}", turned.text);
    let code = desk.phones.code(PHONE);
    let entered = [("step", "code"), ("phone", PHONE), ("code", code.as_str())];
    let back = browser.post(&path, &turned, &entered).await;
    assert_eq!((back.status, back.leads_with("state").as_deref()), (StatusCode::SEE_OTHER, Some("s-1")));
    // A page that only tells something is turned by links.
    let told = browser.get(&authorize(&[("client_id", "nobody")])).await;
    assert!(told.text.contains("lang=zh-Hant\" lang=\"zh-Hant\""), "{}", told.text);
}

#[tokio::test]
async fn every_field_has_its_label_and_a_problem_leads_to_its_field() {
    let desk = Desk::open().await;
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let staff = authorize(&[("client_id", "desk-app"), ("redirect_uri", "https://desk.example/back")]);
    let first = browser.get(&path).await;
    let of_staff = browser.get(&staff).await;
    let wrong = browser.post(&path, &first, &[("step", "phone"), ("phone", "12")]).await;
    let code = browser.post(&path, &first, &[("step", "phone"), ("phone", PHONE)]).await;
    for page in [&first, &of_staff, &wrong, &code] {
        for input in page.text.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap()) {
            if input.contains("type=\"hidden\"") {
                continue;
            }
            let id = input.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
            assert!(page.text.contains(&format!("<label for=\"{id}\">")), "{id}");
            for described in input.split("aria-describedby=\"").skip(1) {
                for id in described.split('"').next().unwrap().split(' ') {
                    assert!(page.text.contains(&format!("id=\"{id}\"")), "{id}");
                }
            }
        }
        assert_eq!(page.text.matches("<h1>").count(), 1);
        assert_eq!(page.text.matches(" autofocus").count(), 1);
        assert!(page.text.contains("<title>") && page.text.contains("<main>"));
    }
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("role=\"alert\"") && wrong.text.contains("<a href=\"#phone\">"));
    assert!(wrong.text.contains("<title>There is a problem: Sign in to 掌上医院</title>"));
    assert!(wrong.text.contains("aria-invalid=\"true\"") && wrong.text.contains("value=\"12\""));
    assert!(
        code.text.contains("autocomplete=\"one-time-code\"") && code.text.contains("inputmode=\"numeric\"")
    );
    assert!(of_staff.text.contains("autocomplete=\"username\""));
    assert!(of_staff.text.contains("autocomplete=\"current-password\""));
}

#[tokio::test]
async fn a_page_shows_of_a_phone_number_only_its_ends() {
    let desk = Desk::open().await;
    let mut browser = Browser::new(&desk);
    let path = authorize(&[]);
    let page = browser.get(&path).await;
    let page = browser.post(&path, &page, &[("step", "phone"), ("phone", PHONE)]).await;
    assert!(page.text.contains("+86•••••••••00"), "{}", page.text);
    let other = browser.post(&path, &page, &[("step", "other")]).await;
    assert!(other.text.contains("name=\"phone\"") && other.text.contains("type=\"tel\""));
}

#[tokio::test]
async fn the_style_sheet_is_there_and_knows_the_dark() {
    let desk = Desk::open().await;
    let style = desk.get("/oauth/style.css").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.text.contains("prefers-color-scheme: dark") && !style.text.contains("url("));
    for line in style.text.lines() {
        assert!(!line.contains("@import") && !line.contains("http"), "{line}");
    }
}
