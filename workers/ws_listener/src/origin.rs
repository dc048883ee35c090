//! Which web pages may connect: the only thing that keeps a stranger's page in the user's browser
//! from reading a stream on localhost, since browsers apply no same-origin rule to WebSockets.

use std::net::IpAddr;

/// The pages that may connect. By default those served from this host: `localhost`, a loopback
/// address, or the very host name the browser asked for. Programs send no `Origin` and may connect.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    allowed: Vec<String>,
}

impl Origins {
    /// The default rule, and these origins besides, compared as a whole (`https://desk.example`,
    /// or `null` for pages opened from a file). `*` admits every page.
    pub fn with(allowed: &[String]) -> Self {
        let allowed = allowed
            .iter()
            .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
            .collect();
        Self { allowed }
    }

    /// Whether a page of this `Origin` may connect to the `Host` it asked for.
    pub fn permit(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        let origin = origin.to_ascii_lowercase();
        if self.allowed.iter().any(|one| *one == origin || one == "*") {
            return true;
        }
        let Some((_scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let page = host_name(authority);
        is_loopback(page) || host.is_some_and(|host| host_name(&host.to_ascii_lowercase()) == page)
    }
}

/// The host of `host[:port]`, brackets of an IPv6 address included.
fn host_name(authority: &str) -> &str {
    let end_of_address = authority.rfind(']').map_or(0, |at| at + 1);
    let port = authority[end_of_address..].find(':');
    port.map_or(authority, |at| &authority[..end_of_address + at])
}

/// Whether a host name or address, bracketed if it is an IPv6 one, can only mean this host.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::Origins;

    #[test]
    fn programs_and_pages_of_this_host_may_connect() {
        let rule = Origins::default();
        assert!(rule.permit(None, None));
        for origin in [
            "http://localhost:3000",
            "HTTPS://LocalHost",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "http://[::1]",
            "http://desk.example:8000",
        ] {
            assert!(rule.permit(Some(origin), Some("Desk.example:8766")), "{origin}");
        }
    }

    #[test]
    fn other_pages_may_not() {
        let rule = Origins::default();
        for origin in [
            "https://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://desk.example.evil.example",
            "null",
            "",
        ] {
            assert!(!rule.permit(Some(origin), Some("desk.example:8766")), "{origin}");
            assert!(!rule.permit(Some(origin), None), "{origin}");
        }
    }

    #[test]
    fn listed_origins_may_connect_as_a_whole() {
        let rule = Origins::with(&["https://Desk.example/".into(), "null".into()]);
        assert!(rule.permit(Some("https://desk.example"), Some("127.0.0.1:8766")));
        assert!(rule.permit(Some("null"), None));
        assert!(!rule.permit(Some("http://desk.example"), Some("127.0.0.1:8766")));
        assert!(Origins::with(&["*".into()]).permit(Some("https://any.example"), None));
    }
}
