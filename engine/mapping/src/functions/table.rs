//! The list of all functions: what mappings may name.

use super::plain;
use super::{Function, address, annotation, attachment, coded, contact, dates, identifier, names as people};
use super::{copy, hl7, lines, money, numbers, patterns, period, quantity, quantity_forms, reference, v3};

macro_rules! list {
    ($($name:literal $reads:literal => $writes:literal $about:literal $make:path;)*) => {
        &[$(Function { name: $name, reads: $reads, writes: $writes, about: $about, make: $make }),*]
    };
}

/// Every function, by kind; the order is that of the documentation.
pub(crate) static FUNCTIONS: &[Function] = list! {
    "string" "ST, TX, FT, IS, ID, SI, NM" => "string" "the text without blanks at its end" plain::string;
    "markdown" "TX, FT" => "markdown" "the text as it stands" plain::markdown;
    "code" "ID, IS, ST" => "code" "a code; single blanks within" plain::code;
    "id" "ST" => "id" "1 to 64 characters of A-Z, a-z, 0-9, - and ." plain::id;
    "uri" "ST" => "uri" "a URI" plain::uri;
    "url" "ST, RP.1" => "url" "a URL" plain::url;
    "canonical" "ST" => "canonical" "the URL of a definition" plain::canonical;
    "oid" "ST" => "oid" "an OID, with or without urn:oid:" plain::oid;
    "uuid" "ST" => "uuid" "a UUID, with or without urn:uuid:" plain::uuid;
    "boolean" "ID (table 0136)" => "boolean" "Y, N, true, false, 1, 0" plain::boolean;
    "base64Binary" "TX" => "base64Binary" "base64, line breaks removed" plain::base64_binary;
    "integer" "NM, SI" => "integer" "a whole number" numbers::integer;
    "unsignedInt" "NM, SI" => "unsignedInt" "a whole number from 0" numbers::unsigned_int;
    "positiveInt" "NM, SI" => "positiveInt" "a whole number from 1" numbers::positive_int;
    "decimal" "NM" => "decimal" "a number; every digit is kept" numbers::decimal;
    "date" "DT, DTM, TS" => "date" "as precise as the source; a time is left out" dates::date;
    "dateTime" "DTM, TS, DT" => "dateTime" "as precise as the source; a time gets the zone" dates::date_time;
    "instant" "DTM, TS" => "instant" "a date with a time; gets the zone" dates::instant;
    "time" "TM" => "time" "a time of day; one in another zone than the mapping's does not fit" dates::time;
    "HumanName" "XPN" => "HumanName" "a person's name" people::xpn;
    "XCN[HumanName]" "XCN, CNN" => "HumanName" "the name within a numbered person" people::xcn;
    "XPN[string]" "XPN" => "string" "a person's whole name in one line" people::xpn_string;
    "XCN[string]" "XCN, CNN" => "string" "a numbered person's whole name in one line" people::xcn_string;
    "Address" "XAD, SAD" => "Address" "an address" address::xad;
    "XAD[string]" "XAD" => "string" "an address in one line" address::xad_string;
    "ContactPoint" "XTN" => "ContactPoint" "a telephone number or e-mail address, old and new form" contact::xtn;
    "XTN[string]" "XTN" => "string" "the number or address alone" contact::xtn_string;
    "Identifier" "CX, ST" => "Identifier" "an identifier with its authority and type" identifier::cx;
    "EI[Identifier]" "EI" => "Identifier" "an order or report number" identifier::ei;
    "XCN[Identifier]" "XCN" => "Identifier" "the number of a person" identifier::xcn;
    "XON[Identifier]" "XON" => "Identifier" "the number of an organization" identifier::xon;
    "DLN[Identifier]" "DLN" => "Identifier" "a driver's licence" identifier::dln;
    "HD[uri]" "HD" => "uri" "an assigning authority as a system" identifier::hd_uri;
    "CodeableConcept" "CWE, CE, CNE, CF, IS, ID" => "CodeableConcept" "up to three codings, and the original text" coded::concept;
    "ST[CodeableConcept]" "ST" => "CodeableConcept" "text without a code" coded::text_concept;
    "Coding" "CWE, CE, CNE, CF, IS, ID" => "Coding" "the first coding" coded::coding;
    "CWE[string]" "CWE, CE, CNE, CF" => "string" "the original text, else the display, else the code" coded::string;
    "CWE[code]" "CWE, CE, CNE, CF, IS, ID" => "code" "the code alone; the first one there is" coded::code;
    "Quantity" "NM, CQ, SN, ST" => "Quantity" "a number with comparator and unit: 5.6, <0.5, ^>=^100" quantity::quantity;
    "Age" "NM, CQ" => "Age" "like Quantity" quantity::quantity;
    "Duration" "NM, CQ" => "Duration" "like Quantity" quantity::quantity;
    "Count" "NM" => "Count" "like Quantity" quantity::quantity;
    "Distance" "NM, CQ" => "Distance" "like Quantity" quantity::quantity;
    "Range" "NR, SN, ST" => "Range" "two numbers: 3.5^9.5, ^3^-^5, 3.5-9.5" quantity_forms::range;
    "Range.low" "ST, NR" => "Quantity" "the lower bound of a range written as text; none in other text" quantity_forms::low;
    "Range.high" "ST, NR" => "Quantity" "the upper bound of a range written as text; none in other text" quantity_forms::high;
    "Ratio" "SN, ST" => "Ratio" "two numbers: ^1^:^128, 1:128" quantity_forms::ratio;
    "SN[string]" "SN, NR, VR" => "string" "comparator, numbers and separator in one line" quantity_forms::sn_string;
    "Money" "MO, CP, NM" => "Money" "an amount and its currency" quantity_forms::money;
    "Period" "DR, DTM" => "Period" "start and end; one date alone is the start" period::period;
    "Annotation" "TX, FT, ST" => "Annotation" "a note's text" annotation::annotation;
    "Attachment" "ED, RP" => "Attachment" "a document within the message, or a pointer to one" attachment::attachment;
    "Reference" "XCN, CX, ST" => "Reference" "points at a person by number and name, not by an id" reference::xcn;
    "XON[Reference]" "XON" => "Reference" "points at an organization by number and name" reference::xon;
    "PL[Reference]" "PL" => "Reference" "points at a place by its name: point of care, room, bed" reference::pl;
    "PL[string]" "PL" => "string" "a place in one line" reference::pl_string;
    "II[Identifier]" "II (V3)" => "Identifier" "an instance identifier; its root is the system" v3::ii;
    "CD[CodeableConcept]" "CD, CE, CV, CS (V3)" => "CodeableConcept" "the coding, its translations and the original text" v3::cd;
    "CD[Coding]" "CD, CE, CV, CS (V3)" => "Coding" "the coding alone" v3::coding;
    "CD[code]" "CD, CE, CV, CS (V3)" => "code" "the code alone" v3::cd_code;
    "TS[dateTime]" "TS (V3)" => "dateTime" "as precise as the source; a time gets the zone" v3::ts_moment;
    "TS[date]" "TS (V3)" => "date" "as precise as the source; a time is left out" v3::ts_date;
    "TS[instant]" "TS (V3)" => "instant" "a date with a time; gets the zone" v3::ts_instant;
    "IVL_TS[Period]" "IVL_TS (V3)" => "Period" "low and high; one moment alone is the start" v3::ivl_ts;
    "PN[HumanName]" "PN, EN (V3)" => "HumanName" "a name of parts, or whole; text beside the parts is kept with them in `text`" v3::pn;
    "PN[string]" "PN, EN, ON (V3)" => "string" "a name in one line" v3::pn_string;
    "AD[Address]" "AD (V3)" => "Address" "an address of parts, or whole; text beside the parts is kept with them in `text`" v3::ad;
    "TEL[ContactPoint]" "TEL (V3)" => "ContactPoint" "tel:, mailto:, fax: and http:" v3::tel;
    "PQ[Quantity]" "PQ (V3)" => "Quantity" "a number and its UCUM unit" v3::pq;
    "IVL_PQ[Range]" "IVL_PQ (V3)" => "Range" "low and high" v3::ivl_pq;
    "HumanName[string]" "HumanName" => "string" "a person's whole name in one line" lines::human_name;
    "Address[string]" "Address" => "string" "an address in one line" lines::address;
    "CodeableConcept[string]" "CodeableConcept, Coding" => "string" "the text, else the display, else the code" lines::concept;
    "Quantity[string]" "Quantity" => "string" "comparator, number and unit in one line" lines::quantity;
    "fen[Money]" "a number" => "Money" "whole fen as an amount; the currency is the line's `system`, else CNY" money::money_of_fen;
    "money_yuan" "a number" => "decimal" "whole fen as yuan with two decimals" money::yuan;
    "money_fen" "Money, a number" => "integer" "yuan as whole fen; a fraction of a fen does not fit, nor does another currency than the line's `system`, else CNY" money::fen;
    "yyyyMMdd" "date, dateTime, Period" => "string" "a day in the mapping's zone" patterns::compact_date;
    "yyyy-MM-dd" "date, dateTime, Period" => "string" "a day in the mapping's zone" patterns::dashed_date;
    "yyyyMMddHHmm" "dateTime, instant, Period" => "string" "a moment in the mapping's zone" patterns::compact_minute;
    "yyyy-MM-dd HH:mm" "dateTime, instant, Period" => "string" "a moment in the mapping's zone" patterns::dashed_minute;
    "yyyyMMddHHmmss" "dateTime, instant, Period" => "string" "a moment in the mapping's zone" patterns::compact_moment;
    "yyyy-MM-dd HH:mm:ss" "dateTime, instant, Period" => "string" "a moment in the mapping's zone" patterns::dashed_moment;
    "HHmmss" "time, dateTime, Period" => "string" "a time of day in the mapping's zone" patterns::compact_time;
    "HH:mm:ss" "time, dateTime, Period" => "string" "a time of day in the mapping's zone" patterns::colon_time;
    "HH:mm" "time, dateTime, Period" => "string" "a time of day in the mapping's zone" patterns::colon_minute;
    "unix_seconds" "dateTime, instant" => "integer" "seconds since 1970 in UTC" patterns::unix_seconds;
    "unix_millis" "dateTime, instant" => "decimal" "milliseconds since 1970 in UTC" patterns::unix_millis;
    "copy" "any field of HL7 v2" => "ANY" "a field, component or subcomponent as it stands, with its parts" copy::copy;
    "ST" "any text" => "ST" "one line of text" hl7::st;
    "FT" "any text" => "FT" "text with its line breaks" hl7::ft;
    "ID" "code, boolean, Coding, CodeableConcept" => "ID" "a code alone; Y and N for true and false" hl7::id;
    "NM" "decimal, Quantity, Money" => "NM" "a number alone; every digit is kept" hl7::nm;
    "SN" "Quantity, Range, Ratio" => "SN" "comparator, numbers and separator" hl7::sn;
    "CQ" "Quantity" => "CQ" "a number and its unit" hl7::cq;
    "DTM" "dateTime, instant, date, Period" => "DTM" "as precise as the source, with its zone" hl7::dtm;
    "DT" "date, dateTime, Period" => "DT" "a day in the mapping's zone" hl7::dt;
    "TM" "time, dateTime, Period" => "TM" "a time of day in the mapping's zone" hl7::tm;
    "XPN" "HumanName" => "XPN" "a person's name" hl7::xpn;
    "XCN" "Reference, Practitioner" => "XCN" "a person by number and name" hl7::xcn;
    "XAD" "Address" => "XAD" "an address" hl7::xad;
    "XTN" "ContactPoint" => "XTN" "a telephone number or e-mail address" hl7::xtn;
    "XON" "Reference, Organization" => "XON" "an organization by name and number" hl7::xon;
    "PL" "Reference, Location" => "PL" "a place by its description" hl7::pl;
    "CX" "Identifier" => "CX" "an identifier with its authority and type" hl7::cx;
    "EI" "Identifier" => "EI" "an order or report number" hl7::ei;
    "HD" "uri" => "HD" "a system as an authority" hl7::hd;
    "CWE" "CodeableConcept, Coding, code" => "CWE" "up to two codings, and the text" hl7::cwe;
    "Quantity.unit" "Quantity" => "CWE" "the unit: its code with UCUM, or as it is printed" hl7::unit;
    "ED" "Attachment" => "ED" "a document, or a pointer to one in the form of an RP" hl7::ed;
};

/// The function of this name.
pub(crate) fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The names of all functions, for nearest-word help.
pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
    FUNCTIONS.iter().map(|function| function.name)
}
