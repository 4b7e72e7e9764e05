//! The store: rights and abilities, found out by trying.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use tidelog_node::{StoreExamination, examine_store};

use super::report::Report;
use super::scratch::Scratch;
use crate::assemble::store_options;
use crate::settings::{Settings, StoreUrl};
use crate::store_advice::advice;

const CHECK: &str = "store";
/// A store that answers sooner is not worth a word meanwhile.
const SILENT_FOR: Duration = Duration::from_secs(1);
/// S3 refuses requests that are off by 15 minutes; this is too near.
const SKEW_MS_MAX: i64 = 60_000;
/// Beyond this, times of records and of objects cannot be compared.
const SKEW_MS_GOOD: i64 = 2_000;

pub async fn look(settings: &Settings, data_dir: &Path, json: bool, report: &mut Report) -> anyhow::Result<()> {
    if matches!(settings.store.url, StoreUrl::Memory) {
        report.warn(
            CHECK,
            "memory: nothing outlives the process",
            "--store file or --store s3://bucket/prefix, unless it is for play",
        );
        return Ok(());
    }
    let folder = match &settings.store.url {
        StoreUrl::Folder(folder) => folder.clone(),
        StoreUrl::InDataDir | StoreUrl::S3 { .. } | StoreUrl::Memory => data_dir.to_owned(),
    };
    let is_s3 = matches!(settings.store.url, StoreUrl::S3 { .. });
    // A folder that cannot be made is told of with the data folder, unless it is another one.
    let scratch = match Scratch::make_for(&folder) {
        Ok(scratch) => Some(scratch),
        Err(_) if is_s3 => None,
        Err(error) => {
            let what = format!("nothing can be made in {}: {error}", folder.display());
            report.wrong(CHECK, what, "--store with a folder that this user may make and write, or s3://bucket/prefix");
            return Ok(());
        }
    };
    let options = store_options(&settings.store, data_dir);
    let objects = scratch.as_ref().map_or(data_dir, Scratch::path).join("objects");
    let examination = examine_store(data_dir, &options, &objects);
    tokio::pin!(examination);
    let examined = tokio::select! {
        examined = &mut examination => examined,
        () = tokio::time::sleep(SILENT_FOR) => {
            if !json && std::io::stderr().is_terminal() {
                eprintln!("waiting for the store at {} …", options.url);
            }
            examination.await
        }
    };
    match examined {
        Ok(examination) => told(&options.url, &examination, report),
        Err(error) => {
            let problem = error.to_string();
            let advice = advice(&settings.store, &problem);
            report.wrong(CHECK, problem, advice);
        }
    }
    Ok(())
}

fn told(url: &str, examination: &StoreExamination, report: &mut Report) {
    let abilities = examination.abilities;
    report.well(CHECK, format!("{url}: objects are put and got"));
    let able = |report: &mut Report, check, able: bool, yes: &str, no: &str, advice: &str| {
        if able { report.well(check, yes) } else { report.warn(check, no, advice) }
    };
    able(
        report,
        "store range",
        abilities.ranged_get,
        "parts of objects are got",
        "parts of objects cannot be got, so readers cannot be served",
        "another store: S3's GetObject with a range is needed",
    );
    able(
        report,
        "store list",
        abilities.list_after_put,
        "objects are listed as soon as they are put",
        "objects cannot be listed, or not at once",
        "give these credentials s3:ListBucket; what is left over cannot be found otherwise",
    );
    able(
        report,
        "store delete",
        abilities.delete,
        "objects are deleted",
        "objects cannot be deleted, so the store only grows",
        "give these credentials s3:DeleteObject",
    );
    able(
        report,
        "store claim",
        abilities.conditional_put,
        "of two writers of one name the second is told so",
        "conditions of puts are ignored: two clusters that claim the store in one moment find out only later",
        "one cluster to a prefix; Amazon S3, Ceph (Squid) and MinIO know If-None-Match",
    );
    match examination.clock_skew_ms {
        None => {}
        Some(skew) if skew.abs() <= SKEW_MS_GOOD => report.well("store clock", "agrees with this machine's"),
        Some(skew) => {
            let seconds = skew.abs() as f64 / 1_000.0;
            let what = format!("{seconds:.1} s {} this machine's", if skew > 0 { "ahead of" } else { "behind" });
            let advice =
                "let chrony or systemd-timesyncd keep this machine's time; S3 refuses what is off by 15 minutes";
            if skew.abs() > SKEW_MS_MAX {
                report.wrong("store clock", what, advice)
            } else {
                report.warn("store clock", what, advice)
            }
        }
    }
}
