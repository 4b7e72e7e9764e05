//! The settings of topics, as every door understands them.
//!
//! **Owns:** the table of settings that a topic may have ([`topic_config_table`]), what is valid in them ([`config_kinds`]),
//! and what they ask of the write path ([`topic_configs`]). **Promises:** what one door accepts and shows, the others accept
//! and show alike. **Does not know:** protocols, nor how settings are kept.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config_kinds;
pub mod topic_config_table;
pub mod topic_configs;
mod unknown_config;

pub use unknown_config::unknown_config;
