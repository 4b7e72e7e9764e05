//! Which clients are asked for which of their metrics.

use std::collections::BTreeMap;

use tidelog_model::limits::{METRICS_SUBSCRIPTION_BYTES_MAX, METRICS_SUBSCRIPTION_NAME_BYTES_MAX};

/// The subscriptions of a tenant: their settings, by name. None is without settings.
pub type MetricsSubscriptions = BTreeMap<String, BTreeMap<String, String>>;

/// Why a subscription was not altered; nothing of it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionRefused {
    /// Its settings are not what the proposer saw: to be looked at and proposed again.
    #[error("the subscription's settings have changed meanwhile")]
    Changed,
    /// Its name is empty or longer than [`METRICS_SUBSCRIPTION_NAME_BYTES_MAX`], or its settings take more than
    /// [`METRICS_SUBSCRIPTION_BYTES_MAX`].
    #[error(
        "a subscription has a name of 1 to {METRICS_SUBSCRIPTION_NAME_BYTES_MAX} bytes, and settings of \
         {METRICS_SUBSCRIPTION_BYTES_MAX} bytes at most"
    )]
    Invalid,
    /// The tenant has [`tidelog_model::limits::METRICS_SUBSCRIPTIONS_MAX`] of them.
    #[error("there are as many subscriptions as there may be")]
    Full,
}

/// Checks what can be said about a subscription without knowing the others.
///
/// # Errors
/// [`SubscriptionRefused::Invalid`].
pub fn check_subscription(name: &str, settings: &BTreeMap<String, String>) -> Result<(), SubscriptionRefused> {
    let bytes: usize = settings.iter().map(|(name, value)| name.len() + value.len()).sum();
    let is_valid =
        (1..=METRICS_SUBSCRIPTION_NAME_BYTES_MAX).contains(&name.len()) && bytes <= METRICS_SUBSCRIPTION_BYTES_MAX;
    if is_valid { Ok(()) } else { Err(SubscriptionRefused::Invalid) }
}
