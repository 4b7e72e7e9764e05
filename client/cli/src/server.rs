//! Which server is asked, and in which form the answer is printed: the same flags for every command.

use clap::Args;
use tidelog::{Client, Retries};

use crate::failure::Failure;

/// Flags of every command that asks a server.
#[derive(Clone, Debug, Args)]
pub struct ServerArguments {
    /// Where the server is; http:// may be left out.
    #[arg(long, value_name = "URL", env = "TIDELOG_SERVER", default_value = "http://127.0.0.1:8080")]
    #[arg(help_heading = "Server", hide_env_values = true)]
    server: String,
}

impl ServerArguments {
    /// A client of it. A person who types a command would rather hear at once that nobody listens.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::builder(&self.server).client_id("tidelog-cli").retries(Retries::NONE).build()?)
    }
}

/// The flag of commands that print something.
#[derive(Clone, Copy, Debug, Args)]
pub struct JsonArgument {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
