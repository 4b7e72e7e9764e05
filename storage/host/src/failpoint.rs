//! Failpoints: named places at which a test makes the process die, as `kill -9` would.
//!
//! `TIDELOG_FAILPOINT=name:count` ends the process at the `count`-th time that `name` is reached: no destructor runs,
//! nothing is flushed. Without the variable a failpoint costs one relaxed load. The names are listed where they are hit.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// False once it is known that no failpoint is set.
static MAY_BE_SET: AtomicBool = AtomicBool::new(true);
static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

struct Armed {
    name: String,
    left: AtomicU64,
}

/// Passes through the failpoint `name`: returns, or ends the process.
#[inline]
pub fn hit(name: &str) {
    if MAY_BE_SET.load(Ordering::Relaxed) {
        hit_slow(name);
    }
}

#[cold]
fn hit_slow(name: &str) {
    let armed = ARMED.get_or_init(|| std::env::var("TIDELOG_FAILPOINT").ok().and_then(|setting| parse(&setting)));
    let Some(armed) = armed else {
        MAY_BE_SET.store(false, Ordering::Relaxed);
        return;
    };
    if armed.name == name && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        // Straight to standard error: a subscriber might lock or buffer.
        eprintln!("failpoint {name}: the process ends here");
        std::process::abort();
    }
}

/// `name:count`; `name` alone means the first time.
fn parse(setting: &str) -> Option<Armed> {
    let (name, count) = setting.rsplit_once(':').unwrap_or((setting, "1"));
    let count = count.parse::<u64>().ok().filter(|count| *count > 0)?;
    (!name.is_empty()).then(|| Armed { name: name.to_owned(), left: AtomicU64::new(count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_names_a_place_and_a_count() {
        let check = |setting: &str, expected: Option<(&str, u64)>| {
            let parsed = parse(setting).map(|armed| (armed.name, armed.left.into_inner()));
            assert_eq!(parsed, expected.map(|(name, count)| (name.to_owned(), count)), "{setting}");
        };
        check("applied:3", Some(("applied", 3)));
        check("applied", Some(("applied", 1)));
        check("applied:0", None);
        check("applied:x", None);
        check(":1", None);
    }

    #[test]
    fn without_a_setting_nothing_happens() {
        hit("applied");
    }
}
