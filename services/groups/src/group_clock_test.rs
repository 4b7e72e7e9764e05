//! The clock by itself, on a machine's clock that is stepped.

use tidelog_model::TimestampMs;
use tokio::time::advance;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn ticks_in_time_count_all_of_it() {
    let time = GroupClock::new(Clock::real());
    let begun = time.now();
    for _ in 0..100 {
        advance(TICK + Duration::from_millis(50)).await;
        assert!(time.tick());
    }
    assert_eq!(
        time.now() - begun,
        (TICK + Duration::from_millis(50)) * 100,
        "a tick that is a little late loses nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stall_counts_one_step_before_and_after_its_end_is_noticed() {
    let time = GroupClock::new(Clock::real());
    let begun = time.now();
    advance(MINUTE).await;
    // Whoever comes before the timer task does.
    assert_eq!(time.now() - begun, TICK_STEP_MAX);
    assert!(!time.tick());
    assert_eq!(time.now() - begun, TICK_STEP_MAX);
    advance(TICK / 2).await;
    assert!(!time.tick(), "what came in a minute may not have been read yet");
    advance(TICK / 2).await;
    assert!(time.tick());
    assert_eq!(time.now() - begun, TICK_STEP_MAX + TICK);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_always_late_judges_now_and_then() {
    let time = GroupClock::new(Clock::real());
    let begun = time.now();
    let mut judged = 0;
    for _ in 0..60 {
        advance(MINUTE).await;
        judged += u32::from(time.tick());
    }
    assert_eq!(judged, 60 / (LATE_TICKS_MAX + 1));
    assert_eq!(time.now() - begun, TICK_STEP_MAX * 60);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_is_not_noticed() {
    let clock = Clock::manual(TimestampMs(1_000_000));
    let time = GroupClock::new(clock.clone());
    let begun = time.now();
    for hours in [24, -48, 1] {
        clock.jump_wall(hours * 3_600_000);
        advance(TICK).await;
        assert!(time.tick());
    }
    assert_eq!(time.now() - begun, TICK * 3);
}
