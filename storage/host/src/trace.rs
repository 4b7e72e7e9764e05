//! Traces: which requests are followed, and the spans that follow them.
//!
//! Whether a request is followed is decided once, at the door ([`follow_request!`](crate::follow_request)): a small share of
//! them, and those that their client follows. What happens on a request's behalf further in asks whether there is a span around
//! it ([`follow!`](crate::follow)). So a request that is not followed makes no span anywhere, and while nobody exports spans
//! each place costs one look at a number that never changes.
//!
//! Who exports spans says so by [`start`]; nothing here knows how.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tracing::Span;
#[doc(hidden)]
pub use tracing::{Level as __Level, Span as __Span, span as __span};

/// The target of all spans, by which they are told from lines of the log.
pub const TARGET: &str = "tidelog_trace";

/// Of 2³² requests so many are followed. 0: nobody exports spans, and requests that others follow are not followed either.
static FOLLOWED_OF_2_32: AtomicU64 = AtomicU64::new(0);
/// Whether anybody exports spans.
static IS_ON: AtomicBool = AtomicBool::new(false);
/// Requests that were asked about.
static REQUESTS: AtomicU64 = AtomicU64::new(0);
/// Requests that are followed in a second because their client follows them. Of each of them there are a handful of spans, and
/// whoever exports takes a few thousand in a second: whoever marks all of its requests would leave nothing to others, and no
/// client has to ask before it does.
pub const FOLLOWED_BY_CLIENTS_PER_SECOND_MAX: u32 = 100;
/// Those of this second.
static BY_CLIENTS: PerSecond = PerSecond(AtomicU64::new(0));

/// How a span is made part of a trace that began elsewhere.
static ADOPT: OnceLock<fn(&Span, Parent)> = OnceLock::new();

/// A span of another process, as its client tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace, not zero.
    pub trace_id: u128,
    /// The span, not zero.
    pub span_id: u64,
    /// Whether it is followed there.
    pub is_followed: bool,
}

impl Parent {
    /// Reads a `traceparent` (W3C Trace Context). `None` when it is none: then it is as if it were absent.
    #[must_use]
    pub fn read(traceparent: &str) -> Option<Parent> {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let mut fields = traceparent.split('-');
        let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let lengths = (version.len(), trace.len(), span.len(), flags.len());
        if lengths != (2, 32, 16, 2) || ![version, trace, span, flags].into_iter().all(is_hex) || version == "ff" {
            return None;
        }
        // A later version may say more, the first one does not.
        if version == "00" && fields.next().is_some() {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Parent { trace_id, span_id, is_followed: flags & 1 == 1 })
    }
}

/// From now on spans are exported: of this share of the requests that begin here, and of those whose client follows them.
/// `adopt` makes a span part of a trace that began elsewhere. Once in the life of a process; a second call changes the share.
pub fn start(share: f64, adopt: fn(&Span, Parent)) {
    let _ = ADOPT.set(adopt);
    FOLLOWED_OF_2_32.store((share.clamp(0.0, 1.0) * 2_f64.powi(32)) as u64, Ordering::Relaxed);
    IS_ON.store(true, Ordering::Relaxed);
}

/// Whether anybody exports spans.
#[must_use]
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Whether a request is followed: as its client says, else by lot. When clients follow more than
/// [`FOLLOWED_BY_CLIENTS_PER_SECOND_MAX`], by lot too. The lot is a count that is mixed, so it needs no chance, and
/// a share of the requests is exactly that share in the long run.
#[must_use]
pub fn is_followed(parent: Option<&Parent>) -> bool {
    if !is_on() {
        return false;
    }
    match parent {
        Some(parent) if !parent.is_followed => false,
        Some(_) if BY_CLIENTS.take(seconds(), FOLLOWED_BY_CLIENTS_PER_SECOND_MAX) => true,
        _ => mixed(REQUESTS.fetch_add(1, Ordering::Relaxed)) >> 32 < FOLLOWED_OF_2_32.load(Ordering::Relaxed),
    }
}

/// Since the first who asked.
fn seconds() -> u32 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    u32::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_secs()).unwrap_or(u32::MAX)
}

/// The second that is counted, in the upper half, and how many there were in it.
struct PerSecond(AtomicU64);

