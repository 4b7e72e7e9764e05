//! An HTTP proxy between Tidelog and its S3 store that makes the store as slow, as faulty and as expensive as a real one.
//!
//! **Owns:** how long answers take and which requests fail, decided by a seed; what was asked, counted by operation of S3; and
//! what that would cost, from a dated table of prices. **Promises:** requests and answers pass byte for byte, with the path and
//! the Host header that were signed; a body is never held as a whole; a request that waits holds up no other one; the n-th
//! request gets the n-th delay and the n-th fault of a seed; what was counted is known before its client can see it.
//! **Does not know:** Tidelog, nor keys and signatures: it believes whoever connects, so it listens on loopback. TLS. Buckets in
//! host names: an operation is told from `/bucket/key` in the path.
//!
//! [`StoreProxy`] is the whole of it, for programs that have one inside; `tidelog-store-proxy` is the program.

mod body;
mod control;
mod counts;
mod delays;
mod error;
mod faults;
mod latency;
mod operation;
mod pool;
mod prices;
mod proxy;
mod report;
mod request;
mod socket;

pub use counts::{Answers, OperationCounts};
pub use error::{Error, ErrorKind};
pub use faults::{FaultKind, Faults};
pub use latency::Latency;
pub use operation::{Charge, Operation};
pub use prices::{Cost, PriceClass, price_table};
pub use proxy::{Options, StoreProxy};
pub use report::{Bill, PerGib, Quantiles, Report};
