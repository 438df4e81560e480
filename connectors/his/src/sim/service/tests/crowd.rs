//! Many at once (BK-7).

use super::*;

/// So many patients lock a slot at the same moment: the sequence numbers given, in order, and how many got none.
async fn crowd(desk: &Desk, slot: &str, count: u64) -> (Vec<u32>, usize) {
    let mut requests = JoinSet::new();
    for at in 0..count {
        let created = desk
            .ask(
                "H202",
                &format!(
                    "<Name>病人{at}</Name><Sex>1</Sex><BirthDate>1980-01-01</BirthDate><IdType>03</IdType>\
                     <IdNo>P{at:08}</IdNo><Phone>+8613800000000</Phone><Nationality>IRL</Nationality>"
                ),
            )
            .await;
        let body = format!("<SlotId>{slot}</SlotId><PatientId>{}</PatientId>", created.get("PatientId"));
        let (address, text) = (desk.address, desk.soap(&desk.seq(), "H303", &body));
        requests.spawn(async move {
            let sent = http(address, "POST", http::PATH, "text/xml; charset=utf-8", text.as_bytes());
            answer_of(std::str::from_utf8(&sent.await.unwrap().1).unwrap())
        });
    }
    let answers = requests.join_all().await;
    let (given, refused): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.code() == "0");
    assert!(refused.iter().all(|answer| answer.code() == "3002"));
    let mut numbers: Vec<u32> = given.iter().map(|answer| answer.get("SeqNo").parse().unwrap()).collect();
    numbers.sort_unstable();
    (numbers, refused.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_who_want_one_number_at_once_are_one_who_gets_it() {
    let desk = Desk::open().await;
    let (slot, _) = desk.free().await;
    let (numbers, refused) = crowd(&desk, &slot, 100).await;
    assert_eq!((numbers.len(), refused), (1, 99));
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_who_want_a_period_of_ten_at_once_are_ten_who_get_it() {
    let desk = Desk::with(ServiceSettings { sold_percent: 0, ..settings() }).await;
    let session = desk.session("3").await;
    let slot = desk.free_of(&session).await;
    let (numbers, refused) = crowd(&desk, &slot, 100).await;
    assert_eq!((numbers, refused), ((1..=10).collect(), 90));
    desk.close().await;
}
