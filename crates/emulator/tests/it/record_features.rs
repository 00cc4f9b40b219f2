// SPDX-License-Identifier: Apache-2.0
//! Features that an org may have: person accounts, several currencies, record types by profile, Knowledge
//! (`salesforce-api.md` 6.6, 6.9, 6.10).

use crate::desk::{Desk, Find as _, text};
use orgkeep_emulator::record::{self, LeadConvert};
use orgkeep_emulator::schema::{Field, FieldType};
use orgkeep_emulator::soql;
use orgkeep_emulator::value::Value;
use orgkeep_emulator::{Emulator, Feature, Settings};

fn desk_with(feature: Feature) -> Desk {
    let mut desk = Desk::new();
    desk.org.turn_on(feature).expect("turned on");
    sign_in_again(&mut desk);
    desk
}

/// A caller's rights are those of the fields there were when the session was looked at.
fn sign_in_again(desk: &mut Desk) {
    desk.caller = desk.org.caller(&desk.caller.user_id);
}

fn records(desk: &Desk, statement: &str) -> Result<Vec<serde_json::Value>, String> {
    desk.org.read(|tx| {
        let options = soql::Options { all: false, bulk: false, tooling: false, now: tx.now };
        let prepared = soql::prepare(&tx.schema, &desk.caller, statement, options).map_err(|error| error.message)?;
        prepared.records(tx, "67.0", soql::Which::All).map_err(|error| error.message)
    })
}

#[test]
fn a_person_account_is_an_account_and_its_contact() {
    // 6.9
    let desk = desk_with(Feature::PersonAccounts);
    let languages = ("Languages__pc", "English");
    let account =
        desk.make("Account", &[("LastName", "Lee"), ("FirstName", "Ann"), ("PersonEmail", "a@b.example"), languages]);
    assert_eq!(desk.get(&account, "Name"), Value::from("Ann Lee"));
    assert!(desk.get(&account, "IsPersonAccount").is_true());
    let kind = desk.org.id_of("RecordType", "DeveloperName", "PersonAccount");
    assert_eq!(desk.get(&account, "RecordTypeId"), Value::from(kind.as_str()));
    assert!(desk.get(&kind, "IsPersonType").is_true());
    let Value::Text(contact) = desk.get(&account, "PersonContactId") else { panic!("a contact") };
    for (field, value) in [("Name", "Ann Lee"), ("Email", "a@b.example"), ("Languages__c", "English")] {
        assert_eq!(desk.get(&contact, field), Value::from(value));
    }
    assert!(desk.get(&contact, "IsPersonAccount").is_true());
    assert_eq!(desk.get(&contact, "AccountId"), Value::from(account.as_str()));
    assert_eq!(desk.count("AccountContactRelation"), 0);
    desk.later(5);
    desk.update("Account", &account, &[("LastName", "Li"), ("PersonMobilePhone", "1")]).expect("updated");
    assert_eq!(desk.get(&contact, "Name"), Value::from("Ann Li"));
    assert_eq!(desk.get(&contact, "MobilePhone"), Value::from("1"));
    assert_eq!(desk.get(&contact, "SystemModstamp"), desk.get(&account, "SystemModstamp"));
    desk.update("Contact", &contact, &[("Email", "c@d.example"), ("FirstName", "Bea")]).expect("updated");
    assert_eq!(desk.get(&account, "PersonEmail"), Value::from("c@d.example"));
    assert_eq!(desk.get(&account, "Name"), Value::from("Bea Li"));
}

#[test]
fn a_person_and_a_business_have_their_own_fields() {
    // 6.9: "bad field names on insert/update call"
    let desk = desk_with(Feature::PersonAccounts);
    let kind = desk.org.id_of("RecordType", "DeveloperName", "PersonAccount");
    let (code, message, _) = desk.refused("Account", &[("RecordTypeId", &kind), ("Name", "X"), ("LastName", "X")]);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", "bad field names on insert/update call: Name")
    );
    let (code, _, fields) = desk.refused("Account", &[("RecordTypeId", &kind), ("FirstName", "X")]);
    assert_eq!((code.as_str(), fields), ("REQUIRED_FIELD_MISSING", vec!["LastName".to_owned()]));
    let (code, _, fields) = desk.refused("Account", &[("Site", "X")]);
    assert_eq!((code.as_str(), fields), ("REQUIRED_FIELD_MISSING", vec!["Name".to_owned()]));
    let business = desk.make("Account", &[("Name", "Acme")]);
    assert!(!desk.get(&business, "IsPersonAccount").is_true());
    let error = desk.update("Account", &business, &[("PersonEmail", "a@b.example")]).expect_err("a business");
    assert_eq!(error.message, "bad field names on insert/update call: PersonEmail");
    let error = desk.update("Account", &business, &[("RecordTypeId", &kind)]).expect_err("it stays a business");
    assert_eq!(error.code, "INVALID_PERSON_ACCOUNT_OPERATION");
}

