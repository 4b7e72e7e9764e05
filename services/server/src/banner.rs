//! What `tidelog dev` prints when it serves: which build, where everything is, and three lines to try.

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

/// The banner. `about` has a name and a text for each thing worth knowing; `address` is what clients connect to.
pub fn banner(version: &str, about: &[(String, String)], address: &str, colours: Colours) -> String {
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
    for line in lines_to_try(address) {
        writeln!(lines, "  {}", paint(CYAN, &line)).expect(written);
    }
    writeln!(lines, "\nCtrl-C drains and stops; a second Ctrl-C ends at once.").expect(written);
    lines
}

/// Three commands that work as they stand, where kcat is installed: write a record, read it, list what there is.
pub fn lines_to_try(address: &str) -> [String; 3] {
    [
        format!("echo 'hello, tidelog' | kcat -P -b {address} -t greetings"),
        format!("kcat -C -b {address} -t greetings -o beginning -e"),
        format!("kcat -L -b {address}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(colours: Colours) -> String {
        let about =
            [("kafka".to_owned(), "127.0.0.1:9092".to_owned()), ("data folder".to_owned(), "./here".to_owned())];
        banner("0.1.0 (abc)", &about, "127.0.0.1:9092", colours)
    }

    #[test]
    fn it_is_plain_text_where_colours_do_not_suit() {
        let expected = "\
tidelog 0.1.0 (abc)
  kafka        127.0.0.1:9092
  data folder  ./here

Try it:
  echo 'hello, tidelog' | kcat -P -b 127.0.0.1:9092 -t greetings
  kcat -C -b 127.0.0.1:9092 -t greetings -o beginning -e
  kcat -L -b 127.0.0.1:9092

Ctrl-C drains and stops; a second Ctrl-C ends at once.
";
        assert_eq!(check(Colours::Plain), expected);
    }

    #[test]
    fn colours_change_nothing_else() {
        let coloured = check(Colours::Ansi);
        assert!(coloured.contains(BOLD));
        let stripped = [BOLD, DIM, CYAN, RESET].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, check(Colours::Plain));
    }
}
