//! What others wrote, shown so that it cannot do anything: no control characters for a terminal, no rows that nobody made.

use std::borrow::Cow;

/// Whether a terminal would act on it, or show what follows elsewhere than it is: C0, DEL, C1, line separators, and what turns the
/// direction of text.
fn is_acted_on(character: char) -> bool {
    let turns =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns || matches!(character, '\u{2028}' | '\u{2029}')
}

/// A text for people, on one line: `\n`, `\t`, `\r`, `\x1b`, `\u{202e}`.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_acted_on) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if !is_acted_on(character) => shown.push(character),
            _ if character.is_ascii() => shown.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => shown.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
        }
    }
    Cow::Owned(shown)
}

/// Bytes for people: as [`shown`], and those that are no text as `\xff`.
pub(crate) fn shown_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return shown(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(&shown(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    Cow::Owned(text)
}

/// JSON for people: what JSON itself leaves as it is, though a terminal acts on it, in the escapes of JSON. Line ends that are
/// between values stay.
pub(crate) fn shown_json(json: &str) -> Cow<'_, str> {
    let is_acted_on = |character| character != '\n' && is_acted_on(character);
    if !json.contains(is_acted_on) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match is_acted_on(character) {
            // None of them is beyond what four digits say.
            true => shown.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// A field between tabs, for programs: `\n`, `\t`, `\r` and `\\` stand for what would end it.
pub(crate) fn field(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\t', '\r', '\\']) {
        return Cow::Borrowed(text);
    }
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_acts_on() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected);
        check("plain, ünd ✓ \\n", "plain, ünd ✓ \\n");
        check("\x1b]0;title\x07", r"\x1b]0;title\x07");
        check("a\0b\x7f\u{9b}31m\u{202e}\u{2066}\u{2028}", r"a\x00b\x7f\u{9b}31m\u{202e}\u{2066}\u{2028}");
        check("row\nrow\tcell\r", r"row\nrow\tcell\r");
        assert_eq!(shown_bytes(b"a\xff\x9b\x1b\xc3\xa4"), r"a\xff\x9b\x1bä");
        assert_eq!(shown_json("{\n \"\u{9b}\u{202e}\x7f\"}"), "{\n \"\\u009b\\u202e\\u007f\"}");
        for number in 0..=0x1_ffff {
            let Some(character) = char::from_u32(number) else { continue };
            let text = character.to_string();
            assert!(!shown(&text).chars().any(char::is_control), "{number:x}");
        }
    }

    #[test]
    fn a_field_ends_where_we_end_it() {
        assert_eq!(field("a b\x1b"), "a b\x1b");
        assert_eq!(field("a\tb\nc\r\\n"), r"a\tb\nc\r\\n");
    }
}
