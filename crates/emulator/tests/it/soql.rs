// SPDX-License-Identifier: Apache-2.0
//! Statements over a handful of rows that are put into the store directly, so that only SOQL is under test.

use crate::soql_rows::{NOW, admin, id, org};
use orgkeep_emulator::error::ApiError;
use orgkeep_emulator::schema::Schema;
use orgkeep_emulator::soql::{self, Dialect, Options, Which};
use orgkeep_emulator::{Caller, Catalog, Clock, Org};
use serde_json::{Value as Json, json};

fn records(org: &Org, text: &str) -> Vec<Json> {
    answer(org, &admin(), text, Options { now: NOW, ..Options::default() }).unwrap()
}

fn answer(org: &Org, caller: &Caller, text: &str, options: Options) -> Result<Vec<Json>, ApiError> {
    let prepared = soql::prepare(&org.schema(), caller, text, options)?;
    org.read(|tx| {
        let records = prepared.records(tx, "67.0", Which::All)?;
        // What is sent on as text says the same to the letter.
        let text = prepared.text(tx, "67.0", Which::All)?;
        assert_eq!(text.records, records.len());
        assert_eq!(format!("[{}]", String::from_utf8(text.json).unwrap()), json!(records).to_string());
        Ok(records)
    })
}

fn refusal(org: &Org, text: &str) -> (String, String) {
    let error = answer(org, &admin(), text, Options { now: NOW, ..Options::default() }).expect_err(text);
    (error.code, error.message)
}

