//! Settings: where they come from, how they are checked, how they are shown.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults. Everything is gathered and
//! checked as a whole, and all that is wrong is said at once, before a socket opens or a folder is made.

mod checked;
mod list;
mod nearest;
mod parse;
mod refusal;
mod show;
mod sources;

pub use checked::{CacheIo, LogFormat, Settings, StoreSettings};
pub use list::{CONFIG_FLAG, DATA_DIR, HTTP_LISTEN, KAFKA_LISTEN, SETTINGS, Setting};
pub use parse::StoreUrl;
pub use refusal::{Refusal, Refused};
pub use show::{as_json, as_table};
pub use sources::{Effective, Given};

#[cfg(test)]
#[path = "settings_test.rs"]
mod settings_test;

#[cfg(test)]
#[path = "page_test.rs"]
mod page_test;
