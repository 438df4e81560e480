//! What exactly is wrong, in the reader's language: the sentences of the validator and of this door, by their English. What stands
//! between backticks (names of elements, types, parameters) is put in as it is.

use crate::language::Language;

/// A sentence whose names are `{}`: in English, in simplified and in traditional Chinese. The names come in the same order in all.
const SAYINGS: [(&str, &str, &str); 72] = [
    ("{} is missing", "缺少{}", "缺少{}"),
    ("expected a resource type of R4B", "应为 R4B 的资源类型", "應為 R4B 的資源類型"),
    (
        "a contained resource contains no others",
        "被包含的资源不得再包含其他资源",
        "被包含的資源不得再包含其他資源",
    ),
    ("a contained resource needs an id", "被包含的资源必须有 id", "被包含的資源必須有 id"),
    (
        "a contained resource has no version of its own",
        "被包含的资源没有自己的版本",
        "被包含的資源沒有自己的版本",
    ),
    ("nested deeper than 64 levels", "嵌套超过 64 层", "巢狀超過 64 層"),
    ("an object must not be empty", "对象不得为空", "物件不得為空"),
    ("{} has no such element", "{}没有这个元素", "{}沒有這個元素"),
    ("{} stands there as another type already", "{}已以另一种类型给出", "{}已以另一種類型給出"),
    ("a value is required", "此项必填", "此項必填"),
    (
        "an extension has either a value or extensions",
        "扩展要么有值，要么有子扩展",
        "擴充要麼有值，要麼有子擴充",
    ),
    ("expected a single value, not an array", "应为单个值，而不是数组", "應為單一值，而不是陣列"),
    ("expected an array", "应为数组", "應為陣列"),
    ("an array must not be empty", "数组不得为空", "陣列不得為空"),
    ("{} is not a value", "{}不是值", "{}不是值"),
    ("expected a resource", "应为资源", "應為資源"),
    ("expected an object", "应为对象", "應為物件"),
    ("expected a code of the value set {}", "应为值集{}中的代码", "應為值集{}中的代碼"),
    ("must not point at a resource of type {}", "不得引用类型为{}的资源", "不得引用類型為{}的資源"),
    (
        "only a primitive element has extensions beside it",
        "只有基本类型的元素旁边可以有扩展",
        "只有基本類型的元素旁邊可以有擴充",
    ),
    ("expected one entry for each value beside it", "每个值旁边应各有一项", "每個值旁邊應各有一項"),
    ("expected {} or {}", "应为{}或{}", "應為{}或{}"),
    ("expected a number", "应为数字", "應為數字"),
    ("expected a whole number", "应为整数", "應為整數"),
    (
        "expected a whole number within the bounds of its type",
        "应为该类型范围内的整数",
        "應為該類型範圍內的整數",
    ),
    ("expected a string", "应为字符串", "應為字串"),
    ("expected no string", "不应为字符串", "不應為字串"),
    ("expected a string that is not empty", "应为非空的字符串", "應為非空的字串"),
    (
        "expected text of at most 1 MB without control characters",
        "应为不超过 1 MB 且不含控制字符的文本",
        "應為不超過 1 MB 且不含控制字元的文字",
    ),
    (
        "expected a code: no space around it, single spaces within",
        "应为代码：前后无空格，中间只有单个空格",
        "應為代碼：前後無空格，中間只有單一空格",
    ),
    ("expected a URI without spaces", "应为不含空格的 URI", "應為不含空格的 URI"),
    (
        "expected an id: 1 to 64 characters of A-Z, a-z, 0-9, {} and {}",
        "应为 id：1 至 64 个字符，限 A-Z、a-z、0-9、{}和{}",
        "應為 id：1 至 64 個字元，限 A-Z、a-z、0-9、{}和{}",
    ),
    (
        "expected a date: YYYY, YYYY-MM or YYYY-MM-DD",
        "应为日期：YYYY、YYYY-MM 或 YYYY-MM-DD",
        "應為日期：YYYY、YYYY-MM 或 YYYY-MM-DD",
    ),
    (
        "expected a date, or a date and time with seconds and offset",
        "应为日期，或带秒和时区的日期时间",
        "應為日期，或帶秒和時區的日期時間",
    ),
    (
        "expected a date and time with seconds and offset",
        "应为带秒和时区的日期时间",
        "應為帶秒和時區的日期時間",
    ),
    ("expected a time: hh:mm:ss", "应为时间：hh:mm:ss", "應為時間：hh:mm:ss"),
    ("expected base64", "应为 base64", "應為 base64"),
    ("expected {} and an OID", "应为{}加 OID", "應為{}加 OID"),
    ("expected {} and a lower-case UUID", "应为{}加小写的 UUID", "應為{}加小寫的 UUID"),
    ("expected XHTML within a {}", "应为{}内的 XHTML", "應為{}內的 XHTML"),
    ("a reference leads to no {} of this server", "引用的{}在本服务器上不存在", "引用的{}在本伺服器上不存在"),
    ("there is no such resource", "没有这个资源", "沒有這個資源"),
    ("there is no such version of a resource", "资源没有这个版本", "資源沒有這個版本"),
    (
        "the resource was deleted; its {} holds its versions",
        "资源已被删除；其{}中有各个版本",
        "資源已被刪除；其{}中有各個版本",
    ),
    ("this version is the deletion of the resource", "这个版本是资源的删除", "這個版本是資源的刪除"),
    (
        "the resource is not at the version that was expected; read it again",
        "资源已不是所期望的版本，请重新读取",
        "資源已不是所期望的版本，請重新讀取",
    ),
    (
        "others write the same at the same time; try again",
        "其他人正在同时写入，请重试",
        "其他人正在同時寫入，請重試",
    ),
    (
        "the condition finds more than one resource; nothing was written",
        "条件匹配到多个资源，未写入任何内容",
        "條件符合多個資源，未寫入任何內容",
    ),
    ("the condition finds no resource to patch", "条件没有匹配到可修改的资源", "條件沒有符合可修改的資源"),
    (
        "a reference that is a search finds no resource",
        "以检索表示的引用没有匹配到资源",
        "以檢索表示的引用沒有符合的資源",
    ),
    (
        "a reference that is a search finds more than one resource",
        "以检索表示的引用匹配到多个资源",
        "以檢索表示的引用符合多個資源",
    ),
    (
        "the {} of the resource is not the one of the address",
        "资源的{}与地址中的不一致",
        "資源的{}與位址中的不一致",
    ),
    (
        "the resource has no {}; expected the one of the address",
        "资源缺少{}，应与地址中的一致",
        "資源缺少{}，應與位址中的一致",
    ),
    ("expected a resource whose {} is {}", "资源的{}应为{}", "資源的{}應為{}"),
    ("a resource must be a JSON object", "资源必须是 JSON 对象", "資源必須是 JSON 物件"),
    ("the body is empty; expected a resource", "请求体为空，应为资源", "請求本文為空，應為資源"),
    ("the body is no UTF-8", "请求体不是 UTF-8", "請求本文不是 UTF-8"),
    ("the resource was created", "资源已创建", "資源已建立"),
    ("the resource was deleted", "资源已删除", "資源已刪除"),
    ("the resource stands as it was sent", "资源与所提交的一致", "資源與所提交的一致"),
    (
        "the server could not answer in time; ask for less, or try again later",
        "服务器未能及时应答；请缩小范围或稍后再试",
        "伺服器未能及時應答；請縮小範圍或稍後再試",
    ),
    (
        "the server failed to answer; its log says more",
        "服务器未能应答；详情见其日志",
        "伺服器未能應答；詳情見其日誌",
    ),
    ("{} has no search parameter {}", "{}没有检索参数{}", "{}沒有檢索參數{}"),
    ("the parameter {} is not known here", "这里没有参数{}", "這裡沒有參數{}"),
    ("{} is no resource type of FHIR R4B", "{}不是 FHIR R4B 的资源类型", "{}不是 FHIR R4B 的資源類型"),
    ("the operation {} is not offered", "不提供操作{}", "不提供操作{}"),
    ("{} must be {} or {}", "{}必须是{}或{}", "{}必須是{}或{}"),
    (
        "{} has no compartment; Device, Encounter, Patient, Practitioner, RelatedPerson have",
        "{}没有区室；有区室的是 Device、Encounter、Patient、Practitioner、RelatedPerson",
        "{}沒有區室；有區室的是 Device、Encounter、Patient、Practitioner、RelatedPerson",
    ),
    (
        "more was to be included than comes with one page; ask for a smaller page with {}",
        "要一并返回的内容超出一页；请用{}减小每页的数量",
        "要一併傳回的內容超出一頁；請用{}減小每頁的數量",
    ),
    (
        "a condition needs at least one search parameter, such as {}",
        "条件至少需要一个检索参数，例如{}",
        "條件至少需要一個檢索參數，例如{}",
    ),
    ("a patch changes neither {} nor {}", "补丁不得更改{}或{}", "補丁不得更改{}或{}"),
    ("All OK", "没有问题", "沒有問題"),
];

