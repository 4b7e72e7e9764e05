//! Floors for security advisories, read against Cargo.lock, because the advisory database is not always in reach.

/// No version below these is linked, whoever asks for it. Advisories are why each stands here.
pub const FLOORS: &[(&str, [u64; 3])] = &[
    ("h2", [0, 4, 16]),
    ("bytes", [1, 11, 1]),
    ("lz4_flex", [0, 12, 1]),
    ("rustls-webpki", [0, 103, 13]),
    ("tonic", [0, 12, 3]),
    ("time", [0, 3, 47]),
];

/// Two versions of one of these would be two runtimes, two TLS stacks or two copies of a format.
pub const ONCE: &[&str] = &["tokio", "bytes", "hyper", "rustls", "ring", "object_store", "zstd-sys", "lz4_flex"];

/// Name and version of every package in `lock`.
#[must_use]
pub fn packages(lock: &str) -> Vec<(String, String)> {
    let table: toml::Table = lock.parse().expect("cargo wrote it");
    let packages = table.get("package").and_then(toml::Value::as_array).expect("a lock file lists packages");
    let text = |package: &toml::Value, key: &str| package[key].as_str().expect("name and version are texts").to_owned();
    packages.iter().map(|package| (text(package, "name"), text(package, "version"))).collect()
}

/// Every package below its floor or there twice.
#[must_use]
pub fn complaints(packages: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, version) in packages {
        let floor = FLOORS.iter().find(|(floored, _)| floored == name);
        if let Some((_, floor)) = floor.filter(|(_, floor)| numbers(version) < *floor) {
            found.push(format!("{name} {version} has a known hole; at least {}.{}.{}", floor[0], floor[1], floor[2]));
        }
    }
    for (name, count) in crate::workspace::counted(packages.iter().map(|(name, _)| name.as_str())) {
        if count > 1 && ONCE.contains(&name) {
            found.push(format!("{count} versions of {name}"));
        }
    }
    found
}

/// The three numbers of a version. A pre-release counts as the one before its release.
fn numbers(version: &str) -> [u64; 3] {
    let (core, pre) = version.split_once('-').map_or((version, false), |(core, _)| (core, true));
    let core = core.split('+').next().unwrap_or(core);
    let mut parts = core.split('.').map(|part| part.parse::<u64>().expect("cargo checks versions"));
    let mut next = || parts.next().unwrap_or(0);
    let all = [next(), next(), next()];
    if pre { [all[0], all[1], all[2].saturating_sub(1)] } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, version: &str) -> usize {
        let lock = format!("version = 4\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        complaints(&packages(&lock)).len()
    }

    #[test]
    fn below_a_floor_is_named() {
        assert_eq!(check("h2", "0.4.15"), 1);
        assert_eq!(check("h2", "0.3.99"), 1);
        assert_eq!(check("time", "0.3.47-alpha.1"), 1);
    }

    #[test]
    fn on_or_above_a_floor_passes() {
        assert_eq!(check("h2", "0.4.16"), 0);
        assert_eq!(check("bytes", "2.0.0"), 0);
        assert_eq!(check("rdkafka-sys", "4.10.0+2.12.1"), 0);
    }

    #[test]
    fn twice_is_named() {
        let twice = [("tokio", "1.54.0"), ("tokio", "1.53.0"), ("rand", "0.8.0"), ("rand", "0.9.0")];
        assert_eq!(complaints(&twice.map(|(name, version)| (name.to_owned(), version.to_owned()))).len(), 1);
    }
}
