// SPDX-License-Identifier: Apache-2.0
//! SOAP: login, faults, undelete and emptyRecycleBin (`salesforce-api.md` 1.7, 1.8, 6.7).

use crate::caller::{Caller, HOST, Said};
use serde_json::json;

/// An envelope with prefixes of the caller's choice.
fn envelope(prefix: &str, header: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><{prefix}:Envelope xmlns:{prefix}=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:urn=\"urn:partner.soap.sforce.com\"><{prefix}:Header>{header}</{prefix}:Header><{prefix}:Body>{body}</{prefix}:Body>\
         </{prefix}:Envelope>"
    )
}

async fn post(caller: &Caller, path: &str, text: String) -> Said {
    let headers = [("content-type", "text/xml; charset=UTF-8"), ("soapaction", "\"\"")];
    caller.raw("POST", path, &headers, text).await
}

async fn call(caller: &Caller, header: &str, body: &str) -> Said {
    let header =
        format!("<urn:SessionHeader><urn:sessionId>{}</urn:sessionId></urn:SessionHeader>{header}", caller.token);
    post(caller, "/services/Soap/u/59.0", envelope("soapenv", &header, body)).await
}

async fn log_in(caller: &Caller, password: &str, version: &str) -> Said {
    let body = format!(
        "<n1:login xmlns:n1=\"urn:partner.soap.sforce.com\"><n1:username>{}</n1:username><n1:password>{password}</n1:password></n1:login>",
        caller.credentials.username
    );
    post(caller, &format!("/services/Soap/u/{version}"), envelope("env", "", &body)).await
}

