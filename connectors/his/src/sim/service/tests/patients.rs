//! H201 to H203: one archive for one paper.

use super::*;

const PASSPORT: &str = "<Name>Seán O'Brien</Name><Sex>1</Sex><BirthDate>1980-05-01</BirthDate><IdType>03</IdType>\
     <IdNo>p1234567</IdNo><Phone>+353861234567</Phone><Nationality>IRL</Nationality><PatientClass>2</PatientClass>";

#[tokio::test]
async fn an_archive_is_made_once_found_by_its_paper_and_changed_only_where_it_may() {
    let desk = Desk::open().await;
    let created = desk.ask("H202", PASSPORT).await;
    let id = created.get("PatientId").to_owned();
    assert_eq!(created.code(), "0");
    let found = desk.ask("H201", "<IdType>03</IdType><IdNo>P1234567</IdNo>").await;
    assert_eq!((found.get("PatientId"), found.get("Phone")), (&*id, "+353861234567"));
    // ACC-4: the same person again is linked.
    let again = desk.ask("H202", PASSPORT).await;
    assert_eq!((again.code(), again.get("PatientId")), ("2002", &*id));
    // The same paper for somebody else.
    let other = PASSPORT.replace("1980-05-01", "1981-05-01");
    assert_eq!(desk.ask("H202", &other).await.code(), "2003");

    let update = |fields: &str| format!("<PatientId>{id}</PatientId>{fields}");
    assert_eq!(desk.ask("H203", &update("<Phone>+8613800000000</Phone>")).await.code(), "0");
    assert_eq!(desk.ask("H203", &update("<Name>Another</Name>")).await.code(), "2003");
    assert_eq!(desk.ask("H203", "<PatientId>NONE</PatientId>").await.code(), "2001");
    let found = desk.ask("H201", &update("")).await;
    assert_eq!((found.get("Phone"), found.get("Name")), ("+8613800000000", "Seán O'Brien"));
    assert_eq!(desk.ask("H201", &update("<Name>Another</Name>")).await.code(), "2003");
    assert_eq!(desk.ask("H201", "<IdType>03</IdType><IdNo>X999999</IdNo>").await.code(), "2001");
    desk.close().await;
}

#[tokio::test]
async fn a_paper_must_be_right_and_agree_with_the_person() {
    let desk = Desk::open().await;
    let person = |kind: &str, number: &str, born: &str, sex: &str| {
        format!(
            "<Name>王伟</Name><Sex>{sex}</Sex><BirthDate>{born}</BirthDate><IdType>{kind}</IdType>\
             <IdNo>{number}</IdNo><Phone>+8613800000000</Phone><Nationality>CHN</Nationality>"
        )
    };
    for (kind, number, born, sex, code) in [
        ("01", "11010119900307757X", "1990-03-07", "1", "1001"), // another check digit
        ("01", "110101199003077571", "1990-03-08", "1", "2003"), // GB 11643: birth date
        ("01", "110101199003077571", "1990-03-07", "2", "2003"), // GB 11643: 17th digit odd
        ("01", "110101199003077571", "1990-03-07", "1", "0"),
        ("08", "83000019810715006x", "1981-07-15", "2", "0"),
        ("09", "A123456(3)", "1990-01-01", "1", "0"),
        ("09", "A1234564", "1990-01-01", "1", "1001"),
        ("06", "H12345678", "1990-01-01", "1", "0"),
        ("07", "1234567", "1990-01-01", "1", "1001"),
        ("03", "P1", "1990-01-01", "1", "1001"),
        ("03", "P7654321", "2999-01-01", "1", "1001"),
    ] {
        assert_eq!(desk.ask("H202", &person(kind, number, born, sex)).await.code(), code, "{number}");
    }
    desk.close().await;
}

#[tokio::test]
async fn a_child_comes_with_a_guardian() {
    let desk = Desk::open().await;
    let child = PASSPORT.replace("1980-05-01", "2012-03-03");
    assert_eq!(desk.ask("H202", &child).await.code(), "1001");
    let with_guardian = format!(
        "{child}<GuardianName>A</GuardianName><GuardianIdNo>P1</GuardianIdNo><GuardianPhone>+1</GuardianPhone>"
    );
    assert_eq!(desk.ask("H202", &with_guardian).await.code(), "0");
    desk.close().await;
}
