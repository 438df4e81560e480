//! Writes a JSON tree as compact text.

use crate::json::{Json, Object};

/// Appends the compact text of `value` to `out`.
pub fn write(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(digits) => out.push_str(digits),
        Json::String(text) => write_string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(object) => write_object(object, out),
    }
}

/// Appends the compact text of an object to `out`.
pub fn write_object(object: &Object, out: &mut String) {
    out.push('{');
    for (at, (name, member)) in object.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write(member, out);
    }
    out.push('}');
}

/// Appends the text of `value` with line breaks, its inner lines indented below `level`.
pub fn write_pretty(value: &Json, level: usize, out: &mut String) {
    match value {
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                new_line(at > 0, level + 1, out);
                write_pretty(item, level + 1, out);
            }
            new_line(false, level, out);
            out.push(']');
        }
        Json::Object(object) if !object.is_empty() => {
            out.push('{');
            for (at, (name, member)) in object.iter().enumerate() {
                new_line(at > 0, level + 1, out);
                write_string(name, out);
                out.push_str(": ");
                write_pretty(member, level + 1, out);
            }
            new_line(false, level, out);
            out.push('}');
        }
        other => write(other, out),
    }
}

fn new_line(comma: bool, level: usize, out: &mut String) {
    if comma {
        out.push(',');
    }
    out.push('\n');
    for _ in 0..level {
        out.push_str("  ");
    }
}

/// Appends `text` as a JSON string. Only what RFC 8259 §7 demands is escaped.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => out.push_str(&format!("\\u{other:04x}")),
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}
