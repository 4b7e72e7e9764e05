//! Tests of the state as a whole, through what is public.

mod cost;
mod departed;
mod driver;
mod golden;
mod guards;
mod model;
mod properties;
mod quotas;
mod scenarios;
mod steps;
mod subscriptions;
mod totals;
