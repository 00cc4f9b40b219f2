// SPDX-License-Identifier: Apache-2.0
use super::*;

fn holds(condition: &str, row: &[(&str, &str)]) -> bool {
    let filter = Filter::parse(condition).unwrap();
    filter.condition.holds(&|field: &str| {
        row.iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn compares_as_soql_does() {
    let row = [
        ("Name", "Acme"),
        ("Amount", "1000.5"),
        ("Id", "001D000000IqhSLIAZ"),
        ("CreatedDate", "2024-01-01T10:00:00.000Z"),
    ];
    for yes in [
        "name = 'ACME'",
        "Amount > 999 AND Amount <= 1000.5",
        "Amount = 1000.50",
        "Missing = null",
        "Missing != 'x'",
        "Name LIKE 'a%e'",
        "Name LIKE '_cme'",
        "Id = '001D000000IqhSL'",
        "Id IN ('001D000000IqhSLIAZ', 'x')",
        "CreatedDate >= 2024-01-01T11:00:00+01:00",
        "CreatedDate > 2023-12-31",
        "NOT (Name = 'x' OR Name = 'y')",
        "Name NOT IN ('x')",
    ] {
        assert!(holds(yes, &row), "{yes}");
    }
    for no in
        ["Missing > 1", "Name = 'Acm'", "Name LIKE 'b%'", "Amount < 1000", "NOT Name = 'acme'", "Missing LIKE '%'"]
    {
        assert!(!holds(no, &row), "{no}");
    }
}

#[test]
fn multi_select_values_are_included_one_by_one() {
    let row = [("Colors__c", "Red;Green;Blue")];
    assert!(holds("Colors__c INCLUDES ('Red;Blue', 'Black')", &row));
    assert!(!holds("Colors__c INCLUDES ('Red;Black')", &row));
    assert!(holds("Colors__c EXCLUDES ('Black')", &row));
}

#[test]
fn escapes_in_like_are_literal() {
    assert!(holds(r"Name LIKE '100\%'", &[("Name", "100%")]));
    assert!(!holds(r"Name LIKE '100\%'", &[("Name", "1000")]));
    assert!(holds(r"Name = 'O\'Hara'", &[("Name", "O'Hara")]));
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    for (condition, column) in [
        ("Name = ", "column 8"),
        ("Name = Acme", "column 8"),
        ("Name ~ 'x'", "column 6"),
        ("Name = 'x", "column 8"),
        ("A = 1 AND B = 2 OR C = 3", "column 17"),
        ("Owner.Name = 'x'", "column 1"),
        ("(A = 1", "column 7"),
        ("A = 1)", "column 6"),
        ("A > null", "column 5"),
        ("", "column 1"),
    ] {
        let error = Filter::parse(condition).unwrap_err();
        assert!(error.to_string().contains(column), "{condition}: {error}");
    }
}

#[test]
fn the_caret_stands_below_the_mistake() {
    let error = Filter::parse("Näme ~ 'x'").unwrap_err();
    assert_eq!(error.next_step().unwrap(), "Näme ~ 'x'\n           ^");
}

#[test]
fn an_unknown_field_gets_the_nearest_name() {
    let columns = ["Id".to_owned(), "AnnualRevenue".to_owned()];
    let error = Filter::parse("AnualRevenue > 1").unwrap().fields(&columns).unwrap_err();
    assert_eq!(error.next_step(), Some("did you mean AnnualRevenue"));
}
