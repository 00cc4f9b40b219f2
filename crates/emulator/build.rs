// SPDX-License-Identifier: Apache-2.0
//! Makes Rust of the Pub/Sub API's proto file, without a `protoc` on the machine: the server for the crate, the client for
//! its tests, each in a folder of its own. The file is Salesforce's (github.com/forcedotcom/pub-sub-api), in the public
//! domain under CC0 1.0, whose text lies beside it.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "this is how a build script and cargo speak")]

use std::error::Error;
use std::path::PathBuf;

const PROTO: &str = "proto/pubsub_api.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo gives no OUT_DIR")?);
    for (side, is_server) in [("server", true), ("client", false)] {
        let folder = out.join(side);
        std::fs::create_dir_all(&folder)?;
        let files = protox::compile([PROTO], ["proto"])?;
        tonic_prost_build::configure()
            .build_server(is_server)
            .build_client(!is_server)
            .out_dir(folder)
            .compile_fds(files)?;
    }
    Ok(())
}
