//! A command with an S3 server beside it: `with-s3 moto cargo test …`, `with-s3 radosgw target/release/tidelog …`.

use std::process::{Command, ExitCode};

use anyhow::Context;
use tidelog_clients::s3_servers::{self, BUCKET};

const USAGE: &str = "usage: with-s3 moto|radosgw COMMAND [ARGUMENT …]
The command gets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, TIDELOG_TEST_S3_ENDPOINT and TIDELOG_TEST_S3_BUCKET; the server
ends with it.";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("with-s3: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let (server, program) = (words.next().context(USAGE)?, words.next().context(USAGE)?);
    let server = s3_servers::start(&server.to_string_lossy())?;
    eprintln!("with-s3: {} serves bucket {BUCKET} at {}", server.name(), server.endpoint());
    let mut command = Command::new(&program);
    command.args(words).envs(server.environment());
    command.env("TIDELOG_TEST_S3_ENDPOINT", server.endpoint()).env("TIDELOG_TEST_S3_BUCKET", BUCKET);
    let status = command.status().with_context(|| format!("starting {}", program.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
