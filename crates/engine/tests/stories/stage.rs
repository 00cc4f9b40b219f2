// SPDX-License-Identifier: Apache-2.0
//! The scene of every story: an emulated org, a vault in memory, and a network that does as it is told.

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_emulator::{Clock as OrgClock, Emulator, Settings};
use orgkeep_engine::{
    BackupOptions, BackupReport, Clock, Event, Monitor, Plan, PlanOptions, Reconcile, RestoreReport, Result, Selection,
};
use orgkeep_salesforce::{Body, Login, Options, Org, Request, Response, Secret, SendError, Transport, Writer};
use orgkeep_vault::{OrgVault, Protection, Unlock, Vault};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-01-02T03:04:05Z
const START_MS: i64 = 1_767_323_045_000;

/// When and how the network fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The request of this number gets lost before the org sees it; all others arrive.
    Before(usize),
    /// The org acts on the request of this number, and its reply gets lost.
    After(usize),
    /// From this request on nothing arrives any more, as after a pulled plug; the reply of the one before it came.
    Down(usize),
    /// As `Down`, but the org still acted on this request.
    DownAfter(usize),
}

/// The in-process network to an emulator.
pub struct Network {
    emulator: Emulator,
    requests: AtomicUsize,
    fault: Mutex<Fault>,
    log: Mutex<Vec<String>>,
    meanwhile: Mutex<Option<Meanwhile>>,
    refused: Mutex<Option<&'static str>>,
}

/// What happens in the org just before the first request with this in its path.
struct Meanwhile {
    /// What stands in the request's path and query.
    asked: &'static str,
    /// How many such requests go before.
    after: usize,
    happens: Box<dyn FnOnce(&Emulator) + Send>,
}

impl Network {
    /// Lets something happen in the org just before the first request with `path` in its path.
    pub fn meanwhile(&self, path: &'static str, happens: impl FnOnce(&Emulator) + Send + 'static) {
        self.meanwhile_after(0, path, happens);
    }

    /// The same, once `after` such requests were made; their query counts too.
    pub fn meanwhile_after(&self, after: usize, asked: &'static str, happens: impl FnOnce(&Emulator) + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Meanwhile { asked, after, happens: Box::new(happens) });
    }

    /// From now on the org fails at every request that ends so, alone or as a part of a composite one.
    pub fn refuse(&self, target: &'static str) {
        *self.refused.lock().unwrap() = Some(target);
    }

    /// An answer of the org, after what it is to fail at.
    async fn answer(&self, request: http::Request<axum::body::Body>) -> http::Response<axum::body::Body> {
        let refused = *self.refused.lock().unwrap();
        let Some(refused) = refused else { return self.emulator.handle(request).await };
        let error = json!([{"errorCode": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred."}]);
        if request.uri().to_string().ends_with(refused) {
            return http::Response::builder().status(500).body(error.to_string().into()).unwrap();
        }
        if !request.uri().path().ends_with("/composite") {
            return self.emulator.handle(request).await;
        }
        let (mut head, body) = request.into_parts();
        head.headers.remove(http::header::ACCEPT_ENCODING);
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let (mut answer, body) = self.emulator.handle(http::Request::from_parts(head, body.into())).await.into_parts();
        let mut said: Value = serde_json::from_slice(&axum::body::to_bytes(body, usize::MAX).await.unwrap()).unwrap();
        for (number, part) in asked["compositeRequest"].as_array().unwrap().iter().enumerate() {
            if part["url"].as_str().unwrap().ends_with(refused) {
                said["compositeResponse"][number]["body"] = error.clone();
                said["compositeResponse"][number]["httpStatusCode"] = 500.into();
            }
        }
        answer.headers.remove(http::header::CONTENT_LENGTH);
        http::Response::from_parts(answer, said.to_string().into())
    }

    /// Method and path of each request since the last fault was set.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Counts from here on, and fails so.
    pub fn set(&self, fault: Fault) {
        self.requests.store(0, Ordering::Relaxed);
        self.log.lock().unwrap().clear();
        *self.fault.lock().unwrap() = fault;
    }
}

pub struct Wire(pub Arc<Network>);

impl Transport for Wire {
    fn send(&self, request: Request) -> BoxFuture<'static, std::result::Result<Response, SendError>> {
        let network = self.0.clone();
        async move {
            let host = request.url.host_str().unwrap_or_default().to_owned();
            let number = network.requests.fetch_add(1, Ordering::Relaxed);
            network.log.lock().unwrap().push(format!("{} {}", request.method, request.url.path()));
            let due = network.meanwhile.lock().unwrap().take_if(|meanwhile| {
                let asked = request.url.as_str().contains(meanwhile.asked);
                let now = asked && meanwhile.after == 0;
                meanwhile.after = meanwhile.after.saturating_sub(usize::from(asked));
                now
            });
            if let Some(Meanwhile { happens, .. }) = due {
                happens(&network.emulator);
            }
            let fault = *network.fault.lock().unwrap();
            let unseen = match fault {
                Fault::Before(at) => number == at,
                Fault::Down(from) => number >= from,
                Fault::DownAfter(from) => number > from,
                Fault::None | Fault::After(_) => false,
            };
            if unseen {
                return Err(SendError::lost(&host, "the story cut the connection"));
            }
            let body = match request.body {
                Body::Empty => axum::body::Body::empty(),
                Body::Bytes(bytes) => axum::body::Body::from(bytes),
                stream @ Body::Stream(_) => axum::body::Body::from_stream(stream.open()),
            };
            let mut sent = http::Request::new(body);
            *sent.method_mut() = request.method;
            *sent.uri_mut() = request.url.as_str().parse().expect("a URL is a URI");
            *sent.headers_mut() = request.headers;
            sent.headers_mut().insert(http::header::HOST, host.parse().expect("a host is a header value"));
            let (parts, body) = network.answer(sent).await.into_parts();
            if matches!(fault, Fault::After(at) | Fault::DownAfter(at) if number == at) {
                return Err(SendError::lost(&host, "the story lost the reply"));
            }
            let body = body.into_data_stream().map_err(move |error| SendError::lost(&host, error)).boxed();
            Ok(Response { status: parts.status, headers: parts.headers, body })
        }
        .boxed()
    }
}

/// The emulator's clock is the only one.
struct Time(OrgClock);

impl Clock for Time {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.now()).unwrap()
    }
}

