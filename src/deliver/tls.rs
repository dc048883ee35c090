//! TLS to a webhook: Mozilla's roots, and those of `ca_file` and $SSL_CERT_FILE, as for companies with a root of their own.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Wraps a connection to this host; whom the certificates in `ca_file` vouch for is trusted, too.
pub(super) async fn wrap(
    stream: TcpStream,
    host: &str,
    ca_file: Option<&Path>,
) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) {
        trust(&mut roots, "$SSL_CERT_FILE", &file)?;
    }
    if let Some(file) = ca_file {
        trust(&mut roots, "ca_file", file.as_os_str())?;
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| format!("the webhook's host: {error}"))?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| in_words(&error))
}

/// A file that cannot be read, or holds nothing to trust, is told: who named it relies on it.
fn trust(roots: &mut RootCertStore, named: &str, file: &OsStr) -> Result<(), String> {
    let own = CertificateDer::pem_file_iter(file).map_err(|error| format!("{named}: {error}"))?;
    match roots.add_parsable_certificates(own.filter_map(Result::ok)) {
        (0, _) => Err(format!("{named}: {} holds no certificate", file.display())),
        _ => Ok(()),
    }
}

/// What people meet most, with its way out.
fn in_words(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => {
            "TLS: no authority that is known here has signed its certificate; name the one that has with `ca_file`"
                .into()
        }
        Some(_) | None => format!("TLS: {error}"),
    }
}