/// What asks at the end of a sentence whether a nearer name was meant.
const MEANT: (&str, [&str; 2]) = ("; did you mean {}?", ["；是否指{}？", "；是否指{}？"]);

/// The sentence in the reader's language; `None` in English and for one that is not among the sayings.
pub(crate) fn say(english: &str, language: Language) -> Option<String> {
    let at = match language {
        Language::English => return None,
        Language::Simplified => 0,
        Language::Traditional => 1,
    };
    let (frame, names) = frame(english)?;
    let (sentence, asks) = match frame.strip_suffix(MEANT.0) {
        Some(sentence) => (sentence, true),
        None => (frame.as_str(), false),
    };
    let (_, simplified, traditional) = SAYINGS.iter().find(|(known, ..)| *known == sentence)?;
    let mut said = if at == 0 { (*simplified).to_owned() } else { (*traditional).to_owned() };
    if asks {
        said.push_str(MEANT.1[at]);
    }
    let mut filled = String::with_capacity(said.len() + 32);
    let mut names = names.into_iter();
    for (nth, part) in said.split("{}").enumerate() {
        if nth > 0 {
            filled.push_str(&format!(" `{}` ", names.next()?));
        }
        filled.push_str(part);
    }
    Some(filled.trim().to_owned())
}

/// The sentence with `{}` for each name between backticks, and the names; `None` when a backtick is open.
fn frame(english: &str) -> Option<(String, Vec<&str>)> {
    let mut frame = String::with_capacity(english.len());
    let mut names = Vec::new();
    let mut rest = english;
    while let Some((before, after)) = rest.split_once('`') {
        let (name, behind) = after.split_once('`')?;
        frame.push_str(before);
        frame.push_str("{}");
        names.push(name);
        rest = behind;
    }
    frame.push_str(rest);
    Some((frame, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_keeps_its_names_in_every_language() {
        let english = "`Patient` has no search parameter `famly`; did you mean `family`?";
        let simplified = say(english, Language::Simplified).unwrap();
        assert_eq!(simplified, "`Patient` 没有检索参数 `famly` ；是否指 `family` ？");
        assert_eq!(say(english, Language::English), None);
        assert_eq!(say("what nobody says", Language::Traditional), None);
        assert_eq!(say("an `open backtick", Language::Traditional), None);
    }

    #[test]
    fn the_names_are_as_many_in_every_language() {
        for (english, simplified, traditional) in SAYINGS {
            let count = |text: &str| text.matches("{}").count();
            assert_eq!(
                (count(simplified), count(traditional)),
                (count(english), count(english)),
                "{english}"
            );
        }
    }

    /// Every sentence of the validator has its sayings: found by what is wrong with bad resources of every sort.
    #[test]
    fn what_the_validator_says_is_said_in_every_language() {
        let bad = [
            r#"{"resourceType":"Patient","x":1,"active":"yes","name":{},"telecom":[],"birthDate":"1","gender":"m","multipleBirthInteger":1.5,
                "deceasedBoolean":true,"deceasedDateTime":"x","id":"_","language":" a","contact":[{}],"link":[{"other":{"reference":"Group/1"}}],
                "_name":[],"photo":[{"data":"?","url":"a b","creation":"x","size":-1}],"implicitRules":null,"managingOrganization":7,
                "extension":[{"url":"u"}],"text":{"status":"x","div":"<p>"},"contained":[1,{"resourceType":"Patient","contained":[]}],
                "meta":{"lastUpdated":"x","versionId":""},"_birthDate":7,"maritalStatus":{"text":5}}"#,
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"effectiveTiming":{"repeat":{"timeOfDay":["8"]}},
                "valueTime":"8","component":[{"valueInteger":99999999999}],"subject":[{}],"contained":[{"resourceType":"Patient"}],
                "identifier":[{"system":1,"value":"","_value":{}}]}"#,
            r#"{"resourceType":"Nothing"}"#,
            r#"{"resourceType":"StructureMap","url":"a"}"#,
            r#"{"resourceType":"Provenance","policy":["a b"],"recorded":"2026"}"#,
            r#"{"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/1"},"prediction":[{"probabilityDecimal":"x"}]}"#,
            r#"{"resourceType":"Parameters","parameter":[{"name":"a","valueOid":"1"},{"name":"b","valueUuid":"1"},{"name":"c","valuePositiveInt":0}]}"#,
            r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":5}]}"#,
            "{}",
        ];
        let mut said = 0;
        for text in bad {
            let hub_fhir::Json::Object(tree) = hub_fhir::json::parse(text).unwrap() else { panic!() };
            for issue in hub_fhir::validate(&tree) {
                assert!(say(&issue.what, Language::Simplified).is_some(), "{}: {}", issue.path, issue.what);
                said += 1;
            }
        }
        assert!(said > 40, "{said}");
    }
}
