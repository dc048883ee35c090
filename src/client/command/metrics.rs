//! `sentinel metrics`: what Prometheus would be told.

use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::house;
use crate::exit::ExitCode;

use super::Caller;

pub(super) async fn run(caller: &Caller) -> Result<ExitCode, Error> {
    let paths = house::locate(&caller.flags)?;
    let text = Connection::open(&paths).await?.metrics().await?;
    caller.terminal.print(&text)?;
    Ok(ExitCode::Ok)
}