/// Hears and remembers.
#[derive(Default)]
pub struct Ears(pub Mutex<Vec<Event>>);

impl Monitor for Ears {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Ears {
    pub fn notices(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let notice = |event: &Event| match event {
            Event::Notice { message, .. } => Some(message.clone()),
            _ => None,
        };
        events.iter().filter_map(notice).collect()
    }
}

pub struct Stage {
    pub emulator: Emulator,
    pub network: Arc<Network>,
    pub store: Arc<InMemory>,
    pub ears: Ears,
}

impl Stage {
    /// An org with nothing in it but what every org has.
    pub fn new() -> Stage {
        Stage::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Stage {
        let emulator = Emulator::start(Settings { clock: OrgClock::starting_at(START_MS), ..settings }).unwrap();
        Stage::around(emulator)
    }

    pub fn around(emulator: Emulator) -> Stage {
        let network = Arc::new(Network {
            emulator: emulator.clone(),
            requests: AtomicUsize::new(0),
            fault: Mutex::new(Fault::None),
            log: Mutex::default(),
            meanwhile: Mutex::default(),
            refused: Mutex::default(),
        });
        Stage { emulator, network, store: Arc::new(InMemory::new()), ears: Ears::default() }
    }

    pub fn clock(&self) -> impl Clock + use<> {
        Time(self.emulator.clock().clone())
    }

    /// Orders a fault, as `docs/emulator.md` describes it.
    pub async fn order(&self, fault: Value) {
        let request = http::Request::post("http://localhost/_emulator/faults").body(fault.to_string().into()).unwrap();
        let answer = self.emulator.handle(request).await;
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// Lets time pass.
    pub fn later(&self, hours: u64) {
        self.emulator.clock().advance(Duration::from_secs(hours * 3600));
    }

    /// Lets time pass until then.
    pub fn until(&self, then: DateTime<Utc>) {
        self.emulator.clock().advance((then - self.clock().now()).to_std().unwrap());
    }

    pub async fn org(&self) -> Org {
        self.org_number(0).await
    }

    pub async fn org_number(&self, number: usize) -> Org {
        self.connect(number).await.unwrap()
    }

    pub async fn connect(&self, number: usize) -> orgkeep_salesforce::Result<Org> {
        self.connect_with(number, Options::default()).await
    }

    pub async fn connect_with(&self, number: usize, options: Options) -> orgkeep_salesforce::Result<Org> {
        let credentials = self.emulator.credentials(number);
        let login = Login::ClientCredentials {
            login_url: "https://acme.my.salesforce.com".parse().unwrap(),
            client_id: credentials.client_id,
            client_secret: Secret::from(credentials.client_secret.as_str()),
        };
        Org::connect(Arc::new(Wire(self.network.clone())), login, options).await
    }

    pub async fn vault(&self) -> OrgVault {
        self.vault_on(self.store.clone()).await.unwrap()
    }

    pub async fn vault_on(&self, store: Arc<dyn object_store::ObjectStore>) -> orgkeep_vault::Result<OrgVault> {
        let vault = match Vault::open(store.clone(), Unlock::None).await {
            Ok(vault) => vault,
            Err(error) if error.kind() == orgkeep_vault::Kind::NotFound => {
                Vault::init(store, Protection::None).await?.0
            }
            Err(error) => return Err(error),
        };
        vault.org(&self.emulator.orgs()[0].id).await
    }

    pub async fn backup(&self) -> BackupReport {
        self.try_backup(false).await.unwrap()
    }

    pub async fn try_backup(&self, full: bool) -> Result<BackupReport> {
        let org = self.connect(0).await?;
        self.backup_of(org, full).await
    }

    pub async fn backup_of(&self, org: Org, full: bool) -> Result<BackupReport> {
        let options = BackupOptions { full, holder: "story".into(), parallel_objects: 1, ..BackupOptions::default() };
        self.backup_with(org, options).await
    }

    pub async fn backup_with(&self, org: Org, options: BackupOptions) -> Result<BackupReport> {
        orgkeep_engine::backup(&org, &self.vault_on(self.store.clone()).await?, &options, &self.clock(), &self.ears)
            .await
    }

    /// An incremental backup that holds all Ids and formulas.
    pub async fn reconcile(&self) -> BackupReport {
        let options = BackupOptions { reconcile: Reconcile::Now, parallel_objects: 1, ..BackupOptions::default() };
        self.backup_with(self.org().await, options).await.unwrap()
    }

    pub async fn plan(&self, at: u64, selection: Selection, related: bool) -> Plan {
        self.try_plan(0, at, selection, related).await.unwrap()
    }

    pub async fn try_plan(&self, target: usize, at: u64, selection: Selection, related: bool) -> Result<Plan> {
        let options = PlanOptions { at, selection, related, skip_missing: false };
        let org = self.connect(target).await?;
        let vault = self.vault_on(self.store.clone()).await?;
        orgkeep_engine::plan(&vault, &org, &options, &self.clock(), &self.ears).await
    }

    pub async fn apply(&self, plan: &Plan) -> RestoreReport {
        self.try_apply(0, plan).await.unwrap()
    }

    pub async fn try_apply(&self, target: usize, plan: &Plan) -> Result<RestoreReport> {
        let writer = Writer::new(self.connect(target).await?);
        let vault = self.vault_on(self.store.clone()).await?;
        orgkeep_engine::apply(&vault, plan, writer, &self.clock(), &self.ears).await
    }

    /// Plans and applies.
    pub async fn restore(&self, at: u64, selection: Selection, related: bool) -> RestoreReport {
        let plan = self.plan(at, selection, related).await;
        self.apply(&plan).await
    }

    // What a user of the org does.

    /// Gives contacts a formula: a phone of the account, which moves no stamp of theirs when it changes.
    pub fn add_phone_of_account(&self) {
        let phone = Field {
            custom: true,
            calculated: true,
            formula: Some("Account.Phone".into()),
            ..Field::usual("Phone_of_account__c", "Phone of account", FieldType::String, 80)
        };
        self.emulator.orgs()[0].add_field("Contact", phone);
    }

    pub async fn create(&self, object: &str, rows: &[Value]) -> Vec<String> {
        let writer = Writer::new(self.org().await);
        let mut ids = Vec::new();
        for rows in rows.chunks(200) {
            let rows: Vec<Map<String, Value>> = rows.iter().map(|row| row.as_object().unwrap().clone()).collect();
            for result in writer.create(object, &rows).await.unwrap() {
                assert!(result.success, "{object}: {:?}", result.errors);
                ids.push(result.id.unwrap());
            }
        }
        ids
    }

    pub async fn create_one(&self, object: &str, row: Value) -> String {
        self.create(object, &[row]).await.remove(0)
    }

    pub async fn update(&self, object: &str, id: &str, fields: Value) {
        let mut row = fields.as_object().unwrap().clone();
        row.insert("Id".into(), json!(id));
        let results = Writer::new(self.org().await).update(object, &[row]).await.unwrap();
        assert!(results[0].success, "{:?}", results[0].errors);
    }

    pub async fn delete(&self, ids: &[String]) {
        let writer = Writer::new(self.org().await);
        for ids in ids.chunks(200) {
            for result in writer.delete(ids).await.unwrap() {
                assert!(result.success, "{:?}", result.errors);
            }
        }
    }

    /// Past the recycle bin, leaving no trace.
    pub async fn delete_for_good(&self, object: &str, ids: &[String]) {
        let writer = Writer::new(self.org().await);
        let job = writer.ingest(object, orgkeep_salesforce::Operation::HardDelete).await.unwrap();
        job.upload(Body::Bytes(format!("Id\n{}\n", ids.join("\n")).into())).await.unwrap();
        job.close().await.unwrap();
        let done = job.wait(&mut |_| {}).await.unwrap();
        assert_eq!(done.number_records_failed, 0);
    }

    /// Rows of a query as texts, null as "".
    pub async fn query(&self, soql: &str, columns: &[&str]) -> Vec<Vec<String>> {
        self.query_number(0, soql, columns).await
    }

    pub async fn query_number(&self, number: usize, soql: &str, columns: &[&str]) -> Vec<Vec<String>> {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let org = self.org_number(number).await;
        let batches: Vec<_> = org.query(soql, &columns, orgkeep_salesforce::Scope::Live).try_collect().await.unwrap();
        batches
            .iter()
            .flat_map(|rows| {
                rows.iter().map(|row| row.map(|cell| cell.unwrap_or_default().to_owned()).collect()).collect::<Vec<_>>()
            })
            .collect()
    }
}

pub fn records(object: &str, ids: &[String]) -> Selection {
    Selection::Records { object: object.to_owned(), ids: ids.to_vec() }
}
