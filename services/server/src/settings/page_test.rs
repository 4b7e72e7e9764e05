//! docs/configuration.md is made from the list of settings: the part between its two marks is compared, and written anew
//! when asked.

use std::fmt::Write;
use std::path::Path;

use super::SETTINGS;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
const BEGIN: &str = "<!-- settings: made from services/server/src/settings/list.rs -->\n";
const END: &str = "<!-- end of settings -->\n";
/// Set to write the page instead of comparing it.
const WRITE: &str = "WRITE_DOCS";

#[test]
fn the_page_has_all_settings_as_they_are() {
    let page = std::fs::read_to_string(Path::new(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a mark where the settings begin");
    let (there, after) = rest.split_once(END).expect("the page has a mark where the settings end");
    let expected = settings_as_markdown();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        let command = format!("{WRITE}=1 cargo test --release -p tidelog-server the_page_has_all_settings");
        assert!(
            there == expected,
            "docs/configuration.md is not what the settings are; to write it anew:\n  {command}"
        );
    }
}

fn settings_as_markdown() -> String {
    let mut page = String::new();
    let written = "a string takes everything";
    writeln!(page, "\n| key | default | flag | environment |\n|---|---|---|---|").expect(written);
    for setting in SETTINGS {
        let default = setting.default.map_or_else(|| "unset".to_owned(), |default| format!("`{default}`"));
        let anchor = setting.key.replace('.', "");
        let (key, flag, variable) = (setting.key, setting.flag, setting.variable);
        writeln!(page, "| [`{key}`](#{anchor}) | {default} | `--{flag}` | `{variable}` |").expect(written);
    }
    for setting in SETTINGS {
        let (key, summary, trade) = (setting.key, setting.summary, setting.trade);
        let example = super::refusal::toml_form(setting.example);
        writeln!(page, "\n### `{key}`\n\n{summary}\n\n*Trade:* {trade}\n\nExample: `{key} = {example}`")
            .expect(written);
    }
    writeln!(page).expect(written);
    page
}
