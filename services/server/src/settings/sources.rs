//! Gathers settings from file, environment and flags, and remembers for each where its value came from.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Num, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::list::{CONFIG_FLAG, CONFIG_VARIABLE, OTHER_VARIABLES, SETTINGS, Setting, setting};
use super::refusal::{Refusal, probably_meant, written};

/// Environment variables that begin with this are ours, so an unknown one is a mistake.
const PREFIX: &str = "TIDELOG_";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Default,
    File(PathBuf),
    /// With the variable's name.
    Environment(&'static str),
    /// With the flag's name, without dashes.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Environment(variable) => write!(f, "environment {variable}"),
            Source::Flag(flag) => write!(f, "flag --{flag}"),
        }
    }
}

/// What the outside said: flags and the environment. The file is found through them.
#[derive(Debug, Default)]
pub struct Given {
    /// The flag that names the file.
    pub config: Option<PathBuf>,
    /// Flags that were given.
    pub flags: Vec<(&'static Setting, String)>,
    /// The whole environment; what does not begin with `TIDELOG_` is not looked at.
    pub environment: Vec<(OsString, OsString)>,
}

/// One setting, with the value that holds.
#[derive(Debug)]
pub struct Entry {
    pub setting: &'static Setting,
    pub value: Option<String>,
    pub source: Source,
}

/// The value that holds for every setting, not yet checked.
#[derive(Debug)]
pub struct Effective {
    /// One for each setting, in the order of [`SETTINGS`].
    pub entries: Vec<Entry>,
    /// What was said and has no setting, or no value: for [`super::Settings::check`], which tells all that is wrong.
    pub refusals: Vec<Refusal>,
}

impl Effective {
    /// Layers defaults, file, environment and flags. Unknown names, a file that cannot be read or is not TOML and values
    /// that are not scalars are kept as refusals, beside what holds without them.
    pub fn gather(given: Given) -> Effective {
        let mut refusals = Vec::new();
        let defaults = SETTINGS.iter().filter_map(|s| Some((s, s.default?.to_owned()))).collect();
        let (environment, config_variable) = read_environment(given.environment, &mut refusals);
        let path = given.config.or(config_variable);
        let in_file = path.as_deref().map(|path| read_file(path, &mut refusals)).unwrap_or_default();

        let merged = Figment::new()
            .merge(Layer { name: "default", values: defaults })
            .merge(Layer { name: "file", values: in_file })
            .merge(Layer { name: "environment", values: environment })
            .merge(Layer { name: "flag", values: given.flags });
        let entries = SETTINGS.iter().map(|setting| {
            let value = merged.find_value(setting.flag).ok();
            let layer = value.as_ref().and_then(|value| merged.get_metadata(value.tag()));
            let source = match layer.map(|layer| layer.name.as_ref()) {
                Some("file") => Source::File(path.clone().expect("only a file that was named has values")),
                Some("environment") => Source::Environment(setting.variable),
                Some("flag") => Source::Flag(setting.flag),
                Some(_) | None => Source::Default,
            };
            Entry { setting, value: value.and_then(Value::into_string), source }
        });
        Effective { entries: entries.collect(), refusals }
    }

    /// The entry of a setting.
    ///
    /// # Panics
    /// When there is no such setting: keys are constants.
    pub fn entry(&self, key: &str) -> &Entry {
        self.entries.iter().find(|entry| entry.setting.key == key).expect("there is an entry for every setting")
    }
}

impl Effective {
    /// Explains a problem with the value of `key`, in the form of all refusals; each of `works`, as values of settings,
    /// alone would help.
    pub fn refusal(&self, key: &str, problem: &str, works: &[(&str, &str)]) -> Refusal {
        let Entry { setting: refused, value, source } = self.entry(key);
        let works: Vec<String> = works.iter().map(|(key, value)| written(setting(key), value, source)).collect();
        Refusal::of(refused, value.as_deref(), source, problem, &works)
    }
}

/// The values of one source, by the settings' flag names, which have no dots that figment would split at.
struct Layer {
    name: &'static str,
    values: Vec<(&'static Setting, String)>,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let values = self.values.iter().map(|(setting, text)| (setting.flag.to_owned(), Value::from(text.clone())));
        Ok(Profile::Default.collect(values.collect()))
    }
}

/// Takes our variables out of the environment, and the one that names the file.
fn read_environment(
    environment: Vec<(OsString, OsString)>,
    refusals: &mut Vec<Refusal>,
) -> (Vec<(&'static Setting, String)>, Option<PathBuf>) {
    let mut values = Vec::new();
    let mut config = None;
    let mut ours: Vec<_> =
        environment.into_iter().filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes())).collect();
    // The order of the environment is chance.
    ours.sort();
    for (name, value) in ours {
        let name = name.to_string_lossy();
        if name == CONFIG_VARIABLE {
            config = Some(PathBuf::from(value));
        } else if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable == name) {
            match value.into_string() {
                Ok(value) => values.push((setting, value)),
                Err(value) => refusals.push(Refusal {
                    said: format!("{} = {:?} (environment {name})", setting.key, value.to_string_lossy()),
                    problem: "this is not UTF-8 text".to_owned(),
                    works: format!("{name}={}", setting.example),
                }),
            }
        } else if !OTHER_VARIABLES.contains(&name.as_ref()) {
            refusals.push(unknown_variable(&name));
        }
    }
    (values, config)
}