#[test]
fn a_persons_contact_lives_and_dies_with_the_account() {
    let desk = desk_with(Feature::PersonAccounts);
    let account = desk.make("Account", &[("LastName", "Lee")]);
    let Value::Text(contact) = desk.get(&account, "PersonContactId") else { panic!("a contact") };
    let business = desk.make("Account", &[("Name", "Acme")]);
    let error = desk.delete(&contact).expect_err("not by itself");
    assert_eq!(error.code, "INVALID_PERSON_ACCOUNT_OPERATION");
    assert!(desk.update("Contact", &contact, &[("AccountId", &business)]).is_err());
    let (code, ..) = desk.refused("Contact", &[("LastName", "X"), ("AccountId", &account)]);
    assert_eq!(code, "INVALID_PERSON_ACCOUNT_OPERATION");
    desk.delete(&account).expect("deleted");
    assert!(desk.is_deleted(&contact));
    desk.undelete(&account).expect("back");
    assert!(!desk.is_deleted(&contact));
    assert_eq!(desk.get(&account, "PersonContactId"), Value::from(contact.as_str()));
}

#[test]
fn person_accounts_merge_and_leads_without_company_become_them() {
    let desk = desk_with(Feature::PersonAccounts);
    let [master, loser] = ["M", "L"].map(|name| desk.make("Account", &[("LastName", name)]));
    let contact_of = |account: &str| desk.get(account, "PersonContactId").as_str().expect("a contact").to_owned();
    let (own, theirs) = (contact_of(&master), contact_of(&loser));
    let task = desk.make("Task", &[("Subject", "T"), ("WhoId", &theirs)]);
    let losers = vec![loser.clone()];
    desk.org
        .write(|tx| tx.savepoint(|tx| record::merge(tx, &desk.caller, &master, &losers, Vec::new())))
        .expect("merged");
    assert!(desk.is_deleted(&loser) && desk.is_deleted(&theirs) && !desk.is_deleted(&own));
    assert_eq!(desk.get(&task, "WhoId"), Value::from(own.as_str()));
    assert_eq!(contact_of(&master), own);
    let lead = desk.org.insert("Lead", vec![("LastName".into(), text("Solo"))]).expect("a lead without company");
    let request = LeadConvert {
        lead_id: lead,
        converted_status: "Closed - Converted".into(),
        do_not_create_opportunity: true,
        ..LeadConvert::default()
    };
    let made =
        desk.org.write(|tx| tx.savepoint(|tx| record::convert_lead(tx, &desk.caller, &request))).expect("converted");
    assert_eq!(made.related_person_account_id.as_ref(), Some(&made.account_id));
    assert_eq!(contact_of(&made.account_id), made.contact_id);
}

#[test]
fn a_custom_field_of_contacts_is_on_person_accounts_whenever_it_comes() {
    let mut desk = desk_with(Feature::PersonAccounts);
    assert!(desk.org.add_field("Contact", Field::usual("Shoe__c", "Shoe", FieldType::String, 20)));
    sign_in_again(&mut desk);
    let account = desk.make("Account", &[("LastName", "Lee"), ("Shoe__pc", "42")]);
    let contact = desk.get(&account, "PersonContactId");
    assert_eq!(desk.get(contact.as_str().expect("a contact"), "Shoe__c"), Value::from("42"));
    assert!(!Desk::new().org.schema().object("Account").expect("there").has("Shoe__pc"));
}

