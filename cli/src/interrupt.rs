//! Ctrl-C, heard by a thread of its own: DataFusion may keep every thread of the runtime busy, and then nobody there
//! would hear it.

use std::io;
use std::thread;

use tokio::sync::watch;

/// Tells of each Ctrl-C since it was last asked.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts(watch::Receiver<()>);

impl Interrupts {
    /// Listens from now on: Ctrl-C no longer ends the process.
    pub(crate) fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (heard, interrupts) = watch::channel(());
        thread::Builder::new().name("interrupts".to_string()).spawn(move || {
            runtime.block_on(async { while tokio::signal::ctrl_c().await.is_ok() && heard.send(()).is_ok() {} });
        })?;
        Ok(Self(interrupts))
    }

    /// Forgets what came before.
    pub(crate) fn forget(&mut self) {
        self.0.mark_unchanged();
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody listens any more, so none will come.
            std::future::pending::<()>().await;
        }
    }
}
