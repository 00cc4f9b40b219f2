// SPDX-License-Identifier: Apache-2.0
//! Programs that are run to their end, watched while they run, and servers that run until they are dropped.
//!
//! Peak memory is the kernel's own high-water mark of resident memory, read every 20 ms from `/proc` and added up over the
//! program and whatever it started. What is allocated and freed within the last 20 ms of a program's life may be missed.
//! On systems without `/proc` it is not known.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of a failed program's output that are shown.
const TAIL_LINES: usize = 40;

/// How a program ran.
pub struct Run {
    pub stdout: Vec<u8>,
    pub code: Option<i32>,
    pub seconds: f64,
    pub peak_bytes: Option<u64>,
}

impl Run {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a program whose output goes to the terminal.
pub fn shown(command: &mut Command) -> Result<()> {
    let name = name(command);
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("cannot start {name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed ({status})")) }
}

/// Runs a program whose output is kept in files beginning with `log`; a failure shows the end of it.
pub fn kept(command: &mut Command, log: &Path, limit: Duration) -> Result<Run> {
    kept_with(command, log, limit, &[])
}

/// [`kept`], where these exit codes are no failure either.
pub fn kept_with(command: &mut Command, log: &Path, limit: Duration, fine: &[i32]) -> Result<Run> {
    let name = name(command);
    let started = Instant::now();
    let mut child = spawned(command, log)?;
    let mut peak_bytes = None;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        peak_bytes = peak_bytes.max(resident_peak_bytes(child.id()));
        match child.try_wait().map_err(|error| format!("cannot wait for {name}: {error}"))? {
            Some(status) => break status,
            None if started.elapsed() > limit => {
                stop(&mut child);
                return Err(format!("{name} was stopped after {} minutes", limit.as_secs() / 60));
            }
            None => std::thread::sleep(pause),
        }
        pause = LOOK_EVERY.min(pause * 2);
    };
    let seconds = started.elapsed().as_secs_f64();
    let out = with_ending(log, "out");
    let stdout = std::fs::read(&out).map_err(|error| format!("cannot read {}: {error}", out.display()))?;
    let code = status.code();
    if status.success() || code.is_some_and(|code| fine.contains(&code)) {
        return Ok(Run { stdout, code, seconds, peak_bytes });
    }
    Err(format!(
        "{name} failed ({status})\n{}{}",
        tail(&String::from_utf8_lossy(&stdout)),
        tail(&read(&with_ending(log, "err")))
    ))
}

/// Runs a program until something is so, and kills it then. One that ends or takes too long before that is an error.
pub fn until(command: &mut Command, log: &Path, limit: Duration, so: impl Fn() -> bool) -> Result<()> {
    let name = name(command);
    let started = Instant::now();
    let mut child = spawned(command, log)?;
    let mut running = true;
    while !so() && running && started.elapsed() < limit {
        running = child.try_wait().map_err(|error| format!("cannot wait for {name}: {error}"))?.is_none();
        std::thread::sleep(Duration::from_millis(1));
    }
    stop(&mut child);
    if so() {
        return Ok(());
    }
    Err(format!("{name} did not get as far as it should\n{}", tail(&read(&with_ending(log, "err")))))
}

/// Starts a program whose output goes to files beginning with `log`.
fn spawned(command: &mut Command, log: &Path) -> Result<Child> {
    let (out, err) = (with_ending(log, "out"), with_ending(log, "err"));
    command.stdin(Stdio::null()).stdout(create(&out)?).stderr(create(&err)?);
    command.spawn().map_err(|error| format!("cannot start {}: {error}", name(command)))
}

/// A program that serves, until it is dropped.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.0);
    }
}

/// Starts a server whose output goes to files beginning with `log`, and waits until it takes requests at a port and `so` holds of what it said.
pub fn serving(
    command: &mut Command,
    log: &Path,
    port: u16,
    limit: Duration,
    so: impl Fn(&str) -> bool,
) -> Result<Server> {
    let server = Server(spawned(command, log)?);
    let started = Instant::now();
    loop {
        let said = read(&with_ending(log, "out"));
        if TcpStream::connect(("127.0.0.1", port)).is_ok() && so(&said) {
            return Ok(server);
        }
        if started.elapsed() > limit {
            return Err(format!("{} did not start: {}", name(command), tail(&said)));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Ports that nobody listens at now.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All held until all are known, so that they differ.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())).collect::<Result<_>>()?;
    let ports = listeners.iter().map(|listener| listener.local_addr().map(|address| address.port()));
    let ports: Vec<u16> = ports.collect::<std::io::Result<_>>().map_err(|error| error.to_string())?;
    ports.try_into().map_err(|_| "ports are missing".to_owned())
}

/// Ends a program that does not end by itself.
pub fn stop(child: &mut Child) {
    // Both fail only for a program that has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Kills a program and whatever it started, where `/proc` tells what that is.
pub fn kill_with_descendants(process: u32) {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    // One that has ended already cannot be killed, and need not be.
    let _ = Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status();
    children.split_whitespace().filter_map(|child| child.parse().ok()).for_each(kill_with_descendants);
}

/// The sum of the high-water marks of a process and its descendants.
pub fn resident_peak_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let own: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let below = children.split_whitespace().filter_map(|child| resident_peak_bytes(child.parse().ok()?));
    Some(own * 1024 + below.sum::<u64>())
}

/// The program and its first argument, as a person would name it.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    match command.get_args().next() {
        Some(first) => format!("{program} {}", Path::new(first).file_name().unwrap_or(first).to_string_lossy()),
        None => program,
    }
}

pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("    {line}\n")).collect()
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

pub fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
