//! A listener that answers every request, well or badly.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Listens on 127.0.0.1 and answers in a thread of its own; with 503 once it is sick.
///
/// # Errors
/// The port is taken.
pub fn listen(port: u16, sick_after: Option<Duration>) -> io::Result<()> {
    answer_on(TcpListener::bind(("127.0.0.1", port))?, sick_after);
    Ok(())
}

/// Answers on a listener that is there already, in a thread of its own.
pub fn answer_on(listener: TcpListener, sick_after: Option<Duration>) {
    let began = Instant::now();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sick = sick_after.is_some_and(|after| began.elapsed() >= after);
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
