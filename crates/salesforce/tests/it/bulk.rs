// SPDX-License-Identifier: Apache-2.0
//! Bulk API 2.0 against an emulated org. Each case names the section of `salesforce-api.md` on which it stands.

use std::sync::Arc;

use crate::emulated::{BadLine, accounts, cells, emulated, names};
use futures::{StreamExt, TryStreamExt};
use orgkeep_salesforce::{
    Body, IngestJob, JobState, Kind, Operation, Options, Org, RowError, Rows, Scope, Upload, csv, soql,
};

fn csv_of<const N: usize>(rows: &[[&str; N]]) -> Body {
    let mut text = Vec::new();
    for row in rows {
        csv::write_row(&mut text, row.iter().map(|cell| Some(*cell)));
    }
    Body::Bytes(text.into())
}

/// 3.1: created, awaited, read; all rows by locators and by the list of pages.
#[tokio::test(start_paused = true)]
async fn a_query_job_gives_every_row() {
    let writer = emulated().writer().await;
    let mut ids = accounts(&writer, "Bulk", 1_000).await;
    ids.sort();
    let org = writer.org();
    let job = org.bulk_query("SELECT Id, Name FROM Account WHERE Name LIKE 'Bulk%'", Scope::Live).await.unwrap();
    assert!(job.id.starts_with("750"));
    let mut looks = 0;
    let done = job.wait(&mut |_| looks += 1).await.unwrap();
    assert_eq!((done.state, done.number_records_processed), (JobState::JobComplete, 1_000));
    assert!(looks >= 1);
    let batches: Vec<Rows> = job.rows().try_collect().await.unwrap();
    assert_eq!(batches[0].columns().join(","), "Id,Name");
    let mut read: Vec<String> =
        batches.iter().flat_map(Rows::iter).map(|mut row| row.next().unwrap().unwrap().to_owned()).collect();
    read.sort();
    assert_eq!(read, ids);

    // 3.1, resultPages (58.0+)
    let pages = job.result_pages().await.unwrap();
    let mut rows = 0;
    for page in &pages {
        rows += cells(job.page(page)).await.len();
    }
    assert_eq!(rows, 1_000);
    let id = job.id.clone();
    job.delete().await.unwrap();
    let gone = orgkeep_salesforce::QueryJob::resume(org, id, "Account");
    assert_eq!(gone.state().await.unwrap_err().kind, Kind::NotFound);
}

/// 3.1: a result may be fetched many times, so a page that is cut, also in its compressed form, goes on where it was
/// cut.
#[tokio::test(start_paused = true)]
async fn a_result_arrives_over_a_bad_line() {
    let emulated = emulated();
    let writer = emulated.writer().await;
    accounts(&writer, "Bad line", 3_000).await;
    let line = BadLine { line: emulated.transport(), cuts: 0.into(), step_bytes: 6_000 };
    let org = Org::connect(Arc::new(line), emulated.access_token(), Options::default()).await.unwrap();
    let job = org.bulk_query("SELECT Name FROM Account WHERE Name LIKE 'Bad line%'", Scope::Live).await.unwrap();
    job.wait(&mut |_| ()).await.unwrap();
    let calls = org.usage().calls["bulk"];
    let mut names: Vec<String> = cells(job.rows()).await.concat();
    assert!(org.usage().calls["bulk"] >= calls + 3, "it was cut at least twice");
    names.sort();
    let expected: Vec<String> = (0..3_000).map(|place| format!("Bad line {place:05}")).collect();
    assert_eq!(names, expected);
}

/// 3.1: no rows are a header row.
#[tokio::test(start_paused = true)]
async fn a_query_job_without_rows_still_has_columns() {
    let org = emulated().org().await;
    let job = org.bulk_query("SELECT Id, Owner.Name FROM Account WHERE Name = 'nobody'", Scope::All).await.unwrap();
    job.wait(&mut |_| ()).await.unwrap();
    let batches: Vec<Rows> = job.rows().try_collect().await.unwrap();
    assert_eq!((batches.len(), batches[0].len(), batches[0].columns().join(",")), (1, 0, "Id,Owner.Name".to_owned()));
}

/// 3.1: texts that break CSV readers.
#[tokio::test(start_paused = true)]
async fn difficult_texts_arrive_as_they_are() {
    let writer = emulated().writer().await;
    let texts = ["a \"b\" \"\"", "x,y;z", "line\r\nline\nline\rline", "😀 𝄞 ä", "#N/A", "\t tab", "'"];
    let rows: Vec<_> =
        texts.iter().map(|text| crate::emulated::row(serde_json::json!({"Name": "T", "Description": text}))).collect();
    assert!(writer.create("Account", &rows).await.unwrap().iter().all(|result| result.success));
    let columns = names(&["Description"]);
    let soql = soql::select(&columns, "Account", Some("Name = 'T'"));
    let job = writer.org().bulk_query(&soql, Scope::Live).await.unwrap();
    job.wait(&mut |_| ()).await.unwrap();
    let mut read: Vec<String> = cells(job.rows()).await.concat();
    let mut expected: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    read.sort();
    expected.sort();
    assert_eq!(read, expected);
}

