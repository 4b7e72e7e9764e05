//! Client × feature against the real binary: `cargo run --release -p tidelog-clients --bin matrix -- --help`.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tidelog_clients::Server;
use tidelog_clients::matrix::proxy::Proxy;
use tidelog_clients::matrix::run::{Plan, run};
use tidelog_clients::matrix::{own, table};
use tidelog_clients::server::Options;

/// Every client does every feature it has; each record is counted and compared.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Only these clients.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    clients: Vec<String>,
    /// Only these features.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    features: Vec<String>,
    /// Leave out the clients whose programs are in these languages.
    #[arg(long, value_name = "LANGUAGE", value_delimiter = ',')]
    skip: Vec<String>,
    /// Through a proxy that drops one record of each topic: a cell is good when its check misses the record.
    #[arg(long)]
    drop_one: bool,
    /// When to use colours.
    #[arg(long, value_enum, default_value = "auto")]
    colour: Colour,
    #[command(subcommand)]
    one: Option<One>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum One {
    /// One of the clients in Rust, as the matrix starts it: `CLIENT version` or `CLIENT ADDRESS TOPIC FEATURE`.
    One { words: Vec<String> },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match &arguments.one {
        Some(One::One { words }) => own::main(&words.iter().map(String::as_str).collect::<Vec<_>>()).map(|()| true),
        None => matrix(&arguments),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Prints the table; whether all is as it should be.
fn matrix(arguments: &Arguments) -> anyhow::Result<bool> {
    let plan = Plan {
        clients: arguments.clients.clone(),
        features: arguments.features.clone(),
        skip_languages: arguments.skip.clone(),
        one_is_dropped: arguments.drop_one,
    };
    let (server, proxy);
    let (address, title) = if arguments.drop_one {
        let listening = Proxy::listen()?;
        let flags = vec!["--kafka-advertised".to_owned(), listening.address().to_owned()];
        server = Server::start(Options { flags, ..Options::default() })?;
        proxy = listening.serve(server.address())?;
        (proxy.address(), "ok: one record of each topic was dropped, and the client's check missed it")
    } else {
        server = Server::start(Options::default())?;
        (server.address(), "ok: every record once, in order and unaltered")
    };
    let (rows, took) = run(address, &plan)?;
    let colour = match arguments.colour {
        Colour::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        Colour::Always => true,
        Colour::Never => false,
    };
    print!("{}", table::render(&rows, title, colour));
    let counts = table::count(&rows);
    let verdict = if counts.bad == 0 && counts.good > 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {verdict}. {} passed; {} failed; 0 ignored; {} not tried; finished in {:.1}s",
        counts.good,
        counts.bad,
        counts.skipped,
        took.as_secs_f64()
    );
    Ok(verdict == "ok")
}
