//! Settings of topics and of the broker: the table of those that are known, checked, shown, changed.

pub(crate) mod alter_configs;
mod broker_configs;
pub(crate) mod config_resources;
pub(crate) mod describe_configs;
mod subscription_configs;

pub(crate) use tidelog_topic_configs::{config_kinds, topic_config_table, topic_configs};

#[cfg(test)]
mod configs_test;
#[cfg(test)]
mod subscriptions_test;
