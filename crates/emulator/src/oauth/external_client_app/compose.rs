// SPDX-License-Identifier: Apache-2.0
//! From components to an app that can be signed in to: what they name must exist, and each has its say in the app.

use serde::{Deserialize, Serialize};

use super::component::Component;
use super::kind::Kind;
use crate::faces::{Faces, lock};
use crate::metadata::xml::Node;
use crate::oauth::app::{App, Apps, Permitted, RefreshPolicy};
use crate::org::Tx;
use crate::session::Scopes;

const DAY_SECONDS: u64 = 86_400;

/// Metadata's names of scopes (`ConnectedAppOauthAccessScope` of the metadata WSDL) and OAuth's.
const SCOPES: [(&str, &str); 35] = [
    ("Address", "address"),
    ("Api", "api"),
    ("Basic", "id"),
    ("CDP", "cdp_api"),
    ("CDPCalculatedInsight", "cdp_calculated_insight_api"),
    ("CDPIdentityResolution", "cdp_identityresolution_api"),
    ("CDPIngest", "cdp_ingest_api"),
    ("CDPProfile", "cdp_profile_api"),
    ("CDPQuery", "cdp_query_api"),
    ("CDPSegment", "cdp_segment_api"),
    ("Chatbot", "chatbot_api"),
    ("Chatter", "chatter_api"),
    ("Content", "content"),
    ("CustomApplications", "visualforce"),
    ("CustomPermissions", "custom_permissions"),
    ("Eclair", "eclair_api"),
    ("EinsteinGPT", "einstein_gpt_api"),
    ("Email", "email"),
    ("ForgotPassword", "forgot_password"),
    ("Full", "full"),
    ("Interaction", "interaction_api"),
    ("Lightning", "lightning"),
    ("MCP", "mcp_api"),
    ("OfflineAccess", "refresh_token"),
    ("OpenID", "openid"),
    ("Pardot", "pardot_api"),
    ("Phone", "phone"),
    ("Profile", "profile"),
    ("PwdlessLogin", "pwdless_login_api"),
    ("RefreshToken", "refresh_token"),
    ("SCRT", "scrt_api"),
    ("SFAP", "sfap_api"),
    ("UserRegistration", "user_registration_api"),
    ("Wave", "wave_api"),
    ("Web", "web"),
];

/// Key and secret of an external client app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// 18 characters, beginning with 888.
    pub id: String,
    /// The consumer key.
    pub key: String,
    /// The consumer secret.
    pub secret: String,
}

/// The text of what is wrong with a component's references, if anything.
pub fn problem(tx: &Tx<'_>, apps: &Apps, component: &Component) -> Option<String> {
    if component.kind == Kind::ExternalClientApplication {
        return component.text("label").is_empty().then(|| "Required field is missing: label".to_owned());
    }
    let application = component.application();
    if application.is_empty() {
        return Some("Required field is missing: externalClientApplication".into());
    }
    if find(apps, Kind::ExternalClientApplication, application).is_none() {
        return Some(unknown("externalClientApplication", "ExternalClientApplication", application));
    }
    match component.kind {
        Kind::ExtlClntAppOauthSettings => component
            .list("commaSeparatedOauthScopes")
            .find(|scope| scope_named(scope).is_none())
            .map(|scope| format!("'{scope}' is not a valid value for the enum 'ConnectedAppOauthAccessScope'")),
        Kind::ExtlClntAppGlobalOauthSettings => {
            let key = component.text("consumerKey");
            let own = apps.consumers.get(application).is_some_and(|consumer| consumer.key == key);
            let taken = !key.is_empty() && !own && apps.get(key).is_some();
            if taken {
                return Some("The consumer key is already taken.".into());
            }
            let certificate = component.text("certificate");
            let unreadable = !certificate.is_empty() && public_key(apps, certificate).is_none();
            unreadable.then(|| unknown("certificate", "Certificate", certificate))
        }
        Kind::ExtlClntAppOauthConfigurablePolicies => policy_problem(tx, component),
        _ => None,
    }
}

fn policy_problem(tx: &Tx<'_>, policy: &Component) -> Option<String> {
    for set in policy.list("commaSeparatedPermissionSet") {
        if tx.count("PermissionSet", "\"Name\" = ?1 AND \"IsOwnedByProfile\" = 0", &[&set]) == 0 {
            return Some(unknown("commaSeparatedPermissionSet", "PermissionSet", set));
        }
    }
    for profile in policy.list("commaSeparatedProfile") {
        // Metadata calls the standard profiles otherwise than people do.
        let label = if profile == "Admin" { "System Administrator" } else { profile };
        if tx.count("Profile", "\"Name\" = ?1", &[&label]) == 0 {
            return Some(unknown("commaSeparatedProfile", "Profile", profile));
        }
    }
    let runs = policy.says("isClientCredentialsFlowEnabled") || !policy.text("clientCredentialsFlowUser").is_empty();
    let user = run_as(tx, policy);
    (runs && user.is_none()).then(|| "Enter a valid execution user for the OAuth client credentials flow.".into())
}

