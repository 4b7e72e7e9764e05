//! The clients in Rust, and kcat, which is driven from here. Their programs are this one: `matrix one CLIENT …`.

mod adapter;
mod admin_checks;
mod checks;
mod kcat;
mod rdkafka_client;
mod rskafka_client;

use anyhow::{Context, bail};

use adapter::Adapter;

/// What `matrix one` does: `CLIENT version`, or `CLIENT ADDRESS TOPIC FEATURE`.
///
/// # Errors
/// What differed, or what the client could not do.
pub fn main(words: &[&str]) -> anyhow::Result<()> {
    match words {
        [client, "version"] => println!("{}", version(client)?),
        [client, address, topic, feature] => checks::check(adapter(client, address)?.as_ref(), topic, feature)?,
        _ => bail!("one CLIENT version, or one CLIENT ADDRESS TOPIC FEATURE"),
    }
    Ok(())
}

fn adapter(client: &str, address: &str) -> anyhow::Result<Box<dyn Adapter>> {
    Ok(match client {
        "rdkafka" => Box::new(rdkafka_client::Rdkafka::new(address)?),
        "rskafka" => Box::new(rskafka_client::Rskafka::new(address)?),
        "kcat" => Box::new(kcat::Kcat::new(address)?),
        _ => bail!("no client is called {client}"),
    })
}

fn version(client: &str) -> anyhow::Result<String> {
    match client {
        "rdkafka" => Ok(format!("librdkafka {}", rdkafka::util::get_rdkafka_version().1)),
        "rskafka" => locked_version("rskafka").map(str::to_owned),
        "kcat" => kcat::version(),
        _ => bail!("no client is called {client}"),
    }
}

/// The version of a crate that this program was built with.
fn locked_version(name: &str) -> anyhow::Result<&'static str> {
    let lock = include_str!("../../../../Cargo.lock");
    let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).context("not in Cargo.lock")?;
    Ok(after.split('"').next().unwrap_or_default())
}