/// The names of the matching accounts, in order.
fn names(org: &Org, condition: &str) -> String {
    let rows = records(org, &format!("SELECT Name FROM Account {condition}"));
    rows.iter().map(|row| row["Name"].as_str().unwrap_or("-")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_record_has_attributes_parents_children_and_compound_values() {
    let org = org();
    let rows = records(
        &org,
        "select id, name, parent.name, Parent.Owner.Alias, annualrevenue, numberofemployees, IsPartner, CreatedDate, BillingAddress,
           (SELECT LastName FROM Contacts ORDER BY LastName DESC), ShippingAddress
         FROM Account WHERE Name = 'beta'",
    );
    let attributes = |object: &str, id: String| json!({"type": object, "url": format!("/services/data/v67.0/sobjects/{object}/{id}")});
    assert_eq!(
        rows,
        [json!({
            "attributes": attributes("Account", id("001", 2)),
            "Id": id("001", 2),
            "Name": "Beta",
            "Parent": {
                "attributes": attributes("Account", id("001", 1)),
                "Name": "Alpha",
                "Owner": {"attributes": attributes("User", id("005", 1)), "Alias": "ann"},
            },
            "AnnualRevenue": 2500.0,
            "NumberOfEmployees": 20,
            "IsPartner": false,
            "CreatedDate": "2024-02-29T10:00:00.000+0000",
            "BillingAddress": {"city": "Köln", "country": null, "geocodeAccuracy": null, "latitude": null, "longitude": null,
                "postalCode": null, "state": null, "street": null},
            "Contacts": {"totalSize": 2, "done": true, "records": [
                {"attributes": attributes("Contact", id("003", 2)), "LastName": "Zimmer"},
                {"attributes": attributes("Contact", id("003", 1)), "LastName": "Adler"},
            ]},
            "ShippingAddress": null,
        })]
    );
    let keys: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(keys[1..4], ["Id", "Name", "Parent"]);
    let orphan = records(&org, "SELECT Parent.Name, (SELECT Id FROM Contacts) FROM Account WHERE Name = 'Alpha'");
    assert_eq!((&orphan[0]["Parent"], &orphan[0]["Contacts"]), (&Json::Null, &Json::Null));
}

#[test]
fn records_come_in_the_order_of_the_ids_asked_for() {
    let org = org();
    let options = Options { now: NOW, ..Options::default() };
    let prepared =
        soql::prepare(&org.schema(), &admin(), "SELECT Name FROM Account ORDER BY Name DESC", options).unwrap();
    org.read(|tx| {
        let mut ids = prepared.ids(tx).unwrap();
        assert!(ids.len() > 3);
        for turn in 0..ids.len() {
            ids.rotate_left(1);
            let mut wanted = ids.clone();
            // One that is not there is left out.
            wanted.insert(turn, id("001", 999));
            for wanted in [&ids, &wanted] {
                let records = prepared.records(tx, "67.0", Which::Ids(wanted)).unwrap();
                let urls = records.iter().map(|record| record["attributes"]["url"].as_str().unwrap_or_default());
                assert!(urls.eq(ids.iter().map(|id| format!("/services/data/v67.0/sobjects/Account/{id}"))));
                let text = prepared.text(tx, "67.0", Which::Ids(wanted)).unwrap();
                assert_eq!(format!("[{}]", String::from_utf8(text.json).unwrap()), json!(records).to_string());
            }
        }
        let first = prepared.text(tx, "67.0", Which::First(2)).unwrap();
        assert_eq!((first.records, first.is_more), (2, true));
        let all = prepared.text(tx, "67.0", Which::First(ids.len())).unwrap();
        assert_eq!((all.records, all.is_more), (ids.len(), false));
    });
}

#[test]
fn reading_objects_without_rows_makes_no_tables() {
    let org = Org::open(0, Schema::of(Catalog::Everything), Clock::starting_at(NOW), None).unwrap();
    let options = Options { now: NOW, ..Options::default() };
    let tables = || {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
        org.read(|tx| tx.conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap())
    };
    let before = tables();
    let schema = org.schema();
    let rare: Vec<_> = schema.objects().filter(|object| object.queryable && object.name.ends_with("Share")).collect();
    assert!(rare.len() > 50);
    for object in rare {
        let count = soql::prepare(&schema, &admin(), &format!("SELECT COUNT() FROM {}", object.name), options).unwrap();
        let rows = soql::prepare(&schema, &admin(), &format!("SELECT Id FROM {}", object.name), options).unwrap();
        org.read(|tx| {
            assert_eq!(count.total(tx).unwrap(), 0);
            assert_eq!(rows.text(tx, "67.0", Which::First(2_000)).unwrap().records, 0);
            assert_eq!(rows.csv(tx, Dialect::default(), |_| Ok::<_, ApiError>(())).unwrap(), 0);
        });
    }
    assert_eq!(tables(), before);
    let sum = soql::prepare(&schema, &admin(), "SELECT COUNT(Id) FROM WorkOrderShare", options).unwrap();
    assert_eq!(org.read(|tx| sum.records(tx, "67.0", Which::All).unwrap())[0]["expr0"], 0);
}

#[test]
fn text_compares_without_case_and_ids_in_both_forms() {
    let org = org();
    assert_eq!(names(&org, "WHERE Name = 'ALPHA'"), "Alpha");
    assert_eq!(names(&org, "WHERE Name LIKE '%ÄMM%'"), "Gämma");
    assert_eq!(names(&org, "WHERE Name IN ('beta', 'gÄmma')"), "Beta Gämma");
    assert_eq!(names(&org, &format!("WHERE Id = '{}'", &id("001", 2)[..15])), "Beta");
    assert_eq!(names(&org, &format!("WHERE ParentId = '{}' ORDER BY Name DESC", id("001", 1))), "Gämma Beta");
    assert_eq!(names(&org, "WHERE Name > 'b' AND Name < 'GÄMMA'"), "Beta Delta");
}

#[test]
fn an_absent_value_equals_only_null() {
    let org = org();
    assert_eq!(names(&org, "WHERE NumberOfEmployees = null"), "Delta");
    assert_eq!(names(&org, "WHERE Industry = ''"), "Gämma Delta");
    assert_eq!(names(&org, "WHERE Industry != null"), "Alpha Beta");
    assert_eq!(names(&org, "WHERE Industry != 'Energy'"), "Beta Gämma Delta");
    assert_eq!(names(&org, "WHERE NumberOfEmployees < 1000"), "Alpha Beta Gämma");
    assert_eq!(names(&org, "WHERE NOT (NumberOfEmployees < 15)"), "Beta Gämma Delta");
    assert_eq!(names(&org, "WHERE Industry NOT IN ('Energy')"), "Beta Gämma Delta");
    assert_eq!(names(&org, "WHERE Industry IN ('Energy', null)"), "Alpha Gämma Delta");
    assert_eq!(names(&org, "WHERE (NOT Industry LIKE 'E%')"), "Beta Gämma Delta");
    assert_eq!(names(&org, "WHERE Parent.IsPartner = false AND Parent.Name = null"), "Alpha Delta");
    assert_eq!(names(&org, "WHERE NOT (Industry = 'Energy' OR NumberOfEmployees > 20)"), "Beta Delta");
}

#[test]
fn nulls_come_first_unless_told_otherwise() {
    let org = org();
    assert_eq!(names(&org, "ORDER BY NumberOfEmployees"), "Delta Alpha Beta Gämma");
    assert_eq!(names(&org, "ORDER BY NumberOfEmployees DESC"), "Delta Gämma Beta Alpha");
    assert_eq!(names(&org, "ORDER BY NumberOfEmployees DESC NULLS LAST LIMIT 2 OFFSET 1"), "Beta Alpha");
    assert_eq!(names(&org, "ORDER BY Industry NULLS LAST, Name DESC"), "Beta Alpha Gämma Delta");
}

#[test]
fn dates_compare_as_moments_days_and_spans() {
    let org = org();
    // The clock stands at 2024-03-01 12:00 UTC; the accounts were made on 28 and 29 February, 1 March and in 1888.
    assert_eq!(names(&org, "WHERE CreatedDate = YESTERDAY"), "Beta");
    assert_eq!(names(&org, "WHERE CreatedDate = LAST_N_DAYS:2"), "Alpha Beta Gämma");
    assert_eq!(names(&org, "WHERE CreatedDate != TODAY"), "Alpha Beta Delta");
    assert_eq!(names(&org, "WHERE CreatedDate < THIS_MONTH"), "Alpha Beta Delta");
    assert_eq!(names(&org, "WHERE CreatedDate > LAST_MONTH"), "Gämma");
    assert_eq!(
        names(&org, "WHERE CreatedDate >= 2024-02-29T11:00:00.000+01:00 AND CreatedDate < 2024-03-01T00:00:00Z"),
        "Beta"
    );
    assert_eq!(names(&org, "WHERE CALENDAR_YEAR(CreatedDate) = 1888"), "Delta");
    assert_eq!(names(&org, "WHERE DAY_ONLY(CreatedDate) = 2024-02-28"), "Alpha");
    assert_eq!(names(&org, "WHERE CreatedDate IN (YESTERDAY, TODAY)"), "Beta Gämma");
    let grouped = records(
        &org,
        "SELECT CALENDAR_MONTH(CreatedDate) m, COUNT(Id) FROM Account GROUP BY CALENDAR_MONTH(CreatedDate)",
    );
    let shown: Vec<_> = grouped.iter().map(|row| (row["m"].as_i64(), row["expr0"].as_i64())).collect();
    assert_eq!(shown, [(Some(2), Some(2)), (Some(3), Some(1)), (Some(12), Some(1))]);
}

#[test]
fn parents_of_several_objects() {
    let org = org();
    let rows = records(
        &org,
        "SELECT Subject, What.Name, What.Type, Who.Name, Owner.Name, Owner.Type FROM Task ORDER BY Subject",
    );
    let url = |object: &str, id: String| format!("/services/data/v67.0/sobjects/{object}/{id}");
    assert_eq!(
        rows[0]["What"],
        json!({"attributes": {"type": "Name", "url": url("Account", id("001", 1))}, "Name": "Alpha", "Type": "Account"})
    );
    assert_eq!(
        rows[0]["Owner"],
        json!({"attributes": {"type": "User", "url": url("User", id("005", 1))}, "Name": "Ann Ash", "Type": "User"})
    );
    assert_eq!(rows[0]["Who"], Json::Null);
    assert_eq!(rows[1]["What"]["Type"], "Opportunity");
    assert_eq!(
        (&rows[1]["Owner"]["attributes"]["type"], &rows[1]["Owner"]["Type"]),
        (&json!("Group"), &json!("Queue"))
    );
    let by_name = records(&org, "SELECT Subject FROM Task WHERE What.Name = 'big DEAL' AND Owner.Type = 'queue'");
    assert_eq!(by_name.len(), 1);
    let chosen = records(
        &org,
        "SELECT TYPEOF What WHEN Account THEN NumberOfEmployees, Name WHEN Opportunity THEN StageName ELSE Name END FROM Task ORDER BY Subject",
    );
    assert_eq!(chosen[0]["What"]["NumberOfEmployees"], 10);
    assert_eq!(chosen[1]["What"]["StageName"], "Prospecting");
    assert_eq!(chosen[1]["What"]["attributes"]["type"], "Opportunity");
    assert_eq!(refusal(&org, "SELECT What.Industry FROM Task").0, "INVALID_FIELD");
}

#[test]
fn semi_joins_and_anti_joins() {
    let org = org();
    assert_eq!(names(&org, "WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName = 'adler')"), "Beta");
    assert_eq!(names(&org, "WHERE Id NOT IN (SELECT AccountId FROM Contact)"), "Alpha Gämma Delta");
    assert_eq!(
        names(
            &org,
            "WHERE ParentId IN (SELECT AccountId FROM Opportunity) AND Id NOT IN (SELECT AccountId FROM Contact)"
        ),
        "Gämma"
    );
    for (condition, text) in [
        ("Name IN (SELECT AccountId FROM Contact)", "must be an id or reference field"),
        (
            "Id IN (SELECT LastName FROM Contact)",
            "Semi join sub-selects can only query id fields, cannot use: 'LastName'",
        ),
        ("Id IN (SELECT AccountId FROM Contact) OR Name = 'x'", "not allowed with the 'OR' operator"),
        ("Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT ContactId FROM Case))", "Nesting of semi join"),
    ] {
        let (code, message) = refusal(&org, &format!("SELECT Id FROM Account WHERE {condition}"));
        assert!(code == "MALFORMED_QUERY" && message.contains(text), "{condition}: {message}");
    }
}

#[test]
fn aggregates() {
    let org = org();
    let total = |text: &str| {
        let prepared = soql::prepare(&org.schema(), &admin(), text, Options::default()).unwrap();
        (prepared.is_count_only(), org.read(|tx| prepared.total(tx)).unwrap())
    };
    assert_eq!(total("select count() from Account"), (true, 4));
    assert_eq!(total("SELECT COUNT() FROM Account WHERE Industry = null LIMIT 1"), (true, 1));
    assert_eq!(total("SELECT COUNT(Id) FROM Account WHERE Name = 'nobody'"), (false, 1));
    assert_eq!(total("SELECT Industry FROM Account GROUP BY Industry"), (false, 3));
    assert_eq!(
        records(&org, "SELECT COUNT(Id), SUM(AnnualRevenue) s, AVG(NumberOfEmployees), MAX(Name) FROM Account"),
        [json!({"attributes": {"type": "AggregateResult"}, "expr0": 4, "s": 3500.0, "expr1": 20.0, "expr2": "Gämma"})]
    );
    let groups = records(
        &org,
        "SELECT Parent.Name, COUNT(Id) n FROM Account GROUP BY Parent.Name HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC, Parent.Name NULLS LAST",
    );
    assert_eq!(
        groups.iter().map(|row| (row["Name"].clone(), row["n"].clone())).collect::<Vec<_>>(),
        [(json!("Alpha"), json!(2)), (Json::Null, json!(2))]
    );
    for (text, end) in [
        ("SELECT Name, COUNT(Id) FROM Account", "Field must be grouped or aggregated: Name"),
        (
            "SELECT Industry FROM Account GROUP BY Industry ORDER BY Name",
            "Ordered field must be grouped or aggregated: Name",
        ),
        ("SELECT Name FROM Account GROUP BY ROLLUP(Name)", "GROUP BY ROLLUP is not supported by the emulated org"),
        ("SELECT SUM(Name) FROM Account", "field Name does not support aggregate operator SUM"),
        ("SELECT COUNT(), Id FROM Account", "without GROUP BY and ORDER BY"),
        ("SELECT COUNT(Id) a, COUNT(Name) a FROM Account", "duplicate alias: a"),
        (
            "SELECT AnnualRevenue FROM Account GROUP BY AnnualRevenue",
            "field 'AnnualRevenue' can not be grouped in a query call",
        ),
    ] {
        assert!(refusal(&org, text).1.ends_with(end), "{text}: {}", refusal(&org, text).1);
    }
}

#[test]
fn unknown_names_get_the_real_texts() {
    let org = org();
    assert_eq!(
        refusal(&org, "select count() from XYZZY"),
        (
            "INVALID_TYPE".to_owned(),
            "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported. If you are \
             attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe \
             call for the appropriate names."
                .to_owned()
        )
    );
    assert_eq!(
        refusal(&org, "SELECT Id, Foo FROM Account"),
        (
            "INVALID_FIELD".to_owned(),
            "\nSELECT Id, Foo FROM Account\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo' on entity 'Account'. If you are attempting \
             to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for \
             the appropriate names."
                .to_owned()
        )
    );
    for (text, code, part) in [
        ("SELECT Id, id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Parent.Name, parent.NAME FROM Account", "INVALID_FIELD", "duplicate field selected: Parent.Name"),
        ("SELECT Nobody.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Nobody' in field path"),
        (
            "SELECT (SELECT Id FROM Nobodies) FROM Account",
            "INVALID_TYPE",
            "Didn't understand relationship 'Nobodies' in FROM part of query call",
        ),
        ("SELECT Parent.Foo FROM Account", "INVALID_FIELD", "No such column 'Foo' on entity 'Account'"),
        (
            "SELECT Id FROM Account WHERE Description = 'x'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Account ORDER BY Description",
            "INVALID_FIELD",
            "field 'Description' can not be sorted in a query call",
        ),
        (
            "SELECT Id FROM Account WHERE CreatedDate > '2024-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        ("SELECT Id FROM Account WHERE CreatedDate > 2024-01-01", "INVALID_FIELD", "must be of type dateTime"),
        (
            "SELECT Id FROM Account WHERE Name = 5",
            "INVALID_FIELD",
            "must be of type string and should be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE NumberOfEmployees = 'x'",
            "INVALID_FIELD",
            "must be of type int and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE IsPartner > true",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on boolean field",
        ),
        ("SELECT Id FROM Account WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
        (
            "SELECT Id FROM Account WHERE Id LIKE '001%'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on id field",
        ),
        ("SELECT Id FROM Account WHERE Name INCLUDES ('x')", "INVALID_QUERY_FILTER_OPERATOR", "multi-select"),
        ("SELECT Id FROM Account WHERE AnnualRevenue > USD5000", "MALFORMED_QUERY", "Currency literal USD5000"),
        ("SELECT Id n FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "must have a LIMIT of at most 200"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
        ("SELECT Id FROM Account USING SCOPE team", "INVALID_QUERY_SCOPE", "'team'"),
        (
            "SELECT convertCurrency(AnnualRevenue) FROM Account",
            "MALFORMED_QUERY",
            "Unsupported function here: convertCurrency",
        ),
        ("SELECT Parent.Parent.Parent.Parent.Parent.Parent.Name FROM Account", "MALFORMED_QUERY", "more than 5 levels"),
    ] {
        let (found, message) = refusal(&org, text);
        assert!(found == code && message.contains(part), "{text}: {found} {message}");
    }
}

#[test]
fn deleted_rows_are_seen_by_query_all_only() {
    let org = org();
    assert_eq!(names(&org, "WHERE IsDeleted = true"), "");
    let options = Options { all: true, now: NOW, ..Options::default() };
    let seen = answer(&org, &admin(), "SELECT Name FROM Account WHERE IsDeleted = true", options).unwrap();
    assert_eq!(seen[0]["Name"], "Gone");
    assert_eq!(names(&org, "WHERE Name = 'Gone' ALL ROWS"), "Gone");
}

#[test]
fn aliases_of_the_object_and_its_parents() {
    let org = org();
    let text = "SELECT c.LastName, a.Name, Contact.FirstName, a.Parent.Name FROM Contact c, c.Account a WHERE a.Name = 'Beta' ORDER BY c.LastName LIMIT 1";
    let rows = records(&org, text);
    assert_eq!((&rows[0]["LastName"], &rows[0]["Account"]["Name"]), (&json!("Adler"), &json!("Beta")));
    assert_eq!(rows[0]["Account"]["Parent"]["Name"], "Alpha");
}

#[test]
fn functions_that_show_a_field_in_another_way() {
    let org = org();
    let rows = records(
        &org,
        "SELECT AnnualRevenue, FORMAT(AnnualRevenue) shown, FORMAT(CreatedDate), toLabel(Industry) FROM Account WHERE Name = 'Beta'",
    );
    assert_eq!(rows[0]["shown"], "$2,500");
    assert_eq!(rows[0]["CreatedDate"], "2/29/2024, 10:00 AM");
    assert_eq!(rows[0]["Industry"], "Banking");
    let near = names(&org, "WHERE DISTANCE(ShippingAddress, GEOLOCATION(52.52, 13.4), 'km') < 10 ORDER BY Name");
    assert_eq!(near, "Alpha");
}

#[test]
fn whoever_may_not_view_all_data_sees_their_own() {
    let org = org();
    let ben = Caller { user_id: id("005", 2), ..Caller::default() };
    let options = Options { now: NOW, ..Options::default() };
    let seen = answer(&org, &ben, "SELECT Name FROM Account", options).unwrap();
    assert_eq!(seen.iter().map(|row| row["Name"].as_str().unwrap()).collect::<Vec<_>>(), ["Gämma"]);
    let mine = names(&org, "USING SCOPE mine");
    assert_eq!(mine, "Alpha Beta Delta");
}

#[test]
fn links_of_files_need_a_filter_or_the_permission() {
    let org = org();
    let reader = Caller {
        user_id: id("005", 1),
        permissions: std::sync::Arc::new(["ViewAllData".to_owned()].into()),
        ..Caller::default()
    };
    let ask = |text: &str| answer(&org, &reader, text, Options { now: NOW, ..Options::default() });
    let error = ask("SELECT Id FROM ContentDocumentLink").unwrap_err();
    assert_eq!(error.code, "MALFORMED_QUERY");
    assert!(
        error.message.starts_with("Implementation restriction: ContentDocumentLink requires a filter by a single Id")
    );
    assert!(ask("SELECT Id FROM ContentDocumentLink WHERE ShareType = 'V'").is_err());
    let one = format!("SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '{}'", id("001", 1));
    assert_eq!(ask(&one).unwrap(), Vec::<Json>::new());
    let several = format!(
        "SELECT Id FROM ContentDocumentLink WHERE ContentDocumentId IN ('{}', '{}') AND ShareType = 'V'",
        id("069", 1),
        id("069", 2)
    );
    assert!(ask(&several).is_ok());
    assert!(answer(&org, &admin(), "SELECT Id FROM ContentDocumentLink", Options::default()).is_ok());
}

#[test]
fn base64_shows_where_it_is_read() {
    let org = org();
    let rows = records(&org, "SELECT Body, Name FROM Attachment");
    assert_eq!(rows[0]["Body"], format!("/services/data/v67.0/sobjects/Attachment/{}/Body", id("00P", 1)));
}

#[test]
fn a_cursor_reads_its_ids_in_their_order() {
    let org = org();
    let prepared = soql::prepare(
        &org.schema(),
        &admin(),
        "SELECT Name FROM Account ORDER BY Name DESC LIMIT 3",
        Options::default(),
    )
    .unwrap();
    let ids = org.read(|tx| prepared.ids(tx)).unwrap();
    assert_eq!(ids, [id("001", 3), id("001", 4), id("001", 2)]);
    let gone = [ids[2].clone(), id("001", 99), ids[0].clone()];
    let rows = org.read(|tx| prepared.records(tx, "67.0", Which::Ids(&gone))).unwrap();
    assert_eq!(rows.iter().map(|row| row["Name"].as_str().unwrap()).collect::<Vec<_>>(), ["Beta", "Gämma"]);
}

#[test]
fn every_field_of_an_object_at_once() {
    let org = org();
    let rows = records(
        &org,
        "SELECT FIELDS(STANDARD), (SELECT FIELDS(ALL) FROM Contacts LIMIT 1) FROM Account WHERE Name = 'Beta'",
    );
    let fields = org.schema().object("Account").unwrap().fields.iter().filter(|field| !field.custom).count();
    assert_eq!(rows[0].as_object().unwrap().len(), fields + 2);
    assert_eq!(rows[0]["Contacts"]["records"][0]["LastName"], "Adler");
}

mod bulk {
    use orgkeep_emulator::soql::Dialect;

    use super::*;

    fn csv(org: &Org, text: &str, dialect: Dialect) -> Result<String, ApiError> {
        let options = Options { bulk: true, now: NOW, ..Options::default() };
        let prepared = soql::prepare(&org.schema(), &admin(), text, options)?;
        let mut out = prepared.csv_header(dialect);
        org.read(|tx| {
            prepared.csv(tx, dialect, |row| {
                out.extend_from_slice(row);
                Ok::<(), ApiError>(())
            })
        })?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn rows_as_csv() {
        let org = org();
        let text = "SELECT Id, name, Parent.Name, AnnualRevenue, NumberOfEmployees, IsPartner, CreatedDate, parent.ispartner, Site FROM Account WHERE Name > 'b' ORDER BY Name";
        let (beta, delta, gamma) = (id("001", 2), id("001", 4), id("001", 3));
        assert_eq!(
            csv(&org, text, Dialect::default()).unwrap(),
            format!(
                "\"Id\",\"Name\",\"Parent.Name\",\"AnnualRevenue\",\"NumberOfEmployees\",\"IsPartner\",\"CreatedDate\",\"Parent.IsPartner\",\"Site\"\n\
                 \"{beta}\",\"Beta\",\"Alpha\",\"2500.0\",\"20\",\"false\",\"2024-02-29T10:00:00.000Z\",\"true\",\" a \"\"b\"\"\n,c \"\n\
                 \"{delta}\",\"Delta\",\"\",\"\",\"\",\"false\",\"1888-12-31T00:00:00.000Z\",\"\",\"\"\n\
                 \"{gamma}\",\"Gämma\",\"Alpha\",\"1000.0\",\"30\",\"false\",\"2024-03-01T00:00:00.000Z\",\"true\",\"\"\n"
            )
        );
        let dialect = Dialect { delimiter: b'\t', line_ending: "\r\n" };
        assert_eq!(
            csv(&org, "SELECT Id,Name FROM Account WHERE Name='Alpha'", dialect).unwrap(),
            format!("\"Id\"\t\"Name\"\r\n\"{}\"\t\"Alpha\"\r\n", id("001", 1))
        );
        assert_eq!(csv(&org, "SELECT Id FROM Account WHERE Name='x'", Dialect::default()).unwrap(), "\"Id\"\n");
    }

    #[test]
    fn what_bulk_cannot_do() {
        let org = org();
        for (text, code, part) in [
            ("SELECT Industry FROM Account GROUP BY Industry", "API_ERROR", "GROUP BY not supported"),
            ("SELECT COUNT() FROM Account", "API_ERROR", "Function not supported in Bulk"),
            ("SELECT Id FROM Account OFFSET 1", "API_ERROR", "OFFSET not supported"),
            ("SELECT Id FROM Account FOR VIEW", "API_ERROR", "FOR VIEW"),
            ("SELECT FIELDS(STANDARD) FROM Account", "API_ERROR", "FIELDS"),
            ("SELECT TYPEOF What WHEN Account THEN Name END FROM Task", "API_ERROR", "TYPEOF"),
            (
                "SELECT (SELECT Id FROM Contacts) FROM Account",
                "API_ERROR",
                "Aggregate Relationships not supported in Bulk Query",
            ),
            (
                "SELECT BillingAddress FROM Account",
                "INVALIDBATCH",
                "Selecting compound data not supported in Bulk Query",
            ),
            ("SELECT Id FROM Attachment", "INVALIDENTITY", "Entity 'Attachment' is not supported by the Bulk API."),
            (
                "SELECT VersionData FROM ContentVersion",
                "FeatureNotEnabled",
                "Cannot serialize value for 'VersionData' in CSV format",
            ),
        ] {
            let error = csv(&org, text, Dialect::default()).expect_err(text);
            assert!(error.code == code && error.message.contains(part), "{text}: {} {}", error.code, error.message);
        }
    }

    #[test]
    fn the_receiver_can_end_the_reading() {
        let org = org();
        let options = Options { bulk: true, now: NOW, ..Options::default() };
        let prepared = soql::prepare(&org.schema(), &admin(), "SELECT Id FROM Account", options).unwrap();
        let mut seen = 0;
        let ended = org.read(|tx| {
            prepared.csv(tx, Dialect::default(), |_| {
                seen += 1;
                Err(ApiError::new(500, "ENOUGH", "enough"))
            })
        });
        assert_eq!((seen, ended.unwrap_err().code.as_str()), (1, "ENOUGH"));
    }
}

/// Objects whose names are keywords (`salesforce-api.md` 7.2 has both in clients' statements).
#[test]
fn groups_and_orders_can_be_asked_for() {
    for text in
        ["SELECT Id FROM Group", "SELECT Id FROM Order ORDER BY Id", "SELECT COUNT(Id) n FROM Order GROUP BY Status"]
    {
        assert!(orgkeep_emulator::soql::parse(text).is_ok(), "{text}");
    }
    assert!(orgkeep_emulator::soql::parse("SELECT Id FROM GROUP BY Id").is_err());
}
