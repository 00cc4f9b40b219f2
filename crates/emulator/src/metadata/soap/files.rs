// SPDX-License-Identifier: Apache-2.0
//! The calls that move files: deploy and retrieve, and the questions how far they are.

use std::sync::Arc;

use base64::Engine as _;

use super::super::asynchronous::{self, Order, Request, State};
use super::super::deploy::{Options, parcel};
use super::super::manifest::Manifest;
use super::super::retrieve;
use super::super::xml::is_truth;
use super::{Call, Fault, answer, child, fault, text_of};

/// `deploy`: the zip is looked at when its turn comes, so that what is wrong with it is the deploy's result.
pub fn deploy(call: &Call<'_>) -> Result<String, Fault> {
    let options = Options::of_node(call.child(&["DeployOptions"])).map_err(|text| fault("INVALID_TYPE", text))?;
    let text: String = call.text(&["ZipFile"]).split_whitespace().collect();
    if text.is_empty() {
        return Err(fault("INVALID_OPERATION", "Required field is missing: ZipFile"));
    }
    let zip = base64::engine::general_purpose::STANDARD.decode(text);
    let zip = zip.map_err(|_| fault("INVALID_OPERATION", "ZipFile is not base64"))?;
    let parcel = parcel::unpack(&zip, options.single_package);
    if let Err(("LIMIT_EXCEEDED", text)) = parcel {
        return Err(fault("LIMIT_EXCEEDED", text));
    }
    let parcel = parcel.map(Arc::new).map_err(|(code, text)| (code.to_owned(), text));
    let order = Order::Deploy { parcel, options, validated: None };
    let request = asynchronous::start(&call.ctx.org, &call.ctx.caller.user_id, order);
    Ok(format!("<result>{}</result>", answer::asynchronous(&request)))
}

async fn find(call: &Call<'_>, names: &[&str], is_deploy: bool) -> Result<Arc<Request>, Fault> {
    let id = call.text(names);
    let found = asynchronous::find(&call.ctx.org, id).await.filter(|request| request.is_deploy() == is_deploy);
    found.ok_or_else(|| fault("INVALID_ID_FIELD", format!("Invalid asyncProcessId: {id}")))
}

/// `checkDeployStatus`.
pub async fn check_deploy(call: &Call<'_>) -> Result<String, Fault> {
    let request = find(call, &["asyncProcessId", "id"], true).await?;
    let details = is_truth(call.text(&["includeDetails"]));
    let name_of = |id: &str| call.ctx.org.read(|tx| super::super::user_name(tx, id));
    Ok(format!("<result>{}</result>", answer::deployed(&request, details, name_of)))
}

/// `cancelDeploy`; its parameter has several names.
pub async fn cancel(call: &Call<'_>) -> Result<String, Fault> {
    let request = find(call, &["String", "id", "asyncProcessId"], true).await?;
    if !asynchronous::cancel(&call.ctx.org, &request, &call.ctx.caller.user_id) {
        let text = "Deployment already completed";
        return Err(fault("INVALID_ID_FIELD", text));
    }
    Ok(format!("<result><done>true</done>{}</result>", answer::tag("id", &request.id)))
}

/// `deployRecentValidation`: deploys what a check found good.
pub async fn quick_deploy(call: &Call<'_>) -> Result<String, Fault> {
    let request = find(call, &["validationId"], true).await?;
    let (code, text) = match super::super::quick_deploy(&call.ctx.org, &call.ctx.caller.user_id, &request) {
        Ok(request) => return Ok(answer::tag("result", &request.id)),
        Err(refused) => refused,
    };
    Err(fault(code, text))
}

/// `retrieve`; its parameter has two names.
pub fn retrieve(call: &Call<'_>) -> Result<String, Fault> {
    let Some(asked) = call.child(&["retrieveRequest", "request"]) else {
        return Err(fault("INVALID_OPERATION", "Required field is missing: retrieveRequest"));
    };
    let texts = |name: &str| -> Vec<String> {
        let named = asked.children.iter().filter(|child| child.name.eq_ignore_ascii_case(name));
        named.map(|child| child.text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    };
    let version = text_of(asked, "apiVersion");
    let order = retrieve::Order {
        api_version: if version.is_empty() { call.ctx.version.clone() } else { version.to_owned() },
        package_names: texts("packageNames"),
        single_package: is_truth(text_of(asked, "singlePackage")),
        specific_files: texts("specificFiles"),
        unpackaged: child(asked, &["unpackaged"]).map(Manifest::of).unwrap_or_default(),
    };
    let request = asynchronous::start(&call.ctx.org, &call.ctx.caller.user_id, Order::Retrieve(order));
    Ok(format!("<result>{}</result>", answer::asynchronous(&request)))
}

/// `checkRetrieveStatus`. A zip can be fetched once.
pub async fn check_retrieve(call: &Call<'_>) -> Result<String, Fault> {
    let request = find(call, &["asyncProcessId", "id"], false).await;
    let request = request.map_err(|(_, _)| {
        let id = call.text(&["asyncProcessId", "id"]);
        fault("INVALID_LOCATOR", format!("retrieve result {id} is not available or was already fetched"))
    })?;
    let with_zip = call.child(&["includeZip"]).is_none_or(|wanted| !wanted.text.trim().eq_ignore_ascii_case("false"));
    let out = answer::retrieved(&request, with_zip);
    if with_zip && request.progress().state == State::Done {
        asynchronous::forget(&call.ctx.org, &request.id);
    }
    Ok(format!("<result>{out}</result>"))
}

/// `checkStatus`, which old clients poll retrieves with.
pub async fn check_status(call: &Call<'_>) -> Result<String, Fault> {
    let mut out = String::new();
    for id in call.operation.children.iter().filter(|child| child.name.eq_ignore_ascii_case("asyncProcessId")) {
        let id = id.text.trim();
        let request = asynchronous::find(&call.ctx.org, id).await;
        let request = request.ok_or_else(|| fault("INVALID_ID_FIELD", format!("Invalid asyncProcessId: {id}")))?;
        out += &format!("<result>{}</result>", answer::asynchronous(&request));
    }
    Ok(out)
}
