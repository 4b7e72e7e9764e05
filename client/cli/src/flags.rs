//! What the server and the SDK say of parameters, fields and methods, said of the flags that people typed instead.

use tidelog::Error;

/// What requests call it, and what the command line calls it.
const FLAGS: [(&str, &str); 5] = [
    ("cursor", "--cursor"),
    ("from", "--from"),
    ("partition", "--partition"),
    ("partitions", "--partitions"),
    ("to", "--to"),
];

/// The error's text, with flags where it names what they stand for.
///
/// A name is not replaced wherever it stands, for most texts are sentences with the same words in them: `partition 3 has no
/// offset 7`. It is one where the problem says that it is about that name, or where it is marked as one.
pub(crate) fn in_flags(error: &Error) -> String {
    let mut text = error.to_string();
    for (name, flag) in FLAGS {
        text = text.replace(&format!("`{name}`"), flag);
    }
    let Some(problem) = error.problem() else { return text };
    if let Some(place) = &problem.at
        && let Some(about) = place.parameter.as_ref().or(place.field.as_ref())
        && let Some((name, flag)) = FLAGS.iter().find(|(name, _)| name == about)
        && let Some(rest) = text.strip_prefix(name).filter(|rest| rest.starts_with(" is "))
    {
        text = format!("{flag}{rest}");
    }
    match problem.code.as_str() {
        "invalid_cursor" => text.replace("say from instead", "say --from instead"),
        // Partitions of a reset, of which each is named by a flag of its own.
        "too_many_partitions" => text
            .replace("say which as partitions", "say which by --partition")
            .replace("read them one by one", "--partition reads one"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use tidelog::{Place, Problem};

    use super::*;

    fn refused(code: &str, about: &str, detail: &str) -> Error {
        let mut place = Place::default();
        // Where the server says it of a body.
        if matches!(about, "to" | "partitions") {
            place.field = Some(about.to_owned());
        } else {
            place.parameter = Some(about.to_owned());
        }
        let mut problem = Problem::default();
        (problem.code, problem.detail, problem.at) = (code.to_owned(), detail.to_owned(), Some(place));
        Error::Refused(problem.into())
    }

    #[test]
    fn flags_are_named_and_sentences_are_left_alone() {
        let check = |error: Error, expected: &str| assert_eq!(in_flags(&error), expected);
        check(
            Error::Invalid("an offset belongs to one: say which `partition`".into()),
            "an offset belongs to one: say which --partition",
        );
        check(
            refused("invalid_parameter", "from", "from is \"x\"; latest works"),
            "--from is \"x\"; latest works (invalid_parameter)",
        );
        check(refused("invalid_body", "to", "to is \"x\"; latest works"), "--to is \"x\"; latest works (invalid_body)");
        check(
            refused("invalid_partitions", "partitions", "partitions is 0; 1 works"),
            "--partitions is 0; 1 works (invalid_partitions)",
        );
        let cursor = "the cursor is none that was given out; say from instead, or the cursor of a record";
        check(
            refused("invalid_cursor", "cursor", cursor),
            &format!("{} (invalid_cursor)", cursor.replace("say from", "say --from")),
        );
        let many = "these are 9000 partitions, and 5000 are reset at once; say which as partitions";
        check(
            refused("too_many_partitions", "partitions", many),
            "these are 9000 partitions, and 5000 are reset at once; say which by --partition (too_many_partitions)",
        );
        let out_of_range = "partition 3 has no offset 7; it begins at 0, and the next is 2";
        check(
            refused("offset_out_of_range", "partition", out_of_range),
            &format!("{out_of_range} (offset_out_of_range)"),
        );
    }
}
