//! One look at the supervisor: its status, and who holds the ports.

use crate::status::{Port, Status};
use crate::supervisor::{NoAnswer, Supervisor};

/// What the supervisor knows now. A supervisor that does not tell of ports is one without.
///
/// # Errors
/// [`NoAnswer`].
pub async fn look(supervisor: &Supervisor) -> Result<Status, NoAnswer> {
    let (status, ports) = tokio::join!(supervisor.status(), supervisor.read("/v1/ports"));
    let mut status: Status = parse(&status?)?;
    if let Ok(ports) = ports
        && let Ok(ports) = parse::<Vec<Port>>(&ports)
    {
        status.ports = ports;
    }
    supervisor.learn(&status);
    Ok(status)
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, NoAnswer> {
    serde_json::from_slice(body).map_err(|error| NoAnswer::Io(std::io::Error::other(error)))
}
