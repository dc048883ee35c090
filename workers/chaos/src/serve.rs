//! A listener that answers every request, well or badly.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// When it is sick.
#[derive(Clone, Debug)]
pub struct Illness {
    /// From so long after the start on.
    pub after: Option<Duration>,
    /// While this file exists.
    pub file: Option<PathBuf>,
}

/// Listens on 127.0.0.1 and answers in a thread of its own; with 503 once it is sick.
///
/// # Errors
/// The port is taken.
pub fn listen(port: u16, illness: Illness) -> io::Result<()> {
    answer_on(TcpListener::bind(("127.0.0.1", port))?, illness);
    Ok(())
}

/// Answers on a listener that is there already, in a thread of its own.
pub fn answer_on(listener: TcpListener, illness: Illness) {
    let began = Instant::now();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let is_late = illness.after.is_some_and(|after| began.elapsed() >= after);
            let sick = is_late || illness.file.as_ref().is_some_and(|file| file.exists());
            let _ = answer(stream, sick);
        }
    });
}

fn answer(mut stream: TcpStream, sick: bool) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    let (status, body) = match sick {
        false => ("200 OK", r#"{"healthy":true}"#),
        true => (
            "503 Service Unavailable",
            r#"{"healthy":false,"reason":"told to be sick"}"#,
        ),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
