// SPDX-License-Identifier: Apache-2.0
//! `orgkeep sql` over an encrypted vault: its answers are those of `ls`, `export` and `show`.

use crate::world::{Ran, Served, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;

/// A vault with three backups: an account renamed and another deleted in the second, one made in the third.
struct Kept {
    world: World,
    renamed: String,
    deleted: String,
}

impl Kept {
    fn new() -> Kept {
        let (world, served) = (World::new(), Served::new(300));
        world.connected(&served);
        world.orgkeep("backup acme").ok();
        let account = |id: &str| format!("/services/data/v67.0/sobjects/Account/{id}");
        let mut ids = served.ids("SELECT Id FROM Account ORDER BY Id").into_iter();
        let renamed = ids.next().expect("an account");
        served.api("PATCH", &account(&renamed), r#"{"Name":"Renamed"}"#);
        // An account with cases is not deleted, which the org says with a list.
        let deleted =
            ids.find(|id| served.api("DELETE", &account(id), "").is_null()).expect("an account without cases");
        world.orgkeep("backup acme").ok();
        served.api("POST", "/services/data/v67.0/sobjects/Account", r#"{"Name":"Made last","AnnualRevenue":12.5}"#);
        world.orgkeep("backup acme").ok();
        Kept { world, renamed, deleted }
    }

    fn sql(&self, query: &str) -> Ran {
        self.world.run(&["sql", "acme", query, "--json", "--limit", "100000"])
    }

    #[track_caller]
    fn rows(&self, query: &str) -> Vec<Value> {
        self.sql(query).ok().result()["rows"].as_array().expect("rows").clone()
    }

    /// The records of an object by Id, as `export` has them.
    fn exported(&self, object: &str, at: u64) -> BTreeMap<String, Value> {
        let lines = self.world.orgkeep(&format!("export acme {object} --at {at} --format jsonl")).ok().stdout;
        let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        records.map(|record| (record["Id"].as_str().expect("an Id").to_owned(), record)).collect()
    }
}

#[test]
fn answers_are_those_of_ls_export_and_show() {
    let kept = Kept::new();
    let world = &kept.world;

    // Every object, with its count.
    let listed = world.orgkeep("ls acme --json").ok().result();
    let counts: BTreeMap<String, u64> = listed["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["object"].as_str().unwrap().to_owned(), line["rows_held"].as_u64().unwrap()))
        .collect();
    let counted: Vec<String> =
        counts.keys().map(|object| format!("SELECT '{object}' AS Object, COUNT(*) FROM \"{object}\"")).collect();
    let answered = kept.rows(&counted.join(" UNION ALL "));
    assert_eq!(answered.len(), counts.len());
    assert!(answered.iter().all(|row| counts[row[0].as_str().unwrap()] == row[1].as_u64().unwrap()), "{answered:?}");
    assert!(counts.values().any(|count| *count == 0), "some object has no records, and is a table all the same");
    let tables = kept.rows("SHOW TABLES");
    assert_eq!(tables.len(), counts.len());
    assert!(tables.iter().all(|row| counts[row[0].as_str().unwrap()] == row[1].as_u64().unwrap()));

    // All values of all records, at each backup.
    for at in 1..=3 {
        let exported = kept.exported("Account", at);
        let file = format!("accounts-{at}.jsonl");
        world
            .run(&[
                "sql",
                "acme",
                "select * from account",
                "--at",
                &at.to_string(),
                "--format",
                "jsonl",
                "--output",
                &file,
            ])
            .ok();
        let text = std::fs::read_to_string(world.path(&file)).unwrap();
        let asked: BTreeMap<String, Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|record| (record["Id"].as_str().unwrap().to_owned(), record))
            .collect();
        assert_eq!(asked, exported, "backup {at}");
    }
    let csv = world.run(&["sql", "acme", "SELECT * FROM Account ORDER BY Id", "--format", "csv"]).ok().stdout;
    assert_eq!(csv, world.orgkeep("export acme Account --at 3 --format csv").ok().stdout);

    // Joins, groups, sums; names in any case; text conditions as written.
    let contacts = kept.exported("Contact", 3);
    let accounts = kept.exported("Account", 3);
    let of = |id: &str| contacts.values().filter(|contact| contact["AccountId"] == id).count();
    let joined = kept.rows(
        "SELECT a.id, count(c.ID) AS Contacts FROM account a LEFT JOIN CONTACT c ON c.accountid = a.Id GROUP BY a.Id ORDER BY a.Id",
    );
    assert_eq!(joined.len(), accounts.len());
    assert!(joined.iter().all(|row| row[1].as_u64() == Some(of(row[0].as_str().unwrap()) as u64)));
    let named = kept.rows("SELECT Id, Name FROM Account WHERE Name = 'Renamed'");
    assert_eq!(named, [json!([kept.renamed, "Renamed"])]);
    // Ids of 15 and of 18 characters are the same, wherever an Id is compared.
    let short = &kept.renamed[..15];
    assert_eq!(kept.rows(&format!("SELECT Id, Name FROM Account WHERE '{short}' = ID AND Id <> 'x'")), named);
    assert_eq!(kept.rows(&format!("SELECT a.Id, a.Name FROM Account a WHERE a.Id IN ('x', '{short}')")), named);
    assert_eq!(
        kept.rows(&format!("SELECT COUNT(*) FROM Account WHERE Id <> '{short}'")),
        [json!([accounts.len() - 1])]
    );
    let people = kept.rows(&format!("SELECT COUNT(*) FROM Contact WHERE AccountId = '{short}'"));
    assert_eq!(people, [json!([of(&kept.renamed)])]);
    // However the field is spelled.
    assert_eq!(kept.rows(&format!("SELECT COUNT(*) FROM contact WHERE accountid = '{short}'")), people);
    assert_eq!(kept.rows("SELECT COUNT(_MISFIT) FROM Account"), [json!([0])]);
    let sum: f64 = accounts.values().filter_map(|account| account["AnnualRevenue"].as_f64()).sum();
    let answered = kept.rows("SELECT SUM(AnnualRevenue) FROM Account");
    assert!((answered[0][0].as_f64().unwrap() - sum).abs() < 0.01, "{answered:?} {sum}");
    assert_eq!(
        kept.sql("SELECT name AS Called, Count(*) FROM Account GROUP BY NAME LIMIT 1").ok().result()["columns"],
        json!(["Called", "Count(*)"])
    );
    // The vault's own columns are there for who names them, once.
    let columns = |query: &str| kept.sql(query).ok().result()["columns"].as_array().unwrap().len();
    assert_eq!(columns("SELECT *, _backup FROM Account"), columns("SELECT * FROM Account") + 1);
    assert_eq!(
        columns("SELECT a.*, b._backup FROM Account a JOIN Account AS OF 2 b ON a.Id = b.Id LIMIT 1"),
        columns("SELECT * FROM Account") + 2
    );
    // A query of one's own may have the name of an object.
    let own = kept.rows("WITH account AS (SELECT * FROM Account ORDER BY Id LIMIT 3) SELECT COUNT(*) FROM ACCOUNT");
    assert_eq!(own, [json!([3])]);
    let both = kept.sql("SELECT * FROM Account a JOIN User u ON a.OwnerId = u.Id LIMIT 1").ok().result();
    let columns: Vec<&str> = both["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(columns.contains(&"a.Id") && columns.contains(&"u.Id"), "{columns:?}");
}

#[test]
fn one_query_reads_several_points_in_time() {
    let kept = Kept::new();
    let name = kept.rows("SELECT old.Name, new.Name FROM Account AS OF 1 old JOIN Account AS OF 2 AS new ON old.Id = new.Id WHERE old.Name <> new.Name");
    assert_eq!(name.len(), 1, "{name:?}");
    assert_eq!(name[0][1], "Renamed");
    let gone = kept.rows("SELECT Id FROM Account AS OF 1 WHERE Id NOT IN (SELECT Id FROM Account)");
    assert_eq!(gone, [json!([kept.deleted])]);
    let made =
        kept.rows("SELECT Account.Name FROM Account FOR SYSTEM_TIME AS OF 3 EXCEPT SELECT Name FROM Account AS OF 2");
    assert_eq!(made, [json!(["Made last"])]);
    // By time: what was the newest then.
    let backups = kept.world.orgkeep("backups acme --json").ok().result();
    let finished =
        backups["backups"].as_array().unwrap().iter().find(|line| line["sequence"] == 2).unwrap()["finished"].clone();
    let at = |time: &str| kept.rows(&format!("SELECT COUNT(*) FROM Account AS OF '{time}'"));
    assert_eq!(at(finished.as_str().unwrap()), kept.rows("SELECT COUNT(*) FROM Account AS OF 2"));
    assert!(
        kept.sql("SELECT 1 FROM Account AS OF '2001-01-01'").fails(10).result()["message"]
            .as_str()
            .unwrap()
            .contains("no backup was finished by")
    );
    assert_eq!(kept.sql("SELECT 1 FROM Account AS OF 9").fails(10).result()["kind"], "not_found");
    assert_eq!(kept.sql("SELECT 1 FROM Account AS OF 'soon'").fails(1).result()["kind"], "invalid");
}

#[test]
fn history_has_every_version_with_its_time_and_who_made_it() {
    let kept = Kept::new();
    let versions = kept.rows(&format!(
        "SELECT h.Name, h._backup, h._until_backup, h._valid_from, h._valid_to, h._deleted, u.Username FROM account_HISTORY h \
         LEFT JOIN User u ON u.Id = h.LastModifiedById WHERE h.Id = '{}' ORDER BY h._backup",
        kept.renamed
    ));
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!((&versions[0][1], &versions[0][2], &versions[1][1]), (&json!(1), &json!(2), &json!(2)));
    assert_eq!((&versions[1][0], &versions[1][2], &versions[1][4]), (&json!("Renamed"), &Value::Null, &Value::Null));
    assert_eq!(versions[0][4], versions[1][3]);
    assert!(versions[1][6].as_str().is_some_and(|name| name.contains('@')), "{versions:?}");
    let gone =
        kept.rows(&format!("SELECT _deleted FROM Account_history WHERE Id = '{}' ORDER BY _backup", kept.deleted));
    assert_eq!(gone, [json!([false]), json!([true])]);
    // The versions that nothing has replaced, and that are no deletion, are the records.
    let current = kept.rows("SELECT Id FROM Account_history WHERE _valid_to IS NULL AND NOT _deleted ORDER BY Id");
    assert_eq!(current, kept.rows("SELECT Id FROM Account ORDER BY Id"));
    // As of the first backup there was one version of each.
    assert_eq!(kept.rows("SELECT COUNT(*), COUNT(DISTINCT Id), MAX(_backup) FROM Account_history AS OF 1")[0][2], 1);
    let changed: u64 = kept.rows("SELECT Id FROM Account_history WHERE _backup > 1").len() as u64;
    assert!((3..20).contains(&changed), "{changed}");
}

#[test]
fn wrong_queries_are_told_what_is_wrong_with_them() {
    let kept = Kept::new();
    let said = |query: &str, code: i32| {
        let result = kept.sql(query).fails(code).result();
        format!("{}; {}", result["message"].as_str().unwrap(), result["hint"].as_str().unwrap_or_default())
    };
    for (query, code, words) in [
        ("SELECT Id FROM Acount", 10, "did you mean Account"),
        ("SELECT Id FROM Acount_history", 10, "did you mean Account_history"),
        ("SELECT Nmae FROM Account", 10, "there is no column Nmae of Account; did you mean Name"),
        ("SELECT a.Nmae FROM Account a", 10, "did you mean Name"),
        ("SELECT Owner.Name FROM Account", 10, "SQL follows no relationships"),
        ("SELECT Id FROM Account JOIN Contact ON true", 1, "Id is a column of more than one table"),
        ("SELECT Name\nFORM Account WHERE x", 1, "(line 2, column 6)"),
        ("SELECT frobnicate(Id) FROM Account", 1, "frobnicate"),
        ("DELETE FROM Account", 1, "DELETE is not for a vault"),
        ("SELECT 1; SELECT 2", 1, "one statement"),
        ("SELECT Id FROM acme.Account", 1, "without a prefix"),
        ("SELECT CAST(Name AS INT) FROM Account", 1, "cannot be answered"),
        ("SELECT COUNT(*) FROM Account TABLESAMPLE (10)", 1, "there is no TABLESAMPLE"),
        ("SELECT Name, name FROM Account", 1, "two columns of a SELECT have the same name"),
    ] {
        let said = said(query, code);
        assert!(said.contains(words), "{query}: {said}");
    }
    let hungry = kept.world.run(&[
        "sql",
        "acme",
        "SELECT * FROM Account a, Account b ORDER BY a.Name, b.Name",
        "--memory",
        "1",
        "--json",
    ]);
    let result = hungry.fails(13).result();
    assert!(result["hint"].as_str().unwrap().contains("--memory"), "{result}");
    kept.world.run(&["sql", "acme", "SELECT 1", "--output", "f"]).fails(1);
    kept.world.run(&["sql", "acme", "SELECT 1", "--format", "csv", "--json"]).fails(1);
    kept.world.run(&["sql", "acme", "SELECT 1", "--at", "soon"]).fails(1);
}

#[test]
fn answers_come_as_tables_files_and_from_standard_input() {
    let kept = Kept::new();
    let table = kept.world.run(&["sql", "acme", "SELECT Id, Name FROM Account ORDER BY Id", "--limit", "2"]).ok();
    assert_eq!(table.stdout.lines().count(), 3, "{}", table.stdout);
    assert!(table.stdout.starts_with("Id "), "{}", table.stdout);
    let more = kept.rows("SELECT COUNT(*) FROM Account")[0][0].as_u64().unwrap() - 2;
    assert!(table.stderr.contains(&format!("{more} more rows")), "{}", table.stderr);
    assert!(kept.world.run(&["sql", "acme", "SELECT Id FROM Account WHERE false"]).ok().stderr.contains("no rows"));

    let mut command = kept.world.command(&["sql", "acme", "-", "--format", "csv"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let statement =
        "SELECT 1 + 1 AS Two, CAST('2024-02-29' AS DATE) AS Leap, 'a \"b\"' AS Quoted, NULL AS Nothing, 1.50 AS Half";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), statement.as_bytes()).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(
        output,
        "\"Two\",\"Leap\",\"Quoted\",\"Nothing\",\"Half\"\n\"2\",\"2024-02-29\",\"a \"\"b\"\"\",\"\",\"1.5\"\n"
    );

    let written = kept.world.run(&[
        "sql",
        "acme",
        "SELECT Id, AnnualRevenue, CreatedDate, row_number() OVER (ORDER BY Id) AS Place FROM Account",
        "--format",
        "parquet",
        "--output",
        "a.parquet",
        "--json",
    ]);
    assert_eq!(written.ok().result()["rows"].as_u64(), Some(more + 2));
    assert!(std::fs::read(kept.world.path("a.parquet")).unwrap().starts_with(b"PAR1"));

    let plan = kept
        .world
        .run(&[
            "sql",
            "acme",
            "EXPLAIN SELECT Name FROM Account WHERE Id IN ('001000000000001AAA','001000000000002AAA')",
        ])
        .ok()
        .stdout;
    assert!(plan.contains("Vault: Account at backup 3: [Id, Name], 2 Ids"), "{plan}");
    let described = kept.world.run(&["sql", "acme", "DESCRIBE account"]).ok().stdout;
    assert!(
        described.contains("AnnualRevenue") && described.contains("decimal(") && described.contains("Account_history"),
        "{described}"
    );
}
