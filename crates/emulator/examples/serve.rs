// SPDX-License-Identifier: Apache-2.0
//! Serves an emulated org on a port, for clients that other people wrote: `serve PORT [RECORDS [PROJECT]] [--store FILE]
//! [--all-objects]`.
//!
//! Prints one line of JSON when it is ready, and stops when its standard input is closed.

use std::io::{Read as _, Write as _};

use orgkeep_emulator::{Catalog, Emulator, Settings};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// That of the product, so that what is measured of the one holds for the other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut settings = Settings::default();
    let mut positional = Vec::new();
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--store" => settings.store = given.next().map(std::path::PathBuf::from),
            "--all-objects" => settings.catalog = Catalog::Everything,
            _ => positional.push(argument),
        }
    }
    let mut arguments = positional.into_iter();
    let port: u16 = arguments
        .next()
        .unwrap_or_default()
        .parse()
        .map_err(|_| "usage: serve PORT [RECORDS [PROJECT]] [--store FILE] [--all-objects]")?;
    settings.records = arguments.next().map_or(Ok(0), |text| text.parse())?;
    settings.project = arguments.next().map(std::path::PathBuf::from);
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = stop.send(());
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let emulator = Emulator::start(settings)?;
        let credentials = emulator.credentials(0);
        let ready = serde_json::json!({
            "url": format!("http://{}", listener.local_addr()?),
            "username": credentials.username,
            "password": credentials.password,
            "security_token": credentials.security_token,
            "access_token": credentials.access_token,
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "jwt_private_key": credentials.jwt_private_key_pem,
        });
        writeln!(std::io::stdout(), "{ready}")?;
        let until = async move {
            let _ = stopped.await;
        };
        emulator.serve(listener, until).await?;
        Ok(())
    })
}
