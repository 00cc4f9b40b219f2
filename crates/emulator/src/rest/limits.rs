// SPDX-License-Identifier: Apache-2.0
//! `/limits` and `/limits/recordCount` (`salesforce-api.md` 2.3).

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::edition::{self, Edition};
use crate::faces::lock;
use crate::org::Tx;

/// Limits that the emulator does not use up: always shown as untouched.
const UNTOUCHED: [(&str, u64); 36] = [
    ("ActiveScratchOrgs", 6),
    ("AnalyticsExternalDataSizeMB", 40_960),
    ("ConcurrentAsyncGetReportInstances", 200),
    ("ConcurrentEinsteinDataInsightsStoryCreation", 5),
    ("ConcurrentEinsteinDiscoveryStoryCreation", 2),
    ("ConcurrentSyncReportRuns", 20),
    ("DailyAnalyticsDataflowJobExecutions", 60),
    ("DailyAnalyticsUploadedFilesSizeMB", 51_200),
    ("DailyAsyncApexExecutions", 250_000),
    ("DailyAsyncApexTests", 500),
    ("DailyBulkV2QueryFileStorageMB", 976_562),
    ("DailyDeliveredPlatformEvents", 10_000),
    ("DailyDurableGenericStreamingApiEvents", 10_000),
    ("DailyDurableStreamingApiEvents", 10_000),
    ("DailyFunctionsApiCallLimit", 235_000),
    ("DailyGenericStreamingApiEvents", 10_000),
    ("DailyScratchOrgs", 6),
    ("DailyStandardVolumePlatformEvents", 10_000),
    ("DailyStreamingApiEvents", 10_000),
    ("DailyWorkflowEmails", 1_000),
    ("DurableStreamingApiConcurrentClients", 20),
    ("HourlyAsyncReportRuns", 1_200),
    ("HourlyDashboardRefreshes", 200),
    ("HourlyDashboardResults", 5_000),
    ("HourlyDashboardStatuses", 999_999_999),
    ("HourlyLongTermIdMapping", 100_000),
    ("HourlyManagedContentPublicRequests", 50_000),
    ("HourlyODataCallout", 1_000),
    ("HourlyPublishedPlatformEvents", 50_000),
    ("HourlyPublishedStandardVolumePlatformEvents", 1_000),
    ("HourlyShortTermIdMapping", 100_000),
    ("HourlySyncReportRuns", 500),
    ("HourlyTimeBasedWorkflow", 1_000),
    ("MassEmail", 5_000),
    ("SingleEmail", 5_000),
    ("StreamingApiConcurrentClients", 2_000),
];
const STORAGE_MAX_MB: u64 = 1_024;
/// A record takes 2 KB of data storage, whatever it holds.
const RECORD_KB: u64 = 2;

/// The limits. Without `ManageUsers` the two about storage are absent.
pub fn limits(ctx: &Ctx, tx: &Tx<'_>) -> Answer {
    let (used, max) = ctx.org.daily_usage();
    let mut all = std::collections::BTreeMap::new();
    for (name, max) in UNTOUCHED {
        all.insert(name, pair(max, max));
    }
    for (name, used, max) in lock(&ctx.org.faces.jobs).quotas.shown(ctx.org.clock().now()) {
        all.insert(name, pair(max, max.saturating_sub(used)));
    }
    all.insert("DailyApiRequests", pair(max, max.saturating_sub(used)));
    let mut sets = pair(1_500, 1_499);
    sets["CreateCustom"] = pair(1_000, 999);
    all.insert("PermissionSets", sets);
    if ctx.version_number() < 49 {
        let batches = all.remove("DailyBulkApiBatches").expect("the allowances of Bulk name it");
        all.insert("DailyBulkApiRequests", batches);
    }
    let own = edition::chosen(tx).map_or(&[][..], Edition::limits);
    for (name, max) in own.iter().filter(|(name, _)| !name.ends_with("StorageMB")) {
        all.insert(name, pair(*max, *max));
    }
    let storage = |name: &str| own.iter().find(|(known, _)| *known == name).map_or(STORAGE_MAX_MB, |(_, max)| *max);
    if ctx.caller.can("ManageUsers") {
        let records: u64 = tx.schema.objects().map(|object| live_rows(tx, object)).sum();
        let most = storage("DataStorageMB");
        all.insert("DataStorageMB", pair(most, most.saturating_sub(records * RECORD_KB / 1024)));
        let bytes = count(tx, "SELECT COALESCE(SUM(length), 0) FROM _blob");
        let most = storage("FileStorageMB");
        all.insert("FileStorageMB", pair(most, most.saturating_sub(bytes >> 20)));
    }
    Answer::ok(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into())
}

fn pair(max: u64, remaining: u64) -> Value {
    json!({"Max": max, "Remaining": remaining})
}

/// Counts of live rows by object, of those asked for or of all. Unknown objects are silently missing, and so are
/// generated companions and objects that never had a row, as recorded. (A real org answers with cached numbers; these are exact.)
pub fn record_count(ctx: &Ctx, tx: &Tx<'_>, asked: Option<&str>) -> Answer {
    let counted = |object: &crate::schema::Object| {
        let count = live_rows(tx, object);
        (count > 0 || had_rows(tx, object)).then(|| json!({"count": count, "name": object.name}))
    };
    let covered = |object: &crate::schema::Object| object.associate_entity_type.is_none() && ctx.caller.sees(object);
    let counts: Vec<Value> = match asked {
        Some(names) => names
            .split(',')
            .filter_map(|name| tx.schema.object(name.trim()))
            .filter(|object| covered(object))
            .filter_map(|object| counted(object))
            .collect(),
        None => tx.schema.objects().filter(|object| covered(object)).filter_map(|object| counted(object)).collect(),
    };
    Answer::ok(json!({"sObjects": counts}))
}

/// Whether an object has rows in the recycle bin: what was purged is forgotten.
fn had_rows(tx: &Tx<'_>, object: &crate::schema::Object) -> bool {
    count(tx, &format!("SELECT EXISTS (SELECT 1 FROM \"{}\")", object.name)) > 0
}

/// Rows of an object that are not in the recycle bin.
pub fn live_rows(tx: &Tx<'_>, object: &crate::schema::Object) -> u64 {
    let condition = if object.has("IsDeleted") { " WHERE \"IsDeleted\" = 0" } else { "" };
    let sql = format!("SELECT COUNT(*) FROM \"{}\"{condition}", object.name);
    let statement = tx.conn.unless_unused(&sql, &object.name).expect("every object has its table or none");
    number(statement)
}

fn count(tx: &Tx<'_>, sql: &str) -> u64 {
    number(tx.conn.if_there(sql).expect("every object has its table or none, and the store its own"))
}

/// What a statement counts; 0 where its table was never used.
fn number(statement: Option<rusqlite::CachedStatement<'_>>) -> u64 {
    let counted = statement.map_or(Ok(0_i64), |mut statement| statement.query_row([], |row| row.get(0)));
    counted.expect("the store can be read").unsigned_abs()
}
