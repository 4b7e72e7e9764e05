//! How a refused setting is explained: the key, where its value came from, what is wrong, and what would work.

use std::fmt;

use super::list::Setting;
use super::sources::Source;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was said, and where: `kafka.listen = "here" (flag --kafka-listen)`.
    pub said: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would work, in the form in which it was said.
    pub works: String,
}

impl Refusal {
    /// About the value of a setting. `works` are values or alternatives, already in written form.
    pub fn of(setting: &Setting, value: Option<&str>, source: &Source, problem: &str, works: &[String]) -> Refusal {
        let said = match value {
            Some(value) => format!("{} = {} ({source})", setting.key, toml_form(value)),
            None => format!("{} (unset)", setting.key),
        };
        Refusal { said, problem: problem.to_owned(), works: works.join("  or  ") }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { said, problem, works } = self;
        write!(f, "  {said}\n    {problem}\n    this works: {works}")
    }
}

/// Everything that is wrong; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<Refusal>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("a setting is refused, nothing was started")?,
            count => write!(f, "{count} settings are refused, nothing was started")?,
        }
        self.0.iter().try_for_each(|refusal| write!(f, "\n\n{refusal}"))
    }
}

/// How a value is written for a setting, in the place where the source is. What has only a default is best said by flag.
pub fn written(setting: &Setting, value: &str, source: &Source) -> String {
    match source {
        Source::File(_) => format!("{} = {}", setting.key, toml_form(value)),
        Source::Environment(_) => format!("{}={value}", setting.variable),
        Source::Flag(_) | Source::Default if value == "true" => format!("--{}", setting.flag),
        Source::Flag(_) | Source::Default if value == "false" => format!("--{}=false", setting.flag),
        Source::Flag(_) | Source::Default => format!("--{} {value}", setting.flag),
    }
}

/// How a setting is left unset, in the place where it was set.
pub fn without(setting: &Setting, source: &Source) -> String {
    match source {
        Source::File(_) => format!("no {} in the file", setting.key),
        Source::Environment(variable) => format!("unset {variable}"),
        Source::Flag(_) | Source::Default => format!("no --{}", setting.flag),
    }
}

/// A value as a TOML file would have it.
pub fn toml_form(value: &str) -> String {
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite) && value.starts_with(|it: char| it.is_ascii_digit());
    if matches!(value, "true" | "false") || is_number { value.to_owned() } else { format!("{value:?}") }
}

/// The candidate that was probably meant, if one is close.
pub fn probably_meant<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    let close_enough = 1 + given.len() / 4;
    candidates
        .map(|candidate| (strsim::levenshtein(&given, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= close_enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
