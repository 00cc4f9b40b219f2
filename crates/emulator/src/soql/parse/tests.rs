// SPDX-License-Identifier: Apache-2.0
//! What clients really send (`salesforce-api.md` 7.2), and what they get for mistakes.

use super::*;

#[test]
fn statements_that_clients_send_are_parsed() {
    let statements = [
        // Airbyte
        "SELECT Id,Name,SystemModstamp FROM Account WHERE SystemModstamp >= 2021-01-01T00:00:00.000+00:00 AND SystemModstamp < 2021-02-01T00:00:00.000+00:00",
        "SELECT Id,Name FROM Lead ORDER BY Id ASC",
        "SELECT Id FROM ContentDocumentLink WHERE ContentDocumentId IN ('069000000000001', '069000000000002')",
        // tap-salesforce, with its double space
        "SELECT a,b FROM Lead WHERE SystemModstamp >= 2021-01-01T00:00:00Z  AND SystemModstamp < 2021-02-01T00:00:00Z ORDER BY SystemModstamp ASC",
        // jsforce's builder
        "SELECT Id, Name, (SELECT Id FROM Contacts WHERE FirstName LIKE 'x%' LIMIT 3) FROM Account WHERE A = 'x' AND (B LIKE 'y%' OR (NOT C LIKE 'z%')) AND D IN ('a', 'b') AND E INCLUDES ('x', 'y') AND F = null ORDER BY CreatedDate DESC, Name ASC LIMIT 10 OFFSET 20",
        "SELECT Id FROM Account WHERE CreatedDate = TODAY AND LastModifiedDate > LAST_N_DAYS:3",
        // CumulusCI
        "select count() from Account",
        "select count(Id) from X where IsDeleted=false",
        "SELECT Id FROM ApexClass WHERE Id IN (SELECT ApexClassId FROM ApexCodeCoverageAggregate)",
        "SELECT Id, Name FROM Account FOR VIEW",
        "SELECT TYPEOF What WHEN Account THEN Phone, Name WHEN Opportunity THEN Amount ELSE Id END FROM Event",
        "SELECT Id FROM Account WHERE Name LIKE '%x%'",
        "SELECT Id FROM Account WHERE CreatedDate = TODAY",
        "SELECT Id FROM Account WHERE Name IN ('a', 'b')",
        "\n  select Id,\n    Name\n  from Account\n  where Name='x'\n",
        "SELECT Id,Name,Body FROM ApexClass",
        // sf
        "SELECT Name, InstanceName, IsSandbox, TrialExpirationDate, NamespacePrefix, OrganizationType FROM Organization",
        "SELECT Id FROM ScratchOrgInfo limit 1",
        "SELECT Id, Username FROM User WHERE Username='a@b.c'",
        "SELECT MemberIdOrName, MemberType FROM SourceMember WHERE RevisionCounter > 12",
        "SELECT Id, Name FROM User WHERE Id IN ('005000000000001','005000000000002')",
        "SELECT MAX(BuildNumber) FROM Package2Version WHERE Package2Id = '0Ho000000000001'",
        "SELECT Count(Id) FROM Account WHERE Id NOT IN ('001000000000001')",
        "SELECT SubscriberPackageVersion.SubscriberPackage.NamespacePrefix FROM InstalledSubscriberPackage",
        // ours
        "SELECT Id FROM Account WHERE Id > '001000000000001' ORDER BY Id LIMIT 2000",
        // objects with the names of keywords
        "SELECT Id, Order.OrderNumber FROM OrderItem WHERE Order.Status = 'Draft'",
        "SELECT Id FROM Order o WHERE o.Status = 'Draft' ORDER BY Id",
        "SELECT Id FROM Group GROUP BY Id",
        "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Order)",
        // the rest of the grammar
        "SELECT FIELDS(ALL) FROM Account LIMIT 200",
        "SELECT a.Name n FROM Contact c, c.Account a WHERE a.Name != 'x' ALL ROWS",
        "SELECT Id FROM Account USING SCOPE mine WHERE NumberOfEmployees <> -5 FOR UPDATE",
        "SELECT LeadSource, COUNT(Name) total FROM Lead GROUP BY LeadSource HAVING COUNT(Name) > 1 ORDER BY COUNT(Name) DESC NULLS LAST",
        "SELECT CALENDAR_YEAR(convertTimezone(CreatedDate)), toLabel(Status) s, FORMAT(Amount) f FROM Case",
        "SELECT Id FROM A WHERE DISTANCE(Loc__c, GEOLOCATION(37.77, -122.4), 'mi') < 20 ORDER BY DISTANCE(Loc__c, GEOLOCATION(37.77,-122.4), 'mi')",
        "SELECT Status, GROUPING(Status) g FROM Lead GROUP BY ROLLUP(Status)",
        "SELECT Id FROM A WHERE Amount > USD5000.5 AND B EXCLUDES ('x;y') AND C = 13:30:00.000Z",
    ];
    for statement in statements {
        if let Err(error) = parse(statement) {
            panic!("{statement}: {}", error.message);
        }
    }
}

