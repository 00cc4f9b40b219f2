// SPDX-License-Identifier: Apache-2.0
//! The emulated org as a program with nothing but `curl` sees it: describe, jobs that query, jobs that write.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::written;
use crate::child::Run;
use crate::emulator::Emulator;
use crate::{Result, child};

const LIMIT: Duration = Duration::from_secs(30 * 60);
const POLL: Duration = Duration::from_millis(50);
const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

pub struct Org<'a> {
    pub emulator: &'a Emulator,
    folder: PathBuf,
}

/// Result pages, fetched.
pub struct Fetched {
    pub seconds: f64,
    pub pages: Vec<PathBuf>,
}

impl<'a> Org<'a> {
    /// Keeps answers in `folder`.
    pub fn new(emulator: &'a Emulator, folder: &Path) -> Org<'a> {
        Org { emulator, folder: folder.to_owned() }
    }

    /// Names of an object's fields that satisfy a condition on their describe, `Id` first; compound fields and file bodies
    /// are left out, because a query job cannot select them.
    pub fn fields(&self, object: &str, wanted: impl Fn(&Value) -> bool) -> Result<Vec<String>> {
        let describe = self.json(self.curl().arg(self.url(&format!("sobjects/{object}/describe"))))?;
        let fields = describe["fields"].as_array().ok_or_else(|| format!("no describe of {object}"))?;
        let mut names: Vec<String> = fields
            .iter()
            .filter(|field| !matches!(field["type"].as_str(), Some("address" | "location" | "base64")))
            .filter(|field| wanted(field))
            .filter_map(|field| field["name"].as_str().map(str::to_owned))
            .collect();
        names.sort_by_key(|name| name != "Id");
        Ok(names)
    }

    /// Runs a query job to its end and gives its Id.
    pub fn queried(&self, soql: &str) -> Result<String> {
        let order = json!({"operation": "query", "query": soql}).to_string();
        let job = self.json(self.curl().args(["--json", &order]).arg(self.url("jobs/query")))?;
        self.done("jobs/query", id(&job)?)
    }

    /// Fetches the result pages of a finished query job, compressed on the wire, one after the other.
    pub fn fetch(&self, job: &str) -> Result<Fetched> {
        let headers = self.folder.join("page.headers");
        let mut fetched = Fetched { seconds: 0.0, pages: Vec::new() };
        let mut locator: Option<String> = None;
        loop {
            let page = self.folder.join(format!("{job}-{}.csv", fetched.pages.len()));
            let from = locator.map(|locator| format!("?locator={locator}")).unwrap_or_default();
            let mut curl = self.curl();
            curl.args(["--compressed", "--dump-header"]).arg(&headers).arg("--output").arg(&page);
            curl.arg(self.url(&format!("jobs/query/{job}/results{from}")));
            fetched.seconds += child::kept(&mut curl, &self.folder.join("curl"), LIMIT)?.seconds;
            fetched.pages.push(page);
            match header(&headers, "sforce-locator")?.as_str() {
                "null" => return Ok(fetched),
                next => locator = Some(next.to_owned()),
            }
        }
    }

    /// Receives the result pages of a finished query job as they are and keeps none; gives their bytes.
    pub fn received(&self, job: &str) -> Result<u64> {
        let headers = self.folder.join("page.headers");
        let mut bytes = 0;
        let mut from = String::new();
        loop {
            let mut curl = self.curl();
            curl.arg("--dump-header").arg(&headers).args(["--output", NOWHERE, "--write-out", "%{size_download}"]);
            curl.arg(self.url(&format!("jobs/query/{job}/results{from}")));
            let told = child::kept(&mut curl, &self.folder.join("curl"), LIMIT)?.text();
            bytes += told.trim().parse::<u64>().map_err(|error| format!("curl told no size: {told}: {error}"))?;
            match header(&headers, "sforce-locator")?.as_str() {
                "null" => return Ok(bytes),
                next => from = format!("?locator={next}"),
            }
        }
    }

    /// The REST answer to a query, page by page, at most so many; gives how many records came.
    pub fn paged(&self, soql: &str, most_pages: usize) -> Result<u64> {
        let mut first = self.curl();
        first.args(["--get", "--data-urlencode"]).arg(format!("q={soql}")).arg(self.url("query"));
        let mut page = self.json(&mut first)?;
        let mut records = 0;
        for turn in 1.. {
            records += page["records"].as_array().map_or(0, |records| records.len() as u64);
            match page["nextRecordsUrl"].as_str().filter(|_| turn < most_pages) {
                Some(next) => page = self.json(self.curl().arg(format!("{}{next}", self.emulator.url)))?,
                None => break,
            }
        }
        Ok(records)
    }

    /// The rows of a query as CSV in one file.
    pub fn csv(&self, soql: &str, file: &Path) -> Result<()> {
        let mut text = String::new();
        for page in self.fetch(&self.queried(soql)?)?.pages {
            let page = std::fs::read_to_string(&page).map_err(|error| error.to_string())?;
            let rows = page.split_once('\n').map_or("", |(_, rows)| rows);
            text.push_str(if text.is_empty() { &page } else { rows });
        }
        written(file, &text).map(drop)
    }

    /// Runs an ingest job with the rows of a CSV file to its end. A row that fails is an error.
    pub fn ingest(&self, object: &str, operation: &str, csv: &Path) -> Result<()> {
        let mut order = json!({"object": object, "operation": operation, "contentType": "CSV", "lineEnding": "LF"});
        if operation == "upsert" {
            order["externalIdFieldName"] = "Id".into();
        }
        let job = self.json(self.curl().args(["--json", &order.to_string()]).arg(self.url("jobs/ingest")))?;
        let job = id(&job)?;
        let url = format!("jobs/ingest/{job}");
        let mut upload = self.curl();
        upload.args(["--request", "PUT", "--header", "Content-Type: text/csv", "--upload-file"]).arg(csv);
        child::kept(upload.arg(self.url(&format!("{url}/batches"))), &self.folder.join("curl"), LIMIT)?;
        let closed = r#"{"state":"UploadComplete"}"#;
        self.json(self.curl().args(["--request", "PATCH", "--json", closed]).arg(self.url(&url)))?;
        self.done("jobs/ingest", job)?;
        let done = self.json(self.curl().arg(self.url(&url)))?;
        match done["numberRecordsFailed"].as_u64() {
            Some(0) => Ok(()),
            failed => Err(format!("{operation} of {object}: {failed:?} rows failed")),
        }
    }

    /// Adds files of one size and different content; gives the Ids of their versions.
    pub fn add_files(&self, count: u64, bytes: u64) -> Result<Vec<String>> {
        let files = json!({"count": count, "bytes": bytes, "seed": 1}).to_string();
        let made =
            self.json(self.curl().args(["--json", &files]).arg(format!("{}/_emulator/files", self.emulator.url)))?;
        let ids = made["ids"].as_array().into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned));
        Ok(ids.collect())
    }

    /// Lets the org answer so much later for each body of a file.
    pub fn bodies_come_later(&self, ms: u64) -> Result<()> {
        let fault = json!({"when": {"family": "blob"}, "times": 0, "do": {"delay": {"ms": ms}}}).to_string();
        self.json(self.curl().args(["--json", &fault]).arg(format!("{}/_emulator/faults", self.emulator.url))).map(drop)
    }

    /// Fetches the bodies of versions of files, so many at a time, each into a file of its own in a folder.
    pub fn bodies(&self, ids: &[String], at_a_time: usize, into: &Path) -> Result<Run> {
        let body = |id: &String| {
            let url = self.url(&format!("sobjects/ContentVersion/{id}/VersionData"));
            format!("url = \"{url}\"\noutput = \"{}\"\n", into.join(id).display())
        };
        let list = written(&self.folder.join("bodies.curl"), &ids.iter().map(body).collect::<String>())?;
        let mut curl = self.curl();
        curl.args(["--parallel", "--parallel-max", &at_a_time.to_string(), "--config"]).arg(list);
        child::kept(&mut curl, &self.folder.join("curl"), LIMIT)
    }

    pub fn count(&self, object: &str, condition: &str) -> Result<u64> {
        let mut curl = self.curl();
        curl.args(["--get", "--data-urlencode"]);
        curl.arg(format!("q=SELECT COUNT() FROM {object} WHERE {condition}")).arg(self.url("query"));
        let answer = self.json(&mut curl)?;
        answer["totalSize"].as_u64().ok_or_else(|| format!("no count: {answer}"))
    }

    fn done(&self, kind: &str, job: &str) -> Result<String> {
        loop {
            let state = self.json(self.curl().arg(self.url(&format!("{kind}/{job}"))))?;
            match state["state"].as_str() {
                Some("JobComplete") => return Ok(job.to_owned()),
                Some("Failed" | "Aborted") | None => return Err(format!("job {job} ended badly: {state}")),
                Some(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// Lets time pass in the org, as it does between two backups: its stamps and its answers are by its own clock.
    pub fn later(&self, hours: u32) -> Result<()> {
        let time = json!({"advance_seconds": hours * 3600}).to_string();
        let url = format!("{}/_emulator/clock", self.emulator.url);
        child::kept(self.curl().args(["--json", &time]).arg(url), &self.folder.join("curl"), LIMIT).map(|_| ())
    }

    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--noproxy", "*", "--header"]);
        curl.arg(format!("Authorization: Bearer {}", self.emulator.told("access_token")));
        curl
    }

    fn url(&self, path: &str) -> String {
        format!("{}/services/data/v67.0/{path}", self.emulator.url)
    }

    fn json(&self, curl: &mut Command) -> Result<Value> {
        let answer = child::kept(curl, &self.folder.join("curl"), LIMIT)?.text();
        serde_json::from_str(&answer).map_err(|error| format!("no JSON: {error}: {answer}"))
    }
}

fn id(job: &Value) -> Result<&str> {
    job["id"].as_str().ok_or_else(|| format!("no job: {job}"))
}

/// A header of the last answer, as it was sent.
fn header(file: &Path, name: &str) -> Result<String> {
    let said = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let line = said.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
    line.map(|(_, value)| value.trim().to_owned()).ok_or_else(|| format!("no header {name}"))
}
