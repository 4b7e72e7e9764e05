//! Real Kafka clients, and plain HTTP ones, against the real `tidelog` binary.
//!
//! **Owns:** a [`Server`] process that tests start, kill and start again, a broker of Apache Kafka ([`apache`]) beside it, the
//! tools of other languages, just enough of HTTP, and the kill loop with its history. **Promises:** a server lives on loopback and in a folder of its own and never outlives
//! its owner; a kill counts only with a request in flight. **Does not know:** Tidelog's code, only its command line and its
//! sockets.

pub mod apache;
pub mod chance;
pub mod http;
pub mod kills;
pub mod matrix;
pub mod s3_servers;
pub mod server;
pub mod tools;

pub use server::Server;
