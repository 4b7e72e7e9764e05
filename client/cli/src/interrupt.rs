//! Ctrl-C and SIGTERM: the first one ends a command in good order, the second one at once.

use std::io;

use tokio::sync::watch;

use crate::exit;
use crate::failure::Failure;

/// Whether the command was told to end.
pub(crate) struct Interrupt {
    told: watch::Receiver<Option<u8>>,
}

impl Interrupt {
    /// From now on signals are told here. Needs the runtime.
    pub(crate) fn take_over() -> io::Result<Interrupt> {
        let (tell, told) = watch::channel(None);
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            let first = signals.next().await;
            let _ = tell.send(Some(first));
            let second = signals.next().await;
            std::process::exit(second.into());
        });
        Ok(Interrupt { told })
    }

    /// Waits until told to end; answers the exit code that this has.
    pub(crate) async fn told(&self) -> u8 {
        let mut told = self.told.clone();
        match told.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(exit::INTERRUPTED),
            // The task that tells never ends.
            Err(_) => std::future::pending().await,
        }
    }

    /// The exit code, if told to end by now.
    pub(crate) fn is_told(&self) -> Option<u8> {
        *self.told.borrow()
    }

    /// Runs something that is simply dropped when told to end.
    pub(crate) async fn or(&self, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        tokio::select! {
            done = work => done,
            code = self.told() => Err(Failure::silent(code)),
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => exit::INTERRUPTED,
            _ = self.terminate.recv() => exit::TERMINATED,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) -> u8 {
        let _ = tokio::signal::ctrl_c().await;
        exit::INTERRUPTED
    }
}
