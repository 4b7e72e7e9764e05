//! Time: a monotonic clock for waits and deadlines, the wall clock for timestamps and retention only.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidelog_model::TimestampMs;
use tokio::time::Instant;

/// What time it is. Clones share one clock.
#[derive(Clone, Debug)]
pub struct Clock {
    wall: Wall,
}

#[derive(Clone, Debug)]
enum Wall {
    Real,
    /// The wall time at the clock's creation, plus what the (possibly paused) runtime clock has advanced since.
    Manual {
        origin: Instant,
        origin_ms: Arc<AtomicI64>,
    },
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn real() -> Clock {
        Clock { wall: Wall::Real }
    }

    /// A wall clock that begins at `start`, advances with the runtime's clock (which a test may pause) and jumps when
    /// told. Must be made inside a runtime.
    #[must_use]
    pub fn manual(start: TimestampMs) -> Clock {
        Clock { wall: Wall::Manual { origin: Instant::now(), origin_ms: Arc::new(AtomicI64::new(start.0)) } }
    }

    /// The monotonic clock: the runtime's, so that a test may pause and step it.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// The wall clock. May jump in either direction; nothing that must be safe depends on it.
    #[must_use]
    pub fn wall(&self) -> TimestampMs {
        match &self.wall {
            Wall::Real => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                TimestampMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Wall::Manual { origin, origin_ms } => {
                let passed = i64::try_from(origin.elapsed().as_millis()).unwrap_or(i64::MAX);
                TimestampMs(origin_ms.load(Ordering::SeqCst).saturating_add(passed))
            }
        }
    }

    /// Makes a manual wall clock jump by `ms`, forwards or backwards; the monotonic clock does not notice.
    ///
    /// # Panics
    /// On a real clock.
    pub fn jump_wall(&self, ms: i64) {
        match &self.wall {
            Wall::Real => panic!("only a manual clock can be made to jump"),
            Wall::Manual { origin_ms, .. } => {
                origin_ms.fetch_add(ms, Ordering::SeqCst);
            }
        }
    }

    /// Waits. A cancelled caller leaves nothing behind.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
