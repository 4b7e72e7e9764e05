//! JSON texts as they come: that they are text, and nested no deeper than readers of JSON take.

use crate::errors::Code;
use crate::options::JSON_DEPTH_MAX;
use crate::problem::Refused;

/// How much of what was sent is told back.
const TOLD_CHARS_MAX: usize = 200;

/// A body that should be JSON, as text.
///
/// # Errors
/// When it is not UTF-8, or nested too deeply; the place is told.
pub(crate) fn check_text(bytes: &[u8]) -> Result<&str, Refused> {
    check_text_within(bytes, 0)
}

/// The same of a line of a body, which has others before it.
///
/// # Errors
/// Those of [`check_text`].
pub(crate) fn check_line(bytes: &[u8], line: u64) -> Result<&str, Refused> {
    check(bytes, 0, line)
}

/// The same of what is to be written within so many levels of other JSON, which it must leave some.
///
/// # Errors
/// Those of [`check_text`].
pub(crate) fn check_text_within(bytes: &[u8], levels_around: usize) -> Result<&str, Refused> {
    check(bytes, levels_around, 1)
}

fn check(bytes: &[u8], levels_around: usize, first_line: u64) -> Result<&str, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place(bytes, error.valid_up_to(), first_line);
        let detail = format!("the bytes at line {line}, column {column} are not UTF-8; send bytes as …_base64");
        Refused::new(Code::InvalidUtf8, detail).at(|it| (it.line, it.column) = (Some(line), Some(column)))
    })?;
    check_depth(bytes, JSON_DEPTH_MAX - levels_around, first_line)?;
    Ok(text)
}

/// Looks at brackets outside of strings: a reader that recurses must not see more than it can take.
fn check_depth(bytes: &[u8], levels_max: usize, first_line: u64) -> Result<(), Refused> {
    // A record has few of them, as a rule, and counting is many times faster than looking where they are.
    if memchr::memchr2_iter(b'{', b'[', bytes).take(levels_max + 1).count() <= levels_max {
        return Ok(());
    }
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut at = 0;
    while at < bytes.len() {
        match (in_string, bytes[at]) {
            // Whatever is escaped ends no string.
            (true, b'\\') => at += 1,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > levels_max {
                    let (line, column) = place(bytes, at, first_line);
                    let detail = format!(
                        "at line {line}, column {column} the JSON is nested deeper than {levels_max} levels; \
                         send what is deeper as a string"
                    );
                    let refused = Refused::new(Code::JsonTooDeep, detail);
                    return Err(refused.at(|it| (it.line, it.column) = (Some(line), Some(column))));
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Line and column of a byte, from 1, when these bytes begin on `first_line`.
fn place(bytes: &[u8], at: usize, first_line: u64) -> (u64, u64) {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + first_line;
    let column = at - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1) + 1;
    (line, column as u64)
}

/// What the reader of JSON says: broken JSON, or JSON that is not what is asked for, which is `otherwise`.
pub(crate) fn json_error(error: &serde_json::Error, otherwise: Code) -> Refused {
    line_error(error, otherwise, 1)
}

/// The same of a line of a body, which has others before it.
pub(crate) fn line_error(error: &serde_json::Error, otherwise: Code, first_line: u64) -> Refused {
    let code = if error.is_data() { otherwise } else { Code::InvalidJson };
    let detail = in_terms_of_json(error);
    if error.line() == 0 {
        return Refused::new(code, detail);
    }
    let (line, column) = (error.line() as u64 + first_line - 1, error.column() as u64);
    let refused = Refused::new(code, format!("{detail} at line {line} column {column}"));
    refused.at(|place| (place.line, place.column) = (Some(line), Some(column)))
}

/// What the reader of JSON says but for the place, in words of JSON where it has those of Rust. What it repeats of the text is
/// cut.
pub(crate) fn in_terms_of_json(error: &serde_json::Error) -> String {
    const FOUND: [(&str, &str); 5] = [
        ("map", "an object"),
        ("sequence", "a list"),
        ("floating point", "number"),
        ("integer", "number"),
        ("unit", "null"),
    ];
    let text = error.to_string();
    let place = if error.line() == 0 { None } else { text.rfind(" at line ") };
    let said = &text[..place.unwrap_or(text.len())];
    let Some((found, expected)) = said.rsplit_once(", expected ") else { return cut(said) };
    let expected = match expected {
        "u32" => "a whole number from 0 to 4294967295",
        "i64" => "a whole number",
        "a map" => "an object",
        "a sequence" => "a list",
        other => other,
    };
    let what =
        ["invalid type: ", "invalid value: "].into_iter().find(|what| found.starts_with(what)).unwrap_or_default();
    let found = &found[what.len()..];
    let known = FOUND.iter().find_map(|(rust, json)| Some((*json, found.strip_prefix(rust)?)));
    let (kind, rest) = known.filter(|_| !what.is_empty()).unwrap_or(("", found));
    format!("{what}{kind}{}, expected {expected}", cut(rest))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TOLD_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert!(check_text(&deep(JSON_DEPTH_MAX)).is_ok());
        assert_eq!(check_text(&deep(JSON_DEPTH_MAX + 1)).unwrap_err().code(), Code::JsonTooDeep);
        assert_eq!(check_text(&deep(100_000)).unwrap_err().code(), Code::JsonTooDeep);
        let text = format!("\"\\\"{}\"", "[".repeat(1_000));
        assert!(check_text(text.as_bytes()).is_ok());
        assert!(check_text("[]".repeat(1_000).as_bytes()).is_ok());
    }

    #[test]
    fn the_place_is_told() {
        let refused = check_text(b"{\n  \"a\": \"\xff\"}").unwrap_err();
        assert_eq!(refused.code(), Code::InvalidUtf8);
        assert!(refused.detail().contains("line 2, column 9"), "{}", refused.detail());
    }
}
