//! Ctrl-C and SIGTERM: the first asks to drain and stop, the second ends the process at once.

use std::io;

use tidelog_host::Tasks;
use tidelog_host::tasks::OnPanic;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// What a shell reports for a process that a Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Takes over both signals from now on. The receiver gets the name of the first one.
///
/// # Errors
/// When the operating system refuses the handlers.
pub fn take_over(tasks: &Tasks) -> io::Result<oneshot::Receiver<&'static str>> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let (first, told) = oneshot::channel();
    // Nobody joins this: it waits for a second signal while all else is being stopped.
    tasks.spawn_detached("signals", OnPanic::EndProcess, async move {
        // The receiver is gone when the process is ending for another reason.
        let _ = first.send(next(&mut interrupts, &mut terminations).await);
        let name = next(&mut interrupts, &mut terminations).await;
        eprintln!("tidelog: {name} again, ending without draining; what was acknowledged is kept");
        std::process::exit(EXIT_INTERRUPTED);
    });
    Ok(told)
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupts.recv() => "interrupt",
        _ = terminations.recv() => "SIGTERM",
    }
}