/// 3.1: what Bulk API 2.0 cannot query is said at the creation of the job, or is why it fails.
#[tokio::test(start_paused = true)]
async fn what_bulk_cannot_query_is_told() {
    let org = emulated().org().await;
    for (soql, words) in [
        ("SELECT COUNT() FROM Account", ""),
        ("SELECT Id, BillingAddress FROM Account", "compound"),
        ("SELECT Id, VersionData FROM ContentVersion", "Cannot serialize value"),
        ("SELECT Id FROM Attachment", "is not supported by the Bulk API"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", ""),
    ] {
        let error = match org.bulk_query(soql, Scope::Live).await {
            Ok(job) => job.wait(&mut |_| ()).await.expect_err(soql),
            Err(error) => error,
        };
        assert_eq!(error.kind, Kind::Invalid, "{soql}: {error}");
        assert!(error.to_string().contains(words), "{soql}: {error}");
    }
}

/// 3.2: insert, with one row that is refused.
#[tokio::test(start_paused = true)]
async fn an_ingest_job_tells_the_fate_of_each_row() {
    let writer = emulated().writer().await;
    let job = writer.ingest("Contact", Operation::Insert).await.unwrap();
    assert_eq!(job.state().await.unwrap().state, JobState::Open);
    let csv = csv_of(&[["LastName", "Description"], ["One", "a\n\"b\""], ["", "no name"], ["Three", ""]]);
    assert_eq!(job.upload(csv.clone()).await.unwrap(), Upload::Done);
    assert_eq!(job.upload(csv).await.unwrap(), Upload::AlreadyUploaded);
    job.close().await.unwrap();
    job.close().await.unwrap();
    let done = job.wait(&mut |_| ()).await.unwrap();
    assert_eq!((done.number_records_processed, done.number_records_failed), (3, 1));

    let again = IngestJob::resume(&writer, job.id.clone(), "Contact");
    again.close().await.unwrap();
    let mut successful = cells(again.successful()).await;
    successful.sort_by(|a, b| a[2].cmp(&b[2]));
    assert_eq!(successful.len(), 2);
    assert_eq!(successful[0][1..], ["true", "One", "a\n\"b\""]);
    assert!(successful[0][0].starts_with("003"));
    let failed: Vec<Rows> = again.failed().try_collect().await.unwrap();
    assert_eq!(failed[0].columns().join(","), "sf__Id,sf__Error,LastName,Description");
    let error = RowError::from_bulk(failed[0].cell(0, 1).unwrap());
    assert_eq!(
        (error.status_code.as_str(), error.fields.as_slice()),
        ("REQUIRED_FIELD_MISSING", ["LastName".to_owned()].as_slice())
    );
    assert!(cells(again.unprocessed()).await.is_empty());
    assert_eq!(writer.org().count("Contact", Some("LastName IN ('One', 'Three')"), Scope::Live).await.unwrap(), 2);
    again.delete().await.unwrap();
}

/// 3.2: an empty cell is left alone, `#N/A` is null; then delete and hardDelete (6.7).
#[tokio::test(start_paused = true)]
async fn updates_and_deletes_by_ingest() {
    let writer = emulated().writer().await;
    let ids = accounts(&writer, "Ingest", 2).await;
    let run = async |operation: Operation, csv: Body| {
        let job = writer.ingest("Account", operation).await.unwrap();
        job.upload(csv).await.unwrap();
        job.close().await.unwrap();
        let done = job.wait(&mut |_| ()).await.unwrap();
        assert_eq!(done.number_records_failed, 0, "{:?}", cells(job.failed()).await);
    };
    let (a, b) = (ids[0].as_str(), ids[1].as_str());
    run(Operation::Update, csv_of(&[["Id", "Site", "Phone"], [a, "north", "1"], [b, "south", "2"]])).await;
    run(Operation::Update, csv_of(&[["Id", "Site", "Phone"], [a, "", csv::NULL], [b, csv::NULL, ""]])).await;
    let rows = writer.org().retrieve("Account", &ids, &names(&["Site", "Phone"])).await.unwrap();
    assert_eq!(crate::emulated::table(&rows), [["north", ""], ["", "2"]]);
    run(Operation::Delete, csv_of(&[["Id"], [a]])).await;
    run(Operation::HardDelete, csv_of(&[["Id"], [b]])).await;
    assert_eq!(writer.org().count("Account", Some("Name LIKE 'Ingest%'"), Scope::Live).await.unwrap(), 0);
    let results = writer.undelete(&ids).await.unwrap();
    assert_eq!((results[0].success, results[1].success), (true, false));
}

/// 3.2: data may be streamed, without its length.
#[tokio::test(start_paused = true)]
async fn data_may_be_streamed() {
    let writer = emulated().writer().await;
    let body = Body::Stream(Arc::new(|| {
        let header = futures::stream::iter([Ok("\"Name\"\n".into())]);
        let rows = futures::stream::iter((0..500).map(|row| Ok(format!("\"Streamed {row}\"\n").into())));
        header.chain(rows).boxed()
    }));
    let job = writer.ingest("Account", Operation::Insert).await.unwrap();
    job.upload(body).await.unwrap();
    job.close().await.unwrap();
    let done = job.wait(&mut |_| ()).await.unwrap();
    assert_eq!((done.number_records_processed, done.number_records_failed), (500, 0));
}

/// 3.2: a job-level problem is the org's own words; an aborted job cannot be closed.
#[tokio::test(start_paused = true)]
async fn a_failed_ingest_job_says_why() {
    let writer = emulated().writer().await;
    let job = writer.ingest("Contact", Operation::Insert).await.unwrap();
    job.upload(csv_of(&[["LastName", "ContactId__c"], ["x", "y"]])).await.unwrap();
    job.close().await.unwrap();
    let error = job.wait(&mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("InvalidBatch : Field name not found : ContactId__c"), "{error}");

    let job = writer.ingest("Contact", Operation::Insert).await.unwrap();
    job.abort().await.unwrap();
    assert_eq!(job.state().await.unwrap().state, JobState::Aborted);
    job.close().await.unwrap_err();
}
