//! An example of every function: what a field holds, and what becomes of it. Each is a test.

/// One example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The function, as mappings name it.
    pub function: &'static str,
    /// The source: a field as HL7 v2 writes it, an element as FHIR's JSON writes it, or an element of XML.
    pub field: &'static str,
    /// The format of the source: `hl7v2`, `fhir` or `xml`.
    pub format: &'static str,
    /// What the function makes of it, as JSON.
    pub json: &'static str,
}

const fn example(function: &'static str, field: &'static str, json: &'static str) -> Example {
    Example { function, field, format: "hl7v2", json }
}

const fn of_fhir(function: &'static str, field: &'static str, json: &'static str) -> Example {
    Example { function, field, format: "fhir", json }
}

const fn of_xml(function: &'static str, field: &'static str, json: &'static str) -> Example {
    Example { function, field, format: "xml", json }
}

/// At least one example of every function.
pub const EXAMPLES: &[Example] = &[
    example("string", "Chest pain \\T\\ cough", r#""Chest pain & cough""#),
    example("markdown", "first line\\.br\\second line", r#""first line\nsecond line""#),
    example("code", "final", r#""final""#),
    example("id", "A-1.b", r#""A-1.b""#),
    example("uri", "urn:oid:2.16.156", r#""urn:oid:2.16.156""#),
    example("url", "https://pacs/viewer?study=1", r#""https://pacs/viewer?study=1""#),
    example(
        "canonical",
        "http://hl7.org/fhir/StructureDefinition/Patient",
        r#""http://hl7.org/fhir/StructureDefinition/Patient""#,
    ),
    example("oid", "2.16.840.1.113883.6.1", r#""urn:oid:2.16.840.1.113883.6.1""#),
    example(
        "uuid",
        "C757873D-EC9A-4326-A141-556F43239520",
        r#""urn:uuid:c757873d-ec9a-4326-a141-556f43239520""#,
    ),
    example("boolean", "Y", "true"),
    example("base64Binary", "aGVs bG8=", r#""aGVsbG8=""#),
    example("integer", "-5", "-5"),
    example("unsignedInt", "0", "0"),
    example("positiveInt", "007", "7"),
    example("decimal", "+1.10", "1.10"),
    example("date", "19881112083000", r#""1988-11-12""#),
    example("date", "198811", r#""1988-11""#),
    example("dateTime", "202611200815", r#""2026-11-20T08:15:00+08:00""#),
    example("dateTime", "20261120081500.25-0500", r#""2026-11-20T08:15:00.25-05:00""#),
    example("dateTime", "2026", r#""2026""#),
    example("instant", "20261120081500", r#""2026-11-20T08:15:00+08:00""#),
    example("time", "0815", r#""08:15:00""#),
    example(
        "HumanName",
        "van Beethoven&van&Beethoven^Ludwig^Maria Johann^JR^DR^PHD^L",
        r#"{"use":"official","family":"van Beethoven","_family":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/humanname-own-prefix","valueString":"van"},{"url":"http://hl7.org/fhir/StructureDefinition/humanname-own-name","valueString":"Beethoven"}]},"given":["Ludwig","Maria","Johann"],"prefix":["DR"],"suffix":["JR","PHD"]}"#,
    ),
    example("HumanName", "陈思远", r#"{"text":"陈思远","family":"陈思远"}"#),
    example(
        "HumanName",
        "陈^思远^^^^^L^I",
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation","valueCode":"IDE"}],"use":"official","family":"陈","given":["思远"]}"#,
    ),
    example(
        "XCN[HumanName]",
        "D1001^李^明^^^^主任医师^^HIS",
        r#"{"family":"李","given":["明"],"suffix":["主任医师"]}"#,
    ),
    example("XPN[string]", "Chen^Siyuan^^^Dr", r#""Dr Siyuan Chen""#),
    example("XCN[string]", "D1001^李^明", r#""李明""#),
    example(
        "Address",
        "深南大道1001号^^深圳市^广东省^518000^CHN^H",
        r#"{"use":"home","line":["深南大道1001号"],"city":"深圳市","state":"广东省","postalCode":"518000","country":"CHN"}"#,
    ),
    example(
        "Address",
        "1 Main St^Apt 2^Boston^MA^02101^USA^M^^Suffolk",
        r#"{"type":"postal","line":["1 Main St","Apt 2"],"city":"Boston","district":"Suffolk","state":"MA","postalCode":"02101","country":"USA"}"#,
    ),
    example(
        "Address",
        "12&Harbour Road&Flat 3^^Wan Chai^^^HKG",
        r#"{"line":["12","Harbour Road","Flat 3"],"city":"Wan Chai","country":"HKG"}"#,
    ),
    example(
        "Address",
        "5 Lake Lane^^Lugano^^^CHE^HV",
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-AD-use","valueCode":"HV"}],"line":["5 Lake Lane"],"city":"Lugano","country":"CHE"}"#,
    ),
    example("XAD[string]", "1 Main St^Apt 2^Boston^MA^02101", r#""1 Main St, Apt 2, Boston, MA, 02101""#),
    example(
        "ContactPoint",
        "^PRN^CP^^86^755^26001234^8",
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/contactpoint-country","valueString":"86"},{"url":"http://hl7.org/fhir/StructureDefinition/contactpoint-area","valueString":"755"},{"url":"http://hl7.org/fhir/StructureDefinition/contactpoint-local","valueString":"26001234"},{"url":"http://hl7.org/fhir/StructureDefinition/contactpoint-extension","valueString":"8"}],"system":"phone","value":"+86 755 26001234 X8","use":"mobile"}"#,
    ),
    example(
        "ContactPoint",
        "^WPN^PH^^0755^26001234",
        r#"{"system":"phone","value":"0755 26001234","use":"work"}"#,
    ),
    example(
        "ContactPoint",
        "^PRS^CP^^^^13800138000",
        r#"{"system":"phone","value":"13800138000","use":"mobile"}"#,
    ),
    example("ContactPoint", "13800138000", r#"{"system":"phone","value":"13800138000"}"#),
    example(
        "ContactPoint",
        "^NET^Internet^chen@example.org",
        r#"{"system":"email","value":"chen@example.org"}"#,
    ),
    example("XTN[string]", "^WPN^PH^^^0755^26001234", r#""0755 26001234""#),
    example(
        "Identifier",
        "H0000123^^^HIS&2.16.156.1&ISO^PI",
        r#"{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"PI"}]},"system":"urn:oid:2.16.156.1","value":"H0000123","assigner":{"display":"HIS"}}"#,
    ),
    example(
        "Identifier",
        "440305198811120011^^^PRC^NI",
        r#"{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"NI"}]},"system":"urn:id:PRC","value":"440305198811120011","assigner":{"display":"PRC"}}"#,
    ),
    example(
        "EI[Identifier]",
        "R2026^LIS^1.2.3.4^ISO",
        r#"{"system":"urn:oid:1.2.3.4","value":"R2026","assigner":{"display":"LIS"}}"#,
    ),
    example(
        "XCN[Identifier]",
        "D1001^李^明^^^^^^HIS",
        r#"{"system":"urn:id:HIS","value":"D1001","assigner":{"display":"HIS"}}"#,
    ),
    example(
        "XON[Identifier]",
        "国际医疗部^^^^^HIS^XX^^^GJ01",
        r#"{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"XX"}]},"system":"urn:id:HIS","value":"GJ01","assigner":{"display":"HIS"}}"#,
    ),
    example(
        "DLN[Identifier]",
        "S99999999^CA^20301231",
        r#"{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"DL"}]},"value":"S99999999","period":{"end":"2030-12-31"},"assigner":{"display":"CA"}}"#,
    ),
    example(
        "HD[uri]",
        "HIS^c757873d-ec9a-4326-a141-556f43239520^UUID",
        r#""urn:uuid:c757873d-ec9a-4326-a141-556f43239520""#,
    ),
    example(
        "CodeableConcept",
        "GLU^葡萄糖^LIS^2345-7^Glucose^LN^^2.74^血糖",
        r#"{"coding":[{"system":"urn:id:LIS","code":"GLU","display":"葡萄糖"},{"system":"http://loinc.org","version":"2.74","code":"2345-7","display":"Glucose"}],"text":"血糖"}"#,
    ),
    example("CodeableConcept", "^阳性", r#"{"text":"阳性"}"#),
    example("ST[CodeableConcept]", "胸痛三天", r#"{"text":"胸痛三天"}"#),
    example(
        "Coding",
        "I10^Hypertension^I10",
        r#"{"system":"http://hl7.org/fhir/sid/icd-10","code":"I10","display":"Hypertension"}"#,
    ),
    example("CWE[string]", "GLU^葡萄糖^LIS", r#""葡萄糖""#),
    example("CWE[code]", "GLU^葡萄糖^LIS", r#""GLU""#),
    example("CWE[code]", "^^^2345-7^Glucose^LN", r#""2345-7""#),
    example("Quantity", "6.10", r#"{"value":6.10}"#),
    example("Quantity", "<0.5", r#"{"value":0.5,"comparator":"<"}"#),
    example(
        "Quantity",
        "5^mg&milligram&UCUM",
        r#"{"value":5,"unit":"milligram","system":"http://unitsofmeasure.org","code":"mg"}"#,
    ),
    example("Quantity", ">=^100", r#"{"value":100,"comparator":">="}"#),
    example(
        "Age",
        "35^a&year&UCUM",
        r#"{"value":35,"unit":"year","system":"http://unitsofmeasure.org","code":"a"}"#,
    ),
    example(
        "Duration",
        "3^d&day&UCUM",
        r#"{"value":3,"unit":"day","system":"http://unitsofmeasure.org","code":"d"}"#,
    ),
    example("Count", "4", r#"{"value":4}"#),
    example(
        "Distance",
        "1.75^m&metre&UCUM",
        r#"{"value":1.75,"unit":"metre","system":"http://unitsofmeasure.org","code":"m"}"#,
    ),
    example("Range", "3.5^9.5", r#"{"low":{"value":3.5},"high":{"value":9.5}}"#),
    example("Range", "^3^-^5", r#"{"low":{"value":3},"high":{"value":5}}"#),
    example("Range", "3.5-9.5", r#"{"low":{"value":3.5},"high":{"value":9.5}}"#),
    example("Range.low", "3.5-9.5", r#"{"value":3.5}"#),
    example("Range.low", "阴性", ""),
    example("Range.high", "<5.0", r#"{"value":5.0}"#),
    example("Ratio", "^1^:^128", r#"{"numerator":{"value":1},"denominator":{"value":128}}"#),
    example("Ratio", "1:320", r#"{"numerator":{"value":1},"denominator":{"value":320}}"#),
    example("SN[string]", ">^1^:^128", r#""> 1 : 128""#),
    example("Money", "12.50^CNY", r#"{"value":12.50,"currency":"CNY"}"#),
    example("Money", "100&HKD^UP", r#"{"value":100,"currency":"HKD"}"#),
    example("Period", "20261120^20261127", r#"{"start":"2026-11-20","end":"2026-11-27"}"#),
    example("Annotation", "危急值，已电话通知", r#"{"text":"危急值，已电话通知"}"#),
    example(
        "Attachment",
        "LIS^Application^PDF^Base64^JVBERi0=",
        r#"{"contentType":"application/pdf","data":"JVBERi0=","size":5}"#,
    ),
    example(
        "Attachment",
        "LIS^Image^^Hex^FFD8",
        r#"{"contentType":"application/octet-stream","data":"/9g=","size":2}"#,
    ),
    example(
        "Attachment",
        "https://pacs/report/1^PACS^Application^PDF",
        r#"{"contentType":"application/pdf","url":"https://pacs/report/1"}"#,
    ),
    example(
        "Reference",
        "D1001^李^明^^^^^^HIS",
        r#"{"identifier":{"system":"urn:id:HIS","value":"D1001","assigner":{"display":"HIS"}},"display":"李明"}"#,
    ),
    example(
        "XON[Reference]",
        "国际医疗部^^GJ01",
        r#"{"identifier":{"value":"GJ01"},"display":"国际医疗部"}"#,
    ),
    example("PL[Reference]", "5E^501^02^H01", r#"{"display":"H01 5E 501 02"}"#),
    example("PL[string]", "5E^501^02", r#""5E 501 02""#),
    of_xml(
        "II[Identifier]",
        r#"<id root="2.16.156.10011.1.3" extension="440305198811120011"/>"#,
        r#"{"system":"urn:oid:2.16.156.10011.1.3","value":"440305198811120011"}"#,
    ),
    of_xml(
        "II[Identifier]",
        r#"<id root="6BA7B810-9DAD-11D1-80B4-00C04FD430C8"/>"#,
        r#"{"system":"urn:ietf:rfc:3986","value":"urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"}"#,
    ),
    of_xml(
        "CD[CodeableConcept]",
        r#"<code code="2345-7" codeSystem="2.16.840.1.113883.6.1" displayName="Glucose"><originalText>血糖</originalText><translation code="GLU" codeSystem="1.2.3"/></code>"#,
        r#"{"coding":[{"system":"http://loinc.org","code":"2345-7","display":"Glucose"},{"system":"urn:oid:1.2.3","code":"GLU"}],"text":"血糖"}"#,
    ),
    of_xml(
        "CD[Coding]",
        r#"<interpretationCode code="H" codeSystem="2.16.840.1.113883.5.83"/>"#,
        r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"H"}"#,
    ),
    of_xml("CD[code]", r#"<statusCode code="completed"/>"#, r#""completed""#),
    of_xml("TS[dateTime]", r#"<effectiveTime value="202611200815+0800"/>"#, r#""2026-11-20T08:15:00+08:00""#),
    of_xml("TS[date]", r#"<birthTime value="19881112"/>"#, r#""1988-11-12""#),
    of_xml("TS[instant]", r#"<time value="20261120081500"/>"#, r#""2026-11-20T08:15:00+08:00""#),
    of_xml(
        "IVL_TS[Period]",
        r#"<effectiveTime><low value="20261120"/><high value="20261127"/></effectiveTime>"#,
        r#"{"start":"2026-11-20","end":"2026-11-27"}"#,
    ),
    of_xml(
        "PN[HumanName]",
        r#"<name use="L"><family>Chen</family><given>Siyuan</given><given>Maria</given></name>"#,
        r#"{"use":"official","family":"Chen","given":["Siyuan","Maria"]}"#,
    ),
    of_xml("PN[HumanName]", "<name>陈思远</name>", r#"{"text":"陈思远"}"#),
    of_xml(
        "PN[HumanName]",
        "<name>Dr. <given>Siyuan</given> <family>Chen</family></name>",
        r#"{"text":"Dr. Siyuan Chen","family":"Chen","given":["Siyuan"]}"#,
    ),
    of_xml("PN[string]", "<name>陈<given>思远</given></name>", r#""陈思远""#),
    of_xml("PN[string]", "<name><family>陈</family><given>思远</given></name>", r#""陈思远""#),
    of_xml(
        "AD[Address]",
        r#"<addr use="HP"><streetAddressLine>深南大道1001号</streetAddressLine><city>深圳市</city><state>广东省</state><postalCode>518000</postalCode></addr>"#,
        r#"{"use":"home","line":["深南大道1001号"],"city":"深圳市","state":"广东省","postalCode":"518000"}"#,
    ),
    of_xml(
        "AD[Address]",
        "<addr>粤海街道<city>深圳市</city></addr>",
        r#"{"text":"粤海街道深圳市","city":"深圳市"}"#,
    ),
    of_xml(
        "TEL[ContactPoint]",
        "<telecom value=\"MAILTO:chen@example.org\"/>",
        r#"{"system":"email","value":"chen@example.org"}"#,
    ),
    of_xml(
        "TEL[ContactPoint]",
        r#"<telecom value="tel:+86 755 26001234" use="WP"/>"#,
        r#"{"system":"phone","value":"+86 755 26001234","use":"work"}"#,
    ),
    of_xml(
        "PQ[Quantity]",
        r#"<value value="6.10" unit="mmol/L"/>"#,
        r#"{"value":6.10,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}"#,
    ),
    of_xml(
        "IVL_PQ[Range]",
        r#"<value><low value="3.5" unit="mmol/L"/><high value="5.3" unit="mmol/L"/></value>"#,
        r#"{"low":{"value":3.5,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"},"high":{"value":5.3,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}}"#,
    ),
    of_fhir("HumanName[string]", r#"{"family":"陈","given":["思远"]}"#, r#""陈思远""#),
    of_fhir(
        "HumanName[string]",
        r#"{"prefix":["Dr"],"given":["Siyuan","M."],"family":"Chen"}"#,
        r#""Dr Siyuan M. Chen""#,
    ),
    of_fhir(
        "Address[string]",
        r#"{"line":["深南大道1001号"],"city":"深圳市","state":"广东省"}"#,
        r#""广东省深圳市深南大道1001号""#,
    ),
    of_fhir(
        "Address[string]",
        r#"{"line":["1 Main St"],"city":"Boston","state":"MA","postalCode":"02101"}"#,
        r#""1 Main St, Boston, MA, 02101""#,
    ),
    of_fhir("CodeableConcept[string]", r#"{"coding":[{"code":"GLU","display":"葡萄糖"}]}"#, r#""葡萄糖""#),
    of_fhir("Quantity[string]", r#"{"value":0.50,"comparator":"<","unit":"mmol/L"}"#, r#""<0.50 mmol/L""#),
    example("fen[Money]", "1250", r#"{"value":12.50,"currency":"CNY"}"#),
    example("money_yuan", "1250", "12.50"),
    of_fhir("money_fen", r#"{"value":12.50,"currency":"CNY"}"#, "1250"),
    of_fhir("money_fen", "0.07", "7"),
    of_fhir("yyyyMMdd", r#""2026-11-20T23:30:00Z""#, r#""20261121""#),
    of_fhir("yyyy-MM-dd", r#"{"start":"2026-11-20T08:15:00+08:00"}"#, r#""2026-11-20""#),
    of_fhir("yyyyMMddHHmm", r#""2026-11-20T08:15:00+08:00""#, r#""202611200815""#),
    of_fhir("yyyy-MM-dd HH:mm", r#""2026-11-20T00:15:00Z""#, r#""2026-11-20 08:15""#),
    of_fhir("yyyyMMddHHmmss", r#""2026-11-20T08:15:30+08:00""#, r#""20261120081530""#),
    of_fhir("yyyy-MM-dd HH:mm:ss", r#""2026-11-20T08:15:30.5+08:00""#, r#""2026-11-20 08:15:30""#),
    of_fhir("HHmmss", r#""2026-11-20T00:15:30Z""#, r#""081530""#),
    of_fhir("HH:mm:ss", r#""08:15:30""#, r#""08:15:30""#),
    of_fhir("HH:mm", r#"{"start":"2026-11-20T08:15:00+08:00"}"#, r#""08:15""#),
    of_fhir("unix_seconds", r#""2026-11-20T08:15:00+08:00""#, "1795133700"),
    of_fhir("unix_millis", r#""2026-11-20T08:15:00.25+08:00""#, "1795133700250"),
    example("copy", "陈&Chen^思远^^^^^L", r#"{"1":{"1":"陈","2":"Chen"},"2":"思远","7":"L"}"#),
    of_fhir("ST", r#"" chest pain ""#, r#""chest pain""#),
    of_fhir("FT", r#""first line\nsecond line""#, r#""first line\nsecond line""#),
    of_fhir("ID", r#"{"coding":[{"system":"http://loinc.org","code":"2345-7"}]}"#, r#""2345-7""#),
    of_fhir("ID", "true", r#""Y""#),
    of_fhir("NM", r#"{"value":6.10,"unit":"mmol/L"}"#, "6.10"),
    of_fhir("SN", r#"{"value":0.5,"comparator":"<"}"#, r#"{"1":"<","2":0.5}"#),
    of_fhir("SN", r#"{"low":{"value":3.5},"high":{"value":9.5}}"#, r#"{"2":3.5,"3":"-","4":9.5}"#),
    of_fhir("SN", r#"{"numerator":{"value":1},"denominator":{"value":128}}"#, r#"{"2":1,"3":":","4":128}"#),
    of_fhir(
        "CQ",
        r#"{"value":5,"unit":"milligram","system":"http://unitsofmeasure.org","code":"mg"}"#,
        r#"{"1":5,"2":{"1":"mg","2":"milligram","3":"UCUM"}}"#,
    ),
    of_fhir("DTM", r#""2026-11-20T08:15:00+08:00""#, r#""20261120081500+0800""#),
    of_fhir("DTM", r#""2026-11""#, r#""202611""#),
    of_fhir("DT", r#""2026-11-20T23:30:00Z""#, r#""20261121""#),
    of_fhir("TM", r#""08:15:30""#, r#""081530""#),
    of_fhir(
        "XPN",
        r#"{"use":"official","family":"Chen","given":["Siyuan","Maria"],"prefix":["Dr"]}"#,
        r#"{"1":"Chen","2":"Siyuan","3":"Maria","5":"Dr","7":"L"}"#,
    ),
    of_fhir("XPN", r#"{"text":"陈思远"}"#, r#"{"1":"陈思远"}"#),
    of_fhir(
        "XCN",
        r#"{"identifier":{"system":"urn:id:HIS","value":"D1001"},"display":"李明"}"#,
        r#"{"1":"D1001","2":"李明","9":{"1":"HIS"}}"#,
    ),
    of_fhir(
        "XAD",
        r#"{"use":"home","line":["深南大道1001号"],"city":"深圳市","state":"广东省","postalCode":"518000","country":"CHN"}"#,
        r#"{"1":"深南大道1001号","3":"深圳市","4":"广东省","5":"518000","6":"CHN","7":"H"}"#,
    ),
    of_fhir(
        "XAD",
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-AD-use","valueCode":"HV"}],"line":["5 Lake Lane"],"city":"Lugano"}"#,
        r#"{"1":"5 Lake Lane","3":"Lugano","7":"HV"}"#,
    ),
    of_fhir(
        "XTN",
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/contactpoint-country","valueString":"86"},{"url":"http://hl7.org/fhir/StructureDefinition/contactpoint-area","valueString":"755"},{"url":"http://hl7.org/fhir/StructureDefinition/contactpoint-local","valueString":"26001234"}],"system":"phone","value":"+86 755 26001234","use":"work"}"#,
        r#"{"2":"WPN","3":"PH","5":"86","6":"755","7":"26001234","12":"+86 755 26001234"}"#,
    ),
    of_fhir(
        "XTN",
        r#"{"system":"phone","value":"13800138000","use":"mobile"}"#,
        r#"{"2":"PRS","3":"CP","12":"13800138000"}"#,
    ),
    of_fhir(
        "XTN",
        r#"{"system":"email","value":"chen@example.org"}"#,
        r#"{"2":"NET","3":"Internet","4":"chen@example.org"}"#,
    ),
    of_fhir(
        "XON",
        r#"{"identifier":{"system":"urn:id:HIS","value":"GJ01"},"display":"国际医疗部"}"#,
        r#"{"1":"国际医疗部","6":{"1":"HIS"},"10":"GJ01"}"#,
    ),
    of_fhir("PL", r#"{"display":"5E 501 02"}"#, r#"{"9":"5E 501 02"}"#),
    of_fhir(
        "CX",
        r#"{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"PI"}]},"system":"urn:oid:2.16.156.1","value":"H0000123","assigner":{"display":"HIS"}}"#,
        r#"{"1":"H0000123","4":{"1":"HIS","2":"2.16.156.1","3":"ISO"},"5":"PI"}"#,
    ),
    of_fhir("CX", r#""H0000123""#, r#"{"1":"H0000123"}"#),
    of_fhir(
        "EI",
        r#"{"system":"urn:oid:1.2.3.4","value":"R2026","assigner":{"display":"LIS"}}"#,
        r#"{"1":"R2026","2":"LIS","3":"1.2.3.4","4":"ISO"}"#,
    ),
    of_fhir(
        "HD",
        r#""urn:uuid:c757873d-ec9a-4326-a141-556f43239520""#,
        r#"{"2":"c757873d-ec9a-4326-a141-556f43239520","3":"UUID"}"#,
    ),
    of_fhir(
        "CWE",
        r#"{"coding":[{"system":"http://loinc.org","code":"2345-7","display":"Glucose"},{"system":"urn:id:LIS","code":"GLU"}],"text":"血糖"}"#,
        r#"{"1":"2345-7","2":"Glucose","3":"LN","4":"GLU","6":"LIS","9":"血糖"}"#,
    ),
    of_fhir("CWE", r#""M""#, r#"{"1":"M"}"#),
    of_fhir(
        "Quantity.unit",
        r#"{"value":5,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}"#,
        r#"{"1":"mmol/L","2":"mmol/L","3":"UCUM"}"#,
    ),
    of_fhir(
        "ED",
        r#"{"contentType":"application/pdf","data":"JVBERi0="}"#,
        r#"{"2":"Application","3":"PDF","4":"Base64","5":"JVBERi0="}"#,
    ),
];
