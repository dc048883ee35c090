//! `sentinel top`: the house on one screen, live.

use crate::client::error::Error;
use crate::client::{house, top};
use crate::exit::ExitCode;

use super::Caller;

pub(super) async fn run(caller: &Caller) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    top::run(&config, caller.terminal.paint.is_on()).await?;
    Ok(ExitCode::Ok)
}