fn unknown(field: &str, kind: &str, name: &str) -> String {
    format!("In field: {field} - no {kind} named {name} found")
}

fn scope_named(name: &str) -> Option<&'static str> {
    SCOPES.iter().find(|(known, _)| *known == name).map(|(_, scope)| *scope)
}

fn find<'a>(apps: &'a Apps, kind: Kind, application: &str) -> Option<&'a Component> {
    apps.components.iter().rev().find(|component| component.kind == kind && component.application() == application)
}

/// The OAuth policies of an application.
pub fn policies<'a>(apps: &'a Apps, application: &str) -> Option<&'a Component> {
    find(apps, Kind::ExtlClntAppOauthConfigurablePolicies, application)
}

/// Id of the active user that client credentials act as.
fn run_as(tx: &Tx<'_>, policy: &Component) -> Option<String> {
    let username = policy.text("clientCredentialsFlowUser");
    let users = tx.schema.object("User")?.clone();
    tx.ids_where(&users, "\"Username\" = ?1 AND \"IsActive\" = 1", &[&username]).into_iter().next()
}

/// A certificate as PEM: given as such, as the base64 between its lines, or by the name of one the org has.
fn public_key(apps: &Apps, certificate: &str) -> Option<String> {
    let pem = match apps.certificates.get(certificate) {
        Some(known) => known.clone(),
        None if certificate.contains("BEGIN CERTIFICATE") => certificate.to_owned(),
        None => {
            let body: String = certificate.split_whitespace().collect();
            let lines: Vec<&str> =
                body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
        }
    };
    jsonwebtoken::DecodingKey::from_rsa_pem(pem.as_bytes()).is_ok().then_some(pem)
}

/// What an org makes of OAuth settings that come without policies (`salesforce-api.md` 1.10, a recorded retrieve).
pub fn default_policy(tx: &Tx<'_>, settings: &str, application: &str) -> Component {
    let full_name = format!("{settings}_defaultPolicy");
    let kind = Kind::ExtlClntAppOauthConfigurablePolicies;
    let elements = [
        ("externalClientApplication", application),
        ("ipRelaxationPolicyType", "Enforce"),
        ("isClientCredentialsFlowEnabled", "false"),
        ("isGuestCodeCredFlowEnabled", "false"),
        ("isNamedUserJwtEnabled", "false"),
        ("isTokenExchangeFlowEnabled", "false"),
        ("label", &full_name),
        ("permittedUsersPolicyType", "AllSelfAuthorized"),
        ("refreshTokenPolicyType", "SpecificLifetime"),
        ("refreshTokenValidityPeriod", "365"),
        ("refreshTokenValidityUnit", "Days"),
        ("requiredSessionLevel", "STANDARD"),
    ]
    .map(|(name, text)| Node::leaf(name, text));
    let id = tx.next_id_of(kind.key_prefix());
    Component { kind, id, created_ms: tx.now, modified_ms: tx.now, elements: elements.into(), full_name }
}

/// Makes every app anew from the components; what users approved and admins decided of it stays.
pub fn compose(tx: &Tx<'_>, faces: &Faces, apps: &mut Apps) {
    let applications: Vec<Component> =
        apps.components.iter().filter(|known| known.kind == Kind::ExternalClientApplication).cloned().collect();
    let gone: Vec<String> =
        apps.all().filter(|app| app.external_client_app.is_some()).map(|app| app.client_id.clone()).collect();
    let mut before: Vec<App> = gone.iter().filter_map(|client_id| apps.remove(client_id)).collect();
    for application in applications {
        let name = application.full_name.as_str();
        let (Some(oauth), Some(global)) = (
            find(apps, Kind::ExtlClntAppOauthSettings, name).cloned(),
            find(apps, Kind::ExtlClntAppGlobalOauthSettings, name).cloned(),
        ) else {
            continue;
        };
        let consumer = consumer(tx, faces, apps, name, &global);
        let mut app = App {
            client_secret: Some(consumer.secret.clone()),
            external_client_app: Some(application.id.clone()),
            ..App::new(&consumer.key, application.text("label"))
        };
        let old = before.iter().position(|known| known.external_client_app == app.external_client_app);
        if let Some(old) = old.map(|at| before.swap_remove(at)) {
            app.approved = old.approved;
            app.blocked = old.blocked;
            app.installed = old.installed;
        }
        settle(&mut app, apps, &oauth, &global);
        if let Some(policy) = policies(apps, name) {
            govern(tx, &mut app, &global, policy);
        }
        if let Some(plugins) = find(apps, Kind::ExtlClntAppConfigurablePolicies, name) {
            app.installed = plugins.says("isEnabled") && plugins.text("isOauthPluginEnabled") != "false";
        }
        note(tx, apps, &consumer, &oauth.full_name, &global.full_name);
        apps.consumers.insert(application.full_name.clone(), consumer);
        apps.register(app);
    }
}

