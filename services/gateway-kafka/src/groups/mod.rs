//! The requests of groups, from the wire to the coordinator and back. What groups are and do is in `tidelog_groups`.

pub(crate) mod admin_handlers;
pub(crate) mod handlers;
mod named_topics;
mod offset_handlers;

#[cfg(test)]
mod admin_test;
#[cfg(test)]
mod handlers_test;
#[cfg(test)]
#[path = "../../../groups/src/testing_catalog.rs"]
#[allow(dead_code, reason = "each of the two crates that share it uses a part")]
mod testing_catalog;
