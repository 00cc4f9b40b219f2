# SPDX-License-Identifier: Apache-2.0
"""zeep, a SOAP client that takes nothing on trust, with Salesforce's own WSDLs against an emulated org.

Every call of the partner API that the emulator answers is made once and its result asserted; in strict mode zeep refuses an
element that the WSDL does not have, one that is missing and one out of its order. Faults are read by the types that the
WSDL gives them. The WSDLs lie in the folder FIXTURES; without them there is nothing to check, and the test is skipped.
"""

import base64
import datetime
import json
import os
import sys
import time
from pathlib import Path

from lxml import etree
from zeep import Client, Settings
from zeep.exceptions import Fault
from zeep.transports import Transport

EMULATOR = json.loads(os.environ["EMULATOR"])
WSDLS = Path(os.environ.get("FIXTURES", "")) / "forcedotcom-wsdl" / "resources"
VERSION = "64.0"
MARK = f"zeep-{time.time_ns()}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
SOBJECT = "urn:sobject.partner.soap.sforce.com"
PARTNER = "urn:partner.soap.sforce.com"
FAULTS = "urn:fault.partner.soap.sforce.com"
calls_made = 0


class Local(Transport):
    """Reads the WSDLs from disk and sends calls to the emulator only; counts them."""

    def post(self, address, message, headers):
        global calls_made
        if not address.startswith(EMULATOR["url"] + "/"):
            raise AssertionError(f"a call to {address}")
        calls_made += 1
        self.answer = super().post(address, message, headers)
        return self.answer


def same(left, right, what):
    if left != right:
        raise AssertionError(f"{what}: {left!r} is not {right!r}")


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def field(name, value):
    element = etree.Element(f"{{{SOBJECT}}}{name}")
    if isinstance(value, dict):
        for inner, text in value.items():
            etree.SubElement(element, f"{{{SOBJECT}}}{inner}").text = text
    else:
        element.text = value
    return element


def any_of(record):
    """The plain fields of a record, which the WSDL leaves open: name to text."""
    plain = [one for one in record._value_1 or [] if isinstance(one, etree._Element)]
    return {etree.QName(one).localname: None if one.get(f"{XSI}nil") == "true" else one.text for one in plain}


def typed(record):
    """What zeep read by the type that it says: nested records, query results, addresses."""
    return [one for one in record._value_1 or [] if not isinstance(one, etree._Element)]


class Partner:
    def __init__(self, path="partner.wsdl"):
        self.transport = Local()
        self.client = Client(str(WSDLS / path), transport=self.transport, settings=Settings(strict=True, xsd_ignore_sequence_order=False))
        self.headers = {}
        binding = next(iter(self.client.wsdl.bindings))
        self.binding = str(binding)
        self.service = self.client.create_service(self.binding, f"{EMULATOR['url']}/services/Soap/u/{VERSION}")

    def type(self, name, space=PARTNER):
        return self.client.get_type(f"{{{space}}}{name}")

    def call(self, name, *arguments, headers=None, **keywords):
        own = {} if name == "login" else self.headers
        answer = self.service[name](*arguments, **keywords, _soapheaders={**own, **(headers or {})})
        # With header parts the answer is wrapped; Salesforce tells the API usage there.
        if hasattr(answer, "header") and hasattr(answer, "body"):
            if answer.header and getattr(answer.header, "LimitInfoHeader", None):
                self.usage = answer.header.LimitInfoHeader.limitInfo[0]
            body = answer.body
            return getattr(body, "result", body)
        return answer

    def fault(self, name, *arguments, headers=None, **keywords):
        """Code, text and the detail, read as the WSDL's type."""
        try:
            answer = self.call(name, *arguments, headers=headers, **keywords)
        except Fault as refused:
            same(self.transport.answer.status_code, 500, f"status of the fault of {name}")
            detail = refused.detail[0]
            kind = self.client.get_type(f"{{{FAULTS}}}{etree.QName(detail).localname}")
            read = kind.parse_xmlelement(detail, schema=self.client.wsdl.types)
            same(refused.code.split(":")[-1], read.exceptionCode, "faultcode and exceptionCode")
            same(refused.message, f"{read.exceptionCode}: {read.exceptionMessage}", "faultstring and exceptionMessage")
            holds(read.exceptionCode in enumeration("ExceptionCode"), f"{read.exceptionCode} is an ExceptionCode")
            return read.exceptionCode, read.exceptionMessage, etree.QName(detail).localname, read
        raise AssertionError(f"{name} was not refused: {answer!r}")

    def record(self, kind, id=None, nulls=None, **fields):
        elements = [field(name, value) for name, value in fields.items()]
        return self.type("sObject", SOBJECT)(type=kind, fieldsToNull=nulls or [], Id=id, _value_1=elements)

    def header(self, name, **values):
        return {name: self.client.get_element(f"{{{PARTNER}}}{name}")(**values)}

    def one(self, statement, **more):
        found = self.call("query", statement, **more)
        same(found.size, 1, f"records of {statement}")
        return found.records[0]