#[test]
fn a_statement_keeps_its_parts() {
    let query =
        parse("SELECT Id, Owner.Name FROM Account AS a WHERE NOT (A = 1) ORDER BY B DESC NULLS LAST LIMIT 5 OFFSET 2")
            .unwrap();
    assert_eq!(query.select.len(), 2);
    assert_eq!(query.from.alias.unwrap().text, "a");
    assert!(matches!(query.filter, Some(Condition::Not(_))));
    assert_eq!((query.limit, query.offset), (Some(5), Some(2)));
    assert!(query.order[0].descending);
    assert_eq!(query.order[0].nulls_last, Some(true));
}

#[test]
fn mistakes_are_named_and_placed() {
    for (statement, end) in [
        ("SELECT Id FORM Account", "ERROR at Row:1:Column:11\nunexpected token: 'FORM'"),
        ("SELECT Id", "unexpected token: <EOF>"),
        ("SELECT Id FROM Account WHERE", "unexpected token: <EOF>"),
        ("SELECT FROM Account", "Column:8\nunexpected token: 'FROM'"),
        ("SELECT Id,, Name FROM Account", "unexpected token: ','"),
        ("SELECT Id FROM Account WHERE A = 1 OR B = 2 AND C = 3", "unexpected token: 'AND'"),
        ("SELECT Id FROM Account WHERE A = 1 AND B = 2 OR C = 3", "unexpected token: 'OR'"),
        ("SELECT Id FROM Account WHERE A = x", "unexpected token: 'x'"),
        ("SELECT Id FROM Account LIMIT -1", "unexpected token: '-1'"),
        ("SELECT Id FROM Account LIMIT 1 WHERE A = 1", "unexpected token: 'WHERE'"),
        ("SELECT Id FROM Account WHERE A IN ()", "unexpected token: ')'"),
        ("SELECT Id FROM Account WHERE A NOT LIKE 'x'", "unexpected token: 'NOT'"),
        ("SELECT Id\nFROM Account\nGROUP Name", "ERROR at Row:3:Column:7\nunexpected token: 'Name'"),
        ("DELETE FROM Account", "unexpected token: 'DELETE'"),
        ("SELECT Id FROM Account; SELECT Id FROM Contact", "unexpected token: ';'"),
        ("SELECT Id FROM Account WITH SECURITY_ENFORCED", "unexpected token: 'WITH'"),
        ("   ", "A query string has to be specified"),
    ] {
        let error = parse(statement).unwrap_err();
        assert_eq!(error.code, "MALFORMED_QUERY");
        assert!(error.message.ends_with(end), "{statement}: {}", error.message);
    }
}

#[test]
fn the_caret_stands_under_the_place() {
    let error = parse("SELECT Id FROM Account WHERE Ä = 1").unwrap_err();
    assert_eq!(
        error.message,
        "\nSELECT Id FROM Account WHERE Ä = 1\n                             ^\nERROR at Row:1:Column:30\nunexpected token: 'Ä'"
    );
}

#[test]
fn nesting_without_end_is_refused() {
    let text = format!("SELECT Id FROM Account WHERE {}A = 1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(parse(&text).unwrap_err().code, "QUERY_TOO_COMPLICATED");
}
