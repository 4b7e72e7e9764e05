//! What a running server tells those who watch it: its metrics, which the dashboard, the alerts and their page ask for, and
//! its traces.

mod collector;
mod metrics;
mod queries;
mod server;
mod traces;