/// The text of the first element of a name.
fn element<'a>(said: &'a Said, name: &str) -> &'a str {
    let (_, rest) =
        said.text().split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {}", said.text()));
    rest.split('<').next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn login_answers_in_the_order_of_the_wsdl() {
    // 1.7, 8: clients index by position; simple-salesforce reads sessionId and serverUrl.
    let caller = Caller::new();
    for password in [
        caller.credentials.password.clone(),
        format!("{}{}", caller.credentials.password, caller.credentials.security_token),
    ] {
        let said = log_in(&caller, &password, "59.0").await;
        assert_eq!((said.status, said.header("content-type")), (200, "text/xml;charset=UTF-8"));
        let order = [
            "<loginResponse><result><metadataServerUrl>",
            "<passwordExpired>",
            "<sandbox>",
            "<serverUrl>",
            "<sessionId>",
            "<userId>",
            "<userInfo><accessibilityMode>",
            "<chatterExternal>",
            "<currencySymbol>",
            "<orgAttachmentFileSizeLimit>",
            "<orgDefaultCurrencyIsoCode>",
            "<orgDefaultCurrencyLocale>",
            "<orgDisallowHtmlAttachments>",
            "<orgHasPersonAccounts>",
            "<organizationId>",
            "<organizationMultiCurrency>",
            "<organizationName>",
            "<profileId>",
            "<roleId",
            "<sessionSecondsValid>",
            "<userDefaultCurrencyIsoCode",
            "<userEmail>",
            "<userFullName>",
            "<userId>",
            "<userLanguage>",
            "<userLocale>",
            "<userName>",
            "<userTimeZone>",
            "<userType>",
            "<userUiSkin>",
        ];
        let mut rest = said.text();
        for name in order {
            rest = rest.split_once(name).unwrap_or_else(|| panic!("{name} is not next: {rest}")).1;
        }
        assert!(said.text().contains("<soapenv:Envelope") && said.text().contains("<soapenv:Body>"));
        let org15 = &caller.credentials.org_id[..15];
        assert_eq!(element(&said, "serverUrl"), format!("http://{HOST}/services/Soap/u/59.0/{org15}"));
        assert_eq!(element(&said, "metadataServerUrl"), format!("http://{HOST}/services/Soap/m/59.0/{org15}"));
        assert_eq!(element(&said, "sessionSecondsValid"), "7200");
        let authorization = format!("Bearer {}", element(&said, "sessionId"));
        let rest = caller.raw("GET", "/services/data/v59.0/limits", &[("authorization", &authorization)], "").await;
        assert_eq!(rest.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_the_real_fault() {
    // 1.7, byte by byte.
    let caller = Caller::new();
    let said = log_in(&caller, "wrong", "59.0").await;
    assert_eq!(said.status, 500);
    assert_eq!(
        said.text(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:sf=\"urn:fault.partner.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>\
         <soapenv:Fault><faultcode>INVALID_LOGIN</faultcode><faultstring>INVALID_LOGIN: Invalid username, password, security \
         token; or user locked out.</faultstring><detail><sf:LoginFault xsi:type=\"sf:LoginFault\"><sf:exceptionCode>INVALID_LOGIN\
         </sf:exceptionCode><sf:exceptionMessage>Invalid username, password, security token; or user locked out.\
         </sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    );
    let retired = log_in(&caller, &caller.credentials.password.clone(), "65.0").await;
    assert_eq!((retired.status, element(&retired, "faultcode")), (500, "UNSUPPORTED_API_VERSION"));
    let old = log_in(&caller, &caller.credentials.password.clone(), "20.0").await;
    assert_eq!((old.status, element(&old, "sf:exceptionCode")), (500, "UNSUPPORTED_API_VERSION"));
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_is_a_fault_of_status_500() {
    // 1.8: jsforce matches `<faultcode>sf:INVALID_SESSION_ID</faultcode>`.
    let mut caller = Caller::new();
    let token = caller.token.clone();
    caller.org().expire_sessions();
    let said = call(&caller, "", "<urn:getUserInfo/>").await;
    assert_eq!((said.status, element(&said, "faultcode")), (500, "sf:INVALID_SESSION_ID"));
    assert!(element(&said, "faultstring").starts_with("INVALID_SESSION_ID: Invalid Session ID found in SessionHeader"));
    caller.token = String::new();
    assert_eq!(element(&call(&caller, "", "<urn:getUserInfo/>").await, "faultcode"), "sf:INVALID_SESSION_ID");
    assert!(!token.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_small_calls_answer() {
    let caller = Caller::new();
    let said = call(&caller, "", "<urn:getUserInfo/>").await;
    assert_eq!(element(&said, "userName"), caller.credentials.username);
    assert_eq!(element(&said, "current"), "1", "SOAP calls count, and say so in LimitInfoHeader");
    let said = call(&caller, "", "<urn:getServerTimestamp/>").await;
    assert_eq!(element(&said, "timestamp"), "2026-03-01T12:00:00.000Z");
    let said = call(&caller, "", "<urn:describeSoftphoneLayout/>").await;
    assert_eq!((said.status, element(&said, "faultcode")), (500, "soapenv:Client"));
    let text = "No operation available for request {urn:partner.soap.sforce.com}describeSoftphoneLayout";
    assert!(said.text().contains(text), "{}", said.text());
    let said = post(&caller, "/services/Soap/u/59.0", "<nonsense".into()).await;
    assert_eq!(said.status, 500);
    assert_eq!(call(&caller, "", "<urn:logout/>").await.status, 200);
    assert_eq!(call(&caller, "", "<urn:getUserInfo/>").await.status, 500);
}

#[tokio::test(start_paused = true)]
async fn undelete_brings_back_a_record_with_what_its_delete_took_along() {
    // 6.7
    let caller = Caller::new();
    let account = caller.create("Account", json!({"Name": "A"})).await;
    let contact = caller.create("Contact", json!({"LastName": "C", "AccountId": account})).await;
    caller.delete(&format!("/sobjects/Account/{account}")).await.expect(204);
    assert_eq!(caller.get(&format!("/sobjects/Contact/{contact}")).await.status, 404);
    let never = orgkeep_emulator::id::make("001", 999_999);
    let ids = format!("<urn:undelete><urn:ids>{account}</urn:ids><urn:ids>{never}</urn:ids></urn:undelete>");
    let said = call(&caller, "", &ids).await;
    assert_eq!(said.status, 200);
    let start = format!(
        "<undeleteResponse><result><id>{account}</id><success>true</success></result><result><errors><message>"
    );
    assert!(said.text().contains(&start), "{}", said.text());
    assert!(said.text().contains("</statusCode></errors><id xsi:nil=\"true\"/><success>false</success></result>"));
    assert_eq!(caller.get(&format!("/sobjects/Contact/{contact}")).await.status, 200);
    let said = call(&caller, "", &format!("<urn:undelete><urn:ids>{account}</urn:ids></urn:undelete>")).await;
    assert_eq!(element(&said, "statusCode"), "UNDELETE_FAILED");
    assert_eq!(element(&said, "message"), "Entity is not in the recycle bin");
}

#[tokio::test(start_paused = true)]
async fn all_or_none_undoes_what_worked() {
    let caller = Caller::new();
    let account = caller.create("Account", json!({"Name": "A"})).await;
    caller.delete(&format!("/sobjects/Account/{account}")).await.expect(204);
    let header = "<urn:AllOrNoneHeader><urn:allOrNone>true</urn:allOrNone></urn:AllOrNoneHeader>";
    let ids = format!("<urn:undelete><urn:ids>{account}</urn:ids><urn:ids>x</urn:ids></urn:undelete>");
    let said = call(&caller, header, &ids).await;
    assert_eq!(element(&said, "statusCode"), "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert!(said.text().contains("MALFORMED_ID"));
    assert_eq!(caller.get(&format!("/sobjects/Account/{account}")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn an_emptied_recycle_bin_gives_nothing_back() {
    // 6.7
    let caller = Caller::new();
    let account = caller.create("Account", json!({"Name": "A"})).await;
    caller.delete(&format!("/sobjects/Account/{account}")).await.expect(204);
    let ids = format!("<urn:ids>{account}</urn:ids>");
    let said = call(&caller, "", &format!("<urn:emptyRecycleBin>{ids}</urn:emptyRecycleBin>")).await;
    assert_eq!(element(&said, "success"), "true");
    let said = call(&caller, "", &format!("<urn:undelete>{ids}</urn:undelete>")).await;
    assert_eq!(element(&said, "success"), "false");
    let many = "<urn:ids>001000000000001AAA</urn:ids>".repeat(201);
    let said = call(&caller, "", &format!("<urn:undelete>{many}</urn:undelete>")).await;
    assert_eq!((said.status, element(&said, "faultcode")), (500, "sf:EXCEEDED_ID_LIMIT"));
}

#[tokio::test(start_paused = true)]
async fn queries_come_in_xml_with_dates_in_utc() {
    // 8, row 14: `Z` in SOAP.
    let caller = Caller::new();
    let account = caller.create("Account", json!({"Name": "A & B"})).await;
    caller.create("Contact", json!({"LastName": "C", "AccountId": account})).await;
    let statement = "SELECT Name, CreatedDate, (SELECT LastName FROM Contacts) FROM Account";
    let said =
        call(&caller, "", &format!("<urn:query><urn:queryString>{statement}</urn:queryString></urn:query>")).await;
    assert_eq!((element(&said, "done"), element(&said, "sf:Name")), ("true", "A &amp; B"));
    assert_eq!(element(&said, "sf:CreatedDate"), "2026-03-01T12:00:00.000Z");
    assert_eq!((element(&said, "sf:type"), element(&said, "sf:LastName")), ("Account", "C"));
    let said = call(&caller, "", "<urn:query><urn:queryString>SELECT FROM</urn:queryString></urn:query>").await;
    assert_eq!((said.status, element(&said, "faultcode")), (500, "sf:MALFORMED_QUERY"));
    for at in 0..300 {
        caller.create("Account", json!({"Name": format!("N{at}")})).await;
    }
    let header = "<urn:QueryOptions><urn:batchSize>200</urn:batchSize></urn:QueryOptions>";
    let said =
        call(&caller, header, "<urn:query><urn:queryString>SELECT Id FROM Account</urn:queryString></urn:query>").await;
    let locator = element(&said, "queryLocator");
    let more = format!("<urn:queryMore><urn:queryLocator>{locator}</urn:queryLocator></urn:queryMore>");
    let said = call(&caller, header, &more).await;
    assert_eq!(said.text().matches("<records ").count(), 101);
    assert_eq!((element(&said, "done"), element(&said, "size")), ("true", "301"));
}

/// A record as a partner client writes it.
fn record(element: &str, kind: &str, fields: &str) -> String {
    format!(
        "<urn:{element} xmlns:s=\"urn:sobject.partner.soap.sforce.com\"><s:type>{kind}</s:type>{fields}</urn:{element}>"
    )
}

async fn value(caller: &Caller, statement: &str, field: &str) -> serde_json::Value {
    caller.query(statement).await.expect(200)["records"][0][field].clone()
}

#[tokio::test(start_paused = true)]
async fn records_are_created_updated_and_emptied_by_name() {
    // fieldsToNull empties a field; an empty element and a nil one change nothing.
    let caller = Caller::new();
    let records = record("sObjects", "Account", "<s:Name>A</s:Name><s:Site>S</s:Site>")
        + &record("sObjects", "Contact", "<s:FirstName>nobody</s:FirstName>");
    let said = call(&caller, "", &format!("<urn:create>{records}</urn:create>")).await;
    let id = element(&said, "id").to_owned();
    assert!(said.text().starts_with("<?xml") && said.text().contains(&format!(
        "<createResponse><result><id>{id}</id><success>true</success></result><result><errors><fields>LastName</fields><message>"
    )));
    let fields = format!("<s:fieldsToNull>Site</s:fieldsToNull><s:Id>{id}</s:Id><s:Name/><s:Fax>1</s:Fax>");
    let changed = record("sObjects", "Account", &fields);
    assert_eq!(element(&call(&caller, "", &format!("<urn:update>{changed}</urn:update>")).await, "success"), "true");
    let row = caller.get(&format!("/sobjects/Account/{id}")).await.expect(200);
    assert_eq!((&row["Name"], &row["Site"], &row["Fax"]), (&json!("A"), &json!(null), &json!("1")));
    let said = call(&caller, "", &format!("<urn:update>{}</urn:update>", record("sObjects", "Account", ""))).await;
    assert_eq!(element(&said, "statusCode"), "MISSING_ARGUMENT");
}

#[tokio::test(start_paused = true)]
async fn an_upsert_matches_by_external_id_and_names_parents_by_theirs() {
    let caller = Caller::new();
    let upsert = |fields: &str| {
        let records = record("sObjects", "Project__c", fields);
        format!("<urn:upsert><urn:externalIDFieldName>External_Key__c</urn:externalIDFieldName>{records}</urn:upsert>")
    };
    let first = call(&caller, "", &upsert("<s:Name>one</s:Name><s:External_Key__c>k</s:External_Key__c>")).await;
    assert_eq!(element(&first, "created"), "true");
    let second = call(&caller, "", &upsert("<s:Name>two</s:Name><s:External_Key__c>k</s:External_Key__c>")).await;
    assert_eq!((element(&second, "created"), element(&second, "id")), ("false", element(&first, "id")));
    assert_eq!(value(&caller, "SELECT Name FROM Project__c", "Name").await, "two");
    let described = caller.get("/sobjects/Project__c/describe").await.expect(200);
    let child = described["childRelationships"].as_array().unwrap().iter();
    let child = child.map(|child| (child["childSObject"].as_str().unwrap(), child["field"].as_str().unwrap()));
    let (object, lookup) = child.into_iter().find(|(object, _)| object.ends_with("__c")).unwrap();
    let parent = "<s:type>Project__c</s:type><s:External_Key__c>k</s:External_Key__c>".to_owned();
    let relationship = lookup.replace("__c", "__r");
    let fields = format!("<s:{relationship}>{parent}</s:{relationship}>");
    let said = call(&caller, "", &format!("<urn:create>{}</urn:create>", record("sObjects", object, &fields))).await;
    assert_eq!(element(&said, "success"), "true", "{}", said.text());
    let found = value(&caller, &format!("SELECT {lookup} FROM {object}"), lookup).await;
    assert_eq!(found, element(&first, "id"));
    let wrong = "<urn:upsert><urn:externalIDFieldName>Site</urn:externalIDFieldName>".to_owned()
        + &record("sObjects", "Account", "<s:Name>x</s:Name>")
        + "</urn:upsert>";
    let said = call(&caller, "", &wrong).await;
    assert_eq!((said.status, element(&said, "faultcode")), (500, "sf:INVALID_FIELD"));
    assert!(said.text().contains("Field name provided, Site does not match an External ID"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_as_a_record_refuses_the_call() {
    let caller = Caller::new();
    let create = |records: String| format!("<urn:create>{records}</urn:create>");
    for (records, code, kind) in [
        (record("sObjects", "Account", "<s:Foo>1</s:Foo>"), "sf:INVALID_FIELD", "sf:InvalidFieldFault"),
        (record("sObjects", "Foo__c", ""), "sf:INVALID_TYPE", "sf:InvalidSObjectFault"),
        ("<urn:sObjects/>".to_owned(), "sf:INVALID_TYPE", "sf:InvalidSObjectFault"),
        (record("sObjects", "Account", "").repeat(201), "sf:EXCEEDED_ID_LIMIT", "sf:UnexpectedErrorFault"),
    ] {
        let said = call(&caller, "", &create(records)).await;
        assert_eq!((said.status, element(&said, "faultcode")), (500, code));
        assert!(said.text().contains(&format!("<{kind} xsi:type=\"{kind}\">")), "{}", said.text());
    }
    let said =
        call(&caller, "", "<urn:query><urn:queryString>SELECT X__c FROM Account</urn:queryString></urn:query>").await;
    let (row, column) = (element(&said, "sf:row"), element(&said, "sf:column"));
    assert!(row.parse::<i32>().is_ok() && column.parse::<i32>().is_ok(), "{row}:{column}");
}

#[tokio::test(start_paused = true)]
async fn headers_change_what_a_save_does() {
    let caller = Caller::new();
    let long = record("sObjects", "Account", &format!("<s:Name>{}</s:Name>", "x".repeat(300)));
    let create = format!("<urn:create>{long}</urn:create>");
    assert_eq!(element(&call(&caller, "", &create).await, "statusCode"), "STRING_TOO_LONG");
    let header = "<urn:AllowFieldTruncationHeader><urn:allowFieldTruncation>true</urn:allowFieldTruncation></urn:AllowFieldTruncationHeader>";
    assert_eq!(element(&call(&caller, header, &create).await, "success"), "true");
    let name = value(&caller, "SELECT Name FROM Account", "Name").await;
    assert_eq!(name.as_str().unwrap().len(), 255);
    let header = "<urn:CallOptions><urn:client>x</urn:client><urn:returnFieldDataTypes>true</urn:returnFieldDataTypes></urn:CallOptions>";
    let query =
        "<urn:query><urn:queryString>SELECT Name, OwnerId, CreatedDate FROM Account</urn:queryString></urn:query>";
    let said = call(&caller, header, query).await;
    for part in [
        "<sf:Name xsi:type=\"xsd:string\">",
        "<sf:OwnerId xsi:type=\"ID\">",
        "<sf:CreatedDate xsi:type=\"xsd:dateTime\">",
    ] {
        assert!(said.text().contains(part), "{part}: {}", said.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_merge_and_a_lead_conversion_answer_by_the_wsdl() {
    let caller = Caller::new();
    let master = caller.create("Account", json!({"Name": "master"})).await;
    let loser = caller.create("Account", json!({"Name": "loser"})).await;
    let contact = caller.create("Contact", json!({"LastName": "moves", "AccountId": loser})).await;
    let record_of = record("masterRecord", "Account", &format!("<s:Id>{master}</s:Id><s:Site>merged</s:Site>"));
    let request = format!(
        "<urn:merge><urn:request>{record_of}<urn:recordToMergeIds>{loser}</urn:recordToMergeIds></urn:request></urn:merge>"
    );
    let said = call(&caller, "", &request).await;
    let expected = format!(
        "<mergeResponse><result><id>{master}</id><mergedRecordIds>{loser}</mergedRecordIds><success>true</success>\
         <updatedRelatedIds>{contact}</updatedRelatedIds>"
    );
    assert!(said.text().contains(&expected), "{}", said.text());
    assert_eq!(value(&caller, "SELECT Site FROM Account", "Site").await, "merged");
    assert_eq!(element(&call(&caller, "", &request).await, "statusCode"), "ENTITY_IS_DELETED");

    let lead = caller.create("Lead", json!({"LastName": "L", "Company": "C"})).await;
    let status = value(&caller, "SELECT MasterLabel FROM LeadStatus WHERE IsConverted = true", "MasterLabel").await;
    let wish = format!(
        "<urn:convertLead><urn:leadConverts><urn:convertedStatus>{}</urn:convertedStatus><urn:doNotCreateOpportunity>true\
         </urn:doNotCreateOpportunity><urn:leadId>{lead}</urn:leadId></urn:leadConverts></urn:convertLead>",
        status.as_str().unwrap()
    );
    let said = call(&caller, "", &wish).await;
    assert!(said.text().contains("<opportunityId xsi:nil=\"true\"/><success>true</success>"), "{}", said.text());
    let converted =
        value(&caller, "SELECT ConvertedAccountId FROM Lead WHERE IsConverted = true", "ConvertedAccountId").await;
    assert_eq!(converted, element(&said, "accountId"));
}

#[tokio::test(start_paused = true)]
async fn passwords_change_and_end_the_sessions_of_their_user() {
    let caller = Caller::new();
    let profile = value(&caller, "SELECT Id FROM Profile WHERE Name = 'System Administrator'", "Id").await;
    let user = caller
        .create(
            "User",
            json!({"Username": "other@example.com", "LastName": "O", "Email": "o@example.com", "Alias": "o", "IsActive": true,
                "ProfileId": profile, "TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8",
                "LanguageLocaleKey": "en_US"}),
        )
        .await;
    let set = |password: &str| {
        format!(
            "<urn:setPassword><urn:userId>{user}</urn:userId><urn:password>{password}</urn:password></urn:setPassword>"
        )
    };
    assert_eq!(element(&call(&caller, "", &set("short")).await, "faultcode"), "sf:INVALID_NEW_PASSWORD");
    assert_eq!(call(&caller, "", &set("longer4you")).await.status, 200);
    let mut other = Caller::new();
    other.emulator = caller.emulator.clone();
    other.credentials.username = "other@example.com".into();
    assert_eq!(element(&log_in(&other, &caller.credentials.password, "59.0").await, "faultcode"), "INVALID_LOGIN");
    let entered = log_in(&other, "longer4you", "59.0").await;
    other.token = element(&entered, "sessionId").to_owned();
    assert_eq!(call(&other, "", "<urn:getUserInfo/>").await.status, 200);
    let reset = format!("<urn:resetPassword><urn:userId>{user}</urn:userId></urn:resetPassword>");
    let said = call(&caller, "", &reset).await;
    assert_eq!(log_in(&other, element(&said, "password"), "59.0").await.status, 200);
    assert_eq!(call(&other, "", "<urn:getUserInfo/>").await.status, 500, "the session ended with the password");
}

#[tokio::test(start_paused = true)]
async fn apex_does_not_compile() {
    let caller = Caller::new();
    let header = format!(
        "<urn:SessionHeader><urn:sessionId>{}</urn:sessionId></urn:SessionHeader><urn:DebuggingHeader/>",
        caller.token
    );
    let body = "<executeAnonymous><String>System.debug(1);</String></executeAnonymous>";
    let said = post(&caller, "/services/Soap/s/67.0", envelope("soapenv", &header, body)).await;
    assert_eq!((element(&said, "compiled"), element(&said, "success")), ("false", "false"));
    assert!(element(&said, "compileProblem").contains("does not run Apex"));
    assert!(said.text().contains("<DebuggingInfo><debugLog></debugLog></DebuggingInfo>"), "{}", said.text());
}

#[tokio::test]
async fn contacts_follow_their_accounts_new_owner_when_the_header_says_so() {
    // SOAP API guide, OwnerChangeOptions
    let caller = Caller::new();
    let account = caller.create("Account", json!({"Name": "A"})).await;
    let contact = caller.create("Contact", json!({"LastName": "L", "AccountId": account})).await;
    let statement = "SELECT Id FROM User WHERE Username = 'sales@org-1.orgkeep.example'";
    let sales = value(&caller, statement, "Id").await.as_str().unwrap().to_owned();
    let me = caller.credentials.user_id.clone();
    let owner_of_contact = format!("SELECT OwnerId FROM Contact WHERE Id = '{contact}'");
    for (owner, execute, follows) in [(&sales, "false", &me), (&me, "false", &me), (&sales, "true", &sales)] {
        let header = format!(
            "<urn:OwnerChangeOptions><urn:options><urn:execute>{execute}</urn:execute><urn:type>TransferContacts</urn:type></urn:options></urn:OwnerChangeOptions>"
        );
        let body = format!(
            "<urn:update><urn:sObjects xmlns:so=\"urn:sobject.partner.soap.sforce.com\"><so:type>Account</so:type><so:Id>{account}</so:Id><so:OwnerId>{owner}</so:OwnerId></urn:sObjects></urn:update>"
        );
        let said = call(&caller, &header, &body).await;
        assert_eq!(element(&said, "success"), "true", "{}", said.text());
        assert_eq!(value(&caller, &owner_of_contact, "OwnerId").await, follows.as_str());
    }
}