#[test]
fn records_have_a_currency_and_amounts_are_converted() {
    // 6.10, SOQL reference convertCurrency()
    let desk = desk_with(Feature::MultiCurrency);
    desk.org.add_currency("GBP", 0.25).expect("a third currency");
    let plain = desk.make("Account", &[("Name", "A"), ("AnnualRevenue", "100")]);
    assert_eq!(desk.get(&plain, "CurrencyIsoCode"), Value::from("USD"));
    let euro = desk.make("Account", &[("Name", "E"), ("AnnualRevenue", "100"), ("CurrencyIsoCode", "EUR")]);
    assert_eq!(desk.get(&euro, "CurrencyIsoCode"), Value::from("EUR"));
    let (code, ..) = desk.refused("Account", &[("Name", "X"), ("CurrencyIsoCode", "XYZ")]);
    assert_eq!(code, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    let statement = "SELECT AnnualRevenue, convertCurrency(AnnualRevenue) own, FORMAT(AnnualRevenue) shown, \
                     FORMAT(convertCurrency(AnnualRevenue)) both FROM Account ORDER BY Name";
    let found = records(&desk, statement).expect("converted");
    assert_eq!((&found[0]["own"], &found[1]["own"]), (&100.0.into(), &200.0.into()));
    assert_eq!((&found[1]["shown"], &found[1]["both"]), (&"EUR 100".into(), &"USD 200".into()));
    let me = desk.caller.user_id.clone();
    desk.update("User", &me, &[("DefaultCurrencyIsoCode", "GBP")]).expect("another currency of mine");
    let found = records(&desk, statement).expect("converted");
    assert_eq!((&found[0]["own"], &found[1]["both"]), (&25.0.into(), &"GBP 50".into()));
    assert_eq!(desk.get(&desk.make("Account", &[("Name", "B")]), "CurrencyIsoCode"), Value::from("GBP"));
    let schema = desk.org.schema();
    let picklist =
        &schema.object("Contact").and_then(|object| object.field("CurrencyIsoCode")).expect("there").picklist;
    assert_eq!(picklist.iter().map(|known| known.value.as_str()).collect::<Vec<_>>(), ["USD", "EUR", "GBP"]);
    let error = records(&Desk::new(), "SELECT convertCurrency(AnnualRevenue) FROM Account").expect_err("one currency");
    assert!(error.contains("Unsupported function"), "{error}");
}

#[test]
fn amounts_are_compared_added_up_and_sorted_by_what_they_are_worth() {
    // SOQL reference, convertCurrency(): considerations
    let desk = desk_with(Feature::MultiCurrency);
    desk.org.add_currency("JPY", 0.01).expect("a third currency");
    for (name, amount, iso) in [("E", "100", "EUR"), ("J", "3", "JPY"), ("U", "150", "USD")] {
        desk.make("Account", &[("Name", name), ("AnnualRevenue", amount), ("CurrencyIsoCode", iso)]);
    }
    // One dollar is half a euro and a hundredth of a yen: E is worth 200 dollars, J 300, U 150.
    let names = |filter: &str| {
        let found = records(&desk, &format!("SELECT Name FROM Account {filter}")).expect("rows");
        found.iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect::<String>()
    };
    assert_eq!(names("WHERE AnnualRevenue > USD199 ORDER BY Name"), "EJ");
    assert_eq!(names("WHERE AnnualRevenue = EUR100.0"), "E");
    assert_eq!(names("WHERE AnnualRevenue IN (USD150, JPY3) ORDER BY Name"), "JU");
    assert_eq!(names("WHERE AnnualRevenue NOT IN (USD150, JPY3)"), "E");
    assert_eq!(names("WHERE AnnualRevenue > 99 ORDER BY Name"), "EU");
    assert_eq!(names("ORDER BY AnnualRevenue"), "UEJ");
    let sums = records(&desk, "SELECT SUM(AnnualRevenue) s, MAX(AnnualRevenue) m FROM Account").expect("a group");
    assert_eq!((sums[0]["s"].as_f64(), sums[0]["m"].as_f64()), (Some(650.0), Some(300.0)));
    let grouped = "SELECT CurrencyIsoCode, SUM(AnnualRevenue) s FROM Account GROUP BY CurrencyIsoCode HAVING \
                   SUM(AnnualRevenue) > 180 ORDER BY SUM(AnnualRevenue) DESC";
    let groups = records(&desk, grouped).expect("groups");
    assert_eq!((groups.len(), groups[0]["CurrencyIsoCode"].as_str()), (2, Some("JPY")));
    for refused in [
        "SELECT Id FROM Account WHERE convertCurrency(AnnualRevenue) > 5",
        "SELECT Id FROM Account WHERE AnnualRevenue IN (USD150, 3)",
        "SELECT Id FROM Account WHERE AnnualRevenue > XYZ5",
        "SELECT Name, MAX(AnnualRevenue) FROM Account GROUP BY Name HAVING MAX(AnnualRevenue) > USD10",
        "SELECT Id FROM Account ORDER BY convertCurrency(AnnualRevenue)",
    ] {
        assert!(records(&desk, refused).is_err(), "{refused}");
    }
}

#[test]
fn roll_ups_are_in_the_currency_of_their_parent() {
    let desk = desk_with(Feature::MultiCurrency);
    let project = desk.make("Project__c", &[("Name", "P"), ("CurrencyIsoCode", "EUR")]);
    for (cost, iso) in [("100", "USD"), ("10", "EUR")] {
        desk.make(
            "Project_Task__c",
            &[("Project__c", &project), ("Title__c", "T"), ("Cost__c", cost), ("CurrencyIsoCode", iso)],
        );
    }
    // 100 dollars are 50 euros.
    assert_eq!(desk.get(&project, "Cost__c"), Value::Int(60));
}

#[test]
fn prices_and_lines_keep_to_their_currency() {
    // 6.9: unique per book, product and currency
    let desk = desk_with(Feature::MultiCurrency);
    let book = desk.org.id_of("Pricebook2", "Name", "Standard Price Book");
    let product = desk.make("Product2", &[("Name", "P"), ("IsActive", "true")]);
    let price = |iso: &str| {
        [
            ("Pricebook2Id", &*book),
            ("Product2Id", &*product),
            ("UnitPrice", "10"),
            ("IsActive", "true"),
            ("CurrencyIsoCode", iso),
        ]
        .map(|(name, value)| (name, value.to_owned()))
    };
    let make = |iso: &str| {
        let fields = price(iso);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        desk.make("PricebookEntry", &fields)
    };
    let dollars = make("USD");
    let euros = make("EUR");
    let deal = desk.make(
        "Opportunity",
        &[("Name", "D"), ("StageName", "Prospecting"), ("CloseDate", "2024-01-01"), ("CurrencyIsoCode", "EUR")],
    );
    let (code, message, _) = desk.refused(
        "OpportunityLineItem",
        &[("OpportunityId", &deal), ("PricebookEntryId", &dollars), ("Quantity", "1"), ("UnitPrice", "1")],
    );
    assert_eq!(code, "FIELD_INTEGRITY_EXCEPTION");
    assert!(message.contains("currency code does not match opportunity currency code"), "{message}");
    let line = desk.make(
        "OpportunityLineItem",
        &[("OpportunityId", &deal), ("PricebookEntryId", &euros), ("Quantity", "1"), ("UnitPrice", "1")],
    );
    assert_eq!(desk.get(&line, "CurrencyIsoCode"), Value::from("EUR"));
    let error = desk.update("Opportunity", &deal, &[("CurrencyIsoCode", "USD")]).expect_err("it has lines");
    assert_eq!(error.code, "FIELD_INTEGRITY_EXCEPTION");
}

#[test]
fn currencies_have_their_own_rules() {
    let desk = desk_with(Feature::MultiCurrency);
    let [usd, eur] = ["USD", "EUR"].map(|iso| desk.org.id_of("CurrencyType", "IsoCode", iso));
    assert_eq!(desk.delete(&eur).expect_err("never").code, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY");
    let again = [("IsoCode", "EUR"), ("ConversionRate", "2"), ("DecimalPlaces", "2")];
    assert_eq!(desk.refused("CurrencyType", &again).0, "DUPLICATE_VALUE");
    let error = desk.update("CurrencyType", &usd, &[("IsCorporate", "false")]).expect_err("there is always one");
    assert_eq!(error.code, "CANT_UNSET_CORP_CURRENCY");
    desk.update("CurrencyType", &eur, &[("IsCorporate", "true")]).expect("another corporate currency");
    assert_eq!((desk.get(&eur, "ConversionRate"), desk.get(&usd, "ConversionRate")), (Value::Int(1), Value::Int(2)));
    assert!(!desk.get(&usd, "IsCorporate").is_true());
    let rate = |start: &str| {
        desk.make("DatedConversionRate", &[("IsoCode", "USD"), ("StartDate", start), ("ConversionRate", "2")])
    };
    let (first, second) = (rate("2024-01-01"), rate("2024-07-01"));
    assert_eq!(desk.get(&first, "NextStartDate"), Value::from("2024-07-01"));
    assert_eq!(desk.get(&second, "NextStartDate"), Value::from("9999-12-31"));
    desk.delete(&second).expect("deleted");
    assert_eq!(desk.get(&first, "NextStartDate"), Value::from("9999-12-31"));
    assert_eq!(desk.delete(&first).expect_err("the last").code, "CANNOT_DELETE_LAST_DATED_CONVERSION_RATE");
}

#[test]
fn opportunities_are_converted_with_the_rate_of_their_close_date() {
    // SOQL reference, convertCurrency(): dated exchange rates
    let desk = desk_with(Feature::MultiCurrency);
    let deal = |name: &str, day: &str| {
        let fields = [
            ("Name", name),
            ("CloseDate", day),
            ("Amount", "100"),
            ("CurrencyIsoCode", "EUR"),
            ("StageName", "Prospecting"),
        ];
        desk.make("Opportunity", &fields)
    };
    let deals = [deal("before", "2023-12-31"), deal("first", "2024-01-01"), deal("second", "2024-08-01")];
    desk.make("Account", &[("Name", "A"), ("AnnualRevenue", "100"), ("CurrencyIsoCode", "EUR")]);
    let own = |statement: &str| {
        let found = records(&desk, statement).expect("converted");
        found.iter().map(|row| row["own"].as_f64().unwrap()).collect::<Vec<f64>>()
    };
    let statement = "SELECT convertCurrency(Amount) own FROM Opportunity ORDER BY CloseDate";
    assert_eq!(own(statement), [200.0, 200.0, 200.0]);
    for (start, rate) in [("2024-01-01", "0.8"), ("2024-07-01", "0.4")] {
        desk.make("DatedConversionRate", &[("IsoCode", "EUR"), ("StartDate", start), ("ConversionRate", rate)]);
    }
    assert_eq!(own(statement), [200.0, 125.0, 250.0]);
    assert_eq!(
        own("SELECT convertCurrency(AnnualRevenue) own FROM Account"),
        [200.0],
        "other objects have no dated rates"
    );
    let sum = records(&desk, "SELECT SUM(Amount) own FROM Opportunity").expect("added up");
    assert_eq!(sum[0]["own"], 575.0);
    let dear = records(&desk, "SELECT Id FROM Opportunity WHERE Amount > USD210").expect("compared");
    assert_eq!((dear.len(), &dear[0]["Id"]), (1, &deals[2].as_str().into()));
    let me = desk.caller.user_id.clone();
    desk.update("User", &me, &[("DefaultCurrencyIsoCode", "EUR")]).expect("my currency");
    assert_eq!(own(statement), [100.0, 100.0, 100.0], "there and back with the rate of one day");
}

#[test]
fn record_types_come_by_profile_and_narrow_picklists() {
    // 6.6
    let mut desk = Desk::new();
    let [customer, internal] =
        ["Customer_Project", "Internal_Project"].map(|name| desk.org.id_of("RecordType", "DeveloperName", name));
    let profile = desk.org.id_of("Profile", "Name", "System Administrator");
    assert_eq!(desk.get(&desk.make("Project__c", &[]), "RecordTypeId"), Value::from(customer.as_str()));
    assert!(desk.org.set_record_type_access(&profile, "Project__c", "Internal_Project", true, true));
    assert!(!desk.org.set_record_type_access(&profile, "Project__c", "Nowhere", true, true));
    assert!(desk.org.set_record_type_values(
        "Project__c",
        "Internal_Project",
        "Status__c",
        &["Running", "Done"],
        Some("Running")
    ));
    let project = desk.make("Project__c", &[]);
    assert_eq!(desk.get(&project, "RecordTypeId"), Value::from(internal.as_str()));
    assert_eq!(desk.get(&project, "Status__c"), Value::from("Running"));
    let (code, message, _) = desk.refused("Project__c", &[("RecordTypeId", &customer)]);
    assert_eq!(code, "INVALID_CROSS_REFERENCE_KEY");
    assert_eq!(message, format!("Record Type ID: this ID value isn't valid for the user: {customer}"));
    let error = desk.update("Project__c", &project, &[("Status__c", "Planned")]).expect_err("not of this record type");
    assert_eq!(error.code, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    assert_eq!(error.message, "Status: bad value for restricted picklist field: Planned");
    desk.update("Project__c", &project, &[("Status__c", "Done")]).expect("one of its values");
    desk.caller = desk.org.caller(&desk.org.id_of("User", "Username", "sales@org-1.orgkeep.example"));
    desk.caller.bypass = true;
    assert_eq!(
        desk.get(&desk.make("Project__c", &[]), "RecordTypeId"),
        Value::from(customer.as_str()),
        "another profile"
    );
}

#[test]
fn an_article_is_drafted_published_and_drafted_again() {
    // 6.9
    let desk = desk_with(Feature::Knowledge);
    let publish = |id: &str, status: &str| {
        desk.org.write(|tx| tx.savepoint(|tx| record::publish_article(tx, &desk.caller, id, status)))
    };
    let first = desk.make("Knowledge__kav", &[("Title", "How"), ("UrlName", "how")]);
    let Value::Text(article) = desk.get(&first, "KnowledgeArticleId") else { panic!("an article") };
    assert_eq!(desk.get(&first, "PublishStatus"), Value::from("Draft"));
    assert_eq!(desk.get(&first, "ArticleNumber"), Value::from("000001000"));
    assert_eq!(desk.refused("Knowledge__kav", &[("Title", "H"), ("UrlName", "how")]).0, "DUPLICATE_VALUE");
    assert_eq!(
        desk.refused("Knowledge__kav", &[("Title", "H"), ("UrlName", "h"), ("PublishStatus", "Online")]).0,
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    );
    desk.update("Knowledge__kav", &first, &[("Title", "How to")]).expect("a draft is edited");
    publish(&first, "Online").expect("published");
    assert!(desk.update("Knowledge__kav", &first, &[("Title", "X")]).is_err(), "what is online is not edited");
    assert_eq!(desk.delete(&first).expect_err("online").code, "DELETE_FAILED");
    let second = desk
        .org
        .write(|tx| tx.savepoint(|tx| record::edit_article(tx, &desk.caller, &article)))
        .expect("a draft of it");
    assert_eq!(desk.get(&second, "Title"), Value::from("How to"));
    assert_eq!(desk.get(&second, "VersionNumber"), Value::Int(2));
    assert_eq!(desk.get(&second, "KnowledgeArticleId"), Value::from(article.as_str()));
    publish(&second, "Online").expect("published");
    assert_eq!(desk.get(&first, "PublishStatus"), Value::from("Archived"));
    assert!(desk.get(&second, "IsLatestVersion").is_true() && !desk.get(&first, "IsLatestVersion").is_true());
    let seen = records(&desk, "SELECT Title, PublishStatus FROM KnowledgeArticleVersion ORDER BY VersionNumber")
        .expect("a view");
    assert_eq!((&seen[0]["PublishStatus"], &seen[1]["PublishStatus"]), (&"Archived".into(), &"Online".into()));
    assert!(publish(&first, "Online").is_err(), "only a draft is published");
}

#[test]
fn features_have_names() {
    for feature in Feature::ALL {
        assert_eq!(format!("{feature:?}").to_lowercase().parse(), Ok(feature));
        assert_eq!(feature.name().parse(), Ok(feature));
    }
    assert!("Wings".parse::<Feature>().unwrap_err().to_string().contains("person-accounts, multi-currency"));
}

#[test]
fn a_feature_stays_on_in_the_orgs_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("org.sqlite");
    let start = |features: &[Feature]| {
        let features = features.iter().copied().collect();
        Emulator::start(Settings { store: Some(store.clone()), features, ..Settings::default() }).expect("an org")
    };
    assert!(start(&[]).orgs()[0].features().is_empty());
    let first = start(&[Feature::Knowledge, Feature::PersonAccounts]);
    assert!(first.orgs()[0].schema().object("Account").unwrap().has("PersonContactId"));
    drop(first);
    let second = start(&[]);
    assert!(second.orgs()[0].has_feature(Feature::Knowledge));
    assert!(second.orgs()[0].schema().object("Account").unwrap().has("PersonContactId"));
}
