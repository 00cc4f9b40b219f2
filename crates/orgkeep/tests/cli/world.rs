// SPDX-License-Identifier: Apache-2.0
//! A hermetic world for the program: its own home, no variables of the machine, no terminal, a folder that vanishes; and
//! emulated orgs for it to talk to, either in another process or in this one, where a test can break them.

use orgkeep_emulator::{Credentials, Emulator, Org, Settings};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

pub const PASSPHRASE: &str = "a passphrase for tests";

pub struct World {
    folder: TempDir,
}

/// What came of one run of the program.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The last line of `--json`.
    pub fn result(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_else(|| panic!("no output: {self:?}"));
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(value["type"], "result", "{line}");
        value
    }

    pub fn events(&self, kind: &str) -> Vec<Value> {
        let lines = self.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON Lines"));
        lines.filter(|line| line["type"] == kind).collect()
    }

    #[track_caller]
    pub fn ok(self) -> Ran {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn fails(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl World {
    pub fn new() -> World {
        let world = World { folder: TempDir::new().expect("a temporary folder") };
        std::fs::create_dir(world.path("home")).expect("a home");
        world.write("passphrase", PASSPHRASE);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file in the world");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orgkeep"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).env_clear();
        command.env("HOME", self.path("home")).env("COLUMNS", "100").env("LANG", "C.UTF-8");
        command.env("ORGKEEP_CONFIG", self.path("config.toml"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }

    /// Arguments in one text, divided by spaces.
    pub fn orgkeep(&self, line: &str) -> Ran {
        self.run(&line.split(' ').collect::<Vec<_>>())
    }

    /// `text` with what differs from run to run replaced.
    pub fn plain(&self, text: &str, served: Option<&Served>) -> String {
        let mut text = text.replace(&self.folder.path().display().to_string(), "[WORLD]");
        if let Some(served) = served {
            text = text.replace(served.url.trim_end_matches('/'), "[URL]");
            text = text.replace(served.url.trim_start_matches("http://").trim_end_matches('/'), "[HOST]");
        }
        text
    }

    /// A vault and a connector `acme` to the org, which is signed in to by client credentials.
    pub fn connected(&self, served: &Served) {
        self.orgkeep("init vault --passphrase-file passphrase").ok();
        self.connect("acme", served, 0).ok();
    }

    pub fn connect(&self, name: &str, served: &Served, org: usize) -> Ran {
        let credentials = served.emulator.credentials(org);
        self.write(&format!("{name}.secret"), &credentials.client_secret);
        self.orgkeep(&format!(
            "connect {name} --vault vault --passphrase-file passphrase --url {} --client-id {} --client-secret-file {name}.secret",
            served.url, credentials.client_id
        ))
    }
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("the program starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Emulated orgs inside this process, on a real socket.
pub struct Served {
    pub emulator: Emulator,
    pub url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Served {
    pub fn new(records: u64) -> Served {
        Served::with(Settings { records, ..Settings::default() })
    }

    pub fn with(settings: Settings) -> Served {
        let emulator = Emulator::start(settings).expect("an emulator");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = emulator.clone();
        runtime.spawn(async move { serving.serve(listener, std::future::pending()).await });
        Served { emulator, url, _runtime: runtime }
    }

    pub fn org(&self) -> &Arc<Org> {
        &self.emulator.orgs()[0]
    }

    pub fn credentials(&self) -> Credentials {
        self.emulator.credentials(0)
    }

    /// Sends a request as a client with the first org's session would, and gives the answer's JSON.
    pub fn api(&self, method: &str, path: &str, body: &str) -> Value {
        request(&self.url, &self.credentials().access_token, method, path, body)
    }

    /// The first Id that a SOQL query finds.
    pub fn ids(&self, soql: &str) -> Vec<String> {
        let answer = self.api("GET", &format!("/services/data/v67.0/query?q={}", soql.replace(' ', "+")), "");
        let records = answer["records"].as_array().expect("records");
        records.iter().map(|record| record["Id"].as_str().expect("an Id").to_owned()).collect()
    }
}

/// A client of few words: sends one request, gives the answer's JSON.
pub fn request(url: &str, token: &str, method: &str, path: &str, body: &str) -> Value {
    let host = url.trim_start_matches("http://");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(host).expect("a connection");
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    // The org says no to the deletion of an account with cases; everything else here is meant to succeed.
    let refused = head.starts_with("HTTP/1.1 400") && body.contains("DELETE_FAILED");
    assert!(head.starts_with("HTTP/1.1 2") || refused, "{method} {path}: {answer}");
    // Chunked answers begin with a length and end with an empty chunk.
    let start = body.find(['{', '[']).unwrap_or(body.len());
    let end = body.rfind(['}', ']']).map_or(start, |end| end + 1);
    serde_json::from_str(&body[start..end]).unwrap_or(Value::Null)
}

/// `orgkeep emulator` in a process of its own; killed when dropped.
pub struct EmulatorProcess {
    pub child: Child,
    pub ready: Value,
    _stdout: BufReader<ChildStdout>,
}

impl EmulatorProcess {
    pub fn start(world: &World, arguments: &str) -> EmulatorProcess {
        let line = format!("emulator --port 0 --json {arguments}");
        let mut command = world.command(&line.split_whitespace().collect::<Vec<_>>());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        EmulatorProcess { child, ready, _stdout: stdout }
    }
}

impl Drop for EmulatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
