//! Syslog: RFC 3164 on a local socket, as every libc writes it; RFC 5424 over UDP (RFC 5426) and TCP (RFC 6587).

use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixStream};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

use crate::alerts::{Message, State, Told};

/// The facility `daemon`.
const DAEMON: u8 = 3;

/// One line for each alert.
pub(super) async fn log(address: &str, message: &Message) -> Result<(), String> {
    let named = |error: std::io::Error| format!("{address}: {error}");
    let lines = message.alerts.iter().map(|told| line(told, message, address));
    let lines: Vec<String> = lines.collect();
    match address.split_once("://") {
        Some(("udp", place)) => udp(place, &lines).await.map_err(named),
        Some(("tcp", place)) => tcp(place, &lines).await.map_err(named),
        _ => local(address, &lines).map_err(named),
    }
}

fn line(told: &Told, message: &Message, address: &str) -> String {
    let priority = DAEMON * 8 + severity(told);
    let (pid, text) = (std::process::id(), told.line().replace(['\n', '\r'], " "));
    let at = message.at.parse().unwrap_or_else(|_| Timestamp::now());
    if address.contains("://") {
        let host = if message.host.is_empty() {
            "-"
        } else {
            &message.host
        };
        return format!(
            "<{priority}>1 {at:.3} {host} sentinel {pid} {} - {text}",
            told.kind.word()
        );
    }
    // RFC 3164 has local time, and a day without a leading zero.
    let local = at.to_zoned(TimeZone::system()).strftime("%b %e %H:%M:%S");
    format!("<{priority}>{local} sentinel[{pid}]: {text}")
}

/// RFC 5424, section 6.2.1: 2 critical, 3 error, 5 notice, 6 informational.
fn severity(told: &Told) -> u8 {
    match (told.state, told.kind) {
        (State::Resolved, _) => 5,
        (State::Test, _) => 6,
        (State::Firing | State::Still | State::Happened, crate::alerts::Kind::Fatal) => 2,
        (State::Firing | State::Still | State::Happened, _) => 3,
    }
}

async fn udp(place: &str, lines: &[String]) -> std::io::Result<()> {
    let target = tokio::net::lookup_host(place).await?.next();
    let target = target.ok_or_else(|| std::io::Error::other("no such host"))?;
    let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    for line in lines {
        socket.send(line.as_bytes()).await?;
    }
    // A port where nobody listens answers with ICMP, which the next call tells.
    match socket.take_error()? {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

/// Octet counting, so that a line may hold anything (RFC 6587, section 3.4.1).
async fn tcp(place: &str, lines: &[String]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(place).await?;
    for line in lines {
        stream
            .write_all(format!("{} {line}", line.len()).as_bytes())
            .await?;
    }
    stream.shutdown().await
}

fn local(path: &str, lines: &[String]) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    match socket.connect(path) {
        Ok(()) => lines
            .iter()
            .try_for_each(|line| socket.send(line.as_bytes()).map(drop)),
        // A daemon that listens on a stream socket (EPROTOTYPE).
        Err(error) if error.raw_os_error() == Some(nix::libc::EPROTOTYPE) => {
            let mut stream = UnixStream::connect(path)?;
            lines
                .iter()
                .try_for_each(|line| stream.write_all(format!("{line}\0").as_bytes()))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Kind;

    #[test]
    fn a_line_is_what_its_way_wants() {
        let told = Told {
            kind: Kind::Fatal,
            service: Some("web".into()),
            state: State::Firing,
            words: "a\nb".into(),
            for_s: 0,
        };
        let message = Message {
            id: "1".into(),
            host: "box".into(),
            house: "/h".into(),
            at: "2026-11-01T08:41:02.123Z".into(),
            text: String::new(),
            alerts: vec![told.clone()],
        };
        let pid = std::process::id();
        assert_eq!(
            line(&told, &message, "udp://h:514"),
            format!("<26>1 2026-11-01T08:41:02.123Z box sentinel {pid} fatal - web: FATAL: a b")
        );
        let local = line(&told, &message, "/dev/log");
        assert!(
            local.starts_with("<26>") && local.ends_with(&format!(" sentinel[{pid}]: web: FATAL: a b")),
            "{local}"
        );
    }
}
