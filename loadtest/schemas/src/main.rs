//! Makes the table from Kafka's schemas, as they lie in the clients' jar:
//!
//! ```text
//! unzip -p kafka-clients-4.3.1.jar 'common/message/*Request.json' 'common/message/*Response.json' |
//!     cargo run --release --workspace --bin tidelog-schemas > loadtest/schemas/src/table.txt
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;

use serde_json::Value;

/// Structures nest no deeper than this; common ones could name each other.
const DEPTH_MAX: usize = 16;

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("schemas on standard input");
    let text: String = text.lines().flat_map(|line| [without_comment(line), "\n"]).collect();
    let schemas = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let schemas: Vec<Value> = schemas.map(|schema| schema.expect("a schema as JSON")).collect();
    // By key: the name, and request and answer as lines. Those that only brokers and controllers send each other are left out.
    let mut apis: BTreeMap<i64, [Option<String>; 3]> = BTreeMap::new();
    for schema in &schemas {
        let (Some(key), Some(kind)) = (schema["apiKey"].as_i64(), schema["type"].as_str()) else { continue };
        let api = apis.entry(key).or_default();
        let lines = message(schema, kind);
        if kind == "request" {
            let is_for_clients =
                schema["listeners"].as_array().is_some_and(|all| all.iter().any(|one| one == "broker"));
            api[0] = is_for_clients.then(|| text_of(schema, "name").trim_end_matches("Request").to_owned());
            api[1] = Some(lines);
        } else {
            api[2] = Some(lines);
        }
    }
    for (key, api) in &apis {
        if let [Some(name), Some(request), Some(answer)] = api {
            print!("api {key} {name}\n{request}{answer}");
        }
    }
}

/// Comments begin outside of quotes, and no text has an escaped quote.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, letter) in line.char_indices() {
        quoted ^= letter == '"';
        if !quoted && line[at..].starts_with("//") {
            return &line[..at];
        }
    }
    line
}

fn text_of<'s>(schema: &'s Value, name: &str) -> &'s str {
    schema[name].as_str().unwrap_or_default()
}

fn message(schema: &Value, kind: &str) -> String {
    let mut out = format!("{kind} {} {}\n", text_of(schema, "validVersions"), text_of(schema, "flexibleVersions"));
    fields(&mut out, schema, &schema["fields"], 1);
    out
}

fn fields(out: &mut String, schema: &Value, all: &Value, depth: usize) {
    assert!(depth < DEPTH_MAX, "structures nest in {}", text_of(schema, "name"));
    for field in all.as_array().into_iter().flatten() {
        let kind = text_of(field, "type");
        let (array, element) = kind.strip_prefix("[]").map_or(("", kind), |element| ("[]", element));
        let is_struct = element.starts_with(|letter: char| letter.is_ascii_uppercase());
        let element_shown = if is_struct { "{}" } else { element };
        let mut name = text_of(field, "name").to_owned();
        // One schema begins a name small where all others do not.
        name[..1].make_ascii_uppercase();
        write!(out, "{:depth$}{name} {array}{element_shown} {}", "", text_of(field, "versions")).expect("to memory");
        let more = [("?", "nullableVersions"), ("@", "entityType"), ("=", "default")];
        for (sign, what) in more.iter().filter(|(_, what)| field[*what].is_string() || field[*what].is_number()) {
            let value = field[*what].as_str().map_or_else(|| field[*what].to_string(), str::to_owned);
            assert!(!value.contains(char::is_whitespace), "{name} is by default {value:?}");
            if !value.is_empty() {
                write!(out, " {sign}{value}").expect("to memory");
            }
        }
        if let Some(tag) = field["tag"].as_i64() {
            write!(out, " #{tag}:{}", text_of(field, "taggedVersions")).expect("to memory");
        }
        out.push('\n');
        if is_struct {
            let own = &field["fields"];
            let common = schema["commonStructs"].as_array().into_iter().flatten();
            let mut common = common.filter(|one| text_of(one, "name") == element).map(|one| &one["fields"]);
            let nested =
                if own.is_array() { own } else { common.next().expect("a structure has its fields somewhere") };
            fields(out, schema, nested, depth + 1);
        }
    }
}
