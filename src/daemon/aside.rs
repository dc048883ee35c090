//! Work that would hold up the loop (the disk, a large folder), done in a thread of its own that ends with it.
//!
//! Not tokio's pool: that panics when no thread can be made (RLIMIT_NPROC), which must not end a
//! supervisor, and keeps its threads, which wake.

use std::io;

use tokio::sync::oneshot;

/// Begins the work; the result can be awaited, or dropped.
///
/// # Errors
/// No thread can be made.
pub fn begin<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new()
        .name("aside".into())
        .spawn(move || drop(done.send(work())))?;
    Ok(result)
}

/// Does the work, and waits for it.
///
/// # Errors
/// No thread can be made, or the work panicked.
pub async fn done<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    begin(work)?.await.map_err(io::Error::other)
}
