//! Large frames that are on their way wait for each other, so that small ones never wait behind them.

use super::budget::{Budget, Share};
use crate::options::LARGE_FRAME_BYTES;

pub(crate) struct LargeFrames(Budget);

impl LargeFrames {
    pub(crate) fn new(bytes_max: usize) -> LargeFrames {
        LargeFrames(Budget::new(bytes_max))
    }

    /// To be held until the frame is there. One that is larger than all the room takes all of it.
    pub(crate) async fn enter(&self, bytes: usize) -> Option<Share> {
        if bytes <= LARGE_FRAME_BYTES {
            return None;
        }
        Some(self.0.take(bytes).await)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn small_frames_do_not_wait_for_large_ones() {
        let frames = LargeFrames::new(64 * MIB);
        let all = frames.enter(100 * MIB).await;
        assert!(all.is_some());
        assert!(frames.enter(LARGE_FRAME_BYTES + 1).now_or_never().is_none());
        assert!(frames.enter(LARGE_FRAME_BYTES).now_or_never().is_some());
    }
}
