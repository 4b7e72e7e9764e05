//! What `tidelog dev` prints when it serves: which build, where everything is, and lines to try.

use std::fmt::Write;

/// How a banner is made readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    Plain,
    Ansi,
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// The banner. `about` has a name and a text for each thing worth knowing; `lines` can be tried as they stand.
pub fn banner(version: &str, about: &[(String, String)], lines_to_try: &[String], colours: Colours) -> String {
    let paint = |colour: &str, text: &str| match colours {
        Colours::Plain => text.to_owned(),
        Colours::Ansi => format!("{colour}{text}{RESET}"),
    };
    let width = about.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut lines = String::new();
    let written = "a string takes everything";
    writeln!(lines, "{}", paint(BOLD, &format!("tidelog {version}"))).expect(written);
    for (name, text) in about {
        writeln!(lines, "  {}  {text}", paint(DIM, &format!("{name:<width$}"))).expect(written);
    }
    writeln!(lines, "\nTry it:").expect(written);
    for line in lines_to_try {
        writeln!(lines, "  {}", paint(CYAN, line)).expect(written);
    }
    writeln!(lines, "\nCtrl-C drains and stops; a second Ctrl-C ends at once.").expect(written);
    lines
}

/// Commands that work as they stand: write a record with this `program`, read it with it, and read it with kcat where that is
/// installed. Without HTTP, at `http`, kcat does both.
pub fn lines_to_try(program: &str, kafka: &str, http: Option<&str>) -> Vec<String> {
    let read = format!("kcat -C -b {kafka} -t greetings -o beginning -e");
    let Some(http) = http else {
        return vec![format!("echo 'hello, tidelog' | kcat -P -b {kafka} -t greetings"), read];
    };
    let server = if http == DEFAULT_HTTP { String::new() } else { format!(" --server http://{http}") };
    vec![
        format!("echo 'hello, tidelog' | {program} produce greetings{server}"),
        format!("{program} consume greetings{server}"),
        format!("{read}     # Kafka's clients see the same"),
    ]
}

/// Where the command line looks for a server that it is not told.
const DEFAULT_HTTP: &str = "127.0.0.1:8080";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(colours: Colours) -> String {
        let about =
            [("kafka".to_owned(), "127.0.0.1:9092".to_owned()), ("data folder".to_owned(), "./here".to_owned())];
        banner("0.1.0 (abc)", &about, &lines_to_try("tidelog", "127.0.0.1:9092", Some("127.0.0.1:8080")), colours)
    }

    #[test]
    fn it_is_plain_text_where_colours_do_not_suit() {
        let expected = "\
tidelog 0.1.0 (abc)
  kafka        127.0.0.1:9092
  data folder  ./here

Try it:
  echo 'hello, tidelog' | tidelog produce greetings
  tidelog consume greetings
  kcat -C -b 127.0.0.1:9092 -t greetings -o beginning -e     # Kafka's clients see the same

Ctrl-C drains and stops; a second Ctrl-C ends at once.
";
        assert_eq!(check(Colours::Plain), expected);
    }

    #[test]
    fn lines_name_what_the_server_was_told() {
        let lines = lines_to_try("target/release/tidelog", "127.0.0.1:1", Some("127.0.0.1:2"));
        assert_eq!(lines[1], "target/release/tidelog consume greetings --server http://127.0.0.1:2");
        let lines = lines_to_try("tidelog", "127.0.0.1:1", None);
        assert!(lines.iter().all(|line| line.contains("kcat") && line.contains("127.0.0.1:1")), "{lines:?}");
    }

    #[test]
    fn colours_change_nothing_else() {
        let coloured = check(Colours::Ansi);
        assert!(coloured.contains(BOLD));
        let stripped = [BOLD, DIM, CYAN, RESET].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, check(Colours::Plain));
    }
}