/// Key and secret: as deployed, as they were, or drawn.
fn consumer(tx: &Tx<'_>, faces: &Faces, apps: &Apps, application: &str, global: &Component) -> Consumer {
    let known = apps.consumers.get(application);
    let given = |name: &str, rotates: &str, kept: Option<&String>, drawn: &dyn Fn() -> String| -> String {
        match (global.text(name), kept) {
            (text, kept) if !text.is_empty() && kept.is_none_or(|kept| kept != text) => text.to_owned(),
            (_, Some(kept)) if !global.says(rotates) => kept.clone(),
            _ => drawn(),
        }
    };
    let random = |length| lock(&faces.sessions).random_text(length);
    let secret = || {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, random(64).as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    };
    Consumer {
        id: known.map_or_else(|| tx.next_id_of("888"), |known| known.id.clone()),
        key: given("consumerKey", "shouldRotateConsumerKey", known.map(|known| &known.key), &|| {
            format!("3MVG9{}", random(80))
        }),
        secret: given("consumerSecret", "shouldRotateConsumerSecret", known.map(|known| &known.secret), &secret),
    }
}

/// Writes what the org made of them into the components, so that a retrieve tells it: the key, and `<org>:<consumer>`.
fn note(tx: &Tx<'_>, apps: &mut Apps, consumer: &Consumer, oauth: &str, global: &str) {
    let organization = tx.schema.object("Organization").map(|object| tx.ids_where(object, "1 = 1", &[]));
    let org = organization.and_then(|ids| ids.into_iter().next()).unwrap_or_default();
    let link = format!("{}:{}", crate::id::to15(&org), crate::id::to15(&consumer.id));
    for component in &mut apps.components {
        match component.kind {
            Kind::ExtlClntAppGlobalOauthSettings if component.full_name == global => {
                component.set("consumerKey", Some(&consumer.key));
                component.set("consumerSecret", None);
                // They ask for one rotation, and it has happened.
                component.set("shouldRotateConsumerKey", Some("false"));
                component.set("shouldRotateConsumerSecret", Some("false"));
            }
            Kind::ExtlClntAppOauthSettings if component.full_name == oauth => {
                component.set("oauthLink", Some(&link));
            }
            _ => {}
        }
    }
}

/// What the developer of the app says.
fn settle(app: &mut App, apps: &Apps, oauth: &Component, global: &Component) {
    app.callbacks = global.text("callbackUrl").split_whitespace().map(str::to_owned).collect();
    app.scopes = oauth.list("commaSeparatedOauthScopes").filter_map(scope_named).map(str::to_owned).collect::<Scopes>();
    app.pkce_required = global.says("isPkceRequired");
    app.secret_for_codes = !global.says("isConsumerSecretOptional");
    app.secret_for_refresh = global.says("isSecretRequiredForRefreshToken");
    app.rotate_refresh_tokens = global.says("isRefreshTokenRotationEnabled");
    app.introspects_all = global.says("isIntrospectAllTokens");
    let certificate = global.text("certificate");
    app.jwt_public_key_pem = if certificate.is_empty() { None } else { public_key(apps, certificate) };
    if global.says("isEnforceRefreshTokenTTL") {
        app.refresh_policy.idle_seconds = Some(30 * DAY_SECONDS);
    }
}

/// What the admin of the org says.
fn govern(tx: &Tx<'_>, app: &mut App, global: &Component, policy: &Component) {
    if policy.text("permittedUsersPolicyType") == "AdminApprovedPreAuthorized" {
        app.permitted = Permitted::AdminApproved([].into());
    }
    app.permission_sets = policy.list("commaSeparatedPermissionSet").map(str::to_owned).collect();
    let label = |profile: &str| if profile == "Admin" { "System Administrator" } else { profile }.to_owned();
    app.profiles = policy.list("commaSeparatedProfile").map(label).collect();
    if global.says("isClientCredentialsFlowEnabled") && policy.says("isClientCredentialsFlowEnabled") {
        app.run_as = run_as(tx, policy);
    }
    app.session_seconds = policy
        .number("sessionTimeoutInMinutes")
        .filter(|minutes| *minutes > 0)
        .map(|minutes| minutes.unsigned_abs() * 60);
    if global.says("isNamedUserJwtEnabled") || policy.says("isNamedUserJwtEnabled") {
        let minutes = policy.number("namedUserJwtTimeout").filter(|minutes| *minutes > 0).unwrap_or(30);
        app.jwt_access_token_seconds = Some(minutes.unsigned_abs() * 60);
    }
    let period = policy.number("refreshTokenValidityPeriod").unwrap_or(0).unsigned_abs();
    let unit = match policy.text("refreshTokenValidityUnit") {
        "Hours" => 3_600,
        "Months" => 30 * DAY_SECONDS,
        _ => DAY_SECONDS,
    };
    let RefreshPolicy { lifetime_seconds, idle_seconds } = &mut app.refresh_policy;
    match policy.text("refreshTokenPolicyType") {
        "Zero" => *lifetime_seconds = Some(0),
        "SpecificLifetime" => *lifetime_seconds = Some(period * unit),
        "SpecificInactivity" => {
            *idle_seconds = Some((period * unit).min(idle_seconds.unwrap_or(u64::MAX)));
        }
        _ => {}
    }
}
