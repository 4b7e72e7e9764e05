//! `tidelog dev`: one process with every role, from start to drained stop.

use crate::settings::Settings;

/// Runs until told to stop.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    crate::logging::start(settings.log_format, settings.log_filter.clone())?;
    crate::open_files::raise_limit();
    anyhow::bail!("not wired yet")
}
