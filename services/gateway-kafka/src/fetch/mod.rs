//! Fetch: what is asked for (sessions), what is read, when it is answered.

mod answer;
mod reads;
mod session;
mod sessions;

pub(crate) use answer::answer;
pub(crate) use sessions::FetchSessions;

#[cfg(test)]
mod fetch_test;
#[cfg(test)]
mod session_traffic_test;
