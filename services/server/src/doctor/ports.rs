//! The addresses to listen on: whether they are free.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::report::Report;
use crate::settings::{Effective, HTTP_LISTEN, KAFKA_LISTEN, Settings};

pub fn look(settings: &Settings, effective: &Effective, report: &mut Report) {
    one("kafka port", KAFKA_LISTEN, settings.kafka_listen, effective, report);
    match settings.http_listen {
        Some(address) => one("http port", HTTP_LISTEN, address, effective, report),
        None => report.well("http port", "off"),
    }
}

fn one(check: &'static str, key: &str, address: SocketAddr, effective: &Effective, report: &mut Report) {
    let flag = effective.entry(key).setting.flag;
    match TcpListener::bind(address) {
        Ok(_) => report.well(check, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let any = SocketAddr::new(address.ip(), 0);
            let advice = format!("stop what listens there, or --{flag} {any} for any free port");
            report.wrong(check, format!("{address} is taken by another process"), advice);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let advice = format!("--{flag} with a port above 1023, or the right to bind (CAP_NET_BIND_SERVICE)");
            report.wrong(check, format!("this user may not listen on {address}"), advice);
        }
        Err(error) => {
            let advice = format!("--{flag} with an address of this machine; `ip address` shows them");
            report.wrong(check, format!("{address} cannot be listened on: {error}"), advice);
        }
    }
}
