// SPDX-License-Identifier: Apache-2.0
//! SOAP: login, faults, undelete and emptyRecycleBin (`salesforce-api.md` 1.7, 1.8, 6.7).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod caller;

use caller::{Caller, HOST, Said};
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
    let said = call(&caller, "", "<urn:merge/>").await;
    assert_eq!((said.status, element(&said, "faultcode")), (500, "soapenv:Client"));
    assert!(said.text().contains("No operation available for request {urn:partner.soap.sforce.com}merge"));
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