_enumerations = {}


def enumeration(name):
    if name not in _enumerations:
        schema = "{http://www.w3.org/2001/XMLSchema}"
        for simple in etree.parse(str(WSDLS / "partner.wsdl")).iter(f"{schema}simpleType"):
            _enumerations[simple.get("name")] = {one.get("value") for one in simple.iter(f"{schema}enumeration")}
    return _enumerations[name]


def error(result, what):
    same(result.success, False, f"success of {what}")
    same(result.id, None, f"Id of {what}")
    code = str(result.errors[0].statusCode)
    holds(code in enumeration("StatusCode"), f"{code} is a StatusCode")
    return code


def log_in():
    org = Partner()
    result = org.call("login", username=EMULATOR["username"], password=EMULATOR["password"])
    same(result.passwordExpired, False, "passwordExpired")
    same(result.userInfo.userName, EMULATOR["username"], "userInfo of login")
    same(result.userInfo.sessionSecondsValid > 0, True, "sessionSecondsValid")
    holds(f"/services/Soap/u/{VERSION}/{result.userInfo.organizationId[:15]}" in result.serverUrl, result.serverUrl)
    org.service = org.client.create_service(org.binding, result.serverUrl)
    wrong = org.fault("login", username=EMULATOR["username"], password="wrong")
    same(wrong[0::2][:2], ("INVALID_LOGIN", "LoginFault"), "fault of a wrong password")
    scope = org.header("LoginScopeHeader", organizationId="00D000000000000EAA", portalId=None)
    other = org.fault("login", headers=scope, username=EMULATOR["username"], password=EMULATOR["password"])
    same(other[0], "INVALID_LOGIN", "login into another org's scope")
    same(org.fault("getUserInfo")[0], "INVALID_SESSION_ID", "a call without a session")
    org.headers = org.header("SessionHeader", sessionId=result.sessionId)
    user = org.call("getUserInfo")
    same((user.userId, user.userEmail), (result.userId, result.userInfo.userEmail), "getUserInfo")
    now = org.call("getServerTimestamp").timestamp
    holds(abs((now - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) < 120, f"server time {now}")
    before = org.usage.current
    org.call("getServerTimestamp")
    same(org.usage.current, before + 1, "calls counted in LimitInfoHeader")
    same(org.usage.type, "API REQUESTS", "what is counted")
    return org, result


def rows(org):
    made = org.call(
        "create",
        [
            org.record("Account", Name="Straße & <Söhne> 🦀", NumberOfEmployees="3", AnnualRevenue="950000", BillingCity="Köln"),
            org.record("Contact", FirstName="nobody"),
            org.record("Project__c", Name="zeep", External_Key__c=MARK),
        ],
    )
    same([one.success for one in made], [True, False, True], "create")
    same((error(made[1], "a contact without a name"), made[1].errors[0].fields), ("REQUIRED_FIELD_MISSING", ["LastName"]), "why")
    account, project = made[0].id, made[2].id
    read = org.one(f"SELECT Id, Name, NumberOfEmployees, AnnualRevenue, BillingAddress, CreatedDate, Site FROM Account WHERE Id = '{account}'")
    values = any_of(read)
    same((read.type, read.Id), ("Account", account), "type and Id")
    same((values["Name"], values["NumberOfEmployees"], values["AnnualRevenue"]), ("Straße & <Söhne> 🦀", "3", "950000.0"), "values")
    same(values["Site"], None, "a null field")
    same(values["CreatedDate"][-5:], ".000Z", "date and time in UTC")

    changed = org.call("update", [org.record("Account", id=account, nulls=["NumberOfEmployees"], Site="Nord", Name="")])
    same((changed[0].success, changed[0].id), (True, account), "update")
    values = any_of(org.one(f"SELECT Name, NumberOfEmployees, Site FROM Account WHERE Id = '{account}'"))
    same((values["NumberOfEmployees"], values["Site"]), (None, "Nord"), "fieldsToNull empties, a value sets")
    same(values["Name"], "Straße & <Söhne> 🦀", "an empty element changes nothing")
    same(error(org.call("update", [org.record("Account", Name="x")])[0], "an update without Id"), "MISSING_ARGUMENT", "why")

    upserted = org.call("upsert", "External_Key__c", [org.record("Project__c", Name="two", External_Key__c=MARK), org.record("Project__c", Name="new", External_Key__c=MARK + "-2")])
    same([(one.created, one.success) for one in upserted], [(False, True), (True, True)], "upsert")
    same(upserted[0].id, project, "the record that an external id names")
    twice = org.call("upsert", "External_Key__c", [org.record("Project__c", Name="a", External_Key__c=MARK), org.record("Project__c", Name="b", External_Key__c=MARK)])
    same(error(twice[1], "an external id twice"), "DUPLICATE_VALUE", "why")
    same(org.fault("upsert", "Description", [org.record("Account", Name="x")])[:1], ("INVALID_FIELD",), "a field that is no external id")

    owner = typed(org.one(f"SELECT Owner.Username FROM Account WHERE Id = '{account}'"))[0]
    same((owner.type, any_of(owner)["Username"]), ("User", EMULATOR["username"]), "a parent in a record")
    found = org.call("retrieve", "Id,Name", "Project__c", [project, "001000000000001AAA", upserted[1].id])
    same([any_of(one).get("Name") for one in found], ["a", None, "new"], "retrieve in the order asked for, nil between")
    told = org.one(f"SELECT Name, CreatedDate FROM Account WHERE Id = '{account}'", headers=org.header("CallOptions", client="zeep", defaultNamespace=None, returnFieldDataTypes=True, clientLog="", debugExceptions=False, platform="", remoteApplication="", uiRequestId="", perfOption="NONE"))
    holds(b'<sf:Name xsi:type="xsd:string">' in org.transport.answer.content, "returnFieldDataTypes")
    same(told.Id, None, "the Id of a record whose Id was not selected")

    truncated = "x" * 300
    same(error(org.call("create", [org.record("Account", Name=truncated)])[0], "a name that is too long"), "STRING_TOO_LONG", "why")
    cut = org.call("create", [org.record("Account", Name=truncated)], headers=org.header("AllowFieldTruncationHeader", allowFieldTruncation=True))[0]
    same(len(any_of(org.one(f"SELECT Name FROM Account WHERE Id = '{cut.id}'"))["Name"]), 255, "truncated to the field's length")
    both = org.header("AllOrNoneHeader", allOrNone=True)
    undone = org.call("create", [org.record("Account", Name=MARK + " undone"), org.record("Account")], headers=both)
    same([error(one, "all or none") for one in undone], ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"], "why")
    same(org.call("query", f"SELECT Id FROM Account WHERE Name = '{MARK} undone'").size, 0, "what is left of it")
    quiet = {**org.header("MruHeader", updateMru=False), **org.header("EmailHeader", triggerAutoResponseEmail=False, triggerOtherEmail=False, triggerUserEmail=False), **org.header("AssignmentRuleHeader", assignmentRuleId=None, useDefaultRule=False), **org.header("DuplicateRuleHeader", allowSave=True, includeRecordDetails=False, runAsCurrentUser=True)}
    same(org.call("create", [org.record("Lead", LastName="quiet", Company=MARK)], headers=quiet)[0].success, True, "a create with every header")

    code, text, kind, _ = org.fault("create", [org.record("Account", Foo="1")])
    same((code, kind), ("INVALID_FIELD", "InvalidFieldFault"), "an unknown field")
    holds(text.startswith("No such column 'Foo' on entity 'Account'"), text)
    same(org.fault("create", [org.record("Foo__c", Name="1")])[0::2][:2], ("INVALID_TYPE", "InvalidSObjectFault"), "an unknown object")
    same(org.fault("create", [org.record("Account", Name="n")] * 201)[0], "EXCEEDED_ID_LIMIT", "201 rows")
    return account


def parents(org):
    """Parents by external id, nested and with their type."""
    objects = {one.name: one for one in org.call("describeGlobal").sobjects}
    holds("Project__c" in objects and objects["Project__c"].custom, "describeGlobal names the custom object")
    child = next(one for one in org.call("describeSObject", "Project__c").childRelationships if one.childSObject.endswith("__c"))
    described = org.call("describeSObject", child.childSObject)
    lookup = next(one for one in described.fields if one.name == child.field)
    given = {lookup.relationshipName: {"type": "Project__c", "External_Key__c": MARK}}
    needed = [one for one in described.fields if one.createable and not one.nillable and not one.defaultedOnCreate and one.type == "string"]
    made = org.call("create", [org.record(child.childSObject, **{one.name: MARK for one in needed}, **given)])[0]
    holds(made.success, f"a child by its parent's external id: {made.errors}")
    values = any_of(org.one(f"SELECT {child.field} FROM {child.childSObject} WHERE Id = '{made.id}'"))
    same(values[child.field], org.one(f"SELECT Id FROM Project__c WHERE External_Key__c = '{MARK}'").Id, "the parent that it got")
    missing = {lookup.relationshipName: {"type": "Project__c", "External_Key__c": "nobody"}}
    refused = org.call("create", [org.record(child.childSObject, **{one.name: MARK for one in needed}, **missing)])[0]
    same(error(refused, "a parent that is not there"), "INVALID_FIELD", "why")


def queries(org):
    small = org.header("QueryOptions", batchSize=200, filterLanguage=None, scope="Mine")
    made = []
    for start in range(0, 450, 150):
        made += org.call("create", [org.record("Lead", LastName=f"L{start + at}", Company=MARK + "-page") for at in range(150)])
    statement = f"SELECT Id, LastName FROM Lead WHERE Company = '{MARK}-page'"
    page = org.call("query", statement, headers=small)
    same((page.size, page.done, len(page.records)), (450, False, 200), "the first page")
    ids = {one.Id for one in page.records}
    while not page.done:
        page = org.call("queryMore", page.queryLocator, headers=small)
        ids |= {one.Id for one in page.records}
    same((ids, page.queryLocator), ({one.id for one in made}, None), "every page")
    same(org.fault("queryMore", "01gx0-200")[0::2][:2], ("INVALID_QUERY_LOCATOR", "InvalidQueryLocatorFault"), "a locator of nobody")
    same(org.call("query", f"SELECT COUNT() FROM Lead WHERE Company = '{MARK}-page'").size, 450, "a count")
    grouped = org.call("query", f"SELECT Company, COUNT(Id) n FROM Lead WHERE Company = '{MARK}-page' GROUP BY Company").records[0]
    same((grouped.type, any_of(grouped)["n"]), ("AggregateResult", "450"), "an aggregate")
    code, _, kind, read = org.fault("query", "SELECT FROM Account")
    same((code, kind), ("MALFORMED_QUERY", "MalformedQueryFault"), "a malformed query")
    holds(read.row is not None and read.column is not None, "where it is malformed")
    same(org.fault("query", "SELECT Nothing__c FROM Account")[0], "INVALID_FIELD", "an unknown column")
    same(org.fault("query", "SELECT Id FROM Nothing__c")[0], "INVALID_TYPE", "an unknown object")

    account = org.call("create", [org.record("Account", Name=MARK + " parent")])[0].id
    org.call("create", [org.record("Contact", LastName=name, AccountId=account) for name in ("A", "B")])
    tree = org.one(f"SELECT Id, Owner.Profile.Name, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account WHERE Id = '{account}'")
    owner, contacts = typed(tree)
    profile = typed(owner)[0]
    same((profile.type, any_of(profile)["Name"]), ("Profile", "System Administrator"), "a parent's parent")
    same(([any_of(one)["LastName"] for one in contacts.records], contacts.size, contacts.done), (["A", "B"], 2, True), "children")
    org.call("update", [org.record("Account", id=account, BillingCity="Köln", BillingStreet="1 & 2")])
    address = typed(org.one(f"SELECT BillingAddress FROM Account WHERE Id = '{account}'"))[0]
    same((address.city, address.street, address.latitude), ("Köln", "1 & 2", None), "an address")

    body = base64.b64encode(bytes(range(256)) * 3).decode()
    kept = org.call("create", [org.record("Attachment", ParentId=account, Name="bytes", Body=body)])[0]
    holds(kept.success, f"an attachment: {kept.errors}")
    same(any_of(org.one(f"SELECT Name, Body FROM Attachment WHERE Id = '{kept.id}'"))["Body"], body, "content by query")
    same(any_of(org.call("retrieve", "Body", "Attachment", [kept.id])[0])["Body"], body, "content by retrieve")


def bin_and_changes(org):
    account = org.call("create", [org.record("Account", Name=MARK + " gone")])[0].id
    stamp = org.call("getServerTimestamp").timestamp
    start, end = stamp - datetime.timedelta(minutes=5), stamp + datetime.timedelta(minutes=5)
    holds(account in org.call("getUpdated", "Account", start, end).ids, "getUpdated")
    deleted = org.call("delete", [account, "001000000000001AAA"])
    same((deleted[0].success, deleted[0].id), (True, account), "delete")
    same(error(deleted[1], "a delete of nothing"), "INVALID_CROSS_REFERENCE_KEY", "why")
    record = next(one for one in org.call("getDeleted", "Account", start, end).deletedRecords if one.id == account)
    holds(start < record.deletedDate < end, f"when it was deleted: {record.deletedDate}")
    same(org.call("query", f"SELECT Id FROM Account WHERE Id = '{account}'").size, 0, "query after delete")
    same(org.call("queryAll", f"SELECT Id FROM Account WHERE Id = '{account}'").size, 1, "queryAll after delete")
    same(org.call("undelete", [account])[0].success, True, "undelete")
    same(error(org.call("undelete", [account])[0], "an undelete of what lives"), "UNDELETE_FAILED", "why")
    org.call("delete", [account])
    same(org.call("emptyRecycleBin", [account])[0].success, True, "emptyRecycleBin")
    same(error(org.call("emptyRecycleBin", [account])[0], "emptying nothing"), "INVALID_CROSS_REFERENCE_KEY", "why")
    same(org.fault("getUpdated", "Account", end, start)[0], "INVALID_REPLICATION_DATE", "a span that ends before it starts")
    same(org.fault("getDeleted", "Nothing__c", start, end)[0], "INVALID_TYPE", "a span of nothing")


def describes(org):
    everything = org.call("describeGlobal")
    same((everything.encoding, everything.maxBatchSize), ("UTF-8", 200), "describeGlobal")
    names = [one.name for one in everything.sobjects]
    account = next(one for one in everything.sobjects if one.name == "Account")
    same((account.keyPrefix, account.queryable, account.custom), ("001", True, False), "Account's line")
    for start in range(0, len(names), 100):
        for described in org.call("describeSObjects", names[start : start + 100]):
            holds(described.name in names and described.fields, f"describe of {described.name}")
    kinds, soap_kinds = enumeration("fieldType"), enumeration("soapType")
    described = org.call("describeSObject", "Account")
    for one in described.fields:
        holds(str(one.type) in kinds and str(one.soapType) in soap_kinds, f"{one.name} is {one.type}, {one.soapType}")
    fields = {one.name: one for one in described.fields}
    same((fields["Name"].nameField, fields["OwnerId"].referenceTo, fields["BillingAddress"].soapType), (True, ["User"], "tns:address"), "Account's fields")
    holds(any(one.value == "Prospect" for one in fields["Type"].picklistValues), "picklist values")
    holds(described.urlNew.endswith("/001/e"), "addresses of pages")
    holds(any(one.childSObject == "Contact" and one.relationshipName == "Contacts" for one in described.childRelationships), "children")
    same(org.fault("describeSObject", "Nothing__c")[0::2][:2], ("INVALID_TYPE", "InvalidSObjectFault"), "a describe of nothing")

    layout = org.call("describeLayout", "Account", None, [])
    items = [item for section in layout.layouts[0].detailLayoutSections for row in section.layoutRows for item in row.layoutItems]
    name = next(item for item in items if item.layoutComponents[0].value == "Name")
    same((name.required, name.layoutComponents[0].field.name), (True, "Name"), "a field on the layout")
    holds(any(one.master for one in layout.recordTypeMappings), "the master record type has the layout")
    same(org.fault("describeLayout", "AccountHistory", None, [])[0], "INVALID_TYPE", "a layout of what has none")
    tabs = [tab.sobjectName for one in org.call("describeTabs") for tab in one.tabs]
    holds("Account" in tabs and "Project__c" in tabs, "tabs")
    same([tab.sobjectName for tab in org.call("describeAllTabs")], tabs, "all tabs")


def refusals(org):
    mail = org.type("SingleEmailMessage")()
    sent = org.call("sendEmail", [mail])[0]
    same((sent.success, str(sent.errors[0].statusCode)), (False, "NO_MASS_MAIL_PERMISSION"), "mails are not sent")
    account = org.call("create", [org.record("Account", Name=MARK + " approval")])[0].id
    submitted = org.call("process", [org.type("ProcessSubmitRequest")(comments="please", nextApproverIds=[], objectId=account, submitterId=None, processDefinitionNameOrId=None, skipEntryCriteria=None)])[0]
    same((submitted.success, str(submitted.errors[0].statusCode)), (False, "NO_APPLICABLE_PROCESS"), "no approval process")
    code, text, _, _ = org.fault("findDuplicates", [org.record("Account", Name="x")])
    holds("No active duplicate rules are defined for the Account object type" in text, text)
    try:
        org.call("describeSoftphoneLayout")
    except Fault as refused:
        same(refused.code, "soapenv:Client", "a call that the emulator does not know")
        holds("{urn:partner.soap.sforce.com}describeSoftphoneLayout" in refused.message, refused.message)
    else:
        raise AssertionError("describeSoftphoneLayout was answered")


def conversions(org):
    made = org.call("create", [org.record("Account", Name=f"{MARK} {name}") for name in ("master", "loser")])
    master, loser = (one.id for one in made)
    contact = org.call("create", [org.record("Contact", LastName="moves", AccountId=loser)])[0].id
    request = org.type("MergeRequest")(masterRecord=org.record("Account", id=master, Site="merged"), recordToMergeIds=[loser])
    merged = org.call("merge", [request])[0]
    same((merged.success, merged.id, merged.mergedRecordIds), (True, master, [loser]), "merge")
    holds(contact in merged.updatedRelatedIds, "the child that moved")
    same(any_of(org.one(f"SELECT Site FROM Account WHERE Id = '{master}'"))["Site"], "merged", "what the master got")
    gone = any_of(org.call("queryAll", f"SELECT IsDeleted, MasterRecordId FROM Account WHERE Id = '{loser}'").records[0])
    same((gone["IsDeleted"], gone["MasterRecordId"]), ("true", master), "the loser")
    again = org.call("merge", [request])[0]
    same((again.success, str(again.errors[0].statusCode)), (False, "ENTITY_IS_DELETED"), "a merge of what is gone")

    lead = org.call("create", [org.record("Lead", LastName="Converted", Company=MARK + " GmbH")])[0].id
    status = any_of(org.call("query", "SELECT MasterLabel FROM LeadStatus WHERE IsConverted = true").records[0])["MasterLabel"]
    wish = {"accountId": None, "accountRecord": None, "bypassAccountDedupeCheck": None, "bypassContactDedupeCheck": None, "contactId": None, "contactRecord": None, "convertedStatus": status, "doNotCreateOpportunity": False, "leadId": lead, "opportunityId": None, "opportunityName": MARK + " deal", "opportunityRecord": None, "overwriteLeadSource": False, "ownerId": None, "relatedPersonAccountId": None, "relatedPersonAccountRecord": None, "sendNotificationEmail": False}
    converted = org.call("convertLead", [org.type("LeadConvert")(**wish)])[0]
    holds(converted.success, f"convertLead: {converted.errors}")
    values = any_of(org.one(f"SELECT IsConverted, ConvertedAccountId, ConvertedContactId, ConvertedOpportunityId FROM Lead WHERE Id = '{lead}'"))
    same(values, {"IsConverted": "true", "ConvertedAccountId": converted.accountId, "ConvertedContactId": converted.contactId, "ConvertedOpportunityId": converted.opportunityId}, "the converted lead")
    same(any_of(org.one(f"SELECT Name FROM Opportunity WHERE Id = '{converted.opportunityId}'"))["Name"], MARK + " deal", "the opportunity")
    twice = org.call("convertLead", [org.type("LeadConvert")(**wish)])[0]
    same((twice.success, str(twice.errors[0].statusCode)), (False, "CANNOT_UPDATE_CONVERTED_LEAD"), "a lead converted twice")


def searches(org):
    org.call("create", [org.record("Account", Name=f"Zeepfinder {MARK}")])
    found = org.call("search", "FIND {Zeepfinder} IN NAME FIELDS RETURNING Account(Id, Name)")
    names = [any_of(one.record)["Name"] for one in found.searchRecords]
    holds(f"Zeepfinder {MARK}" in names, f"search: {names}")
    same(org.fault("search", "FIND")[0::2][:2], ("MALFORMED_SEARCH", "MalformedSearchFault"), "a malformed search")


def users(org, signed_in):
    profile = any_of(org.one(f"SELECT ProfileId FROM User WHERE Id = '{signed_in.userId}'"))["ProfileId"]
    name = f"{MARK}@example.com"
    user = org.call("create", [org.record("User", Username=name, LastName="Zeep", IsActive="true", Email=name, Alias="zeep", ProfileId=profile, TimeZoneSidKey="GMT", LocaleSidKey="en_US", EmailEncodingKey="UTF-8", LanguageLocaleKey="en_US")])[0]
    holds(user.success, f"a user: {user.errors}")
    same(org.fault("setPassword", user.id, "short")[0::2][:2], ("INVALID_NEW_PASSWORD", "InvalidNewPasswordFault"), "a short password")
    org.call("setPassword", user.id, "longer4you")
    second = Partner()
    entered = second.call("login", username=name, password="longer4you")
    same(second.fault("login", username=name, password=EMULATOR["password"])[0], "INVALID_LOGIN", "the password before")
    second.headers = second.header("SessionHeader", sessionId=entered.sessionId)
    same(second.call("getUserInfo").userName, name, "who signed in")
    same(second.fault("changeOwnPassword", "wrong", "another1one")[0::2][:2], ("INVALID_OLD_PASSWORD", "InvalidOldPasswordFault"), "a wrong old password")
    second.call("changeOwnPassword", "longer4you", "another1one")
    same(second.fault("getUserInfo")[0], "INVALID_SESSION_ID", "the session after its password changed")
    entered = second.call("login", username=name, password="another1one")
    second.headers = second.header("SessionHeader", sessionId=entered.sessionId)
    same(second.call("getUserInfo").userName, name, "who signed in again")
    ended = org.call("invalidateSessions", [entered.sessionId, "nothing"])
    same([one.success for one in ended], [True, False], "invalidateSessions")
    same(second.fault("getUserInfo")[0], "INVALID_SESSION_ID", "an invalidated session")
    fresh = org.call("resetPassword", user.id).password
    second.headers = second.header("SessionHeader", sessionId=second.call("login", username=name, password=fresh).sessionId)
    second.call("logout")
    same(second.fault("getUserInfo")[0], "INVALID_SESSION_ID", "a session after logout")


def metadata(session):
    org = Partner("metadata.wsdl")
    org.service = org.client.create_service(org.binding, f"{EMULATOR['url']}/services/Soap/m/{VERSION}")
    space = "http://soap.sforce.com/2006/04/metadata"
    made = lambda name, **values: org.client.get_type(f"{{{space}}}{name}")(**values)  # noqa: E731
    org.headers = {"SessionHeader": org.client.get_element(f"{{{space}}}SessionHeader")(sessionId=session)}
    described = org.call("describeMetadata", float(VERSION))
    kinds = {one.xmlName: one for one in described.metadataObjects}
    same((kinds["CustomObject"].directoryName, kinds["CustomObject"].suffix, kinds["Report"].inFolder), ("objects", "object", True), "describeMetadata")
    holds("CustomField" in kinds["CustomObject"].childXmlNames, "children of CustomObject")
    listed = org.call("listMetadata", [{"type": "CustomObject"}, {"type": "Profile"}], float(VERSION))
    project = next(one for one in listed if one.fullName == "Project__c")
    same((project.type, project.fileName), ("CustomObject", "objects/Project__c.object"), "listMetadata")
    same([one for one in org.call("listMetadata", [{"type": "ApexClass"}], float(VERSION)) or []], [], "a type that has no components")

    name = f"Account.{MARK.replace('-', '_')}__c"
    field = made("CustomField", fullName=name, label="made", type="Text", length=40)
    created = org.call("createMetadata", [field])[0]
    same((created.success, created.fullName), (True, name), "createMetadata")
    twice = org.call("createMetadata", [field])[0]
    same((twice.success, twice.errors[0].statusCode), (False, "DUPLICATE_DEVELOPER_NAME"), "a component that is there")
    read = org.call("readMetadata", "CustomField", [name, "Account.Nothing__c"])
    records = getattr(read, "records", read)
    same((records[0].fullName, records[0].label, records[0].length, str(records[0].type)), (name, "made", 40, "Text"), "readMetadata")
    upserted = org.call("upsertMetadata", [made("CustomField", fullName=name, label="changed", type="Text", length=50)])[0]
    same((upserted.success, upserted.created), (True, False), "upsertMetadata")
    same(org.call("updateMetadata", [made("CustomField", fullName=name, label="again", type="Text", length=50)])[0].success, True, "updateMetadata")
    deleted = org.call("deleteMetadata", "CustomField", [name, "Account.Nothing__c"])
    same([one.success for one in deleted], [True, False], "deleteMetadata")
    value = org.call("describeValueType", f"{{{space}}}CustomField")
    holds(any(one.name == "label" for one in value.valueTypeFields), "describeValueType")

    request = {"apiVersion": float(VERSION), "singlePackage": True, "unpackaged": {"types": [{"members": ["Project__c"], "name": "CustomObject"}], "version": VERSION}}
    asked = org.call("retrieve", request)
    for _ in range(200):
        result = org.call("checkRetrieveStatus", asked.id, True)
        if result.done:
            break
        time.sleep(0.1)
    same((result.success, str(result.status)), (True, "Succeeded"), "retrieve")
    holds(any(one.fileName.endswith("objects/Project__c.object") for one in result.fileProperties), "fileProperties")
    options = {"allowMissingFiles": False, "autoUpdatePackage": False, "checkOnly": True, "ignoreWarnings": False, "performRetrieve": False, "purgeOnDelete": False, "rollbackOnError": True, "runTests": [], "singlePackage": True, "testLevel": "NoTestRun"}
    started = org.call("deploy", result.zipFile, options)
    for _ in range(200):
        deployed = org.call("checkDeployStatus", started.id, True)
        if deployed.done:
            break
        time.sleep(0.1)
    same((deployed.success, deployed.checkOnly, str(deployed.status), deployed.numberComponentErrors), (True, True, "Succeeded", 0), f"deploy: {deployed.details}")
    holds(any(one.fullName == "Project__c" and one.success for one in deployed.details.componentSuccesses), "componentSuccesses")
    org.headers = {"SessionHeader": org.client.get_element(f"{{{space}}}SessionHeader")(sessionId=session + "x")}
    try:
        org.call("describeMetadata", float(VERSION))
    except Fault as refused:
        same((refused.code, org.transport.answer.status_code), ("sf:INVALID_SESSION_ID", 500), "the metadata API without a session")
    else:
        raise AssertionError("describeMetadata without a session was answered")


def apex(session):
    org = Partner("apex.wsdl")
    org.service = org.client.create_service(org.binding, f"{EMULATOR['url']}/services/Soap/s/{VERSION}")
    space = "http://soap.sforce.com/2006/08/apex"
    headers = {"SessionHeader": org.client.get_element(f"{{{space}}}SessionHeader")(sessionId=session)}
    said = org.call("executeAnonymous", "System.debug(1);", headers=headers)
    same((said.compiled, said.success), (False, False), "executeAnonymous")
    holds("does not run Apex" in said.compileProblem, said.compileProblem)
    tests = {"allTests": True, "classes": [], "namespace": "", "packages": []}
    ran = org.call("runTests", tests, headers=headers)
    same((ran.numTestsRun, ran.numFailures), (0, 0), "runTests")
    compiled = org.call("compileClasses", ["public class A {}"], headers=headers)
    same((len(compiled), compiled[0].success), (1, False), "compileClasses")


def main():
    if not (WSDLS / "partner.wsdl").is_file():
        print(f"there is no partner.wsdl in {WSDLS}")
        sys.exit(77)
    started = time.monotonic()
    org, signed_in = log_in()
    for part in (rows, parents, queries, bin_and_changes, describes, refusals, conversions, searches):
        part(org)
    users(org, signed_in)
    metadata(signed_in.sessionId)
    apex(signed_in.sessionId)
    print(f"zeep: {calls_made} calls, {time.monotonic() - started:.1f} s")


main()
