//! `tidelog doctor`: whether this machine and this store are fit for `tidelog dev` with the same settings, and what to do where
//! they are not. Everything is tried for real, with throw-away files and objects; nothing is left behind.

mod data_folder;
mod machine;
mod ports;
mod report;
mod scratch;
mod store;

use std::io;

use anyhow::Context;

use crate::settings::{Effective, Settings};

use report::Report;

/// Looks at everything, prints what was found, and answers whether all of it is well enough to start.
///
/// # Errors
/// It cannot look, or cannot print.
pub fn run(effective: &Effective, settings: &Settings, json: bool) -> anyhow::Result<bool> {
    let data_dir = std::path::absolute(&settings.data_dir).context("the data folder has no absolute path")?;
    let mut report = Report::default();
    machine::look(settings, &mut report);
    data_folder::look(settings, &data_dir, &mut report);
    ports::look(settings, effective, &mut report);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.context("cannot start threads")?.block_on(store::look(settings, &data_dir, json, &mut report))?;
    let text = if json { report.as_json() } else { report.as_text(&io::stdout()) };
    match io::Write::write_all(&mut io::stdout(), text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.context("cannot print")?,
    }
    Ok(report.is_well())
}
