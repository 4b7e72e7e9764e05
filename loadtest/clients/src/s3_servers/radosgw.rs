//! Ceph's radosgw over the smallest cluster there is: one monitor, one OSD in a folder, nobody authenticates but S3
//! clients. Up in about 15 s.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::daemon::{Daemon, free_port, prepare, python};
use super::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

const START_WAIT_MAX: Duration = Duration::from_secs(60);
/// Any two will do: nothing else is ever in the folder.
const CLUSTER_ID: &str = "0d6cbd24-9a4f-4f5e-8a35-6b5d1f3c7a11";
const OSD_ID: &str = "7c1b0f0e-52d5-4f0e-9a65-2f6f3f3c1b22";

/// A running gateway with its cluster.
pub struct RadosGateway {
    // In this order they are ended: gateway, OSD, monitor, folder.
    gateway: Option<Daemon>,
    _osd: Daemon,
    _monitor: Daemon,
    port: u16,
    folder: TempDir,
}

impl RadosGateway {
    /// Starts a cluster and its gateway, with a user and the bucket.
    ///
    /// # Errors
    /// Ceph's programs are not installed, or one of them does not come up.
    pub fn start() -> anyhow::Result<RadosGateway> {
        let folder = TempDir::with_prefix("tidelog-rgw-")?;
        let at = folder.path();
        let log = at.join("prepare.log");
        let (monitor_port, port) = (free_port()?, free_port()?);
        std::fs::write(at.join("ceph.conf"), configuration(at, monitor_port, port))?;
        std::fs::write(at.join("keyring"), "")?;
        std::fs::create_dir(at.join("monitor"))?;
        std::fs::create_dir(at.join("osd"))?;
        let ceph = |words: &[&str]| ceph(at, words);

        let address = format!("[v2:127.0.0.1:{monitor_port}]");
        prepare(&ceph(&["monmaptool", "--create", "--addv", "a", &address, "--fsid", CLUSTER_ID, "monmap"]), &log)?;
        prepare(&ceph(&["ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap"]), &log)?;
        let monitor = Daemon::start("ceph-mon", ceph(&["ceph-mon", "-f", "-i", "a"]), at.join("mon.log"))?;

        // Waits for the monitor.
        prepare(&ceph(&["ceph", "osd", "new", OSD_ID]), &log)?;
        prepare(&ceph(&["ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", OSD_ID]), &log)?;
        prepare(&ceph(&["ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here"]), &log)?;
        let osd = Daemon::start("ceph-osd", ceph(&["ceph-osd", "-f", "-i", "0"]), at.join("osd.log"))?;

        let user = ["radosgw-admin", "user", "create", "--uid=tidelog", "--display-name=tidelog"];
        let (key, secret) = (format!("--access-key={ACCESS_KEY}"), format!("--secret-key={SECRET_KEY}"));
        // Waits for the OSD and makes the pools, which is where the time goes.
        prepare(&ceph(&[&user[..], &[&key, &secret]].concat()), &log)?;
        let mut server = RadosGateway { gateway: None, _osd: osd, _monitor: monitor, port, folder };
        server.start_gateway()?;
        server.create_bucket(&log)?;
        Ok(server)
    }

    /// Ends the gateway as a crash does; its cluster keeps what it has. Connections are refused from then on.
    pub fn kill_gateway(&mut self) {
        self.gateway = None;
    }

    /// Starts the gateway again on the same port.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_gateway(&mut self) -> anyhow::Result<()> {
        let at = self.folder.path();
        let command = ceph(at, &["radosgw", "-f", "-n", "client.rgw"]);
        let mut gateway = Daemon::start("radosgw", command, at.join("rgw.log"))?;
        let port = self.port;
        gateway.wait(START_WAIT_MAX, || TcpStream::connect(("127.0.0.1", port)).ok())?;
        self.gateway = Some(gateway);
        Ok(())
    }

    fn create_bucket(&self, log: &Path) -> anyhow::Result<()> {
        let mut python = Command::new(python()?);
        let endpoint = self.endpoint();
        let program = "import boto3, sys\n\
            store = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')\n\
            store.create_bucket(Bucket=sys.argv[2])";
        python.args(["-c", program, &endpoint, BUCKET]).envs(self.environment());
        prepare(&python, log).map(drop)
    }
}

impl S3Server for RadosGateway {
    fn name(&self) -> &'static str {
        "radosgw"
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn freeze(&mut self) -> anyhow::Result<()> {
        self.gateway.as_mut().map_or(Ok(()), |gateway| gateway.signal(libc::SIGSTOP))
    }

    fn resume(&mut self) -> anyhow::Result<()> {
        self.gateway.as_mut().map_or(Ok(()), |gateway| gateway.signal(libc::SIGCONT))
    }
}

/// One of Ceph's programs, in the cluster's folder and with its configuration.
fn ceph(folder: &Path, words: &[&str]) -> Command {
    // `timeout` and daemons alike are started in the caller's folder, so files are named in full.
    let mut command = Command::new(words[0]);
    let words = words[1..].iter().map(|word| match *word {
        "monmap" => folder.join("monmap").into_os_string(),
        word => word.into(),
    });
    command.args(words).env("CEPH_CONF", folder.join("ceph.conf")).env_remove("CEPH_ARGS");
    command
}

/// Authentication is off between daemons: `ms_mon_client_mode` must then be told that plain checksums do.
fn configuration(folder: &Path, monitor_port: u16, gateway_port: u16) -> String {
    let at = folder.display();
    format!(
        "[global]
fsid = {CLUSTER_ID}
mon_host = v2:127.0.0.1:{monitor_port}/0
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
ms_mon_cluster_mode = crc
ms_mon_service_mode = crc
ms_cluster_mode = crc
ms_service_mode = crc
ms_client_mode = crc
ms_bind_msgr1 = false
run_dir = {at}
admin_socket = {at}/$name.asok
log_file = {at}/$name.log
pid_file =
keyring = {at}/keyring
mon_data = {at}/monitor
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
mon_data_avail_crit = 1
osd_data = {at}/osd
osd_objectstore = bluestore
osd_memory_target = 939524096
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
bluestore_block_size = 10737418240
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{gateway_port}
rgw_thread_pool_size = 32
"
    )
}
