//! Memory for the records of Fetch answers.

use super::budget::{Budget, Share, Waiting};
use crate::options::ANSWER_BYTES_WHEN_SHORT;

/// When it is short, answers become smaller: they then fit the kernel's buffers, so that a client that takes nothing holds
/// little, and a part that is kept for them goes round quickly.
pub(crate) struct AnswerRecords {
    main: Budget,
    spare: Budget,
    waiting: Waiting,
}

impl AnswerRecords {
    pub(crate) fn new(bytes_max: usize) -> AnswerRecords {
        let spare_bytes = bytes_max / 4;
        AnswerRecords {
            main: Budget::new(bytes_max - spare_bytes),
            spare: Budget::new(spare_bytes),
            waiting: Waiting::default(),
        }
    }

    /// Whether somebody waits for what an answer that is being written holds.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.is_any()
    }

    /// Room for `bytes`, or when it is short, for fewer; and for how many. Waits for answers of other connections to be
    /// written, which takes no longer than clients that do not read are put up with.
    pub(crate) async fn take(&self, bytes: usize) -> (Share, usize) {
        if bytes <= self.main.bytes_max()
            && let Some(room) = self.main.try_take(bytes)
        {
            return (room, bytes);
        }
        let bytes = bytes.min(ANSWER_BYTES_WHEN_SHORT).min(self.spare.bytes_max());
        (self.waiting.wait(self.spare.take(bytes)).await, bytes)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn answers_become_smaller_when_memory_is_short() {
        let memory = AnswerRecords::new(16 * MIB);
        let (main, granted) = memory.take(12 * MIB).await;
        assert_eq!(granted, 12 * MIB);
        let (spare, granted) = memory.take(12 * MIB).await;
        assert_eq!(granted, ANSWER_BYTES_WHEN_SHORT);
        drop((main, spare));
        assert_eq!(memory.take(12 * MIB).await.1, 12 * MIB);
    }

    #[tokio::test]
    async fn whoever_waits_is_counted_until_it_has_room_or_gives_up() {
        let memory = AnswerRecords::new(4 * MIB);
        let (held, granted) = memory.take(16 * MIB).await;
        assert_eq!(granted, MIB);
        let waits = memory.take(16 * MIB);
        let mut waits = std::pin::pin!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        assert!(memory.is_wanted());
        drop(held);
        assert!(waits.as_mut().now_or_never().is_some());
        let gives_up = Waiting::default();
        assert!(gives_up.wait(std::future::pending::<()>()).now_or_never().is_none());
        assert!(!gives_up.is_any());
    }
}
