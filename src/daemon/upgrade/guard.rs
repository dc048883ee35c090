//! Stands by while the image changes: the one before, in a process of its own. If the new image dies or
//! hangs before it serves, this one becomes the supervisor and adopts what runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::daemon::host::Host;
use crate::daemon::opening::Plan;
use crate::daemon::progress::Progress;
use crate::daemon::{begin as take_over, block_on};
use crate::exit::ExitCode;
use crate::process::{Handle, Identity, Launch, hear_again, spawn};
use crate::service::Rights;

/// An image that does not serve by then hangs.
const SERVES_WITHIN: Duration = Duration::from_secs(5);

/// Begins to stand by for this very process; these services are to be up.
///
/// # Errors
/// No process can be made.
pub fn begin(config: &Path, services: Vec<String>) -> Result<Identity, String> {
    let own = Identity::of(std::process::id().cast_signed())
        .map_err(|error| error.to_string())?
        .ok_or("this process is not in /proc")?;
    let null = || File::options().write(true).open("/dev/null").map(Into::into);
    let words = ["--config", &config.to_string_lossy(), "stand-by"].map(str::to_owned);
    let numbers = [own.pid.to_string(), own.start.to_string(), "--".to_owned()];
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    spawn(Launch {
        // This very image, whatever has its name by now.
        program: PathBuf::from("/proc/self/exe"),
        args: words.into_iter().chain(numbers).chain(services).collect(),
        cwd: PathBuf::from("/"),
        env: env.collect(),
        stdout: null().map_err(|error| error.to_string())?,
        stderr: null().map_err(|error| error.to_string())?,
        sockets: Vec::new(),
        rights: Rights::default(),
        cgroup: None,
    })
}

/// It is needed no more.
pub fn relieve(guard: Identity) {
    if let Ok(Some(handle)) = Handle::open(guard)
        && let Err(error) = handle.signal(Signal::SIGKILL as i32)
    {
        tracing::error!(%error, "whoever stands by cannot be relieved");
    }
}

/// `stand-by`: waits to be relieved, which is to be killed; else becomes the supervisor.
#[must_use]
pub fn stand_by(plan: &Plan, (pid, start): (i32, u64)) -> ExitCode {
    let image = Identity { pid, start };
    // Held when we were begun, since the image was about to change.
    let _ = hear_again();
    block_on(async {
        if let Ok(Some(handle)) = Handle::open(image)
            && tokio::time::timeout(SERVES_WITHIN, handle.exited())
                .await
                .is_err()
        {
            let _ = handle.signal(Signal::SIGKILL as i32);
            let _ = handle.exited().await;
        }
        take_over(plan, Progress::Log, &Host::default()).await
    })
}
