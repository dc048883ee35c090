//! Hands one message to one target: the only place that speaks to the outside world, and the only one with TLS.
//!
//! The supervisor runs it as a process of its own (`sentinel alert-deliver`), which reads the message and the
//! target from the variable [`GIVEN`], delivers, and ends: 0 when it was taken, 1 with the reason as the last
//! line of standard error. A command line would show a webhook's secret to everybody.

mod command;
mod syslog;
mod tls;
mod webhook;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alerts::{Message, Target, Way};
use crate::exit::ExitCode;

/// The variable with a [`Given`] as JSON. Readable by this user and root alone (environ(5)).
pub const GIVEN: &str = "SENTINEL_ALERT_GIVEN";

/// How long one delivery may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be delivered where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Given {
    /// Where.
    pub target: Target,
    /// What.
    pub message: Message,
}

/// Delivers what the environment names.
#[must_use]
pub fn run() -> ExitCode {
    let given = std::env::var(GIVEN).map_err(|error| format!("${GIVEN}: {error}"));
    let given = given
        .and_then(|text| serde_json::from_str::<Given>(&text).map_err(|error| format!("${GIVEN}: {error}")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let delivered = match (given, runtime) {
        (Ok(given), Ok(runtime)) => runtime.block_on(send(&given.target, &given.message)),
        (Err(error), _) => Err(error),
        (_, Err(error)) => Err(format!("cannot begin an event loop: {error}")),
    };
    match delivered {
        Ok(()) => ExitCode::Ok,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::Failed
        }
    }
}

/// Delivers one message, within [`PATIENCE`].
///
/// # Errors
/// Why it was not taken. Never names more of a webhook than its host.
pub async fn send(target: &Target, message: &Message) -> Result<(), String> {
    let sending = async {
        match &target.way {
            Way::Command(words) => command::run(words, message).await,
            Way::Webhook {
                url,
                slack,
                headers,
                ca_file,
            } => webhook::post(url, (*slack, headers), ca_file.as_deref(), message).await,
            Way::Syslog(address) => syslog::log(address, message).await,
        }
    };
    match tokio::time::timeout(PATIENCE, sending).await {
        Ok(result) => result,
        Err(_) => Err(format!("not taken within {} s", PATIENCE.as_secs())),
    }
}
