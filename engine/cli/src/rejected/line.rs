//! A record that was not scored as one line, for people or as JSON.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frostwatch_detect::time::rfc3339;
use frostwatch_kafka::originals::Original;
use frostwatch_wire::activity::reject::one_line;
use serde_json::{Map, Value, json};

/// Characters of a value that are shown when asked for.
const SHOWN_CHARS_MAX: usize = 2_000;
/// Characters of a masked value.
const MASKED_CHARS_MAX: usize = 120;

/// Writes the line.
pub(crate) fn write(out: &mut dyn Write, original: &Original, as_json: bool, show: bool) -> io::Result<()> {
    if as_json {
        serde_json::to_writer(&mut *out, &object(original, show))?;
        return out.write_all(b"\n");
    }
    let time = original.stamp.map_or_else(|| "-".to_owned(), rfc3339);
    let source = original.source().map_or_else(|| "-".to_owned(), |place| place.to_string());
    let size = match original.truncated_from_bytes() {
        Some(whole) => format!("{} of {whole} bytes", original.value.len()),
        None => format!("{} bytes", original.value.len()),
    };
    let message = one_line(&original.message(), SHOWN_CHARS_MAX);
    let value = value(original, show);
    writeln!(out, "{time}  {}  {}  {size}  {message}  {value}", line(&source), line(&original.reason()))
}

fn object(original: &Original, show: bool) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    put("time", json!(original.stamp.map(rfc3339)));
    put("place", json!(original.place.to_string()));
    put("source", json!(original.source().map(|place| place.to_string())));
    put("reason", json!(original.reason()));
    put("message", json!(original.message()));
    put("size_bytes", json!(original.value.len()));
    if let Some(whole) = original.truncated_from_bytes() {
        put("truncated_from_bytes", json!(whole));
    }
    if show {
        put("key", json!(original.key.as_deref().map(String::from_utf8_lossy)));
        if let Ok(text) = std::str::from_utf8(&original.value) {
            put("value", json!(text.chars().take(SHOWN_CHARS_MAX).collect::<String>()));
        } else {
            let bytes = original.value.get(..SHOWN_CHARS_MAX).unwrap_or(&original.value);
            put("value_base64", json!(STANDARD.encode(bytes)));
        }
    } else {
        put("masked", json!(value(original, false)));
    }
    Value::Object(object)
}

/// The value on one line, as it is or with only its shape.
fn value(original: &Original, show: bool) -> String {
    let text = String::from_utf8_lossy(&original.value);
    if show {
        let key = original.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        return format!("{}  {}", line(&key), one_line(&text, SHOWN_CHARS_MAX));
    }
    let masked: String = text.chars().take(MASKED_CHARS_MAX + 1).map(mask).collect();
    one_line(&masked, MASKED_CHARS_MAX)
}

/// What is no sign of JSON is no more than its kind.
fn mask(sign: char) -> char {
    match sign {
        '{' | '}' | '[' | ']' | '"' | ':' | ',' | '\\' | ' ' => sign,
        sign if sign.is_numeric() => '0',
        sign if sign.is_control() => sign,
        _ => 'x',
    }
}

fn line(text: &str) -> String {
    one_line(text, SHOWN_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use frostwatch_kafka::originals::Place;

    use super::*;

    fn original(value: &[u8], headers: &[(&str, &str)]) -> Original {
        let source = [
            ("__connect.errors.topic", "frostwatch.activity.v1"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "41"),
            ("__connect.errors.exception.class.name", "unreadable"),
            ("__connect.errors.exception.message", "user.name: empty\nand more"),
        ];
        let all = source.iter().chain(headers);
        Original {
            place: Place { topic: "frostwatch.rejected.v1".into(), partition: 0, offset: 7 },
            stamp: Some(1_767_571_200_000),
            key: Some(b"acme|ana".to_vec()),
            value: value.to_vec(),
            headers: all.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
        }
    }

    #[track_caller]
    fn check(original: &Original, as_json: bool, show: bool, wanted: &str) {
        let mut out = Vec::new();
        write(&mut out, original, as_json, show).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{wanted}\n"));
    }

    const HEAD: &str = "2026-01-05T00:00:00Z  frostwatch.activity.v1/3/41  unreadable";

    #[test]
    fn a_value_is_masked_unless_it_is_asked_for_and_never_leaves_its_line() {
        let record = original("{\"name\": \"Ana Ö\", \"n\": 42}\n".as_bytes(), &[]);
        let message = "user.name: empty\u{fffd}and more";
        check(
            &record,
            false,
            false,
            &format!("{HEAD}  28 bytes  {message}  {{\"xxxx\": \"xxx x\", \"x\": 00}}\u{fffd}"),
        );
        check(
            &record,
            false,
            true,
            &format!("{HEAD}  28 bytes  {message}  acme|ana  {{\"name\": \"Ana Ö\", \"n\": 42}}\u{fffd}"),
        );
        let long = "a".repeat(5_000);
        let cut = original(long.as_bytes(), &[("frostwatch.truncated_from_bytes", "9000")]);
        check(
            &cut,
            false,
            false,
            &format!("{HEAD}  5000 of 9000 bytes  {message}  {}…", "x".repeat(MASKED_CHARS_MAX - 1)),
        );
    }

    #[test]
    fn json_holds_personal_data_only_when_asked() {
        let head = r#"{"time":"2026-01-05T00:00:00Z","place":"frostwatch.rejected.v1/0/7","source":"frostwatch.activity.v1/3/41","reason":"unreadable","message":"user.name: empty\nand more","size_bytes":3"#;
        let sorted = |text: &str| serde_json::from_str::<Value>(text).unwrap().to_string();
        check(&original(b"ana", &[]), true, false, &sorted(&format!(r#"{head},"masked":"xxx"}}"#)));
        let shown = format!(r#"{head},"key":"acme|ana","value":"ana"}}"#);
        check(&original(b"ana", &[]), true, true, &sorted(&shown));
        let bytes = format!(r#"{head},"key":"acme|ana","value_base64":"/wEC"}}"#);
        check(&original(&[0xff, 1, 2], &[]), true, true, &sorted(&bytes));
    }
}
