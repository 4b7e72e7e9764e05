//! The cells that stay empty: what a client does not have, and its reason.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

use super::FEATURES;
use super::clients::CLIENTS;

/// Reasons by client and feature.
#[derive(Debug)]
pub struct NotApplicable(BTreeMap<String, BTreeMap<String, String>>);

impl NotApplicable {
    /// What the file beside this crate says.
    ///
    /// # Errors
    /// It names what is no client or no feature, or gives no reason.
    pub fn load() -> anyhow::Result<NotApplicable> {
        NotApplicable::parse(include_str!("../../matrix_not_applicable.toml"))
    }

    fn parse(text: &str) -> anyhow::Result<NotApplicable> {
        let reasons: BTreeMap<String, BTreeMap<String, String>> =
            toml::from_str(text).context("matrix_not_applicable.toml")?;
        for (client, features) in &reasons {
            ensure!(CLIENTS.iter().any(|known| known.name == client), "no client is called {client}");
            for (feature, reason) in features {
                ensure!(FEATURES.contains(&feature.as_str()), "{client}: no feature is called {feature}");
                ensure!(!reason.trim().is_empty(), "{client} {feature}: no reason is given");
            }
        }
        Ok(NotApplicable(reasons))
    }

    /// Why `client` has no `feature`; nothing when it has.
    #[must_use]
    pub fn reason(&self, client: &str, feature: &str) -> Option<&str> {
        self.0.get(client)?.get(feature).map(String::as_str)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_clients_and_features_that_exist() {
        let reasons = NotApplicable::load().unwrap();
        assert!(reasons.reason("rskafka", "group").is_some());
        assert!(reasons.reason("rskafka", "produce").is_none());
    }

    #[test]
    fn a_stale_entry_is_refused() {
        assert!(NotApplicable::parse("[nobody]\ngroup = 'x'").is_err());
        assert!(NotApplicable::parse("[kcat]\nflying = 'x'").is_err());
        assert!(NotApplicable::parse("[kcat]\ngroup = ' '").is_err());
    }
}