fn unknown_variable(name: &str) -> Refusal {
    let known = SETTINGS.iter().map(|setting| setting.variable).chain([CONFIG_VARIABLE]);
    let meant = probably_meant(name, known);
    let example = SETTINGS.iter().find(|setting| Some(setting.variable) == meant);
    Refusal {
        said: format!("{name} (environment)"),
        problem: match meant {
            Some(meant) => format!("no setting has this variable; did you mean {meant}?"),
            None => format!("no setting has this variable; names that begin with {PREFIX} are kept for settings"),
        },
        works: match (meant, example) {
            (_, Some(setting)) => format!("{}={}", setting.variable, setting.example),
            (Some(config), None) => format!("{config}=/etc/tidelog/tidelog.toml"),
            (None, None) => format!("unset {name}"),
        },
    }
}

/// Reads the file that someone named.
fn read_file(path: &Path, refusals: &mut Vec<Refusal>) -> Vec<(&'static Setting, String)> {
    let said = format!("--{CONFIG_FLAG} {} (or {CONFIG_VARIABLE})", path.display());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let problem = format!("the settings file cannot be read: {error}");
            let works = format!("--{CONFIG_FLAG} with the path of a readable TOML file, or none at all");
            refusals.push(Refusal { said, problem, works });
            return Vec::new();
        }
    };
    let dict = match Toml::string(&text).data() {
        Ok(mut profiles) => profiles.remove(&Profile::Default).unwrap_or_default(),
        Err(error) => {
            let problem =
                format!("the settings file is not TOML: {}", error.to_string().trim_end().replace('\n', "\n      "));
            let works = "lines like  data_dir = \"./tidelog-data\"  and sections like  [kafka]".to_owned();
            refusals.push(Refusal { said, problem, works });
            return Vec::new();
        }
    };
    let mut values = Vec::new();
    flatten("", dict, &Source::File(path.to_owned()), &mut values, refusals);
    values
}

/// Turns sections into dotted keys.
fn flatten(
    section: &str,
    dict: Dict,
    source: &Source,
    values: &mut Vec<(&'static Setting, String)>,
    refusals: &mut Vec<Refusal>,
) {
    for (name, value) in dict {
        let key = if section.is_empty() { name } else { format!("{section}.{name}") };
        let is_section = first_of_section(&key).is_some();
        match (SETTINGS.iter().find(|setting| setting.key == key), value) {
            (Some(setting), value) => match scalar(&value) {
                Some(text) => values.push((setting, text)),
                None => refusals.push(Refusal {
                    said: format!("{key} ({source})"),
                    problem: "this takes one text, number or boolean".to_owned(),
                    works: written(setting, setting.example, source),
                }),
            },
            (None, Value::Dict(_, inner)) if is_section => flatten(&key, inner, source, values, refusals),
            (None, _) => refusals.push(unknown_key(&key, is_section, source)),
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Bool(_, yes) => Some(yes.to_string()),
        Value::Num(_, Num::F32(number)) => Some(number.to_string()),
        Value::Num(_, Num::F64(number)) => Some(number.to_string()),
        Value::Num(..) => value.to_i128().map(|number| number.to_string()).or(value.to_u128().map(|n| n.to_string())),
        Value::Char(..) | Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
    }
}

fn unknown_key(key: &str, is_section: bool, source: &Source) -> Refusal {
    let meant = if is_section { first_of_section(key) } else { setting_meant(key) };
    let problem = match (meant, is_section) {
        (Some(meant), true) => format!("this is a section, not a setting; did you mean {}?", meant.key),
        (Some(meant), false) => format!("there is no such setting; did you mean {}?", meant.key),
        (None, _) => "there is no such setting; `tidelog config` lists them all".to_owned(),
    };
    let works = meant.map_or_else(|| "remove it".to_owned(), |meant| written(meant, meant.example, source));
    Refusal { said: format!("{key} ({source})"), problem, works }
}

/// The setting that someone probably meant: by its whole key, by its section, or by its name in another section.
fn setting_meant(key: &str) -> Option<&'static Setting> {
    let sections = SETTINGS.iter().filter_map(|setting| Some(setting.key.split_once('.')?.0));
    let by_key = probably_meant(key, SETTINGS.iter().map(|setting| setting.key));
    let by_key = by_key.and_then(|meant| SETTINGS.iter().find(|setting| setting.key == meant));
    let by_section = || probably_meant(key, sections).and_then(first_of_section);
    let by_name = || SETTINGS.iter().find(|setting| setting.key.rsplit('.').next() == key.rsplit('.').next());
    by_key.or_else(by_section).or_else(by_name)
}

fn first_of_section(section: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
}
