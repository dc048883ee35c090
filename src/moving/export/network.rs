//! Services that no longer share one host: each has an address of its own, and listens where others reach it.

use super::outline::{Outline, Service, Word};

/// The workers of this project, which listen on 127.0.0.1 unless told otherwise.
const WORKERS: [&str; 4] = ["trade-stream", "browser-proxy", "market-sim", "main-app"];
/// The worker that holds the key of the feed, which admits one connection.
const HOLDER: &str = "trade-stream";
/// What makes many of it one: the holder publishes there, the others serve from it.
pub const REDIS: &str = "STREAM_REDIS_URL";

/// The outline with `127.0.0.1:PORT` of another service written as that service's address.
pub fn spread(outline: &Outline, address: impl Fn(&Service) -> String) -> Outline {
    let doors: Vec<(u16, String, String)> = outline
        .services
        .iter()
        .flat_map(|service| {
            let name = service.spec.name.to_string();
            let address = address(service);
            let ports = ports(service).into_iter();
            ports.map(move |port| (port, name.clone(), address.clone()))
        })
        .collect();
    let backend = outline
        .services
        .iter()
        .find(|service| is_holder(service))
        .and_then(|holder| Some(format!("ws://{}:{}", address(holder), ports(holder).first()?)));
    let mut spread = outline.clone();
    for service in &mut spread.services {
        let own = service.spec.name.to_string();
        let others: Vec<_> = doors.iter().filter(|(_, name, _)| *name != own).collect();
        let moved = |text: &str| {
            let one =
                |text: String, (port, _, address): &&(u16, String, String)| reach(&text, *port, address);
            others.iter().fold(text.to_owned(), one)
        };
        for word in &mut service.arguments {
            *word = match word {
                Word::Plain(text) => Word::Plain(moved(text)),
                Word::Secret(before, name, after) => Word::Secret(moved(before), name.clone(), moved(after)),
            };
        }
        for (_, value) in &mut service.env {
            *value = moved(value);
        }
        open(service);
        if let Some(backend) = backend.as_deref().filter(|_| is_copyable(service)) {
            ask(service, backend);
        }
    }
    spread
}

/// All ports of a service, those of its sockets too.
pub fn ports(service: &Service) -> Vec<u16> {
    let mut ports = service.spec.ports.clone();
    for address in &service.spec.sockets {
        if !ports.contains(&address.port()) {
            ports.push(address.port());
        }
    }
    ports
}

/// `127.0.0.1:8765` in a text as `address:8765`; 87650 is another port.
fn reach(text: &str, port: u16, address: &str) -> String {
    let mut out = text.to_owned();
    for local in ["127.0.0.1", "localhost", "[::1]"] {
        let wanted = format!("{local}:{port}");
        let mut done = 0;
        while let Some(at) = out[done..].find(&wanted).map(|at| at + done) {
            let end = at + wanted.len();
            if out[end..].starts_with(|c: char| c.is_ascii_digit()) {
                done = end;
                continue;
            }
            let there = format!("{address}:{port}");
            out.replace_range(at..end, &there);
            done = at + there.len();
        }
    }
    out
}

/// A worker of ours listens on all addresses there, unless its command says where.
fn open(service: &mut Service) {
    let says = |word: &Word| matches!(word, Word::Plain(text) if text.starts_with("--host"));
    let known = WORKERS.contains(&service.program_name());
    if known && !service.arguments.iter().any(says) {
        service.arguments.push(Word::Plain("--host".into()));
        service.arguments.push(Word::Plain("0.0.0.0".into()));
    }
}

/// The proxy's own default is this host; unless its command says otherwise, it asks the stream where that is.
fn ask(service: &mut Service, backend: &str) {
    let says = |word: &Word| matches!(word, Word::Plain(text) if text.starts_with("--backend"));
    let told = service
        .env
        .iter()
        .any(|(name, _)| name == "BROWSER_PROXY_BACKEND");
    if !told && !service.arguments.iter().any(says) {
        service.arguments.push(Word::Plain("--backend".into()));
        service.arguments.push(Word::Plain(backend.to_owned()));
    }
}

/// Who holds the key of the feed.
pub fn is_holder(service: &Service) -> bool {
    service.program_name() == HOLDER
}

/// Who may run many times: it keeps nothing between its clients.
pub fn is_copyable(service: &Service) -> bool {
    service.program_name() == "browser-proxy"
}

/// One that serves what the holder publishes: the same without the key.
pub fn server_of(holder: &Service) -> Service {
    let mut server = holder.clone();
    server.secrets.retain(|name| !name.starts_with("ALPACA"));
    server.env.retain(|(name, _)| !name.starts_with("ALPACA"));
    server
}

#[cfg(test)]
mod tests {
    use super::reach;

    #[test]
    fn an_address_is_taken_whole_or_not_at_all() {
        let moved = |text| reach(text, 8765, "stream");
        assert_eq!(moved("ws://127.0.0.1:8765/x"), "ws://stream:8765/x");
        assert_eq!(moved("localhost:8765,127.0.0.1:8765"), "stream:8765,stream:8765");
        assert_eq!(moved("ws://127.0.0.1:87650"), "ws://127.0.0.1:87650");
        assert_eq!(moved("10.127.0.0.1"), "10.127.0.0.1");
    }
}
