//! Which build this is.

/// The version and, in brackets, the commit: `0.1.0 (1a2b3c4d5e6f)`; `unknown` where the build saw no checkout.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILT_COMMIT"), ")");
