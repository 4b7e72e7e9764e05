//! S3 servers that a test starts: moto, quick and in memory, and Ceph's radosgw, real and durable.
//!
//! Both listen on a free loopback port, keep what they write in a temporary folder, and are killed on drop. A daemon that
//! does not come up is an error with the end of its log. Start them on a thread that lives as long as they shall: when it
//! ends, the kernel ends them.

mod daemon;
mod moto;
mod radosgw;

pub use moto::Moto;
pub use radosgw::RadosGateway;

use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::server::Options;

/// The bucket that every server here has.
pub const BUCKET: &str = "tidelog-test";
/// The key that every server here takes.
pub const ACCESS_KEY: &str = "tidelog";
/// Its secret.
pub const SECRET_KEY: &str = "tidelog-secret";

/// Starts the server that is called `moto` or `radosgw`.
///
/// # Errors
/// Nothing is called so, or it does not come up.
pub fn start(name: &str) -> anyhow::Result<Box<dyn S3Server>> {
    Ok(match name {
        "moto" => Box::new(Moto::start()?),
        "radosgw" => Box::new(RadosGateway::start()?),
        _ => bail!("no S3 server is called {name:?}; moto and radosgw would work"),
    })
}

/// A server with a bucket.
pub trait S3Server {
    /// Its name for people.
    fn name(&self) -> &'static str;

    /// `http://host:port`.
    fn endpoint(&self) -> String;

    /// Has the server answer nothing, as if the network to it were gone, until [`S3Server::resume`].
    ///
    /// # Errors
    /// It is not running.
    fn freeze(&mut self) -> anyhow::Result<()>;

    /// Has it answer again.
    ///
    /// # Errors
    /// It is not running.
    fn resume(&mut self) -> anyhow::Result<()>;

    /// What the AWS clients read: the key.
    fn environment(&self) -> Vec<(String, String)> {
        let pairs = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// What is in the bucket below `prefix`: keys and lengths.
    ///
    /// # Errors
    /// It cannot be listed.
    fn objects(&self, prefix: &str) -> anyhow::Result<Vec<(String, usize)>> {
        let program = "import boto3, sys\n\
            store = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')\n\
            pages = store.get_paginator('list_objects_v2').paginate(Bucket=sys.argv[2], Prefix=sys.argv[3])\n\
            for page in pages:\n\
            \x20   for found in page.get('Contents', []):\n\
            \x20       print(found['Size'], found['Key'])";
        let mut command = Command::new(daemon::python()?);
        command.args(["-c", program, &self.endpoint(), BUCKET, prefix]).envs(self.environment());
        let output = command.output()?;
        ensure!(output.status.success(), "listing {prefix}: {}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout)?;
        let objects = listed.lines().map(|line| {
            let (bytes, key) = line.split_once(' ').context("a length and a key")?;
            Ok((key.to_owned(), bytes.parse()?))
        });
        objects.collect()
    }

    /// How a Tidelog is started that keeps its objects here, below `prefix`.
    fn options(&self, prefix: &str) -> Options {
        let mut flags = vec!["--store".to_owned(), format!("s3://{BUCKET}/{prefix}")];
        flags.extend(["--store-endpoint".to_owned(), self.endpoint()]);
        flags.extend(["--store-region", "us-east-1", "--store-path-style", "--store-allow-http"].map(str::to_owned));
        Options { flags, environment: self.environment(), ..Options::default() }
    }
}
