// SPDX-License-Identifier: Apache-2.0
//! A static file over HTTP, which is as fast as `curl` can be served: one connection, one answer, copied by the kernel.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::cpu_seconds;
use crate::{Result, child};

const LIMIT: Duration = Duration::from_secs(10 * 60);

pub struct Still {
    address: SocketAddr,
    /// Gives the seconds of processor time that serving took.
    server: JoinHandle<Result<f64>>,
}

/// How receiving the file went.
pub struct Received {
    pub seconds: f64,
    /// Of the server.
    pub cpu_seconds: f64,
}

impl Still {
    /// Makes a file of this size and serves it to the first who asks.
    pub fn serve(file: &Path, size_bytes: u64) -> Result<Still> {
        let failed = |error: std::io::Error| format!("cannot serve a file: {error}");
        let mut made = File::create(file).map_err(failed)?;
        let piece = b"\"0011A000000000001A\",\"Account\",\"2022-03-17T16:21:26.000Z\"\n".repeat(16_384);
        let mut left = size_bytes;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            made.write_all(&piece[..length]).map_err(failed)?;
            left -= length as u64;
        }
        let file = File::open(file).map_err(failed)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let server = std::thread::spawn(move || {
            answer(&listener, file, size_bytes).map_err(failed)?;
            cpu_seconds("/proc/thread-self/stat")
        });
        Ok(Still { address, server })
    }

    /// Receives it with `curl`.
    pub fn received(self, folder: &Path) -> Result<Received> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "/dev/null"]);
        curl.arg(format!("http://{}/", self.address));
        let started = Instant::now();
        child::kept(&mut curl, &folder.join("curl"), LIMIT)?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu_seconds = self.server.join().map_err(|_| "the server of the static file panicked")??;
        Ok(Received { seconds, cpu_seconds: cpu_seconds.max(0.01) })
    }
}

fn answer(listener: &TcpListener, mut file: File, size_bytes: u64) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut request = BufReader::new(stream.try_clone()?).lines();
    while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-length: {size_bytes}\r\nconnection: close\r\n\r\n"
    )?;
    std::io::copy(&mut file, &mut stream).map(|_| ())
}
