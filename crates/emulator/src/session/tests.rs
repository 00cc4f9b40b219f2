// SPDX-License-Identifier: Apache-2.0
use super::*;

const ORG: &str = "00D000000000001";

#[test]
fn a_session_slides_and_ends() {
    let mut sessions = Sessions::default();
    sessions.set_up(100, 7);
    let token = sessions.open(ORG, "u", None, None, Scopes::new(), 0).token;
    assert!(token.starts_with("00D000000000001!") && token.len() == 112);
    assert!(sessions.use_token(&token, 99_999).is_some());
    assert!(sessions.use_token(&token, 199_998).is_some(), "its use at 99.999 s moved the end");
    assert!(sessions.use_token(&token, 299_998).is_none());
}

#[test]
fn a_rotated_refresh_token_takes_the_grant_along() {
    // salesforce-api.md 1.5
    let mut sessions = Sessions::default();
    let (grant, first) = sessions.grant("u", "app", Scopes::new(), 0);
    let access = sessions.open(ORG, "u", Some("app"), Some(grant), Scopes::new(), 0).token;
    let second = sessions.refresh(&first, "app", true, RefreshPolicy::default(), 1).unwrap().2.unwrap();
    assert_ne!(first, second);
    assert!(sessions.use_token(&access, 1).is_some());
    assert_eq!(sessions.refresh(&first, "app", true, RefreshPolicy::default(), 1).unwrap_err(), Refused::Reused);
    assert!(sessions.use_token(&access, 1).is_none());
    assert_eq!(sessions.refresh(&second, "app", true, RefreshPolicy::default(), 1).unwrap_err(), Refused::Unknown);
}

#[test]
fn a_sixth_grant_revokes_the_oldest() {
    let mut sessions = Sessions::default();
    let tokens: Vec<String> = (0..6).map(|_| sessions.grant("u", "app", Scopes::new(), 0).1).collect();
    assert_eq!(sessions.refresh(&tokens[0], "app", false, RefreshPolicy::default(), 1).unwrap_err(), Refused::Unknown);
    assert!(tokens[1..].iter().all(|token| sessions.refresh(token, "app", false, RefreshPolicy::default(), 1).is_ok()));
    assert_eq!(
        sessions.refresh(&tokens[1], "other app", false, RefreshPolicy::default(), 1).unwrap_err(),
        Refused::Unknown
    );
}

#[test]
fn a_grant_ends_by_age_or_by_idleness() {
    // salesforce-api.md 1.5: SpecificLifetime, SpecificInactivity, Zero.
    let mut sessions = Sessions::default();
    let (_, token) = sessions.grant("u", "app", Scopes::new(), 0);
    let mut at = |lifetime: Option<u64>, idle: Option<u64>, now_ms: i64| {
        let policy = RefreshPolicy { lifetime_seconds: lifetime, idle_seconds: idle };
        sessions.refresh(&token, "app", false, policy, now_ms).is_ok()
    };
    assert!(at(None, Some(10), 9_999), "used, which starts the count anew");
    assert!(at(Some(100), Some(10), 19_998) && !at(None, Some(10), 29_998));
    assert!(at(Some(100), None, 99_999) && !at(Some(100), None, 100_000));
    assert!(!at(Some(0), None, 0) && at(None, None, i64::MAX));
}

#[test]
fn what_is_written_down_comes_back() {
    let mut sessions = Sessions::default();
    sessions.set_up(100, 7);
    let (grant, first) = sessions.grant("u", "app", Scopes::new(), 0);
    let access = sessions.open(ORG, "u", Some("app"), Some(grant), Scopes::new(), 0).token;
    let gone = sessions.open(ORG, "u", None, None, Scopes::new(), 0).token;
    let second = sessions.refresh(&first, "app", true, RefreshPolicy::default(), 1).unwrap().2.unwrap();
    sessions.revoke(&gone);
    let mut again = Sessions::default();
    for (kind, key, text) in sessions.take_changes() {
        if let Some(text) = text {
            again.restore(kind, &key, &text);
        }
    }
    assert!(sessions.take_changes().is_empty());
    assert!(sessions.use_token(&access, 1_000).is_some() && sessions.take_changes().is_empty(), "moved by 1 s of 100");
    assert!(sessions.use_token(&access, 6_000).is_some() && sessions.take_changes().len() == 1);
    assert!(again.use_token(&access, 1).is_some() && again.use_token(&gone, 1).is_none());
    assert_eq!(again.grant_of(&second).unwrap().refreshes, 1);
    let refused = again.refresh(&first, "app", true, RefreshPolicy::default(), 1).unwrap_err();
    assert_eq!(refused, Refused::Reused, "a used token is still known as such");
    assert!(again.use_token(&access, 2).is_none());
}

#[test]
fn a_code_is_good_once_and_for_fifteen_minutes() {
    let mut sessions = Sessions::default();
    let code = || Code::new("u", "app", Scopes::new(), "https://x/", 0).approve(0);
    let text = sessions.keep_code(code());
    assert!(sessions.take_code(&text, false, 899_999).is_none(), "a code is no login");
    assert!(sessions.take_code(&text, true, 899_999).is_some());
    assert!(sessions.take_code(&text, true, 899_999).is_none());
    let text = sessions.keep_code(code());
    assert!(sessions.take_code(&text, true, 900_000).is_none());
}
