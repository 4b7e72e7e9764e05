//! The shape of every request and answer of Kafka's protocol, as data: what a codec compiles into structs, tests need to walk.
//!
//! **Owns:** the table of all client-facing APIs with their fields (`table.txt`, made from the schemas in Apache Kafka's own
//! jar by this crate's program), writing and reading values by it, a plausible request of each API and version, and the
//! variants of it that have one field at an edge. **Promises:** an API that is in the table needs nothing more here to be
//! covered; what is read is read to its last byte. **Does not know:** Tidelog's code, nor its codec, so that one
//! misunderstanding does not hide another; what a value means.

mod edges;
mod look;
mod plausible;
mod read;
mod schema;
mod value;

pub use edges::{Case, Fate, cases, mixed};
pub use look::{Look, look_at_answer, look_at_request, put_in_request};
pub use plausible::{World, request};
pub use read::{ReadError, error_codes, read_answer};
pub use schema::{Api, Field, Kind, Message, Versions, apis};
pub use value::{Tags, Value, write_request};