impl PerSecond {
    /// Whether there is one more to be had in this second.
    fn take(&self, second: u32, max: u32) -> bool {
        let more = |counted: u64| {
            let (counted_second, count) = ((counted >> 32) as u32, counted as u32);
            // Whoever looked at its watch a moment ago counts in what has begun since.
            let (second, count) = if second > counted_second { (second, 0) } else { (counted_second, count) };
            (count < max).then(|| u64::from(second) << 32 | u64::from(count + 1))
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

/// The finaliser of SplitMix64.
fn mixed(count: u64) -> u64 {
    let mut bits = count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Makes a span part of its client's trace.
pub fn adopt(span: &Span, parent: Option<Parent>) {
    if let (Some(adopt), Some(parent)) = (ADOPT.get(), parent) {
        adopt(span, parent);
    }
}

/// Whether something is being followed here.
#[must_use]
pub fn is_within() -> bool {
    is_on() && !Span::current().is_none()
}

/// The span of a request that comes in, or none when it is not followed. First its client's [`Parent`], if there is one, then a
/// name and fields as of `tracing::span!`.
#[macro_export]
macro_rules! follow_request {
    ($parent:expr, $name:literal $($fields:tt)*) => {{
        let parent: Option<$crate::trace::Parent> = $parent;
        if $crate::trace::is_followed(parent.as_ref()) {
            let span = $crate::trace::__span!(
                target: $crate::trace::TARGET, parent: None, $crate::trace::__Level::INFO, $name $($fields)*
            );
            $crate::trace::adopt(&span, parent);
            span
        } else {
            $crate::trace::__Span::none()
        }
    }};
}

/// A span of something that is done for whoever is around it, or none when nobody there is followed. A name and fields as of
/// `tracing::span!`; `within: span,` before them says who else is around it.
#[macro_export]
macro_rules! follow {
    (within: $around:expr, $name:literal $($fields:tt)*) => {{
        let around: &$crate::trace::__Span = $around;
        if around.is_none() {
            $crate::trace::__Span::none()
        } else {
            $crate::trace::__span!(
                target: $crate::trace::TARGET, parent: around, $crate::trace::__Level::INFO, $name $($fields)*
            )
        }
    }};
    ($name:literal $($fields:tt)*) => {
        if $crate::trace::is_within() {
            $crate::trace::__span!(target: $crate::trace::TARGET, $crate::trace::__Level::INFO, $name $($fields)*)
        } else {
            $crate::trace::__Span::none()
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_w3c_says() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = Parent::read(text).unwrap();
        assert_eq!(parent.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((parent.span_id, parent.is_followed), (0xb7ad_6b71_6920_3331, true));
        assert!(!Parent::read(&text.replace("-01", "-00")).unwrap().is_followed);
        assert!(Parent::read(&text.replace("00-0a", "01-0a")).is_some(), "a later version says the same at least");
        assert!(Parent::read(&(text.replace("00-0a", "01-0a") + "-more")).is_some());
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-01",
        ] {
            assert_eq!(Parent::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn so_many_are_had_in_a_second_and_no_more() {
        let counted = PerSecond(AtomicU64::new(0));
        let had = |second| (0..10).filter(|_| counted.take(second, 3)).count();
        assert_eq!([had(0), had(0), had(1), had(0), had(5)], [3, 0, 3, 0, 3]);
    }

    // One test, because what is looked at is of the process.
    #[test]
    fn a_share_is_followed_and_what_others_follow() {
        let parent = |is_followed| Parent { trace_id: 1, span_id: 1, is_followed };
        assert!(!is_followed(None) && !is_followed(Some(&parent(true))), "nobody exports");
        assert!(crate::follow_request!(None, "request").is_none());
        start(0.25, |_, _| {});
        assert!(is_followed(Some(&parent(true))) && !is_followed(Some(&parent(false))));
        let followed = (0..10_000).filter(|_| is_followed(None)).count();
        assert!((2_400..2_600).contains(&followed), "{followed}");
        start(0.0, |_, _| {});
        assert!((0..10_000).all(|_| !is_followed(None)) && is_followed(Some(&parent(true))));
        // Their clients may say so as often as they like. A second may end meanwhile.
        let begun = Instant::now();
        let by_clients = (0..10_000).filter(|_| is_followed(Some(&parent(true)))).count();
        let seconds = 2 + usize::try_from(begun.elapsed().as_secs()).unwrap();
        assert!(by_clients <= seconds * FOLLOWED_BY_CLIENTS_PER_SECOND_MAX as usize, "{by_clients}");
        start(1.0, |_, _| {});
        assert!((0..10_000).all(|_| is_followed(None) && is_followed(Some(&parent(true)))));
        assert!(crate::follow!("within nothing", x = 1).is_none());
    }
}
