//! What every request and every answer passes: the names this host answers to, and the headers that
//! keep a page to its own files.

use axum::extract::{Request, State};
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Stream;
use crate::routes::App;

/// The names under which this host may be addressed: any IP address, `localhost`, the host's own
/// name, and those given. A stranger's page that has its own name resolved to this host (DNS
/// rebinding) would otherwise be "same origin" with it.
#[derive(Clone, Debug)]
pub struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// The usual names, and these besides.
    #[must_use]
    pub fn with(names: &[String]) -> Self {
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let names = names.iter().map(|name| name.trim().to_ascii_lowercase());
        let usual = ["localhost".to_owned(), own.trim().to_ascii_lowercase()];
        Self {
            names: names.chain(usual).filter(|name| !name.is_empty()).collect(),
        }
    }

    /// Whether a `Host` header is one of this host's.
    #[must_use]
    pub fn permit(&self, host: &str) -> bool {
        let name = host_name(host).to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<std::net::IpAddr>().is_ok() || self.names.contains(&name)
    }
}

/// The host of `host[:port]`, brackets of an IPv6 address included.
fn host_name(host: &str) -> &str {
    let end_of_address = host.rfind(']').map_or(0, |at| at + 1);
    let port = host[end_of_address..].find(':');
    port.map_or(host, |at| &host[..end_of_address + at])
}

/// The `Host` of a request; empty when there is none or it is not text.
pub fn host(headers: &HeaderMap) -> &str {
    headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default()
}

/// The middleware.
pub async fn pass(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = host(request.headers()).to_owned();
    let mut response = if app.settings.hosts.permit(&host) {
        next.run(request).await
    } else {
        let refusal = "This host is not known by that name. If it should be: main-app --allow-host NAME\n";
        (StatusCode::MISDIRECTED_REQUEST, refusal).into_response()
    };
    let policy = content_policy(&app.settings.stream, host_name(&host));
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in FIXED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

const FIXED: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Own files only, and the stream; nothing inline, nothing framed, no markup made from text.
fn content_policy(stream: &Stream, host: &str) -> String {
    let connect = match &stream.url {
        Some(url) => url.clone(),
        // A policy cannot name an IPv6 address.
        None if host.starts_with('[') || host.is_empty() => "ws: wss:".into(),
        None => format!("ws://{host}:{port} wss://{host}:{port}", port = stream.port),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         worker-src 'self'; require-trusted-types-for 'script'; trusted-types stream-worker"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_hosts_names_are_answered() {
        let hosts = Hosts::with(&["Desk.example".into()]);
        for host in [
            "127.0.0.1:3000",
            "[::1]:3000",
            "[::1]",
            "10.1.2.3",
            "LOCALHOST:80",
            "desk.example:3000",
        ] {
            assert!(hosts.permit(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "desk.example.evil.example:3000",
        ] {
            assert!(!hosts.permit(host), "{host}");
        }
    }

    #[test]
    fn a_page_may_reach_its_stream_and_nothing_else() {
        let stream = |url: Option<&str>| Stream {
            port: 8766,
            url: url.map(str::to_owned),
        };
        let own = content_policy(&stream(None), "desk");
        assert!(
            own.contains("connect-src 'self' ws://desk:8766 wss://desk:8766;"),
            "{own}"
        );
        let given = content_policy(&stream(Some("wss://desk.example/stream")), "desk");
        assert!(
            given.contains("connect-src 'self' wss://desk.example/stream;"),
            "{given}"
        );
        assert!(content_policy(&stream(None), "[::1]").contains("connect-src 'self' ws: wss:;"));
    }
}
