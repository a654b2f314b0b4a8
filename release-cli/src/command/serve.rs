//! `serve`: the pointer's directory over HTTP.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Builder;

use super::desk::{Desk, harmless_path};
use crate::args::ServeArgs;
use crate::context::File;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::serve::{Served, Server};

pub(super) fn run(args: &ServeArgs, config: Option<&Path>, desk: &Desk) -> Result<Exit, Failure> {
    let environment = &desk.environment;
    // With both flags no configuration is needed.
    let (directory, address) = match (&args.directory, args.listen) {
        (Some(directory), Some(address)) => (environment.directory.join(directory), address),
        _ => File::load(config, environment)?.serving(args, environment)?,
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::Runtime)?;
    runtime.block_on(async {
        let server = Server::bind(&directory, address).await?;
        desk.screen
            .serving(&server.address().to_string(), &harmless_path(&directory));
        let screen = Arc::clone(&desk.screen);
        let tell = move |served: &Served| screen.served(served);
        let interrupts = desk.interrupts.clone();
        server
            .run(move || interrupts.interrupted(), Arc::new(tell))
            .await;
        Ok::<(), Failure>(())
    })?;
    // To be stopped is how it is meant to end.
    Ok(Exit::Done)
}
