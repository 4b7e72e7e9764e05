//! What a request may create and delete, as Kafka's clients may (KIP-599).

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

use super::client::Charge;
use crate::problem::Refused;

/// What a request may create and delete. Taken from the request that it is of.
#[derive(Clone, Default)]
pub(crate) struct Mutations(Option<Arc<Charge>>);

impl Mutations {
    pub(super) fn at_expense_of(charge: &Arc<Charge>) -> Mutations {
        Mutations(Some(charge.clone()))
    }

    /// Of the request that has these.
    pub(crate) fn of(request: &Extensions) -> Mutations {
        request.get().cloned().unwrap_or_default()
    }

    /// That many partitions are to be created or deleted.
    ///
    /// # Errors
    /// When too many were, by any door: nothing is to be done then, and nothing is charged.
    pub(crate) fn take(&self, partitions: u32) -> Result<(), Refused> {
        let Some(charge) = self.0.as_deref().filter(|_| partitions > 0) else { return Ok(()) };
        let owed = charge.owes_mutations();
        if !owed.is_zero() {
            return Err(charge.refused(owed));
        }
        charge.mutated(partitions);
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Mutations {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Mutations, Infallible> {
        Ok(Mutations::of(&parts.extensions))
    }
}
