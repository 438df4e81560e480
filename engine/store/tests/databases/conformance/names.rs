//! Chinese names are found as they are written, in either way, and as they are spelt.

use hub_core::commit::Change;
use hub_core::store::Resources;

use super::resource;
use super::search::{search, write};

/// Who is found by what, while a name is typed.
pub async fn chinese_names_are_found_as_they_are_spelt(resources: &dyn Resources) {
    let people = [
        ("wang", r#"{"family":"王","given":["小明"]}"#),
        ("zhang", r#"{"family":"王","given":["小張"],"text":"王小張"}"#),
        ("zhang-too", r#"{"text":"王小张"}"#),
        ("shan", r#"{"family":"单","given":["雄信"]}"#),
        ("yuchi", r#"{"family":"尉迟","given":["恭"]}"#),
        ("lv", r#"{"family":"吕","given":["布"]}"#),
        ("smith", r#"{"family":"Wangler","given":["Xaver"]}"#),
    ];
    let changes = people.iter().map(|(id, name)| {
        let text = format!(r#"{{"resourceType":"Practitioner","id":"{id}","name":[{name}]}}"#);
        Change::Put(resource(&text))
    });
    write(resources, changes.collect()).await;
    for (query, expected) in [
        ("name=w", vec!["smith", "wang", "zhang", "zhang-too"]),
        ("name=wang", vec!["smith", "wang", "zhang", "zhang-too"]),
        ("name=wang x", vec!["wang", "zhang", "zhang-too"]),
        ("name=Wáng Xiǎom", vec!["wang"]),
        ("name=wang2xiao3ming2", vec!["wang"]),
        ("name=wxm", vec!["wang"]),
        ("name=wx", vec!["wang", "zhang", "zhang-too"]),
        ("name=王小张", vec!["zhang", "zhang-too"]),
        ("name=王小張", vec!["zhang", "zhang-too"]),
        ("name:exact=王小張", vec!["zhang"]),
        ("name:exact=wang", vec![]),
        ("name:exact=wangxiaoming", vec![]),
        ("name:contains=ming", vec!["wang"]),
        ("name=xiaoming", vec!["wang"]),
        ("family=shan", vec!["shan"]),
        ("family=dan", vec!["shan"]),
        ("name=sxx", vec!["shan"]),
        ("name=yuchigong", vec!["yuchi"]),
        ("family=yuc", vec!["yuchi"]),
        ("name=lvbu,lubu", vec!["lv"]),
        ("given=xiaoz", vec!["zhang"]),
        ("name=wang&name=wxm", vec!["wang"]),
    ] {
        let page = resources.search(&search("Practitioner", query)).await.unwrap();
        let mut found: Vec<&str> = page.matches.iter().map(|one| one.reference.id.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}
